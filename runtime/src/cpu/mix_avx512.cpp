#include <immintrin.h>

#include "cpu/mix_blocks.h"

namespace halmix::mix {

namespace {

constexpr int unit_bits = 23, unit = 1 << unit_bits;
/// How far from a whole number a level is sure: further than shares, rounded by 1/2 at most, and float32 take it.
constexpr int tolerance = 1024;
static_assert(tolerance > 255 * taps / 2.0 + float_error * unit);

__m512i load(const std::uint8_t* bytes) { return _mm512_loadu_si512(bytes); }

__m512 floats(const std::uint8_t* bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes))));
}

/// vpdpbusd multiplies the levels of four images with a digit of each one's share and adds up; shares have three.
class Form {
 public:
    static constexpr std::ptrdiff_t block = 64;

    bool fits = false;  ///< all shares have digits

    explicit Form(const Rows& rows) : clean_(_mm512_set1_ps(1.0F - rows.mix)), mix_(_mm512_set1_ps(rows.mix)) {
        if (rows.chain_count >= taps) return;
        constexpr int largest = 127 << 16 | 127 << 8 | 127;
        const Shares found = shares(rows, unit);
        std::int8_t digits[3][taps];
        fits = true;
        for (int t = 0; t < taps; t++) {
            std::int32_t rest = found.values[t];
            if (rest > largest) fits = false;
            for (auto& digit : digits) {
                digit[t] = static_cast<std::int8_t>(rest);
                rest = (rest - digit[t]) >> 8;
            }
        }
        for (int d = 0; d < 3; d++) {
            int four = 0;
            __builtin_memcpy(&four, digits[d], sizeof(four));
            digits_[d] = _mm512_set1_epi32(four);
        }
    }

    bool quick(const Block& from, std::uint8_t* to) const {
        const __m512i x = load(from.image[0]), a = load(from.image[1]), b = load(from.image[2]),
                      c = load(from.image[3]);
        const __m512i xa0 = _mm512_unpacklo_epi8(x, a), xa1 = _mm512_unpackhi_epi8(x, a);
        const __m512i bc0 = _mm512_unpacklo_epi8(b, c), bc1 = _mm512_unpackhi_epi8(b, c);
        const __m512i levels[4] = {_mm512_unpacklo_epi16(xa0, bc0), _mm512_unpackhi_epi16(xa0, bc0),
                                   _mm512_unpacklo_epi16(xa1, bc1), _mm512_unpackhi_epi16(xa1, bc1)};
        const __m512i tolerances = _mm512_set1_epi32(tolerance);
        // All bits of a fraction above the tolerance's are 0 if it is as close to a whole number.
        const __m512i distance = _mm512_set1_epi32((unit - 1) & ~(2 * tolerance - 1));
        __m512i mixed[4];
        __mmask16 unsure[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __m512i sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), levels[i], digits_[2]);
            sum = _mm512_dpbusd_epi32(_mm512_slli_epi32(sum, 8), levels[i], digits_[1]);
            sum = _mm512_dpbusd_epi32(_mm512_add_epi32(_mm512_slli_epi32(sum, 8), tolerances), levels[i], digits_[0]);
            mixed[i] = _mm512_srai_epi32(sum, unit_bits);
            unsure[i] = _mm512_testn_epi32_mask(sum, distance);
        }
        // Within each 16 bytes, packing undoes what unpacking has done.
        _mm512_storeu_si512(
            to, _mm512_packus_epi16(_mm512_packs_epi32(mixed[0], mixed[1]), _mm512_packs_epi32(mixed[2], mixed[3])));
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
};

}  // namespace

void avx512(const Rows& rows) { Blocks<Form>(rows).all_rows(); }

}  // namespace halmix::mix
