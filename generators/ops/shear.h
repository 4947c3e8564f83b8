#pragma once

#include "generators/ops/warp.h"

namespace halmix {

/// What the pixels of a line share in a shear: of a row in shear_x, which moves it along x, of a column in shear_y.
///
/// All pixels of a line take neighbours the same number of pixels away. Where rounding makes Pillow take the next pair,
/// its fraction is 0 and this one's is 1, which gives the same level.
///
/// Their fraction f is the same too but for rounding, so that the level between two neighbours is A + floor(D f), a
/// function of their difference D. As |D| <= 255, it is the same for all f between two neighbouring fractions of
/// denominators up to 255. These are at least 1 / (255 * 254) apart, more than 2^-16, so that there is a multiple of
/// 2^-16 between them, which stands for f: a multiplication of 16 bits gives Pillow's level.
///
/// Lines whose f is so close to a fraction that Pillow's rounding could be on either side are in doubt.
struct Shear {
    static constexpr int border_ends = 2;

    PerImage offset;      ///< f64 (line): how far the line moves
    PerImage whole;       ///< i32 (line): of that, whole pixels
    PerImage step;        ///< u32 (line): the fraction f in units of 2^-32
    PerImage fractions;   ///< (line): u16, not 0 if there is a fraction from f, rounded down to 16 bits, to f; u16,
                          ///< at most 1 if there is one too close to f
    PerImage multiplier;  ///< u16 (line): what stands for f in units of 2^-16

    /// `extent` is that of the source along the lines.
    Shear(const OpInput& in, const Halide::Expr& extent)
        : offset(in.func("offset")),
          whole(in.func("whole")),
          step(in.func("step")),
          fractions(in.func("fractions")),
          multiplier(in.func("multiplier")),
          extent(extent) {
        using namespace Halide;
        Var line("line");
        offset(line) = in.param(0) * centre(line);
        // Beyond the image on either side it does not matter how far.
        Expr size = cast<double>(extent + 1);
        Expr near = clamp(offset(line), -size, size);
        whole(line) = hide_bounds(cast<int>(floor(near)));
        step(line) = cast<uint32_t>(cast<int64_t>((near - floor(near)) * Expr(4294967296.0)));

        RDom difference(1, 255, in.prefix + "difference");
        Expr high = cast<uint16_t>(step(line) >> 16), low = cast<uint16_t>(step(line));
        Expr rounded = cast<uint16_t>(difference) * high;
        Expr exact = rounded + mul_shift_right(cast<uint16_t>(difference), low, 16);
        fractions(line) = {cast<uint16_t>(0), cast<uint16_t>(65535)};
        fractions(line) = {fractions(line)[0] | saturating_sub(rounded - cast<uint16_t>(1), exact),
                           min(fractions(line)[1], exact + cast<uint16_t>(1))};
        multiplier(line) = high + cast<uint16_t>(fractions(line)[0] != 0);
    }

    [[nodiscard]] Halide::Expr in_doubt(const Halide::Expr& line) const {
        return fractions(line)[1] <= Halide::cast<uint16_t>(1);
    }

    /// The level between two neighbours on a line that is not in doubt.
    static Halide::Expr level(const Halide::Expr& near, const Halide::Expr& far, const Halide::Expr& multiplier) {
        using namespace Halide;
        Expr difference = cast<int16_t>(far) - cast<int16_t>(near), factor = reinterpret<int16_t>(multiplier);
        // The product with a multiplier of 2^15 or more, which is negative as a signed one, lacks the difference.
        Expr product = mul_shift_right(difference, factor, 16) + (difference & (factor >> 15));
        return cast<uint8_t>(cast<int16_t>(near) + product);
    }

    /// The pixel of a line that has the source's first (end 0) or last (end 1) pixel for one neighbour and none for the
    /// other: Pillow takes the edge for both if the centre is inside. May be outside the line.
    [[nodiscard]] Halide::Expr border_pixel(const Halide::Expr& end, const Halide::Expr& line) const {
        return Halide::select(end == 0, -1, extent - 1) - whole(line);
    }

    /// The source's edge at an end.
    [[nodiscard]] Halide::Expr edge(const Halide::Expr& end) const { return Halide::select(end == 0, 0, extent - 1); }

    /// Whether Pillow finds the centre of a line's pixel inside the source.
    [[nodiscard]] Halide::Expr inside(const Halide::Expr& pixel, const Halide::Expr& line) const {
        return lies_inside(source_centre(pixel, line), extent);
    }

    /// Pillow's level for a line's pixel; `source(i)` is the source's level at i along the line.
    template <typename Source>
    [[nodiscard]] Halide::Expr exact_level(const Halide::Expr& pixel, const Halide::Expr& line, const Source& source,
                                           const Halide::Expr& fill) const {
        using namespace Halide;
        auto clamped = [&](const Expr& i) { return cast<double>(source(clamp(i, 0, extent - 1))); };
        Expr first = pixel + whole(line);
        Expr near = clamped(first), far = clamped(first + 1);
        Expr between = (source_centre(pixel, line) - Expr(0.5)) - cast<double>(first);
        Expr level = clamp(near + (far - near) * between, Expr(0.0), Expr(255.0));
        return select(inside(pixel, line), cast<uint8_t>(cast<int>(level)), fill);
    }

    [[nodiscard]] std::vector<Support> support() const {
        return {{offset, Role::line},
                {whole, Role::line},
                {step, Role::line},
                {fractions, Role::shear_fractions},
                {multiplier, Role::line}};
    }

 private:
    Halide::Expr extent;

    /// Where Pillow finds the centre of a line's pixel in the source.
    [[nodiscard]] Halide::Expr source_centre(const Halide::Expr& pixel, const Halide::Expr& line) const {
        return centre(pixel) + offset(line);
    }
};

}  // namespace halmix
