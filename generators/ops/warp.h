#pragma once

#include <vector>

#include "generators/ops/padded_bytes.h"

namespace halmix {

inline Halide::Expr centre(const Halide::Expr& pixel) { return Halide::cast<double>(pixel) + Halide::Expr(0.5); }

/// An index to be stored. Halide clamps each use of a stored index that it can bound, which costs more than the use.
inline Halide::Expr unbounded(const Halide::Expr& index) {
    return Halide::reinterpret<int32_t>(Halide::cast<uint32_t>(index));
}

/// Where an output pixel's centre lies along one axis of the source, in double as Pillow's AFFINE + BILINEAR has it.
///
/// Pillow clamps the two source pixels. Here the place is clamped between the outermost pixels' centres and the two are
/// always neighbours: the fraction is then 0 or 1 at the ends, which gives the same level.
struct Tap {
    Halide::Expr inside;    ///< the centre lies in the source
    Halide::Expr near;      ///< i32: the first of the two source pixels, 0 .. max(extent - 2, 0)
    Halide::Expr fraction;  ///< f64: of the way from it to the next, 0 .. 1

    Tap(const Halide::Expr& from, const Halide::Expr& extent) {
        using namespace Halide;
        inside = from >= Expr(0.0) && from < cast<double>(extent);
        Expr place = clamp(from - Expr(0.5), Expr(0.0), cast<double>(extent - 1));
        Expr first = min(floor(place), cast<double>(max(extent - 2, 0)));
        near = unbounded(cast<int>(first));
        fraction = place - first;
    }

    /// A value of `near` that was stored.
    static Halide::Expr stored(const Halide::Expr& near, const Halide::Expr& extent) {
        return Halide::unsafe_promise_clamped(near, 0, Halide::max(extent - 2, 0));
    }
};

/// A pixel and its right neighbour in one u64, which is one load: byte c is channel c of the pixel, byte (channels + c)
/// that of the neighbour.
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
