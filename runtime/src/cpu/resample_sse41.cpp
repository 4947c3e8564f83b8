#include <immintrin.h>

#include "cpu/resample_pairs.h"

namespace halmix::resample {

namespace {

struct Simd {
    using Vector = __m128i;
    static constexpr int pixels = 1;

    static Vector all(int value) { return _mm_set1_epi32(value); }
    template <typename... Bytes>
    static Vector pattern(Bytes... bytes) {
        return _mm_setr_epi8(bytes...);
    }
    static Vector load(const void* first, const void*) { return _mm_loadu_si128(static_cast<const __m128i*>(first)); }
    static Vector shuffle(Vector bytes, Vector pattern) { return _mm_shuffle_epi8(bytes, pattern); }
    static Vector products(Vector a, Vector b) { return _mm_madd_epi16(a, b); }
    static Vector add(Vector a, Vector b) { return _mm_add_epi32(a, b); }
    static Vector shift_left(Vector a) { return _mm_slli_epi32(a, 8); }
    static Vector shift_right(Vector a) { return _mm_srai_epi32(a, 22); }
    static void levels(Vector sums, std::uint32_t* levels) {
        levels[0] = static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_packus_epi16(_mm_packs_epi32(sums, sums), sums)));
    }
};

}  // namespace

void sse41(const Rows& rows) { all_rows<Simd>(rows); }

}  // namespace halmix::resample
