#pragma once

#include <emmintrin.h>

#include <cstddef>
#include <cstdint>

#include "cpu/warp.h"

/// Single places of a warp. As in warp_lanes.h, each file has functions of its own.
namespace halmix::warp {

// NOLINTBEGIN(misc-definitions-in-headers): inline functions of one file could be linked in place of the other's
namespace {

inline std::int32_t rounded(double value) { return _mm_cvtsd_si32(_mm_set_sd(value)); }

inline double size_of(double value) { return value < 0 ? -value : value; }

/// A coordinate of the source.
struct Place {
    std::ptrdiff_t whole;
    double rest;

    explicit Place(double coordinate) : whole(static_cast<std::ptrdiff_t>(coordinate)) {
        if (static_cast<double>(whole) > coordinate) whole--;
        rest = coordinate - static_cast<double>(whole);
    }
};

/// The centre of a result's pixel, less a half, as Pillow computes it.
inline Place place(const double* row_of_matrix, std::ptrdiff_t x, std::ptrdiff_t y) {
    const double centre_x = static_cast<double>(x) + 0.5, centre_y = static_cast<double>(y) + 0.5;
    return Place(row_of_matrix[0] * centre_x + row_of_matrix[1] * centre_y + row_of_matrix[2] - 0.5);
}

/// Pillow's arithmetic. What it clamps to the source is found in the border.
template <int channels>
void exact_pixel(const Warp& warp, std::ptrdiff_t x, std::ptrdiff_t y) {
    const Place left = place(warp.matrix, x, y), top = place(warp.matrix + 3, x, y);
    const std::uint8_t* from = warp.source + top.whole * warp.pitch + left.whole * channels;
    std::uint8_t* to = warp.to + y * warp.to_stride + x * channels;
    for (int c = 0; c < channels; c++) {
        const auto between = [&](const std::uint8_t* pixel) {
            return pixel[c] + (pixel[c + channels] - pixel[c]) * left.rest;
        };
        const double above = between(from), below = between(from + warp.pitch);
        to[c] = static_cast<std::uint8_t>(above + (below - above) * top.rest);
    }
}

}  // namespace
// NOLINTEND(misc-definitions-in-headers)

}  // namespace halmix::warp
