#pragma once

#include "Halide.h"

namespace halmix {

/// Images of a batch one after another, (channel, x, y, image), without gaps.
template <typename Images>
void set_packed(Images& images, int channels) {
    Halide::Expr row = images.dim(1).extent() * channels;
    for (int d = 0; d < 4; d++) images.dim(d).set_min(0);
    images.dim(0).set_extent(channels).set_stride(1);
    images.dim(1).set_stride(channels);
    images.dim(2).set_stride(row);
    images.dim(3).set_stride(row * images.dim(2).extent());
}

}  // namespace halmix
