#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace halmix {

namespace {  // inline functions of one file could be linked in place of the other's

/// Vectors of one lane of 16 bytes, as simd_avx2.h has them of two. Each file that includes this has functions of its
/// own, compiled for SSE4.1.
struct Simd {
    static constexpr int lanes = 1;
    using Vector = std::uint32_t __attribute__((vector_size(16)));

    static __m128i in(Vector v) { return reinterpret_cast<__m128i>(v); }
    static Vector out(__m128i v) { return reinterpret_cast<Vector>(v); }

    static Vector all(std::int32_t value) { return out(_mm_set1_epi32(value)); }
    template <typename Value>
    static Vector bytes(Value value) {
        alignas(16) std::uint8_t of[16];
        for (int i = 0; i < 16; i++) of[i] = static_cast<std::uint8_t>(value(i));
        return out(_mm_load_si128(reinterpret_cast<const __m128i*>(of)));
    }
    static Vector load(const std::int32_t* from) {
        return out(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    }
    static Vector load_lanes(const void* first, const void*) {
        return out(_mm_loadu_si128(static_cast<const __m128i*>(first)));
    }
    template <int channels>
    static void store_pixels(std::uint8_t* to, Vector pixels) {  // which lie side by side in each lane
        const __m128i packed = in(pixels);
        if constexpr (channels == 1) {
            _mm_storeu_si32(to, packed);
        } else {
            _mm_storel_epi64(reinterpret_cast<__m128i*>(to), packed);
            _mm_storeu_si32(to + 8, _mm_srli_si128(packed, 8));
        }
    }

    static Vector words(Vector low, Vector high) { return out(_mm_blend_epi16(in(low), in(high), 0xaa)); }
    static Vector shuffle(Vector v, Vector places) { return out(_mm_shuffle_epi8(in(v), in(places))); }
    static Vector multiply_add(Vector a, Vector b) { return out(_mm_madd_epi16(in(a), in(b))); }
    static Vector multiply_add_bytes(Vector a, Vector b) { return out(_mm_maddubs_epi16(in(a), in(b))); }
    static Vector subtract_bytes(Vector a, Vector b) { return out(_mm_sub_epi8(in(a), in(b))); }
    static Vector add_saturating(Vector a, Vector b) { return out(_mm_adds_epu8(in(a), in(b))); }
    static Vector larger_words(Vector a, Vector b) { return out(_mm_max_epi16(in(a), in(b))); }
    static Vector smaller_words(Vector a, Vector b) { return out(_mm_min_epi16(in(a), in(b))); }
    static Vector smaller(Vector a, Vector b) { return out(_mm_min_epu32(in(a), in(b))); }
    static Vector product(Vector a, Vector b, float scale) {
        const __m128 scaled = _mm_mul_ps(_mm_cvtepi32_ps(in(b)), _mm_set1_ps(scale));
        return out(_mm_cvtps_epi32(_mm_mul_ps(_mm_cvtepi32_ps(in(a)), scaled)));
    }
    static Vector shift_right_signed(Vector v, int bits) { return out(_mm_srai_epi32(in(v), bits)); }
    static void store_levels(Vector sums, std::uint32_t* to) {  // four of each lane, as bytes
        *to = static_cast<std::uint32_t>(
            _mm_cvtsi128_si32(_mm_packus_epi16(_mm_packs_epi32(in(sums), in(sums)), in(sums))));
    }
    static unsigned signs(Vector v) { return _mm_movemask_ps(_mm_castsi128_ps(in(v))); }
};

}  // namespace

}  // namespace halmix
