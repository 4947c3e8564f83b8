#pragma once

#include "reference/image.h"
#include "reference/lut.h"

namespace halmix::reference {

/// Stretches the levels lo..hi to 0..255; hi may come out as 254, for the double arithmetic is Pillow's.
inline Table autocontrast_table(int lo, int hi) {
    if (hi <= lo) return identity_table();
    const double scale = 255.0 / (hi - lo);
    const double offset = -lo * scale;
    return tabulate([&](int i) { return static_cast<std::int64_t>(i * scale + offset); });
}

inline Image autocontrast(const Image& in) {
    return apply_tables(in, [](const Histogram& counts) {
        int lo = 0;
        while (counts[lo] == 0) ++lo;
        int hi = 255;
        while (counts[hi] == 0) --hi;
        return autocontrast_table(lo, hi);
    });
}

}  // namespace halmix::reference
