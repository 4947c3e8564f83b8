#pragma once

#include "generators/layout.h"

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

/// Images of a size in a layout, likewise.
template <typename Images>
void set_packed(Images& images, Layout layout, int channels, const Halide::Expr& width, const Halide::Expr& height) {
    Halide::Expr row = width * (has_planes(layout) ? 1 : pixel_elements(layout, channels));
    set_layout(images, layout, channels);
    if (has_planes(layout)) images.dim(0).set_stride(row * height);
    images.dim(1).set_extent(width);
    images.dim(2).set_extent(height).set_stride(row);
    images.dim(3).set_min(0).set_stride(width * height * pixel_elements(layout, channels));
}

}  // namespace halmix
