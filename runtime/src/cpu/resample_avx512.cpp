#include <immintrin.h>

#include "cpu/resample.h"

namespace halmix::resample {

namespace {

/// Bytes of a result that a vector has the taps of, four for each.
constexpr std::ptrdiff_t step = 16, taps = 4, digits = 3;

/// For a vector whose first byte is of channel 0, 1 or 2: how many pixels after the first a byte's pixel is, and its
/// channel.
struct Pattern {
    std::int32_t pixel[step], channel[step];
};

constexpr Pattern pattern(int channels, int phase) {
    Pattern pattern{};
    for (int l = 0; l < step; l++) {
        pattern.pixel[l] = (phase + l) / channels;
        pattern.channel[l] = (phase + l) % channels;
    }
    return pattern;
}

constexpr Pattern gray = pattern(1, 0), rgb[3] = {pattern(3, 0), pattern(3, 1), pattern(3, 2)};

/// The first bytes of a vector, of which there may be none.
__mmask64 first_bytes(std::ptrdiff_t bytes) {
    return bytes >= 64 ? ~__mmask64{0} : bytes <= 0 ? 0 : ~__mmask64{0} >> (64 - bytes);
}

/// The taps of 16 bytes of results, for any row: all lie within 64 bytes, none of which is beyond the row's end.
struct Near {
    std::ptrdiff_t start;
    __m512i index;

    __m512i taps_of(const std::uint8_t* row, std::ptrdiff_t offset) const {
        return _mm512_permutexvar_epi8(index, _mm512_loadu_si512(row + start + offset));
    }
};

/// All lie within 128 bytes.
struct Wide {
    std::ptrdiff_t start, bytes;
    __m512i index;

    __m512i taps_of(const std::uint8_t* row, std::ptrdiff_t offset) const {
        const std::ptrdiff_t at = start + offset, left = bytes - at;
        return _mm512_permutex2var_epi8(_mm512_maskz_loadu_epi8(first_bytes(left), row + at), index,
                                        _mm512_maskz_loadu_epi8(first_bytes(left - 64), row + at + 64));
    }
};

/// Anywhere: they are found one by one.
struct Far {
    std::ptrdiff_t bytes, channels;
    std::int32_t at[step];

    __m512i taps_of(const std::uint8_t* row, std::ptrdiff_t offset) const {
        alignas(64) std::uint8_t found[64];
        for (std::ptrdiff_t l = 0; l < step; l++) {
            for (std::ptrdiff_t t = 0; t < taps; t++) {
                const std::ptrdiff_t place = at[l] + offset + t * channels;
                found[l * taps + t] = row[place < bytes ? place : bytes - 1];
            }
        }
        return _mm512_load_si512(found);
    }
};

/// 16 bytes of `count` rows from byte `v` of the results on, of which `stored` are written.
template <int count, typename Source>
void compute(const Rows& rows, const Source& source, std::ptrdiff_t row, std::ptrdiff_t v, __mmask16 stored) {
    __m512i sums[count][digits];
#pragma GCC unroll 4
    for (int r = 0; r < count; r++) {
        sums[r][0] = _mm512_set1_epi32(1 << 21);
        sums[r][1] = sums[r][2] = _mm512_setzero_si512();
    }
    const std::uint8_t* from = rows.from + row * rows.from_stride;
    const auto* weights = static_cast<const std::int8_t*>(rows.digits) + v * taps;
    const std::ptrdiff_t digit = rows.to_bytes * taps;
    for (int g = 0; g < rows.dot_products; g++, weights += digits * digit) {
        const __m512i low = _mm512_loadu_si512(weights), middle = _mm512_loadu_si512(weights + digit),
                      high = _mm512_loadu_si512(weights + 2 * digit);
#pragma GCC unroll 4
        for (int r = 0; r < count; r++) {
            const __m512i bytes = source.taps_of(from + r * rows.from_stride, g * taps * rows.channels);
            sums[r][0] = _mm512_dpbusd_epi32(sums[r][0], bytes, low);
            sums[r][1] = _mm512_dpbusd_epi32(sums[r][1], bytes, middle);
            sums[r][2] = _mm512_dpbusd_epi32(sums[r][2], bytes, high);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < count; r++) {
        const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(sums[r][0], _mm512_slli_epi32(sums[r][1], 8)),
                                             _mm512_slli_epi32(sums[r][2], 16));
        const __m512i level = _mm512_max_epi32(_mm512_srai_epi32(sum, 22), _mm512_setzero_si512());
        std::uint8_t* to = rows.to + (row + r) * rows.to_stride + v;
        if (stored == 0xffff) {
            _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtusepi32_epi8(level));
        } else {
            _mm512_mask_cvtusepi32_storeu_epi8(to, stored, level);
        }
    }
}

template <typename Source>
void compute(const Rows& rows, const Source& source, std::ptrdiff_t v, __mmask16 stored) {
    std::ptrdiff_t row = 0;
    for (; row + 4 <= rows.count; row += 4) compute<4>(rows, source, row, v, stored);
    for (; row < rows.count; row++) compute<1>(rows, source, row, v, stored);
}

void compute(const Rows& rows) {
    const std::ptrdiff_t channels = rows.channels;
    const __m512i tap = _mm512_set1_epi32(static_cast<int>(channels * 0x03020100));
    const __m512i in_four =
        _mm512_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404,
                          0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c);
    for (std::ptrdiff_t v = 0; v < rows.to_bytes; v += step) {
        const std::ptrdiff_t lanes = rows.to_bytes - v < step ? rows.to_bytes - v : step;
        const auto stored = static_cast<__mmask16>((1U << lanes) - 1);
        const std::ptrdiff_t x = v / channels, last = (v + lanes - 1) / channels;
        const Pattern& order = channels == 1 ? gray : rgb[v % channels];
        const std::ptrdiff_t a = rows.first[x], b = rows.first[last];
        const std::ptrdiff_t start = channels * (a < b ? a : b);
        const std::ptrdiff_t span = channels * (a < b ? b - a : a - b) + channels * taps;
        const __m512i pixels = _mm512_permutexvar_epi32(
            _mm512_loadu_si512(order.pixel),
            _mm512_maskz_loadu_epi32(static_cast<__mmask16>((2U << (last - x)) - 1), rows.first + x));
        const __m512i at = _mm512_add_epi32(_mm512_mullo_epi32(pixels, _mm512_set1_epi32(static_cast<int>(channels))),
                                            _mm512_loadu_si512(order.channel));
        const __m512i index = _mm512_add_epi8(
            _mm512_shuffle_epi8(_mm512_sub_epi32(at, _mm512_set1_epi32(static_cast<int>(start))), in_four), tap);
        if (span <= 64 && start + (rows.dot_products - 1) * taps * channels + 64 <= rows.from_bytes) {
            compute(rows, Near{start, index}, v, stored);
        } else if (span <= 128) {
            compute(rows, Wide{start, rows.from_bytes, index}, v, stored);
        } else {
            Far far{rows.from_bytes, channels, {}};
            _mm512_storeu_si512(far.at, at);
            compute(rows, far, v, stored);
        }
    }
}

}  // namespace

void avx512(const Rows& rows) {
    // So few rows that they stay in the first cache, so many that finding where taps lie costs little.
    constexpr std::ptrdiff_t block = 16;
    for (std::ptrdiff_t row = 0; row < rows.count; row += block) {
        Rows some = rows;
        some.from += row * rows.from_stride;
        some.to += row * rows.to_stride;
        some.count = rows.count - row < block ? rows.count - row : block;
        compute(some);
    }
}

}  // namespace halmix::resample
