#include "cpu/resample_pairs.h"
#include "cpu/simd_sse41.h"

namespace halmix::resample {

void sse41(const Rows& rows) { all_rows<Simd>(rows); }

}  // namespace halmix::resample
