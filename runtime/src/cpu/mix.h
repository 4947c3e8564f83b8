#pragma once

#include <cstddef>
#include <cstdint>

/// The mixture of an image and its chains, by instruction set: in integers, and in float32 where those could give
/// another level (docs/numerics.md, "The mixture"). Like lookup.h, for files that are compiled for more than plain
/// x86-64.
namespace halmix::mix {

/// Rows of bytes, and what they are mixed from.
struct Rows {
    const std::uint8_t* original;
    std::ptrdiff_t original_stride;  ///< from a row to the next
    const std::uint8_t* chains;
    std::ptrdiff_t chain_stride, chain_bytes;  ///< from a row to the next, from a chain to the next
    std::uint8_t* to;
    std::ptrdiff_t to_stride;
    std::ptrdiff_t bytes, count;  ///< of a row, of rows
    const float* weights;         ///< of the chains
    int chain_count;
    float mix;
};

/// There are no more.
constexpr int most_chains = 16;

/// As many images are mixed in integers: Composer's three chains, and the original.
constexpr int taps = 4;

/// What roundings of Composer's float32 are at most, of a level. Products are rounded by 2^-24 of themselves, those
/// with the weights and those with the shares; all of either kind add up to less than 256, so by less than 2^-16. The
/// two sums of the chains and the last one, below 256, are rounded by 2^-17.
constexpr double float_error = 2.0 / 65536 + 3.0 / 131072;

/// The shares of the original and of each chain in the mixture, as multiples of 1 / unit; those of chains that are not
/// there are 0.
struct Shares {
    std::int32_t values[taps];
    double error;  ///< how far all that are too high, or too low, are from those in float32, in units
};

/// Of at most taps - 1 chains.
Shares shares(const Rows& rows, int unit);

using Function = void (*)(const Rows& rows);

void avx2(const Rows& rows);
void avx512(const Rows& rows);

}  // namespace halmix::mix
