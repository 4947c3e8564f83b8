#pragma once

#include "generators/ops/warp.h"

namespace halmix {

/// What the pixels of a line share in a shear: of a row in shear_x, which moves it along x, of a column in shear_y.
///
/// All pixels of a line take neighbours the same number of pixels away. Where rounding makes Pillow take the next pair,
/// its fraction is 0 and this one's is 1, which gives the same level.
///
/// Their fraction is the same too but for rounding, so that the level between two neighbours, A + D f, is a function of
/// their difference D. Where all of D f for D = 1 .. 255 keep away from whole numbers by more than any rounding,
/// float32 truncates to the same level as Pillow's double. Lines for which that does not hold are `risky`.
struct Shear {
    Halide::Func offset;      ///< f64 (line): how far the line moves
    Halide::Func whole;       ///< i32 (line): of that, whole pixels
    Halide::Func begin, end;  ///< i32 (line): which of the result's pixels come from inside the source
    Halide::Func fraction;    ///< f32 (line): of the way from a neighbour to the next
    Halide::Func step, risk;  ///< u32 (line)
    Halide::Expr margin;

    /// `extent` is that of the source along the lines.
    Shear(const OpInput& in, const Halide::Expr& extent)
        : offset(in.prefix + "offset"),
          whole(in.prefix + "whole"),
          begin(in.prefix + "begin"),
          end(in.prefix + "end"),
          fraction(in.prefix + "fraction"),
          step(in.prefix + "step"),
          risk(in.prefix + "risk") {
        using namespace Halide;
        Var line("line");
        offset(line) = in.param(0) * centre(line);
        // Beyond the image on either side it does not matter how far.
        Expr size = cast<double>(extent + 1);
        whole(line) = unbounded(cast<int>(floor(clamp(offset(line), -size, size))));

        // The first pixel whose centre Pillow maps to `bound` or above; the estimate is wrong by one at most.
        auto first_above = [&](const Expr& bound) {
            Expr estimate = clamp((bound - offset(line)) - Expr(0.5), Expr(0.0), cast<double>(extent));
            Expr pixel = cast<int>(ceil(estimate));
            return unbounded(select(source_centre(pixel - 1, line) >= bound, pixel - 1,
                                    source_centre(pixel, line) >= bound, pixel, pixel + 1));
        };
        begin(line) = first_above(Expr(0.0));
        end(line) = first_above(cast<double>(extent));

        Expr exact_fraction = clamp(offset(line) - cast<double>(whole(line)), Expr(0.0), Expr(1.0));
        fraction(line) = cast<float>(exact_fraction);

        // The distances of D f from whole numbers, in units of 2^-32, of which unsigned products keep just that.
        // Roundings: of f 255 / 2^25, of product and sum 2^-17 each, of Pillow's fractions 255 extent / 2^52.
        margin = cast<uint32_t>((1 << 17) + extent / 4096 + 256);
        RDom difference(1, 255, in.prefix + "difference");
        step(line) = cast<uint32_t>(cast<int64_t>(exact_fraction * Expr(4294967296.0)));
        risk(line) = Expr(uint32_t(0xFFFFFFFF));
        risk(line) = min(risk(line), cast<uint32_t>(difference) * step(line) + margin);
    }

    /// Where Pillow finds the centre of a line's pixel in the source.
    [[nodiscard]] Halide::Expr source_centre(const Halide::Expr& pixel, const Halide::Expr& line) const {
        return centre(pixel) + offset(line);
    }

    [[nodiscard]] Halide::Expr risky(const Halide::Expr& line) const { return risk(line) <= 2 * margin; }

    /// Pillow's level for a line's pixel; `source(i)` is the source's level at i along the line.
    template <typename Source>
    [[nodiscard]] Halide::Expr exact_level(const Halide::Expr& pixel, const Halide::Expr& line, const Source& source,
                                           const Halide::Expr& fill) const {
        using namespace Halide;
        Expr first = pixel + whole(line);
        Expr near = cast<double>(source(first)), far = cast<double>(source(first + 1));
        Expr between = (source_centre(pixel, line) - Expr(0.5)) - cast<double>(first);
        Expr level = clamp(near + (far - near) * between, Expr(0.0), Expr(255.0));
        return select(pixel >= begin(line) && pixel < end(line), cast<uint8_t>(cast<int>(level)), fill);
    }

    [[nodiscard]] std::vector<Support> support() const {
        return {{offset, Role::line},   {whole, Role::line}, {begin, Role::line}, {end, Role::line},
                {fraction, Role::line}, {step, Role::line},  {risk, Role::line}};
    }
};

/// The level between two in float32.
inline Halide::Expr quick_level(const Halide::Expr& near, const Halide::Expr& far, const Halide::Expr& fraction) {
    using namespace Halide;
    Expr level = cast<float>(near) + cast<float>(cast<int>(far) - cast<int>(near)) * fraction;
    return cast<uint8_t>(cast<int>(level));
}

}  // namespace halmix
