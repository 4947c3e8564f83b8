#pragma once

#include "generators/ops/blend.h"

namespace halmix {

/// Blends with Pillow's SMOOTH filter (1 1 1, 1 5 1, 1 1 1) / 13, whose float32 form equals (2 S + 13) / 26 in
/// integers; the outermost pixels are left as they are.
inline OpOutput sharpness(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y"), byte("byte");

    // By bytes, neighbours are `channels` apart. Around the image there are some that may be read, and mean nothing.
    Func bytes(in.prefix + "bytes"), column(in.prefix + "column"), out(in.prefix + "out");
    RDom inner(0, in.width * in.channels, in.prefix + "inner");
    bytes(byte, y) = undef<uint8_t>();
    bytes(inner, y) = in.image(inner % in.channels, inner / in.channels, clamp(y, 0, in.height - 1));

    auto level = [&](const Expr& at, const Expr& row) { return cast<uint16_t>(bytes(at, row)); };
    column(byte, y) = level(byte, y - 1) + level(byte, y) + level(byte, y + 1);
    Expr at = x * in.channels + c;
    Expr sum = column(at - in.channels, y) + column(at, y) + column(at + in.channels, y) + 4 * level(at, y);
    Expr smooth = (2 * sum + cast<uint16_t>(13)) / cast<uint16_t>(26);
    Blend blend(in);
    Expr outermost = y == 0 || y == in.height - 1;
    out(c, x, y) = select(outermost, bytes(at, y), blend(cast<uint8_t>(smooth), bytes(at, y)));
    RDom side(0, 2, in.prefix + "side");
    Expr edge = side * (in.width - 1);
    out(c, edge, y) = bytes(edge * in.channels + c, y);

    return {.image = out,
            .role = Role::stencil,
            .support = {{bytes, Role::source}, {column, Role::partial}},
            .special = blend.in_integers()};
}

}  // namespace halmix
