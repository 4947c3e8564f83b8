#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <numbers>

#include "reference/affine.h"
#include "reference/image.h"

namespace halmix::reference {

/// Python's round(value, 15).
inline double round15(double value) {
    std::array<char, 32> text;
    char* const begin = text.data();
    char* const end = std::to_chars(begin, begin + text.size(), value, std::chars_format::fixed, 15).ptr;
    std::from_chars(begin, end, value);
    return value;
}

/// Python's degrees % 360.0: 0 and above, and up to 360 itself for a tiny negative angle.
inline double reduced_degrees(double degrees) {
    const double rest = std::fmod(degrees, 360.0);
    return rest < 0 ? rest + 360.0 : rest;
}

/// About the centre, counter-clockwise, for an angle that is already reduced.
inline Matrix rotation_matrix(double degrees, int width, int height) {
    const double angle = -(degrees * (std::numbers::pi / 180));
    const double cosine = round15(std::cos(angle));
    const double sine = round15(std::sin(angle));
    const double minus_sine = round15(-std::sin(angle));
    const double cx = width / 2.0;
    const double cy = height / 2.0;
    return {cosine,     sine,   cosine * -cx + sine * -cy + 0.0 + cx,
            minus_sine, cosine, minus_sine * -cx + cosine * -cy + 0.0 + cy};
}

/// Turns by whole quarters are exact copies where the image fits, everything else is bilinear.
inline Image rotate(const Image& in, double degrees, const Fill& fill) {
    const int right = in.width - 1;
    const int bottom = in.height - 1;
    const bool square = in.width == in.height;
    degrees = reduced_degrees(degrees);
    if (degrees == 0) return in;
    if (degrees == 180) return generate(in, [&](int x, int y, int c) { return in.at(right - x, bottom - y, c); });
    if (degrees == 90 && square) return generate(in, [&](int x, int y, int c) { return in.at(right - y, x, c); });
    if (degrees == 270 && square) return generate(in, [&](int x, int y, int c) { return in.at(y, bottom - x, c); });
    return affine(in, rotation_matrix(degrees, in.width, in.height), fill);
}

}  // namespace halmix::reference
