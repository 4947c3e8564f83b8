#include "cpu/simd_sse41.h"
#include "cpu/warp_lanes.h"

namespace halmix::warp {

void sse41(const Warp& warp) { pixels<Simd, 1>(warp); }
void sse41_rgb(const Warp& warp) { pixels<Simd, 3>(warp); }

}  // namespace halmix::warp
