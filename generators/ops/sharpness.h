#pragma once

#include "generators/ops/blend.h"
#include "generators/stage.h"

namespace halmix {

/// Blends with Pillow's SMOOTH filter (1 1 1, 1 5 1, 1 1 1) / 13, whose float32 form equals (2 S + 13) / 26 in
/// integers; the outermost pixels are left as they are.
///
/// Rows are taken as bytes: a pixel's neighbours are `channels` bytes away.
inline OpOutput sharpness(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y"), byte("byte");
    Func bordered(in.prefix + "bordered"), column(in.prefix + "column"), out(in.prefix + "out");
    Expr last = in.width * in.channels - 1;
    Expr inner = clamp(likely(byte), 0, last);
    bordered(byte, y) = in.image(inner % in.channels, inner / in.channels, clamp(y, 0, in.height - 1));

    auto level = [&](const Expr& at, const Expr& row) { return cast<uint16_t>(bordered(at, row)); };
    column(byte, y) = level(byte, y - 1) + level(byte, y) + level(byte, y + 1);

    Expr at = x * in.channels + c;
    Expr sum = column(at - in.channels, y) + column(at, y) + column(at + in.channels, y) + 4 * level(at, y);
    Expr smooth = (2 * sum + cast<uint16_t>(13)) / cast<uint16_t>(26);
    Expr edge = at < in.channels || at > last - in.channels || y == 0 || y == in.height - 1;
    out(c, x, y) = select(edge, bordered(at, y), blend(smooth, bordered(at, y), in.param(0)));
    return {out, Role::stencil, {{bordered, Role::source}, {column, Role::partial}}};
}

}  // namespace halmix
