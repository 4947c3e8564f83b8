#pragma once

#include "reference/image.h"
#include "reference/lut.h"

namespace halmix::reference {

/// Keeps the `bits` highest bits; 0 bits give black.
inline Image posterize(const Image& in, int bits) {
    const int mask = ~((1 << (8 - bits)) - 1);
    return apply_table(in, tabulate([&](int i) { return i & mask; }));
}

}  // namespace halmix::reference
