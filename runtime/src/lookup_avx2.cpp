#include <immintrin.h>

#include "lookup.h"

namespace halmix::lookup {

namespace {

/// The differences (exclusive or) of successive rows of 16 in each half of a table. A shuffle takes the low four bits
/// of an index and gives 0 if the top bit is set, so the sum of all rows an index is not below is its row.
struct Table {
    __m256i steps[16];

    explicit Table(const std::uint8_t* table) {
        for (int i = 0; i < 16; i++) {
            auto row = reinterpret_cast<const __m128i*>(table) + i;
            __m128i step = _mm_loadu_si128(row);
            if (i % 8 != 0) step = _mm_xor_si128(step, _mm_loadu_si128(row - 1));
            steps[i] = _mm256_broadcastsi128_si256(step);
        }
    }

    __m256i operator()(__m256i index) const {
        const __m256i row = _mm256_set1_epi8(16);
        // In either half, indices of the other one are negative and stay so.
        __m256i low = index, high = _mm256_xor_si256(index, _mm256_set1_epi8(-128));
        __m256i found = _mm256_xor_si256(_mm256_shuffle_epi8(steps[0], low), _mm256_shuffle_epi8(steps[8], high));
#pragma GCC unroll 8
        for (int i = 1; i < 8; i++) {
            low = _mm256_subs_epi8(low, row);
            high = _mm256_subs_epi8(high, row);
            found = _mm256_xor_si256(found, _mm256_shuffle_epi8(steps[i], low));
            found = _mm256_xor_si256(found, _mm256_shuffle_epi8(steps[8 + i], high));
        }
        return found;
    }
};

}  // namespace

void avx2(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* table) {
    const Table look_up(table);
    std::size_t i = 0;
    for (; i + 32 <= count; i += 32) {
        __m256i index = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), look_up(index));
    }
    scalar(in + i, out + i, count - i, table);
}

}  // namespace halmix::lookup
