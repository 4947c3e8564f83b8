#pragma once

#include "generators/ops/fill.h"

namespace halmix {

/// Translation by whole pixels: out(x, y) = in(x + p0, y + p1). The parameters are at most the image's size.
///
/// A row is fill outside of what is copied, and a copy. Both are by groups of bytes, the last of them moved inwards:
/// fill may reach into what is then copied.
inline OpOutput shift(const OpInput& in) {
    using namespace Halide;
    const int group = in.schedule["shift_group"];
    Var c("c"), x("x"), y("y");
    PerImage out = in.func("out");
    Expr right = clamp(cast<int>(in.param(0)), -in.width, in.width), row = y + cast<int>(in.param(1));
    Expr has_source = row >= 0 && row < in.height;
    if (in.portable()) {
        Expr inside = x + right >= 0 && x + right < in.width && has_source;
        Expr level = in.image(c, clamp(x + right, 0, in.width - 1), clamp(row, 0, in.height - 1));
        out(c, x, y) = select(inside, level, in.fill(c));
        return {out, Role::shift};
    }

    PerImage fill = fill_by_bytes(in);
    out(c, x, y) = undef<uint8_t>();
    Expr all = in.width * in.channels, copied = all - abs(right) * in.channels, groups = (all + group - 1) / group;
    auto byte = [&](const RDom& r, const Expr& begin, const Expr& end) {
        return unsafe_promise_clamped(min(begin + r.y * group, max(end - group, 0)) + r.x, 0, end - 1);
    };

    RDom outside(0, group, 0, groups, in.prefix + "outside");
    outside.where(outside.y * group < select(has_source, all - copied, all));
    outside.where(all >= group || outside.x < all);
    Expr at = byte(outside, select(has_source && right > 0, copied, 0), all);
    out(at % in.channels, at / in.channels, y) = fill(at);

    RDom inside(0, group, 0, groups, in.prefix + "inside");
    inside.where(has_source && inside.y * group < copied);
    inside.where(copied >= group || inside.x < copied);
    Expr from = byte(inside, 0, copied) + max(right, 0) * in.channels;
    Expr to = byte(inside, 0, copied) + select(right < 0, -right, 0) * in.channels;
    out(to % in.channels, to / in.channels, y) =
        in.image(from % in.channels, from / in.channels, clamp(row, 0, in.height - 1));
    return {out, Role::shift, {{fill, Role::line}}, {{Update::fill, all >= group}, {Update::copy, copied >= group}}};
}

}  // namespace halmix
