#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "halmix/image.h"
#include "reference/image.h"

namespace halmix::reference {

/// Rows (a0, a1, a2) and (a3, a4, a5): from where in the input a point of the output comes.
using Matrix = std::array<double, 6>;

/// Bilinear in doubles, every product and sum rounded by itself, the result truncated. Points within the image's
/// rectangle but beyond the centres of its outer pixels take those; points outside are `fill`.
inline Image affine(const Image& in, const Matrix& a, const Fill& fill) {
    return generate(in, [&](int x, int y, int c) {
        const double xin = x + 0.5;
        const double yin = y + 0.5;
        double sx = a[0] * xin + a[1] * yin + a[2];
        double sy = a[3] * xin + a[4] * yin + a[5];
        if (!(sx >= 0 && sx < in.width && sy >= 0 && sy < in.height)) return fill[c];
        sx -= 0.5;
        sy -= 0.5;
        const int left = static_cast<int>(std::floor(sx));
        const int top = static_cast<int>(std::floor(sy));
        const auto row = [&](int r) {
            const int p0 = in.at(std::clamp(left, 0, in.width - 1), r, c);
            const int p1 = in.at(std::clamp(left + 1, 0, in.width - 1), r, c);
            return p0 + (p1 - p0) * (sx - left);
        };
        const double v1 = row(std::clamp(top, 0, in.height - 1));
        const double v2 = top + 1 < in.height ? row(top + 1) : v1;
        return static_cast<std::uint8_t>(v1 + (v2 - v1) * (sy - top));
    });
}

}  // namespace halmix::reference
