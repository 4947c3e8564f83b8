#pragma once

#include "generators/ops/blend.h"

namespace halmix {

/// Blends with Pillow's SMOOTH filter (1 1 1, 1 5 1, 1 1 1) / 13, whose float32 form equals (2 S + 13) / 26 in
/// integers; the outermost pixels are left as they are.
inline OpOutput sharpness(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y"), byte("byte");

    Blend blend(in);
    auto smooth = [](const Expr& sum) { return cast<uint8_t>((2 * sum + cast<uint16_t>(13)) / cast<uint16_t>(26)); };
    Expr outermost = y == 0 || y == in.height - 1;
    if (in.portable) {
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

    // By bytes, neighbours are `channels` apart. Around the image there are some that may be read, and mean nothing.
    PerImage bytes = in.func("bytes"), column = in.func("column"), out = in.func("out");
    RDom inner(0, in.width * in.channels, in.prefix + "inner");
    bytes(byte, y) = undef<uint8_t>();
    bytes(inner, y) = in.image(inner % in.channels, inner / in.channels, clamp(y, 0, in.height - 1));

    auto level = [&](const Expr& at, const Expr& row) { return cast<uint16_t>(bytes(at, row)); };
    column(byte, y) = level(byte, y - 1) + level(byte, y) + level(byte, y + 1);
    Expr at = x * in.channels + c;
    Expr sum = column(at - in.channels, y) + column(at, y) + column(at + in.channels, y) + 4 * level(at, y);
    out(c, x, y) = select(outermost, bytes(at, y), blend(smooth(sum), bytes(at, y)));
    RDom side(0, 2, in.prefix + "side");
    Expr edge = side * (in.width - 1);
    out(c, edge, y) = bytes(edge * in.channels + c, y);

    return {.image = out,
            .role = Role::stencil,
            .support = {{bytes, Role::source, {{Update::body}}}, {column, Role::partial}},
            .updates = {{Update::border}},
            .fast_path = blend.in_integers()};
}

}  // namespace halmix
