#include <immintrin.h>

#include "cpu/mix_blocks.h"

namespace halmix::mix {

namespace {

/// A sum in three digits, of 7, 6 and 6 bits, each below 2^16.
constexpr int unit = 1 << 19, digit_bits = 6;
/// Below the last digit, which is dropped.
constexpr int fraction_unit = unit >> digit_bits;

__m256i load(const void* bytes) { return _mm256_loadu_si256(static_cast<const __m256i*>(bytes)); }

void store(void* to, __m256i bytes) { _mm256_storeu_si256(static_cast<__m256i*>(to), bytes); }

__m256 floats(const std::uint8_t* bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
}

/// vpmaddubsw multiplies the levels of two images with a digit of each one's share and adds up.
class Form {
 public:
    static constexpr std::ptrdiff_t block = 32;
    static constexpr int largest = 0;  ///< as all shares are alike

    bool fits = false;  ///< all shares have digits

    explicit Form(const Rows& rows) : clean_(_mm256_set1_ps(1.0F - rows.mix)), mix_(_mm256_set1_ps(rows.mix)) {
        if (rows.chain_count >= taps) return;
        const Shares found = shares(rows, unit);
        fits = true;
        for (const std::int32_t share : found.values) fits = fits && share < unit;
        for (int d = 0; d < 3; d++) {
            auto digit = [&](int t) { return found.values[t] >> digit_bits * d & (d == 2 ? 127 : 63); };
            for (int pair = 0; pair < 2; pair++) {
                digits_[d][pair] = _mm256_set1_epi16(static_cast<short>(digit(2 * pair) | digit(2 * pair + 1) << 8));
            }
        }
        // How far from a whole number a level is sure: further than shares, float32 and the dropped digit take it.
        const int tolerance = static_cast<int>((255 * found.error / unit + float_error) * fraction_unit) + 1 + 1;
        // In the units of `fraction` below.
        tolerance_ = _mm256_set1_epi16(static_cast<short>(tolerance << 3));
        distance_ = _mm256_set1_epi16(static_cast<short>(tolerance << 4));
    }

    bool quick(const Block& from, std::uint8_t* to) const {
        const __m256i x = load(from.image[0]), a = load(from.image[1]), b = load(from.image[2]),
                      c = load(from.image[3]);
        const __m256i xa[2] = {_mm256_unpacklo_epi8(x, a), _mm256_unpackhi_epi8(x, a)};
        const __m256i bc[2] = {_mm256_unpacklo_epi8(b, c), _mm256_unpackhi_epi8(b, c)};
        __m256i mixed[2], unsure = _mm256_setzero_si256();
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
            auto sum = [&](int d) {
                return _mm256_add_epi16(_mm256_maddubs_epi16(xa[i], digits_[d][0]),
                                        _mm256_maddubs_epi16(bc[i], digits_[d][1]));
            };
            const __m256i low = _mm256_add_epi16(sum(1), _mm256_srli_epi16(sum(0), digit_bits));
            const __m256i high = _mm256_add_epi16(sum(2), _mm256_srli_epi16(low, digit_bits));
            mixed[i] = _mm256_srli_epi16(high, 7);
            // 7 bits of high, 6 of low and three 0.
            const __m256i fraction =
                _mm256_add_epi16(_mm256_slli_epi16(high, 9), _mm256_srli_epi16(_mm256_slli_epi16(low, 10), 7));
            unsure = _mm256_or_si256(unsure, _mm256_subs_epu16(distance_, _mm256_add_epi16(fraction, tolerance_)));
        }
        store(to, _mm256_packus_epi16(mixed[0], mixed[1]));
        return _mm256_testz_si256(unsure, unsure) != 0;
    }

    static bool same(const Block& from) {
        const __m256i x = load(from.image[0]);
        auto differs = [&](int t) { return _mm256_xor_si256(x, load(from.image[t])); };
        const __m256i any = _mm256_or_si256(_mm256_or_si256(differs(1), differs(2)), differs(3));
        return _mm256_testz_si256(any, any) != 0;
    }

    /// Composer's arithmetic, but that it adds the first chain to 0.
    template <typename Chain>
    [[gnu::always_inline]] inline void exact(const float* weights, int count, const std::uint8_t* original,
                                             const Chain& chain, std::uint8_t* to) const {
        __m256i mixed[4];
#pragma GCC unroll 4
        for (std::ptrdiff_t i = 0; i < 4; i++) {
            __m256 sum = _mm256_mul_ps(_mm256_set1_ps(weights[0]), floats(chain(0) + 8 * i));
            for (int k = 1; k < count; k++) {
                sum = _mm256_add_ps(sum, _mm256_mul_ps(_mm256_set1_ps(weights[k]), floats(chain(k) + 8 * i)));
            }
            mixed[i] = _mm256_cvttps_epi32(
                _mm256_add_ps(_mm256_mul_ps(clean_, floats(original + 8 * i)), _mm256_mul_ps(mix_, sum)));
        }
        const __m256i bytes =
            _mm256_packus_epi16(_mm256_packs_epi32(mixed[0], mixed[1]), _mm256_packs_epi32(mixed[2], mixed[3]));
        store(to, _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
    }

    /// What each level becomes where all images have it. False unless that is itself or one less.
    bool take(const std::uint8_t* each, const std::uint8_t* mixed) {
        std::uint32_t less[8];  // a bit for each level
        __m256i unlike = _mm256_setzero_si256();
        for (std::ptrdiff_t i = 0; i < 8; i++) {
            const __m256i difference = _mm256_sub_epi8(load(each + 32 * i), load(mixed + 32 * i));
            unlike = _mm256_or_si256(unlike, difference);
            less[i] =
                static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(difference, _mm256_set1_epi8(1))));
        }
        for (std::ptrdiff_t half = 0; half < 2; half++)
            less_[half] =
                _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(less + 4 * half)));
        return _mm256_testz_si256(unlike, _mm256_set1_epi8(~1)) != 0;
    }

    void look_up(const std::uint8_t* from, std::uint8_t* to) const {
        const __m256i x = load(from);
        const __m256i place = _mm256_and_si256(_mm256_srli_epi16(x, 3), _mm256_set1_epi8(15));
        const __m256i eight =
            _mm256_blendv_epi8(_mm256_shuffle_epi8(less_[0], place), _mm256_shuffle_epi8(less_[1], place), x);
        const __m256i bits = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32,
                                              64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
        const __m256i bit = _mm256_shuffle_epi8(bits, _mm256_and_si256(x, _mm256_set1_epi8(7)));
        store(to, _mm256_add_epi8(x, _mm256_cmpeq_epi8(_mm256_and_si256(eight, bit), bit)));
    }

 private:
    __m256i digits_[3][2], tolerance_, distance_, less_[2];
    __m256 clean_, mix_;
};

}  // namespace

void avx2(const Rows& rows) { Blocks<Form>(rows).all_rows(); }

}  // namespace halmix::mix
