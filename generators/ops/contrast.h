#pragma once

#include "generators/ops/blend.h"

namespace halmix {

/// Blends with the image's mean luminance.
inline OpOutput contrast(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");

    PerImage sum = in.func("sum"), mean = in.func("mean");
    sum() = cast<uint64_t>(0);
    std::vector<Update> updates = in.update_over_pixels(
        in.schedule["reduction_group"], [&](const RDom& all) { sum() += cast<uint64_t>(luminance(in, all.x, all.y)); });
    Expr count = cast<uint64_t>(in.width) * cast<uint64_t>(in.height);
    mean() = cast<uint8_t>((2 * sum() + count) / (2 * count));

    PerImage out = in.func("out");
    Blend blend(in);
    out(c, x, y) = blend(mean(), in.image(c, x, y));
    return {.image = out,
            .role = Role::bytes,
            .support = {{sum, Role::reduction, updates}, {mean, Role::value}},
            .fast_path = blend.in_integers()};
}

}  // namespace halmix
