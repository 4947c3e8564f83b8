#pragma once

#include <string>
#include <vector>

#include "generators/ops/fill.h"
#include "generators/ops/shear.h"

namespace halmix {

/// A row cut into strips of bytes, the last of them moved inwards, and what the columns of each have in common.
///
/// Columns side by side move by whole rows that differ little, so that the neighbours of a strip's bytes are selected
/// from a few rows, each read densely.
struct Strips {
    static constexpr int together = 8;  ///< rows of a strip that share what they read

    int group;                 ///< bytes of a strip
    std::vector<int> spreads;  ///< by how many rows the columns of a strip may differ: there is code for each
    Halide::Expr row_bytes, count;
    Halide::Expr none;  ///< whether the slope is too steep for strips, or a row too short
    PerImage base;      ///< i32 (strip): the whole rows that its first column moves by, or its last, whichever is less
    PerImage spread;    ///< i32 (strip): of `spreads`, the one that is enough
    PerImage begin, end;     ///< i32 (strip): rows whose neighbours all lie in the image, too few of them not counted
    PerImage in_doubt;       ///< u8 (strip): whether one of its columns is
    PerImage rise;           ///< u8 (byte, strip): whole rows from `base`
    PerImage offset;         ///< f64 (byte, strip): what its column has
    PerImage factor;         ///< i16 (byte, strip): see Shear
    PerImage begins_at_far;  ///< u8 (byte, strip): likewise
    PerImage inverse;        ///< u16 (byte, strip): likewise

    Strips(const OpInput& in, const Shear& shear)
        : group(in.schedule["shear_y_group"]),
          spreads({1}),
          row_bytes(in.width * in.channels),
          count((row_bytes + group - 1) / group),
          base(in.func("base")),
          spread(in.func("spread")),
          begin(in.func("begin")),
          end(in.func("end")),
          in_doubt(in.func("strip_in_doubt")),
          rise(in.func("rise")),
          offset(in.func("byte_offset")),
          factor(in.func("factor")),
          begins_at_far(in.func("begins_at_far")),
          inverse(in.func("byte_inverse")) {
        using namespace Halide;
        Var s("s"), i("i");
        const int most = in.schedule["shear_y_spread"];
        if (most > 1) spreads.push_back(most);
        const int reach = (group - 1 + in.channels - 1) / in.channels;  // columns from the first of a strip to its last
        none = abs(in.param(0)) * Expr(double(reach)) >= Expr(double(most)) || row_bytes < group;
        auto column = [&](const Expr& i) { return clamp(byte(i, s) / in.channels, 0, in.width - 1); };
        Expr first = shear.whole(column(0)), last = shear.whole(column(group - 1));
        base(s) = hide_bounds(min(first, last));
        spread(s) = hide_bounds(select(max(first, last) - base(s) <= 1, 1, most));
        begin(s) = hide_bounds(clamp(-base(s), 0, in.height));
        Expr after = clamp(in.height - 1 - spread(s) - base(s), 0, in.height);
        end(s) = hide_bounds(select(after - begin(s) < together, begin(s), after));
        RDom all(0, reach + 1, in.prefix + "columns");
        in_doubt(s) = cast<uint8_t>(0);
        in_doubt(s) =
            in_doubt(s) | cast<uint8_t>(shear.in_doubt(clamp(byte(0, s) / in.channels + all, 0, in.width - 1)));

        rise(i, s) = cast<uint8_t>(shear.whole(column(i)) - base(s));
        offset(i, s) = shear.offset(column(i));
        factor(i, s) = Shear::factor(shear.multiplier(column(i)));
        begins_at_far(i, s) = cast<uint8_t>(Shear::begins_at_far(shear.multiplier(column(i))));
        inverse(i, s) = shear.inverse(column(i));
    }

    [[nodiscard]] Halide::Expr byte(const Halide::Expr& i, const Halide::Expr& strip) const {
        using namespace Halide;
        return unsafe_promise_clamped(min(strip * group, row_bytes - group) + i, 0, row_bytes - 1);
    }

