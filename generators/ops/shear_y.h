#pragma once

#include "generators/ops/warp.h"

namespace halmix {

/// The affine warp (1, 0, 0, p0, 1, 0): columns stay columns, so only y is interpolated.
inline OpOutput shear_y(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");
    Func bytes = padded_bytes(in), taps(in.prefix + "taps"), words(in.prefix + "words"), out(in.prefix + "out");

    Tap down(in.param(0) * centre(x) + centre(y), in.height);
    taps(x, y) = {down.near, down.fraction, cast<uint8_t>(down.inside)};

    Expr row = Tap::stored(taps(x, y)[0], in.height);
    words(x, y) = {pixel_pair(in, bytes, x, row), pixel_pair(in, bytes, x, row + 1)};

    Expr level = interpolate_levels(biased_level(words(x, y)[0], c), biased_level(words(x, y)[1], c), taps(x, y)[1]);
    out(c, x, y) = select(taps(x, y)[2] != 0, cast<uint8_t>(cast<int>(level)), in.fill(c));
    return {out, Role::warp, {{bytes, Role::source}, {taps, Role::coordinate}, {words, Role::gather}}};
}

}  // namespace halmix
