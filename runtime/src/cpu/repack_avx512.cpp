#include <immintrin.h>

#include "cpu/bytes_avx512.h"
#include "cpu/repack.h"

namespace halmix::repack {

namespace {

/// Pixels in a vector, and how many there must be from a vector's first on for three bytes each to fill one: those
/// beyond the sixteenth are read and thrown away, or written and then written over.
constexpr std::size_t step = 16, room = 22;

/// Which byte of pixels of `from` bytes becomes each byte of pixels of `to`; any for those that are not there.
constexpr Bytes order(int from, int to) {
    return Bytes([=](int i) { return i / to * from + i % to; });
}

constexpr Bytes dropping = order(4, 3), adding = order(3, 4);

/// The first bytes of a vector, one at least.
__mmask64 first(std::size_t bytes) { return ~__mmask64{0} >> (64 - bytes); }

}  // namespace

void avx512_rgbx_to_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count) {
    const __m512i indices = dropping;
    std::size_t i = 0;
    for (; i + room <= count; i += step) {
        _mm512_storeu_si512(out + 3 * i, _mm512_permutexvar_epi8(indices, _mm512_loadu_si512(in + 4 * i)));
    }
    for (; i < count; i += step) {
        std::size_t pixels = count - i < step ? count - i : step;
        __m512i vector = _mm512_maskz_loadu_epi8(first(4 * pixels), in + 4 * i);
        _mm512_mask_storeu_epi8(out + 3 * i, first(3 * pixels), _mm512_permutexvar_epi8(indices, vector));
    }
}

void avx512_rgb_to_rgbx(const std::uint8_t* in, std::uint8_t* out, std::size_t count) {
    const __m512i indices = adding;
    const __m512i fourth = _mm512_set1_epi32(static_cast<int>(0xff000000));
    auto widen = [=](__m512i vector) { return _mm512_or_si512(_mm512_permutexvar_epi8(indices, vector), fourth); };
    std::size_t i = 0;
    for (; i + room <= count; i += step) _mm512_storeu_si512(out + 4 * i, widen(_mm512_loadu_si512(in + 3 * i)));
    for (; i < count; i += step) {
        std::size_t pixels = count - i < step ? count - i : step;
        __m512i vector = _mm512_maskz_loadu_epi8(first(3 * pixels), in + 3 * i);
        _mm512_mask_storeu_epi8(out + 4 * i, first(4 * pixels), widen(vector));
    }
}

}  // namespace halmix::repack
