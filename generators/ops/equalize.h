#pragma once

#include "generators/ops/lookup.h"

namespace halmix {

/// Spreads each channel's levels by its histogram, in Pillow's integer form with the exclusive cumulative sum.
inline OpOutput equalize(const OpInput& in) {
    using namespace Halide;
    Var c("c"), level("level");

    // Unsigned: a gray image may have 2^31 - 1 pixels, to which half a step is added.
    Func histogram(in.prefix + "histogram");
    RDom all(0, in.width, 0, in.height, in.prefix + "all");
    histogram(level, c) = cast<uint32_t>(0);
    histogram(cast<int>(in.image(c, all.x, all.y)), c) += cast<uint32_t>(1);

    Func below(in.prefix + "below"), topmost(in.prefix + "topmost");
    RDom levels(0, 256, in.prefix + "levels"), rising(1, 255, in.prefix + "rising");
    below(level, c) = cast<uint32_t>(0);
    below(rising, c) = below(rising - 1, c) + histogram(rising - 1, c);
    topmost(c) = cast<uint32_t>(0);
    topmost(c) = select(histogram(levels, c) != 0, histogram(levels, c), topmost(c));

    // A single nonempty bin gives step 0 as well. Integers are divided in double, where quotients of 32 bits never
    // round up to the next whole number.
    Func step(in.prefix + "step"), spread(in.prefix + "spread");
    Expr total = cast<uint32_t>(in.width) * cast<uint32_t>(in.height);
    step(c) = (total - topmost(c)) / cast<uint32_t>(255);
    Expr divisor = cast<double>(max(step(c), cast<uint32_t>(1)));
    Expr spreaded = cast<int>(min(cast<double>(step(c) / 2 + below(level, c)) / divisor, Expr(255.0)));
    spread(level, c) = cast<uint8_t>(select(step(c) == 0, level, spreaded));

    return look_up(in, spread,
                   {{histogram, Role::histogram},
                    {below, Role::table},
                    {topmost, Role::value},
                    {step, Role::value},
                    {spread, Role::table}});
}

}  // namespace halmix
