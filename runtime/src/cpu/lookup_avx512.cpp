#include <immintrin.h>

#include "cpu/lookup.h"

namespace halmix::lookup {

namespace {

/// A table in four registers.
struct Table {
    __m512i quarters[4];

    explicit Table(const std::uint8_t* table) {
        for (std::size_t i = 0; i < 4; i++) quarters[i] = _mm512_loadu_si512(table + 64 * i);
    }

    __m512i operator()(__m512i index) const {
        // A shuffle of two registers looks at 7 bits of the index; the eighth selects.
        __m512i low = _mm512_permutex2var_epi8(quarters[0], index, quarters[1]);
        __m512i high = _mm512_permutex2var_epi8(quarters[2], index, quarters[3]);
        return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(index), high);
    }
};

/// Every third byte from `a` on, the ones after from `b`, the last from `c`.
__m512i interleave(__m512i a, __m512i b, __m512i c) {
    __m512i two = _mm512_mask_mov_epi8(c, 0x9249249249249249, a);
    return _mm512_mask_mov_epi8(two, 0x2492492492492492, b);
}

}  // namespace

void avx512(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* table) {
    const Table look_up(table);
    std::size_t i = 0;
#pragma GCC unroll 4
    for (; i + 64 <= count; i += 64) _mm512_storeu_si512(out + i, look_up(_mm512_loadu_si512(in + i)));
    const __mmask64 rest = (__mmask64{1} << (count - i)) - 1;
    _mm512_mask_storeu_epi8(out + i, rest, look_up(_mm512_maskz_loadu_epi8(rest, in + i)));
}

void avx512_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* tables) {
    const Table red(tables), green(tables + 256), blue(tables + 512);
    std::size_t i = 0;
    for (; i + 64 <= count; i += 64, in += 192, out += 192) {
        __m512i a = _mm512_loadu_si512(in), b = _mm512_loadu_si512(in + 64), c = _mm512_loadu_si512(in + 128);
        // By channel, each byte in its place of one of the three vectors.
        __m512i r = red(interleave(a, c, b)), g = green(interleave(b, a, c)), bl = blue(interleave(c, b, a));
        _mm512_storeu_si512(out, interleave(r, g, bl));
        _mm512_storeu_si512(out + 64, interleave(g, bl, r));
        _mm512_storeu_si512(out + 128, interleave(bl, r, g));
    }
    scalar_rgb(in, out, count - i, tables);
}

}  // namespace halmix::lookup
