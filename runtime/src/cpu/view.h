#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "halide/buffer.h"
#include "halmix/image.h"
#include "lowering/elements.h"

namespace halmix {

/// The view with the one layout for levels that a gray image has.
template <typename Byte>
BasicImageView<Byte> normalized(BasicImageView<Byte> image) {
    image.layout = effective(image.layout, image.channels);
    return image;
}

inline int planes(const ImageView& image) { return has_planes(image.layout) ? image.channels : 1; }

inline std::ptrdiff_t row_bytes(const ImageView& image) { return row_bytes(image.layout, image.width, image.channels); }

inline bool has_gaps(const ImageView& image) { return image.stride != row_bytes(image); }

/// The first byte of an image in memory, and the end of its last.
inline std::pair<std::uintptr_t, std::uintptr_t> extent(const ImageView& image) {
    std::ptrdiff_t down = (image.height - 1) * image.stride, deep = (planes(image) - 1) * image.plane;
    std::ptrdiff_t first = std::min<std::ptrdiff_t>(down, 0) + std::min<std::ptrdiff_t>(deep, 0);
    std::ptrdiff_t last = std::max<std::ptrdiff_t>(down, 0) + std::max<std::ptrdiff_t>(deep, 0);
    auto data = reinterpret_cast<std::uintptr_t>(image.data);
    return {data + first, data + last + row_bytes(image)};
}

inline bool overlap(const ImageView& a, const ImageView& b) {
    auto [a_begin, a_end] = extent(a);
    auto [b_begin, b_end] = extent(b);
    return a_begin < b_end && b_begin < a_end;
}

/// Rows from `first` on.
template <typename Byte>
BasicImageView<Byte> rows_of(BasicImageView<Byte> image, int first, int count) {
    image.data = image.row(first);
    image.height = count;
    return image;
}

/// A part of an image.
template <typename Byte>
BasicImageView<Byte> box_of(BasicImageView<Byte> image, int left, int top, int width, int height) {
    image.data = image.row(top) + left * (row_bytes(image) / image.width);
    image.width = width;
    image.height = height;
    return image;
}

/// All rows as one, of an image without gaps between them.
template <typename Byte>
BasicImageView<Byte> one_row(BasicImageView<Byte> image) {
    image.width *= image.height;
    image.stride *= image.height;
    image.height = 1;
    return image;
}

/// Between images of one layout.
inline void copy(ImageView from, MutableImageView to) {
    if (!has_gaps(from) && !has_gaps(to)) {
        from = one_row(from);
        to = one_row(to);
    }
    for (int plane = 0; plane < planes(from); plane++) {
        for (int y = 0; y < from.height; y++) std::memcpy(to.row(y, plane), from.row(y, plane), row_bytes(from));
    }
}

/// (channel, x, y), as pipelines take images.
inline Buffer<3> pixels(const ImageView& image) {
    const int bytes = element_bytes(image.layout);
    const auto code =
        image.layout == Layout::f16_chw || image.layout == Layout::f32_chw ? halide_type_float : halide_type_uint;
    const bool apart = has_planes(image.layout);
    const int elements = pixel_elements(image.layout, image.channels);
    return {image.data,
            halide_type_t(code, static_cast<std::uint8_t>(8 * bytes)),
            {dimension(elements, apart ? image.plane / bytes : 1), dimension(image.width, apart ? 1 : elements),
             dimension(image.height, image.stride / bytes)}};
}

}  // namespace halmix
