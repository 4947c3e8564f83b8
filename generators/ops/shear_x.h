#pragma once

#include "generators/ops/warp.h"

namespace halmix {

/// The affine warp (1, p0, 0, 0, 1, 0): rows stay rows, moved by p0 times their centre, so only x is interpolated.
///
/// All pixels of a row take neighbours the same number of pixels away. Where rounding makes Pillow take the next pair,
/// its fraction is 0 and this one's is 1, which gives the same level.
inline OpOutput shear_x(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");

    Func offset(in.prefix + "offset"), whole_offset(in.prefix + "whole_offset");
    offset(y) = in.param(0) * centre(y);
    // Beyond the image on either side it does not matter how far.
    Expr size = cast<double>(in.width + 1);
    whole_offset(y) = cast<int>(floor(clamp(offset(y), -size, size)));

    Expr from = centre(x) + offset(y);
    Expr inside = from >= Expr(0.0) && from < cast<double>(in.width);
    Expr near = x + whole_offset(y);
    Expr fraction = (from - Expr(0.5)) - cast<double>(near);
    auto at = [&](const Expr& column) {
        return cast<double>(in.image(c, clamp(likely(column), 0, in.width - 1), y));
    };
    Expr inner = at(near) + (at(near + 1) - at(near)) * fraction;

    Func out(in.prefix + "out");
    // Outside, where the result is not used, the level may be anything.
    Expr level = clamp(inner, Expr(0.0), Expr(255.0));
    out(c, x, y) = select(inside, cast<uint8_t>(level), in.fill(c));
    return {out, Role::moved, {{offset, Role::table}, {whole_offset, Role::table}}};
}

}  // namespace halmix
