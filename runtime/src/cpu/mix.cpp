#include "cpu/mix.h"

#include <algorithm>
#include <cmath>

namespace halmix::mix {

Shares shares(const Rows& rows, int unit) {
    Shares found{};
    double above = 0, below = 0;
    for (int t = 0; t <= rows.chain_count; t++) {
        // The product of two float32 is exact in double.
        const double share = t == 0 ? double{1.0F - rows.mix} : double{rows.mix} * double{rows.weights[t - 1]};
        const double units = share * unit;
        found.values[t] = static_cast<std::int32_t>(std::lround(units));
        (units < found.values[t] ? above : below) += std::abs(units - found.values[t]);
    }
    found.error = std::max(above, below);
    return found;
}

}  // namespace halmix::mix
