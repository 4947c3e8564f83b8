#pragma once

#include "generators/ops/blend.h"
#include "generators/stage.h"

namespace halmix {

/// Blends with the pixel's luminance.
inline OpOutput color(const OpInput& in) {
    Halide::Var c("c"), x("x"), y("y");
    Halide::Func out(in.prefix + "out");
    out(c, x, y) = blend(luminance(in, x, y), in.image(c, x, y), in.param(0));
    return {out, Role::pointwise};
}

}  // namespace halmix
