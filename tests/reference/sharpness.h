#pragma once

#include "reference/blend.h"
#include "reference/image.h"
#include "reference/lut.h"

namespace halmix::reference {

/// Pillow's SMOOTH filter, weights 1/13 around 5/13, in float32 and in Pillow's order. The outer rows and columns stay.
inline std::uint8_t smooth(const Image& in, int x, int y, int c) {
    if (x == 0 || y == 0 || x == in.width - 1 || y == in.height - 1) return in.at(x, y, c);
    const float outer = 1.0F / 13;
    const float inner = 5.0F / 13;
    const auto row = [&](int r, float centre) {
        const float left = outer * static_cast<float>(in.at(x - 1, r, c));
        const float middle = centre * static_cast<float>(in.at(x, r, c));
        const float right = outer * static_cast<float>(in.at(x + 1, r, c));
        return left + middle + right;
    };
    float sum = 0.5F;
    sum += row(y + 1, outer);
    sum += row(y, inner);
    sum += row(y - 1, outer);
    return clip8(static_cast<std::int64_t>(sum));
}

inline Image sharpness(const Image& in, double factor) {
    return enhance(in, factor, [&](int x, int y, int c) { return smooth(in, x, y, c); });
}

}  // namespace halmix::reference
