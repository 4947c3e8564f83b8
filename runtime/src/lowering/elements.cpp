#include "lowering/elements.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace halmix {

namespace {

/// IEEE half, to the nearest, ties to even.
std::uint16_t to_half(float value) {
    auto bits = std::bit_cast<std::uint32_t>(value);
    auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
    float magnitude = std::fabs(value);
    if (std::isnan(value)) return sign | 0x7E00;
    if (magnitude >= 65520.0F) return sign | 0x7C00;
    // Halves below 2^-14 are multiples of 2^-24; the others have 11 significant bits.
    if (magnitude < 0x1p-14F) return sign | static_cast<std::uint16_t>(std::nearbyint(magnitude * 0x1p24F));
    bits = std::bit_cast<std::uint32_t>(magnitude) - (112U << 23);
    bits += 0xFFF + (bits >> 13 & 1);
    return sign | static_cast<std::uint16_t>(bits >> 13);
}

}  // namespace

std::vector<std::uint8_t> make_elements(Layout layout, const Normalization& normalization, int channels) {
    std::vector<std::uint8_t> elements;
    auto add = [&](auto bits) {
        std::size_t size = elements.size();
        elements.resize(size + sizeof bits);
        std::memcpy(elements.data() + size, &bits, sizeof bits);
    };
    for (int channel = 0; channel < channels; channel++) {
        for (int level = 0; level < 256; level++) {
            float value =
                (static_cast<float>(level) / 255.0F - normalization.mean[channel]) / normalization.std[channel];
            if (element_bytes(layout) == 1) add(static_cast<std::uint8_t>(level));
            if (layout == Layout::f16_chw) add(to_half(value));
            if (layout == Layout::f32_chw) add(value);
        }
    }
    return elements;
}

}  // namespace halmix
