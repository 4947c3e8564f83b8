#pragma once

#include "reference/image.h"

namespace halmix::reference {

/// ITU-R 601 luma in 16-bit fixed point; a gray pixel is its own.
inline int luminance(const Image& in, int x, int y) {
    if (in.channels == 1) return in.at(x, y, 0);
    return (19595 * in.at(x, y, 0) + 38470 * in.at(x, y, 1) + 7471 * in.at(x, y, 2) + 0x8000) >> 16;
}

}  // namespace halmix::reference
