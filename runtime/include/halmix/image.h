#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "halmix/layout.h"

namespace halmix {

/// Someone else's pixels, in one of the layouts.
///
/// Element (x, y, c) lies, with e bytes an element, at
///
///     data + y * stride + (x * channels + c) * e     u8_hwc
///     data + y * stride + x * 4 + c                  u8_rgbx
///     data + y * stride + x * e + c * plane          layouts with planes
///
/// `channels` is 1 (gray) or 3 (RGB); u8_rgbx is for RGB. `stride` and `plane` are in bytes, multiples of e, and of any
/// sign as long as no two elements share a byte: a negative stride is a bottom-up image, whose first row is the last in
/// memory. Bytes between rows are never read or written.
///
/// The library accepts images from 1x1 up to 2 GiB, of which pipelines need a margin for padding:
/// (height + 12) * (width * channels + 512), and the elements from the first to the last, are at most 2^31 - 1.
template <typename Byte>
struct BasicImageView {
    Byte* data = nullptr;
    int width = 0;
    int height = 0;
    int channels = 0;
    std::ptrdiff_t stride = 0;  ///< from a row to the next
    std::ptrdiff_t plane = 0;   ///< from a plane to the next
    Layout layout = Layout::u8_hwc;

    BasicImageView() = default;
    /// Rows and planes without gaps.
    BasicImageView(Byte* data, int width, int height, int channels, Layout layout = Layout::u8_hwc)
        : BasicImageView(data, width, height, channels, row_bytes(layout, width, channels), layout) {}
    /// Planes without gaps, but for those between rows.
    BasicImageView(Byte* data, int width, int height, int channels, std::ptrdiff_t stride,
                   Layout layout = Layout::u8_hwc)
        : BasicImageView(data, width, height, channels, stride, times(stride, height), layout) {}
    BasicImageView(Byte* data, int width, int height, int channels, std::ptrdiff_t stride, std::ptrdiff_t plane,
                   Layout layout)
        : data(data), width(width), height(height), channels(channels), stride(stride), plane(plane), layout(layout) {}

    /// A view one may write through is also one to read from.
    operator BasicImageView<const Byte>() const { return {data, width, height, channels, stride, plane, layout}; }

    /// The first element of a row, in a plane if there are several.
    [[nodiscard]] Byte* row(int y, int channel = 0) const { return data + y * stride + channel * plane; }

 private:
    /// Whatever the factors: the library checks views, not this.
    static std::ptrdiff_t times(std::ptrdiff_t a, std::ptrdiff_t b) {
        return static_cast<std::ptrdiff_t>(static_cast<std::size_t>(a) * static_cast<std::size_t>(b));
    }
};

using ImageView = BasicImageView<const std::uint8_t>;
using MutableImageView = BasicImageView<std::uint8_t>;

/// A colour for the pixels a warp uncovers: red, green, blue. Gray images use the first value.
using Fill = std::array<std::uint8_t, 3>;

}  // namespace halmix
