#include <immintrin.h>

#include "cpu/resample_pairs.h"

namespace halmix::resample {

namespace {

struct Simd {
    using Vector = __m256i;
    static constexpr int pixels = 2;

    static Vector all(int value) { return _mm256_set1_epi32(value); }
    template <typename... Bytes>
    static Vector pattern(Bytes... bytes) {
        return _mm256_broadcastsi128_si256(_mm_setr_epi8(bytes...));
    }
    static Vector load(const void* first, const void* second) {
        return _mm256_inserti128_si256(_mm256_castsi128_si256(half(first)), half(second), 1);
    }
    static Vector shuffle(Vector bytes, Vector pattern) { return _mm256_shuffle_epi8(bytes, pattern); }
    static Vector products(Vector a, Vector b) { return _mm256_madd_epi16(a, b); }
    static Vector add(Vector a, Vector b) { return _mm256_add_epi32(a, b); }
    static Vector shift_left(Vector a) { return _mm256_slli_epi32(a, 8); }
    static Vector shift_right(Vector a) { return _mm256_srai_epi32(a, 22); }
    static void levels(Vector sums, std::uint32_t* levels) {
        const Vector bytes = _mm256_packus_epi16(_mm256_packs_epi32(sums, sums), sums);
        levels[0] = static_cast<std::uint32_t>(_mm256_cvtsi256_si32(bytes));
        levels[1] = static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm256_extracti128_si256(bytes, 1)));
    }

 private:
    static __m128i half(const void* bytes) { return _mm_loadu_si128(static_cast<const __m128i*>(bytes)); }
};

}  // namespace

void avx2(const Rows& rows) { all_rows<Simd>(rows); }

}  // namespace halmix::resample
