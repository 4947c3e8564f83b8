#include <immintrin.h>

#include "cpu/luminance.h"

namespace halmix::luminance {

namespace {

__m128i load(const std::uint8_t* bytes) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)); }

/// Of eight pixels, in units of 2^-16.
__m256i eight(const std::uint8_t* in) {
    const __m256i spread = _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,  //
                                            4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1);
    __m256i pixels = _mm256_inserti128_si256(_mm256_castsi128_si256(load(in)), load(in + 8), 1);
    __m256i levels = _mm256_xor_si256(_mm256_shuffle_epi8(pixels, spread), _mm256_set1_epi8(-128));
    __m256i by_high = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi32(high), levels), _mm256_set1_epi16(256));
    __m256i by_low = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi32(low), levels), _mm256_set1_epi16(1));
    return _mm256_add_epi32(_mm256_add_epi32(by_high, by_low), _mm256_set1_epi32(rounding));
}

void store_eight(const std::uint8_t* in, std::uint8_t* out) {
    const __m256i thrice = _mm256_setr_epi8(2, 2, 2, 6, 6, 6, 10, 10, 10, 14, 14, 14, -1, -1, -1, -1,  //
                                            2, 2, 2, 6, 6, 6, 10, 10, 10, 14, 14, 14, -1, -1, -1, -1);
    __m256i bytes =
        _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(eight(in), thrice), _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(bytes));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + 16), _mm256_extracti128_si256(bytes, 1));
}

}  // namespace

void avx2(const std::uint8_t* in, std::uint8_t* out, std::size_t count) {
    if (count < 8) return scalar(in, out, count);
    const std::size_t last = count - 8;
#pragma GCC unroll 2
    for (std::size_t i = 0; i < last; i += 8) store_eight(in + 3 * i, out + 3 * i);
    store_eight(in + 3 * last, out + 3 * last);
}

std::uint32_t avx2_total(const std::uint8_t* in, std::size_t count) {
    __m256i totals = _mm256_setzero_si256();
    std::size_t i = 0;
#pragma GCC unroll 2
    for (; i + 8 <= count; i += 8) totals = _mm256_add_epi32(totals, _mm256_srli_epi32(eight(in + 3 * i), 16));
    __m128i total = _mm_add_epi32(_mm256_castsi256_si128(totals), _mm256_extracti128_si256(totals, 1));
    total = _mm_add_epi32(total, _mm_srli_si128(total, 8));
    total = _mm_add_epi32(total, _mm_srli_si128(total, 4));
    return _mm_cvtsi128_si32(total) + scalar_total(in + 3 * i, count - i);
}

}  // namespace halmix::luminance
