#pragma once

#include "generators/stage.h"

namespace halmix {

/// Translation by whole pixels: out(x, y) = in(x + p0, y + p1). The parameters are at most the image's size.
inline OpOutput shift(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");
    Expr from_x = x + cast<int>(in.param(0)), from_y = y + cast<int>(in.param(1));
    Expr inside = from_x >= 0 && from_x < in.width && from_y >= 0 && from_y < in.height;

    Func out(in.prefix + "out");
    Expr moved = in.image(c, clamp(likely(from_x), 0, in.width - 1), clamp(from_y, 0, in.height - 1));
    out(c, x, y) = select(inside, moved, in.fill(c));
    return {out, Role::moved};
}

}  // namespace halmix
