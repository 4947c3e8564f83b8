#pragma once

#include "generators/ops/warp.h"

namespace halmix {

/// The affine warp (1, 0, 0, p0, 1, 0): columns stay columns, so only y is interpolated.
inline OpOutput shear_y(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");
    Func source = bordered(in), inside(in.prefix + "inside"), out(in.prefix + "out");
    Tap down(in.prefix + "down", in.param(0) * centre(x) + centre(y), in.height, x, y);
    inside(x, y) = down.inside;

    Expr row = unsafe_promise_clamped(down.near(x, y), -1, in.height - 1);
    Expr level = interpolate(source(c, x, row), source(c, x, row + 1), down.fraction(x, y));
    out(c, x, y) = select(inside(x, y), cast<uint8_t>(level), in.fill(c));
    return {out,
            Role::warp,
            {{source, Role::source},
             {down.near, Role::coordinate},
             {down.fraction, Role::coordinate},
             {inside, Role::coordinate}}};
}

}  // namespace halmix
