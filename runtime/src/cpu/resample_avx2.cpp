#include "cpu/resample_pairs.h"
#include "cpu/simd_avx2.h"

namespace halmix::resample {

void avx2(const Rows& rows) { all_rows<Simd>(rows); }

}  // namespace halmix::resample
