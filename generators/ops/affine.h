#pragma once

#include "generators/ops/warp.h"

namespace halmix {

/// Pillow's AFFINE + BILINEAR with the matrix (p0 p1 p2, p3 p4 p5), which takes an output pixel's centre to the source.
inline OpOutput affine(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");
    Func source = bordered(in), inside(in.prefix + "inside"), out(in.prefix + "out");
    Expr cx = centre(x), cy = centre(y);
    Tap across(in.prefix + "across", (in.param(0) * cx + in.param(1) * cy) + in.param(2), in.width, x, y);
    Tap down(in.prefix + "down", (in.param(3) * cx + in.param(4) * cy) + in.param(5), in.height, x, y);
    inside(x, y) = across.inside && down.inside;

    Expr column = unsafe_promise_clamped(across.near(x, y), -1, in.width - 1);
    Expr row = unsafe_promise_clamped(down.near(x, y), -1, in.height - 1);
    auto between = [&](const Expr& at) {
        return interpolate(source(c, column, at), source(c, column + 1, at), across.fraction(x, y));
    };
    // Below the last row Pillow repeats the first of the two, which the border equals.
    Expr first = between(row), second = between(row + 1);
    Expr level = first + (second - first) * down.fraction(x, y);
    out(c, x, y) = select(inside(x, y), cast<uint8_t>(level), in.fill(c));
    return {out,
            Role::warp,
            {{source, Role::source},
             {across.near, Role::coordinate},
             {across.fraction, Role::coordinate},
             {down.near, Role::coordinate},
             {down.fraction, Role::coordinate},
             {inside, Role::coordinate}}};
}

}  // namespace halmix
