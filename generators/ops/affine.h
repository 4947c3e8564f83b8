#pragma once

#include "generators/ops/warp.h"

namespace halmix {

/// Pillow's AFFINE + BILINEAR with the matrix (p0 p1 p2, p3 p4 p5), which takes an output pixel's centre to the source.
inline OpOutput affine(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");
    Func bytes = padded_bytes(in), taps(in.prefix + "taps"), words(in.prefix + "words"), out(in.prefix + "out");

    Expr cx = centre(x), cy = centre(y);
    Tap across((in.param(0) * cx + in.param(1) * cy) + in.param(2), in.width);
    Tap down((in.param(3) * cx + in.param(4) * cy) + in.param(5), in.height);
    taps(x, y) = {across.near, down.near, across.fraction, down.fraction, cast<uint8_t>(across.inside && down.inside)};

    Expr column = Tap::stored(taps(x, y)[0], in.width);
    Expr row = Tap::stored(taps(x, y)[1], in.height);
    words(x, y) = {pixel_pair(in, bytes, column, row), pixel_pair(in, bytes, column, row + 1)};

    auto between = [&](const Expr& word) {
        return interpolate_levels(biased_level(word, c), biased_level(word, c + in.channels), taps(x, y)[2]);
    };
    Expr first = between(words(x, y)[0]), second = between(words(x, y)[1]);
    Expr level = first + (second - first) * taps(x, y)[3];
    out(c, x, y) = select(taps(x, y)[4] != 0, cast<uint8_t>(cast<int>(level)), in.fill(c));
    return {out, Role::warp, {{bytes, Role::source}, {taps, Role::coordinate}, {words, Role::gather}}};
}

}  // namespace halmix
