#pragma once

#include <cstddef>
#include <cstdint>

/// Pillow's luminance of RGB pixels, by instruction set; generators/ops/luminance.h defines it. Files that are
/// compiled for more than plain x86-64 include nothing but this and intrinsics: an inline function compiled there could
/// be linked in place of the plain one.
namespace halmix::luminance {

/// Of `count` pixels of three bytes, into each of the three bytes of a pixel, as an op wants it beside the pixel.
using Function = void (*)(const std::uint8_t* in, std::uint8_t* out, std::size_t count);

/// Of all of `count` pixels together, of which there are at most `most_at_once`.
using Total = std::uint32_t (*)(const std::uint8_t* in, std::size_t count);
inline constexpr std::size_t most_at_once = std::size_t{1} << 24;
static_assert(most_at_once * 255 < std::uint64_t{1} << 32, "totals are 32 bits");

void scalar(const std::uint8_t* in, std::uint8_t* out, std::size_t count);
std::uint32_t scalar_total(const std::uint8_t* in, std::size_t count);

void ssse3(const std::uint8_t* in, std::uint8_t* out, std::size_t count);
std::uint32_t ssse3_total(const std::uint8_t* in, std::size_t count);

void avx2(const std::uint8_t* in, std::uint8_t* out, std::size_t count);
std::uint32_t avx2_total(const std::uint8_t* in, std::size_t count);

std::uint32_t avx512_total(const std::uint8_t* in, std::size_t count);

// Vectors hold a pixel in 32 bits, 0 after its three bytes. Weights are two bytes each, `high` and `low`, and levels
// are less 128, so that they are the signed factors of products of bytes; `rounding` takes back what that is over all
// weights, whose sum is 2^16.
inline constexpr int high = 76 | 150 << 8 | 29 << 16, low = 139 | 70 << 8 | 47 << 16;
inline constexpr int rounding = (128 << 16) + (1 << 15);
static_assert(76 * 256 + 139 == 19595 && 150 * 256 + 70 == 38470 && 29 * 256 + 47 == 7471);
static_assert((76 + 150) * 128 < 1 << 15 && (139 + 70) * 128 < 1 << 15, "sums of two products are 16 bits");

}  // namespace halmix::luminance
