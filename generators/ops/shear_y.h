#pragma once

#include "generators/ops/padded_bytes.h"
#include "generators/ops/shear.h"

namespace halmix {

/// The affine warp (1, 0, 0, p0, 1, 0): columns stay columns, moved by p0 times their centre, so only y is
/// interpolated.
///
/// A few columns side by side move by whole rows that differ little: their neighbours are selected from a few rows,
/// each read densely. Slopes for which that is not so have all their columns computed in double.
inline OpOutput shear_y(const OpInput& in) {
    using namespace Halide;
    constexpr int group = 16;                              // bytes, the part of a row that reads the same few rows
    constexpr int spread = 2;                              // rows by which columns of a group may differ
    const int pixels = 1 + (group - 1) / in.channels + 1;  // that a group may touch
    Var c("c"), x("x"), y("y"), byte("byte"), i("i");
    Shear shear(in, in.height);
    Expr steep = abs(in.param(0)) * Expr(double(pixels)) >= Expr(double(spread));

    // By bytes what the columns have.
    Func whole(in.prefix + "byte_whole"), begin(in.prefix + "byte_begin"), end(in.prefix + "byte_end"),
        fraction(in.prefix + "byte_fraction"), base(in.prefix + "base"), fill(in.prefix + "byte_fill");
    Expr column = byte / in.channels;
    whole(byte) = unbounded(shear.whole(column));
    begin(byte) = unbounded(shear.begin(column));
    end(byte) = unbounded(shear.end(column));
    fraction(byte) = shear.fraction(column);
    fill(byte) = in.fill(byte % in.channels);
    base(i) = unbounded(min(whole(i * group), whole(i * group + group - 1)));

    Func bytes = padded_bytes(in), out(in.prefix + "out");
    Expr at = x * in.channels + c;
    Expr first = clamp(y + base(at / group), -1 - spread, in.height - 1);
    auto neighbour = [&](int further) {
        Expr level = bytes(at, first + further);
        for (int row = 1; row <= spread; row++) {
            level = select(whole(at) - base(at / group) >= row, bytes(at, first + further + row), level);
        }
        return level;
    };
    Expr inside = y >= begin(at) && y < end(at);
    out(c, x, y) = select(inside, quick_level(neighbour(0), neighbour(1), fraction(at)), fill(at));

    RDom again(0, in.width, in.prefix + "again");
    again.where(steep || shear.risky(again));
    auto source = [&](const Expr& row) { return in.image(c, again, clamp(row, 0, in.height - 1)); };
    out(c, again, y) = shear.exact_level(y, again, source, in.fill(c));

    std::vector<Support> support = shear.support();
    support.insert(support.end(), {{whole, Role::line},
                                   {begin, Role::line},
                                   {end, Role::line},
                                   {fraction, Role::line},
                                   {fill, Role::line},
                                   {base, Role::line},
                                   {bytes, Role::source}});
    return {out, Role::columns, support, group};
}

}  // namespace halmix
