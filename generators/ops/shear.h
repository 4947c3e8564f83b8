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
/// If f is so close to a fraction that Pillow's rounding could be on either side, the line is in doubt: levels between
/// neighbours whose difference is a multiple of the fraction's denominator are computed once more, in double.
struct Shear {
    static constexpr int border_ends = 2;
    static constexpr int word = 8;  ///< bytes computed once more together

    PerImage offset;      ///< f64 (line): how far the line moves
    PerImage whole;       ///< i32 (line): of that, whole pixels
    PerImage step;        ///< u32 (line): the fraction f in units of 2^-32
    PerImage fractions;   ///< u16 (line): not 0 if there is a fraction from f, rounded down to 16 bits, to f; of the
                          ///< denominator of one that is too close to f the lowest multiple tried, and the next; or 0
    PerImage multiplier;  ///< i32 (line): what stands for f in units of 2^-16
    PerImage inverse;     ///< u16 (line): 65535 / that denominator, rounded down; 1 for a line that is not in doubt

    /// `extent` is that of the source along the lines.
    Shear(const OpInput& in, const Halide::Expr& extent)
        : offset(in.func("offset")),
          whole(in.func("whole")),
          step(in.func("step")),
          fractions(in.func("fractions")),
          multiplier(in.func("multiplier")),
          inverse(in.func("inverse")),
          extent(extent) {
        using namespace Halide;
        Var line("line");
        offset(line) = in.param(0) * centre(line);
        // Beyond the image on either side it does not matter how far.
        Expr size = cast<double>(extent + 1);
        Expr near = clamp(offset(line), -size, size);
        whole(line) = hide_bounds(cast<int>(floor(near)));
        step(line) = cast<uint32_t>(cast<int64_t>((near - floor(near)) * Expr(4294967296.0)));

        // From the highest difference to the lowest that is tried. Every denominator below 128 has two multiples among
        // them, so that one f is too close to is their distance, every other the only one itself.
        constexpr int lowest = 86, highest = 255;
        RDom nth(0, highest - lowest + 1, in.prefix + "difference");
        Expr difference = cast<uint16_t>(highest - nth), none = cast<uint16_t>(0);
        Expr high = cast<uint16_t>(step(line) >> 16), low = cast<uint16_t>(step(line));
        Expr rounded = difference * high, exact = rounded + mul_shift_right(difference, low, 16);
        fractions(line) = {none, none, none};
        Expr close = exact + cast<uint16_t>(1) <= cast<uint16_t>(1);
        fractions(line) = {fractions(line)[0] | saturating_sub(rounded - cast<uint16_t>(1), exact),
                           select(close, difference, fractions(line)[1]),
                           select(close, fractions(line)[1], fractions(line)[2])};

        // Nothing is rounded of what comes of a multiple of 2^-16.
        Expr scaled = near * Expr(65536.0), rounds = scaled != floor(scaled);
        multiplier(line) = cast<int>(high) + cast<int>(rounds && fractions(line)[0] != 0);
        // In float32, which is quicker and exact: a quotient is rounded by less than it is away from an integer.
        Expr least = fractions(line)[1], next = fractions(line)[2];
        Expr denominator = select(next == none, least, next - least);
        Expr quotient = Expr(65535.0F) / cast<float>(max(denominator, cast<uint16_t>(1)));
        inverse(line) = select(rounds && least != none, cast<uint16_t>(cast<int>(quotient)), cast<uint16_t>(1));
    }

    [[nodiscard]] Halide::Expr in_doubt(const Halide::Expr& line) const {
        return inverse(line) != Halide::cast<uint16_t>(1);
    }

    /// Not 0 if the difference of two neighbours is a multiple of the denominator that `inverse` is of, but not 0.
    ///
    /// With q the denominator and c = inverse + 1, which is 65536 / q rounded up by less than 1, a difference of t more
    /// than a multiple of q, times c, is t * 65536 / q more than a multiple of 65536, and less than 255 more. So it is
    /// at least c unless t is 0, and does not reach the next multiple.
    static Halide::Expr doubtful(const Halide::Expr& near, const Halide::Expr& far, const Halide::Expr& inverse) {
        using namespace Halide;
        Expr difference = absd(near, far);
        Expr rest = cast<uint16_t>(difference) * (inverse + cast<uint16_t>(1));
        return select(rest <= inverse, difference, cast<uint8_t>(0));
    }

    /// Of the two neighbours, the one that a multiplier is closer to: level() begins there.
    static Halide::Expr begins_at_far(const Halide::Expr& multiplier) { return multiplier >= 32768; }

    /// A multiplier from there, which 16 bits with a sign hold.
    static Halide::Expr factor(const Halide::Expr& multiplier) {
        return Halide::cast<int16_t>(Halide::cast<uint16_t>(multiplier));
    }

    /// The level between two neighbours, `begin` being one of them.
    static Halide::Expr level(const Halide::Expr& begin, const Halide::Expr& near, const Halide::Expr& far,
                              const Halide::Expr& factor) {
        using namespace Halide;
        Expr difference = cast<int16_t>(far) - cast<int16_t>(near);
        return cast<uint8_t>(cast<int16_t>(begin) + mul_shift_right(difference, factor, 16));
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
        Expr first = pixel + whole(line);
        auto at = [&](const Expr& i) { return source(clamp(i, 0, extent - 1)); };
        return select(inside(pixel, line), exact_between(pixel, whole(line), offset(line), at(first), at(first + 1)),
                      fill);
    }

    /// Pillow's level between two neighbours of a pixel that is inside.
    static Halide::Expr exact_between(const Halide::Expr& pixel, const Halide::Expr& whole, const Halide::Expr& offset,
                                      const Halide::Expr& near, const Halide::Expr& far) {
        using namespace Halide;
        Expr between = ((centre(pixel) + offset) - Expr(0.5)) - cast<double>(pixel + whole);
        Expr level = cast<double>(near) + (cast<double>(far) - cast<double>(near)) * between;
        return cast<uint8_t>(cast<int>(level));
    }

    /// Leaves of a domain, (byte of a word, word, ...), the words that are not all 0, of `bytes` flags; first it is
    /// looked whether there are any.
    template <typename Byte>
    static void where_not_zero(Halide::RDom& domain, int bytes, const Byte& flag) {
        using namespace Halide;
        auto as_number = [&](const Expr& index) {
            std::vector<Expr> all;
            for (int k = 0; k < word; k++) all.push_back(flag(index * word + k));
            return concat_bits(all);
        };
        Expr any = as_number(0);
        for (int w = 1; w < bytes / word; w++) any = any | as_number(w);
        domain.where(any != 0);
        domain.where(as_number(domain.y) != 0);
    }

    [[nodiscard]] std::vector<Support> support() const {
        return {{offset, Role::line},     {whole, Role::line},  {step, Role::line}, {fractions, Role::shear_fractions},
                {multiplier, Role::line}, {inverse, Role::line}};
    }

 private:
    Halide::Expr extent;

    /// Where Pillow finds the centre of a line's pixel in the source.
    [[nodiscard]] Halide::Expr source_centre(const Halide::Expr& pixel, const Halide::Expr& line) const {
        return centre(pixel) + offset(line);
    }
};

}  // namespace halmix
