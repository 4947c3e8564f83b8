#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace halmix {

/// Someone else's pixels: 8-bit, rows of interleaved channels (HWC).
///
/// Byte (x, y, c) lies at `data + y * stride + x * channels + c`. `channels` is 1 (gray) or 3 (RGB).
/// `stride` is in bytes and may be any value with |stride| >= width * channels; a negative one is a
/// bottom-up image whose first row is the last in memory. The bytes between rows are never read or written.
/// The library accepts images from 1x1 up to 2 GiB, of which pipelines need a margin for padding:
/// (height + 8) * (width * channels + 512) and (height - 1) * |stride| + width * channels are at most 2^31 - 1.
template <typename Byte>
struct BasicImageView {
    Byte* data = nullptr;
    int width = 0;
    int height = 0;
    int channels = 0;
    std::ptrdiff_t stride = 0;

    BasicImageView() = default;
    BasicImageView(Byte* data, int width, int height, int channels)
        : BasicImageView(data, width, height, channels, std::ptrdiff_t{width} * channels) {}
    BasicImageView(Byte* data, int width, int height, int channels, std::ptrdiff_t stride)
        : data(data), width(width), height(height), channels(channels), stride(stride) {}

    /// A view one may write through is also one to read from.
    operator BasicImageView<const Byte>() const { return {data, width, height, channels, stride}; }

    [[nodiscard]] Byte* row(int y) const { return data + std::ptrdiff_t{y} * stride; }
};

using ImageView = BasicImageView<const std::uint8_t>;
using MutableImageView = BasicImageView<std::uint8_t>;

/// A colour for the pixels a warp uncovers: red, green, blue. Gray images use the first value.
using Fill = std::array<std::uint8_t, 3>;

}  // namespace halmix
