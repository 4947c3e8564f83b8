#include <immintrin.h>

#include "cpu/bytes_avx512.h"
#include "cpu/luminance.h"

namespace halmix::luminance {

namespace {

constexpr Bytes spread([](int i) { return i / 4 * 3 + i % 4; });  ///< which byte of 48 goes where

/// Of 16 pixels, in units of 2^-16. The byte after a pixel's three is the next one's, and has no weight.
__m512i sixteen(__m512i bytes) {
    __m512i pixels = _mm512_permutexvar_epi8(spread, bytes);
    __m512i levels = _mm512_xor_si512(pixels, _mm512_set1_epi8(-128));
    __m512i by_high = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi32(high), levels);
    __m512i by_low = _mm512_dpbusd_epi32(_mm512_set1_epi32(rounding), _mm512_set1_epi32(low), levels);
    return _mm512_add_epi32(_mm512_slli_epi32(by_high, 8), by_low);
}

}  // namespace

std::uint32_t avx512_total(const std::uint8_t* in, std::size_t count) {
    __m512i total = _mm512_setzero_si512();
    auto add = [&](__m512i bytes) { total = _mm512_add_epi32(total, _mm512_srli_epi32(sixteen(bytes), 16)); };
    std::size_t i = 0;
    // Each reads 16 bytes beyond its pixels.
#pragma GCC unroll 4
    for (; i + 22 <= count; i += 16) add(_mm512_loadu_si512(in + 3 * i));
    for (; i < count; i += 16) {
        // Pixels of zeros have a luminance of 0.
        const std::size_t bytes = 3 * (count - i < 16 ? count - i : 16);
        add(_mm512_maskz_loadu_epi8((__mmask64{1} << bytes) - 1, in + 3 * i));
    }
    return _mm512_reduce_add_epi32(total);
}

}  // namespace halmix::luminance
