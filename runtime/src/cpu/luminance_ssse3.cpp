#include <immintrin.h>

#include "cpu/luminance.h"

namespace halmix::luminance {

namespace {

/// Of the four pixels that 16 bytes begin with, in units of 2^-16.
__m128i four(const std::uint8_t* in) {
    const __m128i spread = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    __m128i pixels = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)), spread);
    __m128i levels = _mm_xor_si128(pixels, _mm_set1_epi8(-128));
    __m128i by_high = _mm_madd_epi16(_mm_maddubs_epi16(_mm_set1_epi32(high), levels), _mm_set1_epi16(256));
    __m128i by_low = _mm_madd_epi16(_mm_maddubs_epi16(_mm_set1_epi32(low), levels), _mm_set1_epi16(1));
    return _mm_add_epi32(_mm_add_epi32(by_high, by_low), _mm_set1_epi32(rounding));
}

}  // namespace

void ssse3(const std::uint8_t* in, std::uint8_t* out, std::size_t count) {
    const __m128i thrice = _mm_setr_epi8(2, 2, 2, 6, 6, 6, 10, 10, 10, 14, 14, 14, -1, -1, -1, -1);
    std::size_t i = 0;
    // Each reads and writes four bytes beyond its pixels.
    for (; i + 6 <= count; i += 4) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 3 * i), _mm_shuffle_epi8(four(in + 3 * i), thrice));
    }
    scalar(in + 3 * i, out + 3 * i, count - i);
}

std::uint32_t ssse3_total(const std::uint8_t* in, std::size_t count) {
    __m128i total = _mm_setzero_si128();
    std::size_t i = 0;
    for (; i + 6 <= count; i += 4) total = _mm_add_epi32(total, _mm_srli_epi32(four(in + 3 * i), 16));
    total = _mm_add_epi32(total, _mm_srli_si128(total, 8));
    total = _mm_add_epi32(total, _mm_srli_si128(total, 4));
    return _mm_cvtsi128_si32(total) + scalar_total(in + 3 * i, count - i);
}

}  // namespace halmix::luminance
