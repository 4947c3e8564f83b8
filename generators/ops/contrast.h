#pragma once

#include "generators/ops/blend.h"
#include "generators/ops/lookup.h"

namespace halmix {

/// Blends with the image's mean luminance: a table once the mean is known.
inline OpOutput contrast(const OpInput& in) {
    using namespace Halide;
    Var level("level");

    Func sum(in.prefix + "sum");
    RDom all(0, in.width, 0, in.height, in.prefix + "all");
    sum() = cast<uint64_t>(0);
    sum() += cast<uint64_t>(luminance(in, all.x, all.y));

    Func enhance(in.prefix + "enhance");
    Expr count = cast<uint64_t>(in.width) * cast<uint64_t>(in.height);
    Expr mean = cast<int>((2 * sum() + count) / (2 * count));
    enhance(level) = blend(mean, level, in.param(0));

    return look_up(in, enhance, {{sum, Role::reduction}, {enhance, Role::table}});
}

}  // namespace halmix
