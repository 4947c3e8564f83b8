#pragma once

#include "generators/ops/bordered.h"

namespace halmix {

inline Halide::Expr centre(const Halide::Expr& pixel) { return Halide::cast<double>(pixel) + Halide::Expr(0.5); }

/// Where an output pixel's centre lies along one axis of the source, in double as Pillow's AFFINE + BILINEAR has it.
struct Tap {
    Halide::Func near;      ///< i32 (x, y): the first of the two source pixels, -1 .. extent - 1 for centres inside
    Halide::Func fraction;  ///< f64 (x, y): of the way from it to the next
    Halide::Expr inside;    ///< the centre lies in the source

    Tap(const std::string& name, const Halide::Expr& from, const Halide::Expr& extent, Halide::Var x, Halide::Var y)
        : near(name + "_near"), fraction(name + "_fraction") {
        using namespace Halide;
        Expr size = cast<double>(extent), half = Expr(0.5);
        inside = from >= Expr(0.0) && from < size;
        // Inside, the bounds change nothing; outside, where the result is not used, they keep within the border.
        Expr position = clamp(from - half, Expr(-1.0), size - half);
        Expr whole = floor(position);
        near(x, y) = cast<int>(whole);
        fraction(x, y) = position - whole;
    }
};

/// Between two levels, in double; the difference is exact, in integers as in Pillow or not.
inline Halide::Expr interpolate(const Halide::Expr& near, const Halide::Expr& far, const Halide::Expr& fraction) {
    using namespace Halide;
    return cast<double>(near) + (cast<double>(far) - cast<double>(near)) * fraction;
}

}  // namespace halmix
