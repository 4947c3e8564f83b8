#pragma once

#include "generators/ops/shear.h"

namespace halmix {

/// The affine warp (1, p0, 0, 0, 1, 0): rows stay rows, moved by p0 times their centre, so only x is interpolated.
inline OpOutput shear_x(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y"), byte("byte");
    Shear shear(in, in.width);

    // A row of bytes with fill on both sides, so that what lies outside comes out as fill by itself.
    Func fill(in.prefix + "fill"), bytes(in.prefix + "bytes"), out(in.prefix + "out");
    Expr row_bytes = in.width * in.channels;
    RDom inner(0, row_bytes, in.prefix + "inner");
    fill(byte) = in.fill(byte % in.channels);
    bytes(byte, y) = fill(byte);
    bytes(inner, y) = in.image(inner % in.channels, inner / in.channels, y);

    Expr from = x * in.channels + c + clamp(shear.whole(y), -in.width - 1, in.width) * in.channels;
    out(c, x, y) = Shear::level(bytes(from, y), bytes(from + in.channels, y), shear.multiplier(y));

    RDom end(0, Shear::border_ends, in.prefix + "end");
    Expr border = shear.border_pixel(end, y);
    end.where(border >= 0 && border < in.width);
    border = clamp(border, 0, in.width - 1);
    out(c, border, y) = select(shear.inside(border, y), in.image(c, shear.edge(end), y), in.fill(c));

    RDom again(0, in.width, in.prefix + "again");
    again.where(shear.risky(y));
    auto source = [&](const Expr& column) { return in.image(c, column, y); };
    out(c, again, y) = shear.exact_level(again, y, source, in.fill(c));

    std::vector<Support> support = shear.support();
    support.insert(support.end(), {{fill, Role::line}, {bytes, Role::row}});
    return {out, Role::rows, support};
}

}  // namespace halmix
