#include "cpu/simd_avx2.h"
#include "cpu/warp_lanes.h"

namespace halmix::warp {

void avx2(const Warp& warp) { pixels<Simd, 1>(warp); }
void avx2_rgb(const Warp& warp) { pixels<Simd, 3>(warp); }

}  // namespace halmix::warp
