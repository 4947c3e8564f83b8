#pragma once

#include "schedules/stage.h"

namespace halmix {

/// Pillow's Image.blend of two levels by p0, the share of the second: in float32, product and sum rounded by
/// themselves, truncated, clipped. Clipping changes nothing for shares in 0..1, for which Pillow leaves it out.
///
/// The result is the first level and a share of the difference. If p1 is not 0, 16-bit numbers give that share of all
/// differences exactly: p2 whole ones and, in units of 2^-16, p3 if the difference is not negative or else p4.
struct Blend {
    explicit Blend(const OpInput& in) : param(in.param), portable(in.portable) {}

    [[nodiscard]] Halide::Expr in_integers() const { return param(1) != Halide::Expr(0.0); }

    Halide::Expr operator()(const Halide::Expr& from, const Halide::Expr& to) const {
        using namespace Halide;
        Expr difference = cast<int16_t>(to) - cast<int16_t>(from);
        auto number = [&](int i) { return cast<int16_t>(param(i)); };
        Expr part = mul_shift_right(difference, select(difference < cast<int16_t>(0), number(4), number(3)), 16);
        Expr in_16_bits = cast<int16_t>(from) + difference * number(2) + part;
        Expr in_floats = cast<float>(from) + cast<float>(param(0)) * cast<float>(difference);
        Expr truncated = saturating_cast<uint8_t>(cast<int>(in_floats));
        return portable ? truncated : select(in_integers(), saturating_cast<uint8_t>(in_16_bits), truncated);
    }

 private:
    PerImage param;
    bool portable;
};

/// Pillow's luminance of an RGB pixel, (19595 R + 38470 G + 7471 B + 2^15) / 2^16; a gray pixel is its own. By high and
/// low bytes of the weights it fits 16 bits.
inline Halide::Expr luminance(const OpInput& in, const Halide::Expr& x, const Halide::Expr& y) {
    using namespace Halide;
    if (in.channels == 1) return in.image(0, x, y);
    auto weighted = [&](int red, int green, int blue) {
        auto term = [&](int c, int weight) { return cast<uint16_t>(in.image(c, x, y)) * cast<uint16_t>(weight); };
        return term(0, red) + term(1, green) + term(2, blue);
    };
    Expr high = weighted(19595 >> 8, 38470 >> 8, 7471 >> 8), low = weighted(19595 & 255, 38470 & 255, 7471 & 255);
    return cast<uint8_t>((high + (low >> 8) + cast<uint16_t>(128)) >> 8);
}

}  // namespace halmix
