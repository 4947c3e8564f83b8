#pragma once

#include <cstddef>
#include <cstdint>

/// The pass of a resize along rows, by instruction set: the bytes of a pixel's taps lie where a table says, so they are
/// found by byte shuffles. Like lookup.h, for files that are compiled for more than plain x86-64.
namespace halmix::resample {

/// Rows of pixels, and what their results are made of: see generators/resample_generator.cpp.
struct Rows {
    const std::uint8_t* from;
    std::ptrdiff_t from_stride, from_bytes;  ///< from a row to the next, of a row; none beyond is read
    std::uint8_t* to;
    std::ptrdiff_t to_stride, to_bytes;
    const std::int32_t* first;  ///< by pixel of a result: the pixel that its first tap reads. Rises, or falls
    const void* digits;         ///< (tap, byte of a result, digit, dot product); 64 bytes beyond may be read
    int channels, dot_products;
    std::ptrdiff_t count;  ///< of rows
};

using Function = void (*)(const Rows& rows);

void sse41(const Rows& rows);
void avx2(const Rows& rows);
void avx512(const Rows& rows);

}  // namespace halmix::resample
