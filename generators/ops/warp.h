#pragma once

#include <vector>

#include "generators/ops/bordered.h"

namespace halmix {

inline Halide::Expr centre(const Halide::Expr& pixel) { return Halide::cast<double>(pixel) + Halide::Expr(0.5); }

/// Where an output pixel's centre lies along one axis of the source, in double as Pillow's AFFINE + BILINEAR has it.
struct Tap {
    Halide::Expr inside;    ///< the centre lies in the source
    Halide::Expr near;      ///< i32: the first of the two source pixels, -1 .. extent - 1
    Halide::Expr fraction;  ///< f64: of the way from it to the next

    Tap(const Halide::Expr& from, const Halide::Expr& extent) {
        using namespace Halide;
        Expr size = cast<double>(extent), half = Expr(0.5);
        inside = from >= Expr(0.0) && from < size;
        // Inside, the bounds change nothing; outside, where the result is not used, they keep within the border.
        Expr position = clamp(from - half, Expr(-1.0), size - half);
        Expr whole = floor(position);
        // Halide would clamp what it can bound, once more for each pixel.
        near = reinterpret<int>(cast<uint32_t>(cast<int>(whole)));
        fraction = position - whole;
    }
};

/// A pixel and its right neighbour in one u64, which is one load: channel c is byte c, the neighbour's byte channels + c.
inline Halide::Expr pixel_pair(const OpInput& in, const Halide::Func& bytes, const Halide::Expr& x,
                               const Halide::Expr& y) {
    std::vector<Halide::Expr> word;
    for (int i = 0; i < 8; i++) word.push_back(bytes(x * in.channels + i, y));
    return Halide::concat_bits(word);
}

/// 2^52 plus byte `index` of a word, as a double: the byte is put into the mantissa, which costs less than converting.
inline Halide::Expr biased_level(const Halide::Expr& word, const Halide::Expr& index) {
    using namespace Halide;
    Expr level = (word >> cast<uint64_t>(8 * index)) & cast<uint64_t>(255);
    return reinterpret<double>(level | Expr(uint64_t(0x4330000000000000)));
}

/// Between two biased levels. Taking the bias away is exact, and so is the difference, in integers as in Pillow or not.
inline Halide::Expr interpolate_levels(const Halide::Expr& near, const Halide::Expr& far,
                                       const Halide::Expr& fraction) {
    return (near - Halide::Expr(4503599627370496.0)) + (far - near) * fraction;
}

}  // namespace halmix
