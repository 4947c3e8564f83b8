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

    // A single nonempty bin gives step 0 as well.
    Func spread(in.prefix + "spread");
    Expr total = cast<uint32_t>(in.width) * cast<uint32_t>(in.height);
    Expr step = (total - topmost(c)) / cast<uint32_t>(255);
    Expr divisor = max(step, cast<uint32_t>(1));
    Expr spreaded = min((step / 2 + below(level, c)) / divisor, cast<uint32_t>(255));
    spread(level, c) = cast<uint8_t>(select(step == 0, cast<uint32_t>(level), spreaded));

    return look_up(in, spread,
                   {{histogram, Role::histogram}, {below, Role::table}, {topmost, Role::table}, {spread, Role::table}});
}

}  // namespace halmix
