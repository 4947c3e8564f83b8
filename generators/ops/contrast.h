#pragma once

#include "generators/ops/blend.h"
#include "generators/ops/lookup.h"
#include "generators/ops/luminance.h"

namespace halmix {

/// Blends with the image's mean luminance. Where lookups are quickest, through a table of what becomes of each level.
inline OpOutput contrast(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y"), level("level");

    PerImage sum = in.func("sum"), mean = in.func("mean");
    std::vector<Support> support;
    if (in.portable() || in.channels == 1) {
        sum() = cast<uint64_t>(0);
        std::vector<Update> updates = in.update_over_pixels(in.schedule["reduction_group"], [&](const RDom& all) {
            sum() += cast<uint64_t>(luminance(in, all.x, all.y));
        });
        support = {{sum, Role::reduction, updates}};
    } else {
        Func(sum).define_extern(in.extern_stage("luminance_total"), {in.whole_image, in.width, in.height}, UInt(64),
                                {});
        support = {{sum, Role::value}};
    }
    Expr count = cast<uint64_t>(in.width) * cast<uint64_t>(in.height);
    mean() = cast<uint8_t>((2 * sum() + count) / (2 * count));
    support.push_back({mean, Role::value});

    Blend blend(in);
    if (in.quick_shuffles) {
        PerImage blended = in.func("blended");
        blended(level) = blend.in_floats(mean(), cast<uint8_t>(level));
        support.push_back({blended, Role::table});
        return look_up(in, blended, support);
    }
    PerImage out = in.func("out");
    out(c, x, y) = blend(mean(), in.image(c, x, y));
    return {.image = out, .role = Role::bytes, .support = support, .fast_paths = blend.fast_paths()};
}

}  // namespace halmix
