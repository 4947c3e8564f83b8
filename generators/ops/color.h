#pragma once

#include "generators/ops/blend.h"

namespace halmix {

/// Blends with the pixel's luminance.
inline OpOutput color(const OpInput& in) {
    Halide::Var c("c"), x("x"), y("y");
    PerImage out = in.func("out");
    Blend blend(in);
    out(c, x, y) = blend(luminance(in, x, y), in.image(c, x, y));
    return {.image = out, .role = Role::pixels, .fast_path = blend.in_integers()};
}

}  // namespace halmix
