#include <immintrin.h>

#include "cpu/resample.h"

namespace halmix::resample {

namespace {

/// Weights have two digits of 16 bits, each times two taps in one product.
constexpr std::ptrdiff_t taps = 2, digits = 2;

__m128i load(const void* bytes) { return _mm_loadu_si128(static_cast<const __m128i*>(bytes)); }
__m256i load(const void* low, const void* high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load(low)), load(high), 1);
}

void store(std::uint8_t* to, std::uint32_t bytes, std::ptrdiff_t count) {
    for (std::ptrdiff_t i = 0; i < count; i++, bytes >>= 8) to[i] = static_cast<std::uint8_t>(bytes);
}

/// One byte of a result, from its row.
std::uint8_t one(const Rows& rows, const std::uint8_t* row, std::ptrdiff_t i) {
    const auto* weights = static_cast<const std::int16_t*>(rows.digits) + i * taps;
    const std::ptrdiff_t digit = rows.to_bytes * taps;
    std::ptrdiff_t at = std::ptrdiff_t{rows.first[i / rows.channels]} * rows.channels + i % rows.channels;
    int low = 1 << 21, high = 0;
    for (int g = 0; g < rows.dot_products; g++, weights += digits * digit) {
        for (std::ptrdiff_t t = 0; t < taps && at < rows.from_bytes; t++, at += rows.channels) {
            low += row[at] * weights[t];
            high += row[at] * weights[t + digit];
        }
    }
    const int level = (low + (high << 8)) >> 22;
    return static_cast<std::uint8_t>(level < 0 ? 0 : level > 255 ? 255 : level);
}

/// Two pixels of `count` rows, of which each has four lanes, the last of no use. Four taps at a time, so that a load's
/// bytes are used; where there are but two left, the others' weights are not looked at.
template <int count>
[[gnu::always_inline]] inline void two_pixels(const Rows& rows, std::ptrdiff_t row, std::ptrdiff_t x) {
    // Of a pixel's channels, two taps side by side as numbers of 16 bits.
    const __m256i first_taps =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m256i next_taps =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    const __m256i bytes_of_lanes =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    __m256i low[count], high[count];
#pragma GCC unroll 4
    for (int r = 0; r < count; r++) {
        low[r] = _mm256_set1_epi32(1 << 21);
        high[r] = _mm256_setzero_si256();
    }
    const std::ptrdiff_t digit = rows.to_bytes * taps, pixel = 3 * taps;
    const auto* weights = static_cast<const std::int16_t*>(rows.digits) + x * pixel;
    const std::uint8_t* from = rows.from + row * rows.from_stride;
    const std::ptrdiff_t a = 3 * std::ptrdiff_t{rows.first[x]}, b = 3 * std::ptrdiff_t{rows.first[x + 1]};
    for (int g = 0; g < rows.dot_products; g += 2, weights += 2 * digits * digit, from += 4 * 3) {
        const bool both = g + 1 < rows.dot_products;
        const std::int16_t* next = weights + digits * digit;
        const __m256i low0 = load(weights, weights + pixel), high0 = load(weights + digit, weights + digit + pixel);
        const __m256i low1 = both ? load(next, next + pixel) : _mm256_setzero_si256();
        const __m256i high1 = both ? load(next + digit, next + digit + pixel) : _mm256_setzero_si256();
#pragma GCC unroll 4
        for (int r = 0; r < count; r++) {
            const std::uint8_t* in = from + r * rows.from_stride;
            const __m256i bytes = load(in + a, in + b);
            const __m256i bytes0 = _mm256_shuffle_epi8(bytes, first_taps),
                          bytes1 = _mm256_shuffle_epi8(bytes, next_taps);
            low[r] = _mm256_add_epi32(
                low[r], _mm256_add_epi32(_mm256_madd_epi16(bytes0, low0), _mm256_madd_epi16(bytes1, low1)));
            high[r] = _mm256_add_epi32(
                high[r], _mm256_add_epi32(_mm256_madd_epi16(bytes0, high0), _mm256_madd_epi16(bytes1, high1)));
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < count; r++) {
        __m256i level = _mm256_srai_epi32(_mm256_add_epi32(low[r], _mm256_slli_epi32(high[r], 8)), 22);
        level = _mm256_packus_epi16(_mm256_packs_epi32(level, level), level);
        level = _mm256_shuffle_epi8(level, bytes_of_lanes);
        std::uint8_t* to = rows.to + (row + r) * rows.to_stride + 3 * x;
        // Four bytes each: the fourth is the next pixel's, and is written over.
        const int left = _mm256_cvtsi256_si32(level), right = _mm_cvtsi128_si32(_mm256_extracti128_si256(level, 1));
        __builtin_memcpy(to, &left, 4);
        if (x + 2 < rows.to_bytes / 3) {
            __builtin_memcpy(to + 3, &right, 4);
        } else {
            store(to + 3, static_cast<std::uint32_t>(right), 3);
        }
    }
}

/// All of `count` rows, from left to right: their bytes stay in the first cache.
template <int count>
void all_pixels(const Rows& shared, std::ptrdiff_t row) {
    const Rows rows = shared;  // a copy: bytes that are written could be a part of the other
    const std::ptrdiff_t pixels = rows.to_bytes / rows.channels;
    // The last 16 bytes that are read for a pixel must not lie beyond the row.
    const std::ptrdiff_t reach = std::ptrdiff_t{rows.dot_products + 1} / 2 * 12 + 4;
    auto within = [&](std::ptrdiff_t x) { return 3 * std::ptrdiff_t{rows.first[x]} + reach <= rows.from_bytes; };
    std::ptrdiff_t x = 0;
    while (x < pixels) {
        if (rows.channels == 3 && x + 1 < pixels && within(x) && within(x + 1)) {
            two_pixels<count>(rows, row, x);
            x += 2;
            continue;
        }
        for (int r = 0; r < count; r++) {
            for (std::ptrdiff_t c = 0; c < rows.channels; c++) {
                const std::ptrdiff_t i = x * rows.channels + c;
                rows.to[(row + r) * rows.to_stride + i] = one(rows, rows.from + (row + r) * rows.from_stride, i);
            }
        }
        x++;
    }
}

}  // namespace

void avx2(const Rows& rows) {
    std::ptrdiff_t row = 0;
    for (; row + 4 <= rows.count; row += 4) all_pixels<4>(rows, row);
    for (; row < rows.count; row++) all_pixels<1>(rows, row);
}

}  // namespace halmix::resample
