#pragma once

#include <algorithm>
#include <cstdint>

#include "reference/image.h"

namespace halmix::reference {

/// From `degenerate` (factor 0) through `image` (factor 1) and beyond: float32, product and sum rounded by themselves,
/// clipped, truncated.
inline std::uint8_t blend(int degenerate, int image, double factor) {
    const float product = static_cast<float>(factor) * static_cast<float>(image - degenerate);
    const float sum = static_cast<float>(degenerate) + product;
    return static_cast<std::uint8_t>(std::clamp(sum, 0.0F, 255.0F));
}

/// Blends each byte with degenerate(x, y, c).
template <typename F>
Image enhance(const Image& in, double factor, F degenerate) {
    return generate(in, [&](int x, int y, int c) { return blend(degenerate(x, y, c), in.at(x, y, c), factor); });
}

}  // namespace halmix::reference
