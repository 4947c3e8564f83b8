#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace halmix {

namespace {  // inline functions of one file could be linked in place of the other's

/// Vectors of two lanes of 16 bytes, which byte shuffles do not leave. Each file that includes this has functions of
/// its own, compiled for AVX2; simd_sse41.h has the same for vectors of one lane.
struct Simd {
    static constexpr int lanes = 2;
    using Vector = std::uint32_t __attribute__((vector_size(32)));

    static __m256i in(Vector v) { return reinterpret_cast<__m256i>(v); }
    static Vector out(__m256i v) { return reinterpret_cast<Vector>(v); }

    static Vector all(std::int32_t value) { return out(_mm256_set1_epi32(value)); }
    template <typename Value>
    static Vector bytes(Value value) {
        alignas(32) std::uint8_t of[32];
        for (int i = 0; i < 32; i++) of[i] = static_cast<std::uint8_t>(value(i % 16));
        return out(_mm256_load_si256(reinterpret_cast<const __m256i*>(of)));
    }
    static Vector load(const std::int32_t* from) {
        return out(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    }
    static Vector load_lanes(const void* first, const void* last) {
        const auto load = [](const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); };
        return out(_mm256_inserti128_si256(_mm256_castsi128_si256(load(first)), load(last), 1));
    }
    template <int channels>
    static void store_pixels(std::uint8_t* to, Vector pixels) {  // which lie side by side in each lane
        const __m256i packed = in(pixels);
        if constexpr (channels == 1) {
            const __m256i both = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 1, 1, 1, 1, 1));
            _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(both));
        } else {
            const __m256i both = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 3));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(both));
            _mm_storel_epi64(reinterpret_cast<__m128i*>(to + 16), _mm256_extracti128_si256(both, 1));
        }
    }

    static Vector words(Vector low, Vector high) { return out(_mm256_blend_epi16(in(low), in(high), 0xaa)); }
    static Vector shuffle(Vector v, Vector places) { return out(_mm256_shuffle_epi8(in(v), in(places))); }
    static Vector multiply_add(Vector a, Vector b) { return out(_mm256_madd_epi16(in(a), in(b))); }
    static Vector multiply_add_bytes(Vector a, Vector b) { return out(_mm256_maddubs_epi16(in(a), in(b))); }
    static Vector subtract_bytes(Vector a, Vector b) { return out(_mm256_sub_epi8(in(a), in(b))); }
    static Vector add_saturating(Vector a, Vector b) { return out(_mm256_adds_epu8(in(a), in(b))); }
    static Vector larger_words(Vector a, Vector b) { return out(_mm256_max_epi16(in(a), in(b))); }
    static Vector smaller_words(Vector a, Vector b) { return out(_mm256_min_epi16(in(a), in(b))); }
    static Vector smaller(Vector a, Vector b) { return out(_mm256_min_epu32(in(a), in(b))); }
    static Vector product(Vector a, Vector b, float scale) {
        const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(in(b)), _mm256_set1_ps(scale));
        return out(_mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(in(a)), scaled)));
    }
    static Vector shift_right_signed(Vector v, int bits) { return out(_mm256_srai_epi32(in(v), bits)); }
    static void store_levels(Vector sums, std::uint32_t* to) {  // four of each lane, as bytes
        const __m256i levels = _mm256_packus_epi16(_mm256_packs_epi32(in(sums), in(sums)), in(sums));
        to[0] = static_cast<std::uint32_t>(_mm256_cvtsi256_si32(levels));
        to[1] = static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm256_extracti128_si256(levels, 1)));
    }
    static unsigned signs(Vector v) { return _mm256_movemask_ps(_mm256_castsi256_ps(in(v))); }
};

}  // namespace

}  // namespace halmix
