#pragma once

#include <cstdint>

#include "reference/blend.h"
#include "reference/image.h"
#include "reference/luminance.h"

namespace halmix::reference {

/// Blends with the rounded mean luminance.
inline Image contrast(const Image& in, double factor) {
    std::int64_t sum = 0;
    for (int y = 0; y < in.height; ++y) {
        for (int x = 0; x < in.width; ++x) sum += luminance(in, x, y);
    }
    const double count = static_cast<double>(in.width) * in.height;
    const int mean = static_cast<int>(static_cast<double>(sum) / count + 0.5);
    return enhance(in, factor, [&](int, int, int) { return mean; });
}

}  // namespace halmix::reference
