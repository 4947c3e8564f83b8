#pragma once

#include "reference/image.h"
#include "reference/lut.h"

namespace halmix::reference {

/// Inverts the levels from `threshold` on.
inline Image solarize(const Image& in, int threshold) {
    return apply_table(in, tabulate([&](int i) { return i < threshold ? i : 255 - i; }));
}

}  // namespace halmix::reference
