#pragma once

#include <string>
#include <vector>

#include "generators/ops/fill.h"
#include "generators/ops/shear.h"

namespace halmix {

/// The affine warp (1, p0, 0, 0, 1, 0): rows stay rows, moved by p0 times their centre, so only x is interpolated.
///
/// A row is fill outside of the pixels that have both neighbours in the image. These are by groups of bytes, the last
/// of them moved inwards, straight from the image; one by one in rows that have too few of them.
inline OpOutput shear_x(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y"), i("i"), g("g");
    Shear shear(in, in.width);
    auto source = [&](const Expr& column) { return in.image(c, column, y); };
    PerImage out = in.func("out");
    if (in.portable()) {
        out(c, x, y) = shear.exact_level(x, y, source, in.fill(c));
        return {out, Role::shear_x};
    }

    const int group = in.schedule["shear_x_group"] / (in.channels == 1 ? 2 : 1);
    const Expr all = in.width * in.channels, most = (all + group - 1) / group;
    PerImage fill = fill_by_bytes(in);
    std::vector<Support> support = shear.support();
    support.push_back({fill, Role::line});
    PerImage column = in.func("column");
    column(i) = hide_bounds(i / in.channels);
    support.push_back({column, Role::line});
    auto of_rows = [&](const std::string& name, const Expr& value) {
        return end_of_loops(in, name, y, value, support);
    };
    const Expr whole = shear.whole(y), moved = whole * in.channels;
    const PerImage begin = of_rows("begin", clamp(-whole, 0, in.width) * in.channels);
    const PerImage end = of_rows("end", clamp(in.width - 1 - whole, 0, in.width) * in.channels);
    const Expr inside = end(y) - begin(y);
    auto groups_of = [&](const Expr& bytes) { return (bytes + group - 1) / group; };
    const PerImage filled = of_rows("filled", groups_of(all - inside));
    const PerImage groups = of_rows("groups", select(inside >= group, groups_of(inside), 0));
    const PerImage doubtful_groups = of_rows("doubtful_groups", select(shear.in_doubt(y), groups(y), 0));
    auto result = [&](const Expr& byte) { return out(byte % in.channels, byte / in.channels, y); };

    out(c, x, y) = undef<uint8_t>();
    RDom outside(0, group, 0, most, in.prefix + "outside");
    outside.where(outside.y < filled(y));
    outside.where(all >= group || outside.x < all);
    Expr from = select(begin(y) > 0, 0, end(y)) + outside.y * group;
    Expr at = unsafe_promise_clamped(min(from, max(all - group, 0)) + outside.x, 0, all - 1);
    result(at) = fill(at);

    // Byte i of group g.
    auto byte = [&](const Expr& i, const Expr& g) {
        return unsafe_promise_clamped(min(begin(y) + g * group, end(y) - group) + i, 0, all - 1);
    };
    auto read = [&](const Expr& byte) {
        Expr at = unsafe_promise_clamped(byte, 0, all - 1);
        return in.image(at % in.channels, at / in.channels, y);
    };
    // Levels by where their first neighbour is.
    auto level = [&](const Expr& first) {
        Expr multiplier = shear.multiplier(y);
        Expr nearest = first + select(Shear::begins_at_far(multiplier), in.channels, 0);
        return Shear::level(read(nearest), read(first), read(first + in.channels), Shear::factor(multiplier));
    };
    auto exact_level = [&](const Expr& byte, const Expr& first) {
        return Shear::exact_between(column(byte), whole, shear.offset(y), read(first), read(first + in.channels));
    };
    RDom body(0, group, 0, most, in.prefix + "body");
    body.where(body.y < groups(y));
    result(byte(body.x, body.y)) = level(byte(body.x, body.y) + moved);

    PerImage doubtful = in.func("doubtful");
    doubtful(i, g, y) = undef<uint8_t>();
    RDom test(0, group, 0, most, in.prefix + "test");
    test.where(test.y < doubtful_groups(y));
    Expr tested = byte(test.x, test.y) + moved;
    doubtful(test.x, test.y, y) = Shear::doubtful(read(tested), read(tested + in.channels), shear.inverse(y));
    support.push_back({doubtful, Role::shear_x_doubtful, {}, group});

    // Words with doubtful bytes.
    RDom again(0, Shear::word, 0, group / Shear::word, 0, most, in.prefix + "again");
    again.where(again.z < doubtful_groups(y));
    Shear::where_not_zero(again, group, [&](const Expr& i) { return doubtful(i, again.z, y); });
    Expr repaired = byte(again.y * Shear::word + again.x, again.z);
    result(repaired) = exact_level(repaired, repaired + moved);

    // Rows without groups.
    for (const bool doubted : {false, true}) {
        const std::string name = doubted ? "few_doubtful" : "few";
        PerImage few = of_rows(name, select(inside < group && shear.in_doubt(y) == doubted, inside, 0));
        RDom rest(0, all, in.prefix + name);
        rest.where(rest < few(y));
        Expr at = unsafe_promise_clamped(begin(y) + rest, 0, all - 1);
        result(at) = doubted ? exact_level(at, at + moved) : level(at + moved);
    }

    RDom border_end(0, Shear::border_ends, in.prefix + "end");
    Expr border = shear.border_pixel(border_end, y);
    border_end.where(border >= 0 && border < in.width);
    border = clamp(border, 0, in.width - 1);
    out(c, border, y) = select(shear.inside(border, y), in.image(c, shear.edge(border_end), y), in.fill(c));

    return {out,
            Role::shear_x,
            support,
            {{Update::fill, all >= group},
             {Update::body},
             {Update::repair},
             {Update::rest},
             {Update::rest},
             {Update::border}}};
}

}  // namespace halmix
