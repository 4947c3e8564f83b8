#pragma once

#include "generators/stage.h"

namespace halmix {

/// Pillow's Image.blend of two levels: in float32, product and sum rounded by themselves, truncated, clipped. Clipping
/// changes nothing for factors in 0..1, for which Pillow leaves it out; the difference of levels is exact in float.
inline Halide::Expr blend(const Halide::Expr& degenerate, const Halide::Expr& image, const Halide::Expr& factor) {
    using namespace Halide;
    Expr from = cast<float>(degenerate), to = cast<float>(image);
    return saturating_cast<uint8_t>(cast<int>(from + cast<float>(factor) * (to - from)));
}

/// Pillow's luminance of an RGB pixel, (19595 R + 38470 G + 7471 B + 2^15) / 2^16 in integers; a gray pixel is its own.
/// In float32, where every value on the way is a whole number below 2^24 and therefore exact, it costs less.
inline Halide::Expr luminance(const OpInput& in, const Halide::Expr& x, const Halide::Expr& y) {
    using namespace Halide;
    if (in.channels == 1) return in.image(0, x, y);
    auto level = [&](int c) { return cast<float>(in.image(c, x, y)); };
    Expr sum = level(0) * 19595.0f + level(1) * 38470.0f + level(2) * 7471.0f + 32768.0f;
    return cast<uint8_t>(sum * (1.0f / 65536.0f));
}

}  // namespace halmix
