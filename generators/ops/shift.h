#pragma once

#include "generators/ops/filled_row.h"

namespace halmix {

/// Translation by whole pixels: out(x, y) = in(x + p0, y + p1). The parameters are at most the image's size.
inline OpOutput shift(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");
    FilledRow row(in, y + cast<int>(in.param(1)));
    Func out(in.prefix + "out");
    Expr from = x + clamp(cast<int>(in.param(0)), -in.width, in.width);
    out(c, x, y) = row.bytes(from * in.channels + c, y);
    return {out, Role::rows, row.support()};
}

}  // namespace halmix
