#pragma once

#include "generators/ops/filled_row.h"
#include "generators/ops/shear.h"

namespace halmix {

/// The affine warp (1, 0, 0, p0, 1, 0): columns stay columns, moved by p0 times their centre, so only y is
/// interpolated.
///
/// A few columns side by side move by whole rows that differ little: their neighbours are selected from a few rows,
/// each read densely. Slopes for which that is not so have all their columns computed in double.
inline OpOutput shear_y(const OpInput& in) {
    using namespace Halide;
    const int group = in.schedule["shear_y_group"];                 // bytes that read the same few rows
    const int spread = in.schedule["shear_y_spread"];               // rows by which columns of a group may differ
    const int reach = (group - 1 + in.channels - 1) / in.channels;  // columns from the first of a group to its last
    Var c("c"), x("x"), y("y"), byte("byte"), i("i");
    Shear shear(in, in.height);
    if (in.portable) {
        PerImage out = in.func("out");
        auto source = [&](const Expr& row) { return in.image(c, x, row); };
        out(c, x, y) = shear.exact_level(y, x, source, in.fill(c));
        return {out, Role::shear_y};
    }
    Expr steep = abs(in.param(0)) * Expr(double(reach)) >= Expr(double(spread));

    // By bytes what the columns have; rows from the group's first.
    PerImage multiplier = in.func("byte_multiplier"), base = in.func("base"), rise = in.func("rise");
    auto whole = [&](const Expr& at) { return shear.whole(at / in.channels); };
    multiplier(byte) = shear.multiplier(byte / in.channels);
    base(i) = hide_bounds(min(whole(i * group), whole(i * group + group - 1)));
    rise(byte) = cast<uint8_t>(whole(byte) - base(byte / group));

    // Rows of bytes with rows of fill above and below, so that what lies outside comes out as fill by itself.
    PerImage bytes = in.func("bytes"), fill = fill_by_bytes(in), out = in.func("out");
    RDom inner(0, in.width * in.channels, in.prefix + "inner");
    Expr level = in.image(inner % in.channels, inner / in.channels, clamp(y, 0, in.height - 1));
    bytes(byte, y) = undef<uint8_t>();
    bytes(inner, y) = select(y >= 0 && y < in.height, level, fill(inner));

    PerImage moved = in.func("moved");
    Expr first = clamp(y + base(byte / group), -2 - spread, in.height);
    auto neighbour = [&](int further) {
        Expr level = bytes(byte, first + further);
        for (int row = 1; row <= spread; row++) {
            level = select(rise(byte) >= cast<uint8_t>(row), bytes(byte, first + further + row), level);
        }
        return level;
    };
    moved(byte, y) = Shear::level(neighbour(0), neighbour(1), multiplier(byte));
    Expr at = x * in.channels + c;
    out(c, x, y) = moved(at, y);

    RDom end(0, Shear::border_ends, in.prefix + "end");
    Expr border = shear.border_pixel(end, x);
    end.where(border >= 0 && border < in.height);
    border = clamp(border, 0, in.height - 1);
    out(c, x, border) = select(shear.inside(border, x), bytes(at, shear.edge(end)), in.fill(c));

    auto source = [&](const Expr& row) { return bytes(at, row); };
    update_in_groups(in.height, 1, in.schedule["shear_repair_group"], in.prefix + "again", [&](RDom repair) {
        repair.where(steep || shear.in_doubt(x));
        out(c, x, repair.x) = shear.exact_level(repair.x, x, source, in.fill(c));
    });

    std::vector<Support> support = shear.support();
    support.insert(support.end(), {{multiplier, Role::line},
                                   {base, Role::line},
                                   {rise, Role::line},
                                   {fill, Role::line},
                                   {bytes, Role::source, {{Update::body}}},
                                   {moved, Role::shear_y_row}});
    return {out, Role::shear_y, support, {{Update::border}, {Update::repair}, {Update::rest}}};
}

}  // namespace halmix
