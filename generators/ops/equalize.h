#pragma once

#include "generators/ops/lookup.h"

namespace halmix {

/// Spreads each channel's levels by its histogram, in Pillow's integer form with the exclusive cumulative sum.
inline OpOutput equalize(const OpInput& in) {
    using namespace Halide;
    Var c("c"), level("level");

    // Unsigned: a gray image may have 2^31 - 1 pixels, to which half a step is added.
    PerImage histogram = in.func("histogram");
    RDom all(0, in.width, 0, in.height, in.prefix + "all");
    histogram(level, c) = cast<uint32_t>(0);
    histogram(cast<int>(in.image(c, all.x, all.y)), c) += cast<uint32_t>(1);

    PerImage below = in.func("below"), top = in.func("top"), step = in.func("step"), spread = in.func("spread");
    RDom levels(0, 256, in.prefix + "levels"), rising(1, 255, in.prefix + "rising");
    below(level, c) = cast<uint32_t>(0);
    below(rising, c) = below(rising - 1, c) + histogram(rising - 1, c);
    top(c) = 0;
    top(c) = max(top(c), select(histogram(levels, c) != 0, levels, 0));

    // A single nonempty bin gives step 0 as well. The quotient in float32, below 512 for levels that occur, is wrong by
    // one at most.
    Expr total = cast<uint32_t>(in.width) * cast<uint32_t>(in.height);
    step(c) = (total - histogram(clamp(top(c), 0, 255), c)) / cast<uint32_t>(255);
    Expr dividend = step(c) / 2 + below(level, c);
    Expr estimate = cast<uint32_t>(min(cast<float>(dividend) * (1.0f / cast<float>(step(c))), 512.0f));
    Expr rest = cast<int>(dividend - estimate * step(c));
    Expr quotient = cast<int>(estimate) + select(rest < 0, -1, rest >= cast<int>(step(c)), 1, 0);
    spread(level, c) = cast<uint8_t>(select(step(c) == 0, level, min(quotient, 255)));

    return look_up(in, spread,
                   {{histogram, Role::histogram},
                    {below, Role::table},
                    {top, Role::extreme},
                    {step, Role::value},
                    {spread, Role::table}});
}

}  // namespace halmix