    [[nodiscard]] std::vector<Support> support() const {
        std::vector<Support> all;
        for (const PerImage& f : {base, spread, begin, end}) all.push_back({f, Role::line});
        all.push_back({in_doubt, Role::shear_y_doubt});
        for (const PerImage& f : {rise, offset, factor, begins_at_far, inverse})
            all.push_back({f, Role::shear_y_strip});
        return all;
    }
};

/// The affine warp (1, 0, 0, p0, 1, 0): columns stay columns, moved by p0 times their centre, so only y is
/// interpolated. By strips; all in double where there are none.
inline OpOutput shear_y(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y"), i("i"), s("s");
    Shear shear(in, in.height);
    PerImage out = in.func("out");
    auto source = [&](const Expr& row) { return in.image(c, x, row); };
    if (in.portable()) {
        out(c, x, y) = shear.exact_level(y, x, source, in.fill(c));
        return {out, Role::shear_y};
    }

    Strips strips(in, shear);
    PerImage fill = fill_by_bytes(in);
    std::vector<Support> support = shear.support();
    for (const Support& of_strips : strips.support()) support.push_back(of_strips);
    support.push_back({fill, Role::line});
    std::vector<Update> updates;
    out(c, x, y) = undef<uint8_t>();

    auto of_strips = [&](const std::string& name, const Expr& value) {
        return end_of_loops(in, name, s, value, support);
    };
    auto result = [&](const Expr& i, const Expr& row, const Expr& s) {
        Expr byte = strips.byte(i, s);
        return out(byte % in.channels, byte / in.channels, row);
    };
    // Rows of the strips whose columns differ by so many rows: those that have all neighbours in the image, some
    // together, or the others, of which what lies outside is fill. Then those of strips in doubt once more.
    auto define = [&](int spread, bool inside) {
        const std::string name = std::to_string(spread) + (inside ? "_inside" : "_outside");
        const int together = inside ? Strips::together : 1;
        const Expr most = (in.height + together - 1) / together;
        Expr complete = strips.end(s) - strips.begin(s);
        PerImage rows = of_strips("rows" + name, select(!strips.none && strips.spread(s) == spread,
                                                        inside ? complete : in.height - complete, 0));
        PerImage doubtful_rows = of_strips("doubtful_rows" + name, select(strips.in_doubt(s) != 0, rows(s), 0));
        // Row k from the n-th on.
        auto row = [&](const Expr& n, const Expr& k, const Expr& s) {
            Expr begin = strips.begin(s), first = inside ? begin + n : select(n < begin, n, n - begin + strips.end(s));
            return unsafe_promise_clamped(first + k, 0, in.height - 1);
        };
        // Of those that are computed together.
        auto first_of = [&](const Expr& group, const Expr& s) {
            return inside ? min(group * together, strips.end(s) - strips.begin(s) - together) : group;
        };
        auto read = [&](const Expr& i, const Expr& row, const Expr& s) {
            Expr byte = strips.byte(i, s);
            auto level = [&](const Expr& row) -> Expr { return in.image(byte % in.channels, byte / in.channels, row); };
            if (inside) return level(unsafe_promise_clamped(row, 0, in.height - 1));
            return select(row >= 0 && row < in.height, level(clamp(row, 0, in.height - 1)), fill(byte));
        };
        auto neighbour = [&](const Expr& i, const Expr& row, const Expr& s) {
            Expr level = read(i, row + strips.base(s), s);
            for (int k = 1; k <= spread; k++) {
                level = select(strips.rise(i, s) >= cast<uint8_t>(k), read(i, row + strips.base(s) + k, s), level);
            }
            return level;
        };

        RDom all(0, strips.group, 0, together, 0, most, 0, strips.count, in.prefix + "strips" + name);
        all.where(all.z * together < rows(all[3]));
        Expr at = row(first_of(all.z, all[3]), all.y, all[3]), near = neighbour(all.x, at, all[3]),
             far = neighbour(all.x, at + 1, all[3]);
        result(all.x, at, all[3]) = Shear::level(select(strips.begins_at_far(all.x, all[3]) != 0, far, near), near, far,
                                                 strips.factor(all.x, all[3]));
        updates.push_back({Update::body});

        PerImage doubtful = in.func("doubtful" + name);
        doubtful(i, y, s) = undef<uint8_t>();
        RDom test(0, strips.group, 0, together, 0, most, in.prefix + "test" + name);
        test.where(test.z * together < doubtful_rows(s));
        Expr tested = row(first_of(test.z, s), test.y, s);
        doubtful(test.x, tested, s) =
            Shear::doubtful(neighbour(test.x, tested, s), neighbour(test.x, tested + 1, s), strips.inverse(test.x, s));
        support.push_back({doubtful, Role::shear_y_doubtful});

        RDom again(0, Shear::word, 0, strips.group / Shear::word, 0, in.height, 0, strips.count,
                   in.prefix + "again" + name);
        again.where(again.z < doubtful_rows(again[3]));
        Expr strip = again[3], byte = again.y * Shear::word + again.x, repaired = row(again.z, 0, strip);
        Shear::where_not_zero(again, strips.group, [&](const Expr& i) { return doubtful(i, repaired, strip); });
        result(byte, repaired, strip) = Shear::exact_between(
            repaired, strips.base(strip) + cast<int>(strips.rise(byte, strip)), strips.offset(byte, strip),
            neighbour(byte, repaired, strip), neighbour(byte, repaired + 1, strip));
        updates.push_back({Update::repair});
    };
    for (const bool inside : {true, false}) {
        for (const int spread : strips.spreads) define(spread, inside);
    }

    RDom border_end(0, Shear::border_ends, in.prefix + "end");
    Expr border = shear.border_pixel(border_end, x);
    border_end.where(border >= 0 && border < in.height);
    border = clamp(border, 0, in.height - 1);
    out(c, x, border) = select(shear.inside(border, x), in.image(c, x, shear.edge(border_end)), in.fill(c));
    updates.push_back({Update::border});

    update_in_groups(in.height, 1, in.schedule["shear_repair_group"], in.prefix + "exact", [&](RDom exact) {
        exact.where(strips.none);
        out(c, x, exact.x) = shear.exact_level(exact.x, x, source, in.fill(c));
        updates.push_back({Update::rest});
    });
    return {out, Role::shear_y, support, updates};
}

}  // namespace halmix
