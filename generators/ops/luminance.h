#pragma once

#include "schedules/stage.h"

namespace halmix {

/// Pillow's luminance of an RGB pixel, (19595 R + 38470 G + 7471 B + 2^15) / 2^16; a gray pixel is its own. By high and
/// low bytes of the weights it fits 16 bits.
inline Halide::Expr luminance(const OpInput& in, const Halide::Expr& x, const Halide::Expr& y) {
    using namespace Halide;
    if (in.channels == 1) return in.image(0, x, y);
    auto weighted = [&](int red, int green, int blue) {
        auto term = [&](int c, int weight) { return cast<uint16_t>(in.image(c, x, y)) * cast<uint16_t>(weight); };
        return term(0, red) + term(1, green) + term(2, blue);
    };
    Expr high = weighted(19595 >> 8, 38470 >> 8, 7471 >> 8), low = weighted(19595 & 255, 38470 & 255, 7471 & 255);
    return cast<uint8_t>((high + (low >> 8) + cast<uint16_t>(128)) >> 8);
}

}  // namespace halmix
