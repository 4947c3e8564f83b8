#pragma once

#include "generators/ops/blend.h"
#include "generators/stage.h"

namespace halmix {

/// Blends with the image's mean luminance: a table once the mean is known.
inline OpOutput contrast(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y"), level("level");

    Func gray(in.prefix + "gray"), sum(in.prefix + "sum");
    RDom all(0, in.width, 0, in.height, in.prefix + "all");
    gray(x, y) = luminance(in, x, y);
    sum() = cast<uint64_t>(0);
    sum() += cast<uint64_t>(gray(all.x, all.y));

    Func enhance(in.prefix + "enhance");
    Expr count = cast<uint64_t>(in.width) * cast<uint64_t>(in.height);
    Expr mean = cast<int>((2 * sum() + count) / (2 * count));
    enhance(level) = blend(mean, level, in.param(0));

    Func out(in.prefix + "out");
    out(c, x, y) = enhance(cast<int>(in.image(c, x, y)));
    return {out, Role::lookup, {{gray, Role::pointwise}, {sum, Role::reduction}, {enhance, Role::table}}};
}

}  // namespace halmix
