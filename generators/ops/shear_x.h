#pragma once

#include "generators/ops/moved_rows.h"
#include "generators/ops/shear.h"

namespace halmix {

/// The affine warp (1, p0, 0, 0, 1, 0): rows stay rows, moved by p0 times their centre, so only x is interpolated.
inline OpOutput shear_x(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");
    Shear shear(in, in.width);
    MovedRows rows(in, y, shear.whole(y));

    Func out(in.prefix + "out");
    Expr byte = x * in.channels + c;
    Expr inside = byte >= shear.begin(y) * in.channels && byte < shear.end(y) * in.channels;
    Expr level = quick_level(rows.level(byte), rows.level(byte, 1), shear.fraction(y));
    out(c, x, y) = select(inside, level, rows.fill_level(byte));

    RDom again(0, in.width, in.prefix + "again");
    again.where(shear.risky(y));
    auto source = [&](const Expr& column) { return in.image(c, clamp(column, 0, in.width - 1), y); };
    out(c, again, y) = shear.exact_level(again, y, source, in.fill(c));

    std::vector<Support> support = shear.support();
    support.insert(support.end(), {{rows.bytes, Role::source}, {rows.fill, Role::line}});
    return {out, Role::rows, support, MovedRows::window};
}

}  // namespace halmix
