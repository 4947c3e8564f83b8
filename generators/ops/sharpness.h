#pragma once

#include "generators/ops/blend.h"

namespace halmix {

/// Blends with Pillow's SMOOTH filter (1 1 1, 1 5 1, 1 1 1) / 13, whose float32 form equals (S + 6) / 13 in integers;
/// the outermost pixels are left as they are.
inline OpOutput sharpness(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y"), byte("byte");

    Blend blend(in);
    auto smooth = [](const Expr& sum) { return (sum + cast<uint16_t>(6)) / cast<uint16_t>(13); };
    Expr outermost = y == 0 || y == in.height - 1;
    if (in.portable()) {
        PerImage out = in.func("out");
        Expr sum = 4 * cast<uint16_t>(in.image(c, x, y));
        for (int dy = -1; dy <= 1; dy++) {
            for (int dx = -1; dx <= 1; dx++) {
                sum += cast<uint16_t>(in.image(c, clamp(x + dx, 0, in.width - 1), clamp(y + dy, 0, in.height - 1)));
            }
        }
        Expr at_side = x == 0 || x == in.width - 1;
        out(c, x, y) = select(outermost || at_side, in.image(c, x, y), blend(smooth(sum), in.image(c, x, y)));
        return {out, Role::stencil};
    }

    // By bytes, neighbours are `channels` apart. Those of a row that have them on both sides are computed in groups,
    // the last of which is moved inwards. Rows shorter than a group go byte by byte, so those of gray images have
    // smaller ones.
    PerImage column = in.func("column"), out = in.func("out");
    const int group = in.schedule["stencil_group"] / (in.channels == 1 ? 2 : 1);
    Expr inner = (in.width - 2) * in.channels, all = in.width * in.channels;
    auto level = [&](const Expr& at, const Expr& row) { return in.image(at % in.channels, at / in.channels, row); };
    auto level_in = [&](const Expr& row) { return cast<uint16_t>(level(byte, clamp(row, 0, in.height - 1))); };
    column(byte, y) = level_in(y - 1) + level_in(y) + level_in(y + 1);

    auto groups_of = [&](const std::string& name, const Expr& extent) {
        return RDom(0, group, 0, (extent + group - 1) / group, in.prefix + name);
    };
    auto in_group = [&](const RDom& r, const Expr& extent) {
        return unsafe_promise_clamped(min(r.y * group, max(extent - group, 0)) + r.x, 0, extent - 1);
    };
    out(c, x, y) = undef<uint8_t>();
    RDom body = groups_of("body", inner);
    body.where(!outermost);
    body.where(inner >= group || body.x < inner);
    Expr at = in_group(body, inner) + in.channels;
    Expr sum = column(at - in.channels, y) + column(at, y) + column(at + in.channels, y);
    sum += 4 * cast<uint16_t>(level(at, y));
    out(at % in.channels, at / in.channels, y) = blend(smooth(sum), level(at, y));

    RDom outer = groups_of("outer", all);
    outer.where(outermost);
    outer.where(all >= group || outer.x < all);
    Expr copied = in_group(outer, all);
    out(copied % in.channels, copied / in.channels, y) = level(copied, y);
    RDom side(0, 2, in.prefix + "side");
    Expr edge = side * (in.width - 1);
    out(c, edge, y) = in.image(c, edge, y);

    return {.image = out,
            .role = Role::stencil,
            .support = {{column, Role::partial, {}, all}},
            .updates = {{Update::body, inner >= group}, {Update::copy, all >= group}, {Update::border}},
            .fast_paths = blend.fast_paths()};
}

}  // namespace halmix
