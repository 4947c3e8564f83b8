#pragma once

#include "generators/stage.h"

namespace halmix {

/// Pillow's Image.blend of two levels: in float32, product and sum rounded by themselves, clipped, truncated. Clipping
/// changes nothing for factors in 0..1, for which Pillow leaves it out.
inline Halide::Expr blend(const Halide::Expr& degenerate, const Halide::Expr& image, const Halide::Expr& factor) {
    using namespace Halide;
    Expr from = cast<int>(degenerate), to = cast<int>(image);
    Expr mixed = cast<float>(from) + cast<float>(factor) * cast<float>(to - from);
    return cast<uint8_t>(clamp(mixed, 0.0f, 255.0f));
}

/// Pillow's luminance of an RGB pixel; a gray pixel is its own.
inline Halide::Expr luminance(const OpInput& in, const Halide::Expr& x, const Halide::Expr& y) {
    using namespace Halide;
    if (in.channels == 1) return in.image(0, x, y);
    Expr red = cast<uint32_t>(in.image(0, x, y));
    Expr green = cast<uint32_t>(in.image(1, x, y));
    Expr blue = cast<uint32_t>(in.image(2, x, y));
    return cast<uint8_t>((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16);
}

}  // namespace halmix
