#include <immintrin.h>

#include "cpu/bytes_avx512.h"
#include "cpu/mix_blocks.h"

namespace halmix::mix {

namespace {

constexpr int unit = 1 << 23;
/// How far from a whole number a level is sure: further than shares, rounded by 1/2 at most, and float32 take it.
constexpr int tolerance = 1024;
static_assert(tolerance > 255 * taps / 2.0 + float_error * unit);

/// Of a sum in halves of a unit the level is the highest byte.
constexpr int halves = 2, fraction_mask = halves * unit - 1;

__m512i load(const std::uint8_t* bytes) { return _mm512_loadu_si512(bytes); }

__m512 floats(const std::uint8_t* bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes))));
}

/// vpdpbusd multiplies the levels of four images with a digit of each one's share and adds up; shares have three, with
/// a sign. The highest digit of a share from about 1/2 on is 256 too low, so the sum, which has 32 bits, lacks a whole
/// level of that image, which is added.
class Form {
 public:
    static constexpr std::ptrdiff_t block = 64;

    bool fits = false;  ///< one share at most lacks a level
    int largest = 0;    ///< the image whose share is

    explicit Form(const Rows& rows) : clean_(_mm512_set1_ps(1.0F - rows.mix)), mix_(_mm512_set1_ps(rows.mix)) {
        if (rows.chain_count >= taps) return;
        const Shares found = shares(rows, unit);
        for (int t = 1; t < taps; t++) {
            if (found.values[t] > found.values[largest]) largest = t;
        }
        std::uint32_t digits[3] = {};
        int lacking = 0;
        for (int t = 0; t < taps; t++) {
            const int place = t == largest ? 0 : t == 0 ? largest : t;
            std::int32_t rest = found.values[t] * halves;
            for (std::uint32_t& four : digits) {
                const auto digit = static_cast<std::int8_t>(rest);
                four |= std::uint32_t{static_cast<std::uint8_t>(digit)} << 8 * place;
                rest = (rest - digit) >> 8;
            }
            lacking += rest;
        }
        fits = lacking <= 1;
        lacks_ = lacking == 0 ? 0 : ~__mmask64{0};
        for (int d = 0; d < 3; d++) digits_[d] = _mm512_set1_epi32(static_cast<int>(digits[d]));
    }

    bool quick(const Block& from, std::uint8_t* to) const {
        const __m512i x = load(from.image[0]), a = load(from.image[1]), b = load(from.image[2]),
                      c = load(from.image[3]);
        const __m512i xa0 = _mm512_unpacklo_epi8(x, a), xa1 = _mm512_unpackhi_epi8(x, a);
        const __m512i bc0 = _mm512_unpacklo_epi8(b, c), bc1 = _mm512_unpackhi_epi8(b, c);
        const __m512i levels[4] = {_mm512_unpacklo_epi16(xa0, bc0), _mm512_unpackhi_epi16(xa0, bc0),
                                   _mm512_unpacklo_epi16(xa1, bc1), _mm512_unpackhi_epi16(xa1, bc1)};
        // The tolerance is the highest byte here, from where the first sum is turned, not shifted. A bit below it,
        // which is then shifted out, keeps what has a sign from borrowing of it.
        static_assert(halves * tolerance % 256 == 0 && halves * tolerance < 1 << 15);
        const __m512i start = _mm512_set1_epi32(halves * tolerance << 16 | 1 << 22);
        // All bits of a fraction above the tolerance's are 0 if it is as close to a whole number.
        const __m512i distance = _mm512_set1_epi32(fraction_mask & ~(2 * halves * tolerance - 1));
        const auto add = [&](__m512i sum, int i, int d) { return _mm512_dpbusd_epi32(sum, levels[i], digits_[d]); };
        // All four step by step, as they wait for each other less.
        __m512i sum[4];
        __mmask16 unsure[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) sum[i] = add(start, i, 2);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) sum[i] = add(_mm512_rol_epi32(sum[i], 8), i, 1);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) sum[i] = add(_mm512_slli_epi32(sum[i], 8), i, 0);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) unsure[i] = _mm512_testn_epi32_mask(sum[i], distance);
        // Of each 16 bytes, as unpacking has left them, four from each sum.
        static constexpr Bytes highest([](int i) { return i / 4 % 2 * 64 + i / 16 * 16 + i % 4 * 4 + 3; });
        const __m512i mixed =
            _mm512_mask_mov_epi8(_mm512_permutex2var_epi8(sum[0], highest, sum[1]), 0xff00ff00ff00ff00,
                                 _mm512_permutex2var_epi8(sum[2], highest, sum[3]));
        _mm512_storeu_si512(to, _mm512_mask_add_epi8(mixed, lacks_, mixed, x));
        return (unsure[0] | unsure[1] | unsure[2] | unsure[3]) == 0;
    }

    static bool same(const Block& from) {
        const __m512i x = load(from.image[0]);
        return (_mm512_cmpneq_epi8_mask(x, load(from.image[1])) | _mm512_cmpneq_epi8_mask(x, load(from.image[2])) |
                _mm512_cmpneq_epi8_mask(x, load(from.image[3]))) == 0;
    }

    /// Composer's arithmetic, but that it adds the first chain to 0.
    template <typename Chain>
    [[gnu::always_inline]] inline void exact(const float* weights, int count, const std::uint8_t* original,
                                             const Chain& chain, std::uint8_t* to) const {
        for (std::ptrdiff_t i = 0; i < block; i += 16) {
            __m512 sum = _mm512_mul_ps(_mm512_set1_ps(weights[0]), floats(chain(0) + i));
            for (int k = 1; k < count; k++) {
                sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_set1_ps(weights[k]), floats(chain(k) + i)));
            }
            const __m512 mixed = _mm512_add_ps(_mm512_mul_ps(clean_, floats(original + i)), _mm512_mul_ps(mix_, sum));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(mixed)));
        }
    }

    /// What each level becomes where all images have it.
    bool take(const std::uint8_t* /*each*/, const std::uint8_t* mixed) {
        for (std::ptrdiff_t i = 0; i < 4; i++) table_[i] = load(mixed + 64 * i);
        return true;
    }

    void look_up(const std::uint8_t* from, std::uint8_t* to) const {
        const __m512i x = load(from);
        _mm512_storeu_si512(
            to, _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), _mm512_permutex2var_epi8(table_[0], x, table_[1]),
                                       _mm512_permutex2var_epi8(table_[2], x, table_[3])));
    }

 private:
    __m512i digits_[3], table_[4];
    __m512 clean_, mix_;
    __mmask64 lacks_ = 0;
};

}  // namespace

void avx512(const Rows& rows) { Blocks<Form>(rows).all_rows(); }

}  // namespace halmix::mix
