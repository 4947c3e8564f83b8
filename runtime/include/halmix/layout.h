#pragma once

#include <array>
#include <cstddef>

namespace halmix {

/// How an image lies in memory: what its elements are, and where a pixel's channels lie. Rows may be any distance
/// apart.
enum class Layout : unsigned char {
    u8_hwc,   ///< levels, 0..255; the channels of a pixel side by side, pixel after pixel
    u8_chw,   ///< levels; each channel a plane of its own, as in PyTorch's tensors
    u8_rgbx,  ///< levels; pixels of four bytes, as Pillow keeps RGB. The fourth is not read, and written as 255
    f16_chw,  ///< normalised, IEEE half; planes. For results only
    f32_chw,  ///< normalised, IEEE single; planes. For results only
};

inline constexpr int layout_count = 5;

/// Whether each channel is a plane of its own.
constexpr bool has_planes(Layout layout) noexcept { return layout != Layout::u8_hwc && layout != Layout::u8_rgbx; }

/// Bytes of an element.
constexpr int element_bytes(Layout layout) noexcept {
    return layout == Layout::f32_chw ? 4 : layout == Layout::f16_chw ? 2 : 1;
}

/// Elements of a pixel: its channels, and in u8_rgbx one more.
constexpr int pixel_elements(Layout layout, int channels) noexcept { return layout == Layout::u8_rgbx ? 4 : channels; }

/// Bytes of a row of pixels: of one plane, if there are planes.
constexpr std::ptrdiff_t row_bytes(Layout layout, int width, int channels) noexcept {
    const int elements = has_planes(layout) ? 1 : pixel_elements(layout, channels);
    return std::ptrdiff_t{width} * elements * element_bytes(layout);
}

/// Bytes of an image without gaps.
constexpr std::size_t image_bytes(Layout layout, int width, int height, int channels) noexcept {
    const std::size_t planes = has_planes(layout) ? channels : 1;
    return planes * static_cast<std::size_t>(height) * static_cast<std::size_t>(row_bytes(layout, width, channels));
}

/// How levels become floats: (level / 255 - mean) / std, each operation in float32, as torchvision's ToTensor and
/// Normalize have it; for f16_chw then rounded to the nearest half, ties to even. Gray images use the first values.
struct Normalization {
    std::array<float, 3> mean{0, 0, 0};  ///< red, green, blue; finite
    std::array<float, 3> std{1, 1, 1};   ///< finite, none of them 0

    friend bool operator==(const Normalization&, const Normalization&) = default;
};

}  // namespace halmix
