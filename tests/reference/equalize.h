#pragma once

#include "reference/image.h"
#include "reference/lut.h"

namespace halmix::reference {

/// From the exclusive cumulative sum of the histogram; entries beyond 255 are clipped.
inline Table equalize_table(const Histogram& counts) {
    std::int64_t sum = 0;
    std::int64_t last = 0;  // count of the highest level there is
    for (std::int64_t count : counts) {
        sum += count;
        if (count > 0) last = count;
    }
    const std::int64_t step = (sum - last) / 255;  // 0 also if there is only one level
    if (step == 0) return identity_table();
    std::int64_t n = step / 2;
    return tabulate([&](int i) {
        const std::int64_t entry = n / step;
        n += counts[i];
        return entry;
    });
}

inline Image equalize(const Image& in) { return apply_tables(in, equalize_table); }

}  // namespace halmix::reference
