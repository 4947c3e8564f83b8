#pragma once

#include <map>
#include <string>

#include "Halide.h"

namespace halmix {

/// How an image lies in memory; runtime/include/halmix/layout.h says it to users.
enum class Layout { u8_hwc, u8_chw, u8_rgbx, f16_chw, f32_chw };

inline const std::map<std::string, Layout> layouts = {{"u8_hwc", Layout::u8_hwc},
                                                      {"u8_chw", Layout::u8_chw},
                                                      {"u8_rgbx", Layout::u8_rgbx},
                                                      {"f16_chw", Layout::f16_chw},
                                                      {"f32_chw", Layout::f32_chw}};

inline bool has_planes(Layout layout) { return layout != Layout::u8_hwc && layout != Layout::u8_rgbx; }

inline Halide::Type element_of(Layout layout) {
    return layout == Layout::f32_chw   ? Halide::Float(32)
           : layout == Layout::f16_chw ? Halide::Float(16)
                                       : Halide::UInt(8);
}

/// Elements of a pixel, of which the image's channels are the first.
inline int pixel_elements(Layout layout, int channels) { return layout == Layout::u8_rgbx ? 4 : channels; }

/// Says of a buffer (channel, x, y, ...) how near its pixels and channels lie; how far rows and planes are apart is
/// any.
template <typename Image>
void set_layout(Image& image, Layout layout, int channels) {
    int elements = pixel_elements(layout, channels);
    image.dim(0).set_bounds(0, elements);
    image.dim(0).set_stride(has_planes(layout) ? Halide::Expr() : Halide::Expr(1));
    image.dim(1).set_min(0).set_stride(has_planes(layout) ? 1 : elements);
    image.dim(2).set_min(0);
}

/// What a level becomes in a layout: itself, or (level / 255 - mean) / std with each operation in float32, and of that
/// the nearest half.
///
/// 1/255 is the sum of a float of 16 bits, whose product with a level is exact, and a remainder 2^-16 as large. So the
/// sum of both products is rounded but once, up to 2^-40 of it, and gives the quotient for all levels.
inline Halide::Expr element(const Halide::Expr& level, const Halide::Expr& mean, const Halide::Expr& deviation,
                            Layout layout) {
    using namespace Halide;
    if (element_of(layout).is_uint()) return level;
    constexpr float high = 0x8081p-23F, low = static_cast<float>(1.0 / 255 - 0x8081p-23);
    static_assert([] {
        for (int level = 0; level < 256; level++) {
            float l = static_cast<float>(level);
            if (l * high + l * low != l / 255.0F) return false;
        }
        return true;
    }());
    Expr value = cast<float>(level);
    Expr normalized = (value * Expr(high) + value * Expr(low) - mean) / deviation;
    return cast(element_of(layout), normalized);
}

/// Element `c` of a pixel with these levels by channel: those, and 255 beyond.
template <typename Levels>
Halide::Expr pixel_element(const Levels& levels, const Halide::Expr& c, Layout layout, int channels) {
    if (pixel_elements(layout, channels) == channels) return levels(c);
    return Halide::select(c < channels, levels(Halide::min(c, channels - 1)), Halide::cast<uint8_t>(255));
}

}  // namespace halmix
