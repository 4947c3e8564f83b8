#pragma once

#include "generators/ops/lookup.h"

namespace halmix {

/// Stretches each channel to the full range. Pillow's table in Pillow's order of double operations: for 4,852 of the
/// (lowest, highest) pairs the highest level maps to 254.
inline OpOutput autocontrast(const OpInput& in) {
    using namespace Halide;
    Var c("c"), level("level");

    PerImage darkest = in.func("darkest"), lightest = in.func("lightest");
    darkest(c) = cast<uint8_t>(255);
    lightest(c) = cast<uint8_t>(0);
    std::vector<Update> updates = in.update_over_pixels(in.schedule["channel_reduction_group"], [&](const RDom& all) {
        darkest(c) = min(darkest(c), in.image(c, all.x, all.y));
        lightest(c) = max(lightest(c), in.image(c, all.x, all.y));
    });

    PerImage stretch = in.func("stretch");
    Expr low = cast<int>(darkest(c)), high = cast<int>(lightest(c));
    Expr scale = cast<double>(255) / cast<double>(max(high - low, 1));
    Expr offset = cast<double>(-low) * scale;
    Expr stretched = clamp(cast<int>(cast<double>(level) * scale + offset), 0, 255);
    stretch(level, c) = cast<uint8_t>(select(high <= low, level, stretched));

    return look_up(in, stretch,
                   {{darkest, Role::reduction, updates}, {lightest, Role::reduction, updates}, {stretch, Role::table}});
}

}  // namespace halmix
