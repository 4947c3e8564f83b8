#pragma once

#include "generators/ops/blend.h"
#include "generators/stage.h"

namespace halmix {

/// Blends with Pillow's SMOOTH filter (1 1 1, 1 5 1, 1 1 1) / 13, whose float32 form equals (2 S + 13) / 26 in
/// integers; the outermost pixels are left as they are.
inline OpOutput sharpness(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");

    auto at = [&](int dx, int dy) {
        return cast<uint16_t>(in.image(c, clamp(likely(x + dx), 0, in.width - 1), clamp(y + dy, 0, in.height - 1)));
    };
    Expr around = at(-1, -1) + at(0, -1) + at(1, -1) + at(-1, 0) + at(1, 0) + at(-1, 1) + at(0, 1) + at(1, 1);
    Expr smooth = (2 * (around + 5 * at(0, 0)) + cast<uint16_t>(13)) / cast<uint16_t>(26);
    Expr border = x == 0 || x == in.width - 1 || y == 0 || y == in.height - 1;

    Func out(in.prefix + "out");
    out(c, x, y) = select(border, cast<uint8_t>(at(0, 0)), blend(smooth, at(0, 0), in.param(0)));
    return {out, Role::stencil};
}

}  // namespace halmix
