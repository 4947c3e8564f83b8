#pragma once

#include "generators/ops/filled_row.h"

namespace halmix {

/// Translation by whole pixels: out(x, y) = in(x + p0, y + p1). The parameters are at most the image's size.
inline OpOutput shift(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");
    PerImage out = in.func("out");
    Expr from = x + clamp(cast<int>(in.param(0)), -in.width, in.width), from_row = y + cast<int>(in.param(1));
    if (in.plain) {
        Expr inside = from >= 0 && from < in.width && from_row >= 0 && from_row < in.height;
        Expr level = in.image(c, clamp(from, 0, in.width - 1), clamp(from_row, 0, in.height - 1));
        out(c, x, y) = select(inside, level, in.fill(c));
        return {out, Role::rows};
    }
    FilledRow row(in, from_row);
    out(c, x, y) = row.bytes(from * in.channels + c, y);
    return {out, Role::rows, row.support()};
}

}  // namespace halmix
