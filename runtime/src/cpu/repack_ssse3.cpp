#include <immintrin.h>

#include "cpu/repack.h"

namespace halmix::repack {

namespace {

__m128i load(const std::uint8_t* bytes) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)); }

void store(std::uint8_t* bytes, __m128i vector) { _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes), vector); }

/// Pixels in a vector, and how many there must be from a vector's first on for three bytes each to fill one: those
/// beyond the fourth are read and thrown away, or written and then written over.
constexpr std::size_t step = 4, room = 6;

}  // namespace

void ssse3_rgbx_to_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count) {
    const __m128i order = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    std::size_t i = 0;
#pragma GCC unroll 4
    for (; i + room <= count; i += step) store(out + 3 * i, _mm_shuffle_epi8(load(in + 4 * i), order));
    for (; i < count; i++) {
        for (std::size_t c = 0; c < 3; c++) out[3 * i + c] = in[4 * i + c];
    }
}

void ssse3_rgb_to_rgbx(const std::uint8_t* in, std::uint8_t* out, std::size_t count) {
    const __m128i order = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
    const __m128i fourth = _mm_set1_epi32(static_cast<int>(0xff000000));
    std::size_t i = 0;
#pragma GCC unroll 4
    for (; i + room <= count; i += step) {
        store(out + 4 * i, _mm_or_si128(_mm_shuffle_epi8(load(in + 3 * i), order), fourth));
    }
    for (; i < count; i++) {
        for (std::size_t c = 0; c < 3; c++) out[4 * i + c] = in[3 * i + c];
        out[4 * i + 3] = 255;
    }
}

}  // namespace halmix::repack
