#pragma once

#include "generators/ops/blend.h"
#include "generators/ops/padded_bytes.h"

namespace halmix {

/// Blends with Pillow's SMOOTH filter (1 1 1, 1 5 1, 1 1 1) / 13, whose float32 form equals (2 S + 13) / 26 in
/// integers; the outermost pixels are left as they are.
inline OpOutput sharpness(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y"), byte("byte");
    Func bytes = padded_bytes(in), column(in.prefix + "column"), out(in.prefix + "out");
    auto level = [&](const Expr& at, const Expr& row) { return cast<uint16_t>(bytes(at, row)); };
    column(byte, y) = level(byte, y - 1) + level(byte, y) + level(byte, y + 1);

    Expr at = x * in.channels + c;
    Expr sum = column(at - in.channels, y) + column(at, y) + column(at + in.channels, y) + 4 * level(at, y);
    Expr smooth = (2 * sum + cast<uint16_t>(13)) / cast<uint16_t>(26);
    Expr edge = at < in.channels || at >= (in.width - 1) * in.channels || y == 0 || y == in.height - 1;
    Blend blend(in);
    out(c, x, y) = select(edge, bytes(at, y), blend(cast<uint8_t>(smooth), bytes(at, y)));
    return {.image = out,
            .role = Role::stencil,
            .support = {{bytes, Role::source}, {column, Role::partial}},
            .special = blend.in_integers()};
}

}  // namespace halmix
