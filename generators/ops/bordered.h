#pragma once

#include "generators/stage.h"

namespace halmix {

/// The stage's image with its outermost pixels repeated once on every side, so that neighbours need no test.
inline Halide::Func bordered(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");
    Func image(in.prefix + "bordered");
    image(c, x, y) =
        in.image(clamp(c, 0, in.channels - 1), clamp(likely(x), 0, in.width - 1), clamp(y, 0, in.height - 1));
    return image;
}

}  // namespace halmix
