#pragma once

#include <cstddef>
#include <cstdint>

/// Rotations, by instruction set: bilinear interpolation between pixels that lie anywhere, which byte shuffles fetch.
/// Like lookup.h, for files that are compiled for more than plain x86-64. docs/numerics.md has the proofs.
namespace halmix::warp {

/// What generators/ops/affine.h computes: Pillow's AFFINE + BILINEAR.
struct Warp {
    const std::uint8_t*
        source;            ///< pixel (0, 0) of the source, in its border; what is around may be read (BorderedSource)
    std::ptrdiff_t pitch;  ///< bytes from a row of it to the next
    std::uint8_t* to;      ///< pixel (0, 0) of the result
    std::ptrdiff_t to_stride;
    const double* matrix;  ///< from a pixel's centre in the result to a place in the source; no element is above 1
    const std::int32_t *begin, *end;  ///< by row of the result: the pixels that lie inside the source
    std::int32_t width, height;       ///< of source and result, in pixels
};

/// Coordinates, and weights of which four add up to 1, in fixed point.
namespace precision {

constexpr int places = 24;
constexpr std::int32_t unit = 1 << places, fraction_mask = unit - 1;

/// How far a coordinate may be off, in units: rounded twice, half a unit each, and less than a unit for the doubles
/// before, ours and Pillow's.
constexpr int doubt = 2;
/// The bits that a coordinate with the doubt added lacks if it is that close to a pixel's centre.
constexpr std::int32_t off_centre = fraction_mask & -2 * doubt;
/// How far a level may be off, in units, for each level that its neighbours differ by: for each axis as far as its
/// coordinate, and twice a unit for the product that the weights are made of. Levels as close to an integer as that
/// are repaired: computed in double, as Pillow does.
constexpr int doubt_by_difference = 2 * doubt + 2;
/// What is so for all differences: a test that finds the few levels to look at more closely.
constexpr int tolerance = 2048;
static_assert(tolerance > 255 * doubt_by_difference && tolerance / 2 < 255 * doubt_by_difference);
/// The bits that a level with the tolerance added lacks if it is that close to an integer.
constexpr std::int32_t close = fraction_mask & -2 * tolerance;

}  // namespace precision

/// What is added to levels before they are cut to integers, and to coordinates.
///
/// In quarter turns all fractions are 0 or 1/2 exactly, so levels are multiples of 1/4: an eighth further none is close
/// to an integer. For these coordinates are a unit higher, as a weight of 1 would be a digit longer.
struct Rounding {
    std::int32_t added, nudge;

    explicit Rounding(const double* matrix) {
        const bool quarter = matrix[0] == 0 || matrix[1] == 0;
        added = quarter ? precision::unit / 8 : precision::tolerance;
        nudge = quarter ? 1 : 0;
    }
};

/// Makes all pixels that lie inside.
using Function = void (*)(const Warp& warp);

/// The plain forms: Pillow's arithmetic, in double.
void exact(const Warp& warp);
void exact_rgb(const Warp& warp);

void sse41(const Warp& warp);
void sse41_rgb(const Warp& warp);

void avx2(const Warp& warp);
void avx2_rgb(const Warp& warp);

void avx512_rgb(const Warp& warp);

}  // namespace halmix::warp
