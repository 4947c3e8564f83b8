#include <immintrin.h>

#include "cpu/lookup.h"

namespace halmix::lookup {

namespace {

__m256i load(const std::uint8_t* bytes) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)); }

void store(std::uint8_t* bytes, __m256i vector) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes), vector); }

/// The low byte of a number in all bytes.
__m256i spread(int value) { return _mm256_set1_epi8(static_cast<char>(value)); }

/// Row `i` of the 16 rows of a table, one for each value of a level's high four bits.
__m128i load_row(const std::uint8_t* table, int i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(table) + i);
}

/// Any table, by its 16 rows. A shuffle takes the low four bits of an index and gives 0 if the top bit is set: two
/// shuffles look a level up in a row of either half, and the three bits between choose one of eight such pairs.
struct AnyTable {
    __m256i rows[16];

    explicit AnyTable(const std::uint8_t* table) {
        for (int i = 0; i < 16; i++) rows[i] = _mm256_broadcastsi128_si256(load_row(table, i));
    }

    __m256i operator()(__m256i index) const {
        const __m256i low = _mm256_and_si256(index, spread(0x8f)), high = _mm256_xor_si256(low, spread(-128));
        // A blend chooses by the top bit: bits 4, 5 and 6 are moved there.
        const __m256i bit4 = _mm256_slli_epi16(index, 3), bit5 = _mm256_slli_epi16(index, 2),
                      bit6 = _mm256_slli_epi16(index, 1);
        const auto either = [&](int i) {
            return _mm256_or_si256(_mm256_shuffle_epi8(rows[i], low), _mm256_shuffle_epi8(rows[8 + i], high));
        };
        const auto of_two = [&](int i) { return _mm256_blendv_epi8(either(i), either(i + 1), bit4); };
        const auto of_four = [&](int i) { return _mm256_blendv_epi8(of_two(i), of_two(i + 2), bit5); };
        return _mm256_blendv_epi8(of_four(0), of_four(4), bit6);
    }
};

/// A table of which all rows but one are the same, but for an exclusive or of all their levels with one number: those
/// of posterize and solarize.
struct AlikeRows {
    __m256i first, rest, odd_row, difference;  ///< by the high four bits; by the low ones; the other row, and its rest

    /// Whether the table is one.
    bool fit(const std::uint8_t* table) {
        auto rest_of = [=](int i) {
            __m128i row = load_row(table, i);
            return _mm_xor_si128(row, _mm_shuffle_epi8(row, _mm_setzero_si128()));
        };
        // What two of three rows have: one may be the odd one.
        __m128i a = rest_of(0), b = rest_of(1), c = rest_of(2);
        __m128i common = _mm_or_si128(_mm_and_si128(a, b), _mm_and_si128(c, _mm_or_si128(a, b)));
        int odd_rows = 0, odd = 0;
        for (int i = 0; i < 16; i++) {
            __m128i other = _mm_xor_si128(rest_of(i), common);
            if (_mm_testz_si128(other, other) != 0) continue;
            if (++odd_rows > 1) return false;
            odd = i;
        }
        alignas(16) std::uint8_t levels[16];
        for (std::size_t i = 0; i < 16; i++) levels[i] = table[16 * i];
        first = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(levels)));
        rest = _mm256_broadcastsi128_si256(common);
        odd_row = spread(16 * odd);
        difference = _mm256_broadcastsi128_si256(_mm_xor_si128(rest_of(odd), common));
        return true;
    }

    __m256i operator()(__m256i index) const {
        const __m256i four_bits = spread(15);
        __m256i row = _mm256_and_si256(_mm256_srli_epi16(index, 4), four_bits);
        __m256i found = _mm256_xor_si256(_mm256_shuffle_epi8(first, row),
                                         _mm256_shuffle_epi8(rest, _mm256_and_si256(index, four_bits)));
        // Indices outside the odd row get their top bit set.
        __m256i in_odd_row = _mm256_adds_epu8(_mm256_xor_si256(index, odd_row), spread(0x70));
        return _mm256_xor_si256(found, _mm256_shuffle_epi8(difference, in_odd_row));
    }
};

/// A table that is 0, then rises as the integers below a line of a slope below 2 do, then is 255.
struct Line {
    __m256i zeros;            ///< where it rises from
    __m256i once, high, low;  ///< the slope: -1 if it is not below 1, and the bytes of its rest in units of 2^-16

    Line() = default;

    /// The line of a table that is one.
    explicit Line(const std::uint8_t* table) {
        int zero_count = 0;
        for (int i = 0; i < 256; i += 32) {
            __m256i is_zero = _mm256_cmpeq_epi8(load(table + i), _mm256_setzero_si256());
            zero_count += __builtin_popcount(_mm256_movemask_epi8(is_zero));
        }
        // With a slope below 1 several levels are 0 after the line has begun.
        int from = table[255] >= 256 - zero_count ? zero_count - 1 : 0;
        // The least slope with which no level is too low.
        __m256 slopes = _mm256_setzero_ps();
        __m256 x = _mm256_sub_ps(_mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_ps(static_cast<float>(from)));
        for (int i = 0; i < 256; i += 8, x = _mm256_add_ps(x, _mm256_set1_ps(8))) {
            __m128i levels = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(table + i));
            slopes = _mm256_max_ps(_mm256_div_ps(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(levels)), x), slopes);
        }
        __m128 slope = _mm_max_ps(_mm256_castps256_ps128(slopes), _mm256_extractf128_ps(slopes, 1));
        slope = _mm_max_ps(slope, _mm_movehl_ps(slope, slope));
        slope = _mm_mul_ss(_mm_max_ss(slope, _mm_movehdup_ps(slope)), _mm_set_ss(65536));
        int units = _mm_cvttss_si32(_mm_ceil_ss(slope, slope));
        zeros = spread(from);
        once = spread(-(units >> 16 & 1));
        high = spread(units >> 8);
        low = spread(units);
    }

    __m256i operator()(__m256i index) const {
        const __m256i zero = _mm256_setzero_si256();
        __m256i x = _mm256_subs_epu8(index, zeros);
        __m256i part =
            _mm256_packus_epi16(_mm256_mulhi_epu16(_mm256_unpacklo_epi8(x, zero), _mm256_unpacklo_epi8(low, high)),
                                _mm256_mulhi_epu16(_mm256_unpackhi_epi8(x, zero), _mm256_unpackhi_epi8(low, high)));
        return _mm256_adds_epu8(part, _mm256_and_si256(x, once));
    }
};

/// A table that is one below a line at a few levels, at two at most of those for which the line gives the same low four
/// bits, and else on it: those of autocontrast, whose double operations err to either side at integers.
struct NearLine {
    Line line;
    __m256i below[2];  ///< the levels where it is below, by these four bits
    bool exact;        ///< there are none

    /// Whether the table is one.
    bool fit(const std::uint8_t* table) {
        line = Line(table);
        alignas(16) std::uint8_t levels[2][16] = {{255}, {255}};  // levels that give other bits: 0, or 255 instead
        int count = 0;
        for (int i = 0; i < 256; i += 32) {
            std::uint8_t given[32];
            store(given, line(levels_from(i)));
            unsigned unequal = differences(line, table, i);
            count += __builtin_popcount(unequal);
            if (count > 32) return false;
            for (; unequal != 0; unequal &= unequal - 1) {
                int k = __builtin_ctz(unequal);
                auto of_bits = given[k] % 16;
                levels[1][of_bits] = levels[0][of_bits];
                levels[0][of_bits] = static_cast<std::uint8_t>(i + k);
            }
        }
        for (int k = 0; k < 2; k++) {
            below[k] = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(levels[k])));
        }
        exact = count == 0;
        unsigned unequal = 0;
        for (int i = 0; i < 256 && !exact; i += 32) unequal |= differences(*this, table, i);
        return unequal == 0;
    }

    __m256i operator()(__m256i index) const {
        __m256i found = line(index), bits = _mm256_and_si256(found, spread(15));
        __m256i first = _mm256_cmpeq_epi8(index, _mm256_shuffle_epi8(below[0], bits));
        __m256i second = _mm256_cmpeq_epi8(index, _mm256_shuffle_epi8(below[1], bits));
        return _mm256_add_epi8(found, _mm256_or_si256(first, second));
    }

 private:
    static __m256i levels_from(int i) {
        return _mm256_add_epi8(spread(i),
                               _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,  //
                                                16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31));
    }

    /// In which of 32 levels from `i` on the two differ.
    template <typename Form>
    static unsigned differences(const Form& form, const std::uint8_t* table, int i) {
        return ~_mm256_movemask_epi8(_mm256_cmpeq_epi8(form(levels_from(i)), load(table + i)));
    }
};

/// 32 pixels in three vectors as they lie in memory, or by channel.
struct Pixels {
    __m256i vectors[3];
};

/// From memory to channels and back. Each byte keeps its place in its vector; which pixels are where does not matter.
Pixels regroup(const Pixels& pixels) {
    auto every_third = [](__m256i a, __m256i b, __m256i c) {
        const __m256i first = _mm256_setr_epi8(-1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1,  //
                                               0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0);
        const __m256i second = _mm256_setr_epi8(0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0,  //
                                                -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1);
        return _mm256_blendv_epi8(_mm256_blendv_epi8(c, a, first), b, second);
    };
    auto [a, b, c] = pixels.vectors;
    return {{every_third(a, b, c), every_third(c, a, b), every_third(b, c, a)}};
}

/// A table for each vector.
template <typename Table>
struct Tables {
    Table tables[3];

    Pixels operator()(const Pixels& index) const {
        auto [a, b, c] = index.vectors;
        return {{tables[0](a), tables[1](b), tables[2](c)}};
    }
};

/// The lines of channels as lines for pixels as they lie in memory.
Tables<Line> regroup_lines(const Line& red, const Line& green, const Line& blue) {
    Tables<Line> lines;
    __m256i Line::*const members[] = {&Line::zeros, &Line::once, &Line::high, &Line::low};
    for (auto member : members) {
        Pixels regrouped = regroup({{red.*member, green.*member, blue.*member}});
        for (int i = 0; i < 3; i++) lines.tables[i].*member = regrouped.vectors[i];
    }
    return lines;
}

template <typename Table>
void look_up(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const Table& table) {
    for (std::size_t i = 0; i + 32 <= count; i += 32) store(out + i, table(load(in + i)));
}

template <typename PixelTable>
void look_up_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const PixelTable& table) {
    for (std::size_t i = 0; i + 32 <= count; i += 32, in += 96, out += 96) {
        Pixels pixels = table({{load(in), load(in + 32), load(in + 64)}});
        for (std::size_t k = 0; k < 3; k++) store(out + 32 * k, pixels.vectors[k]);
    }
}

template <typename Table>
void look_up_by_channel(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const Tables<Table>& tables) {
    look_up_rgb(in, out, count, [&](const Pixels& pixels) { return regroup(tables(regroup(pixels))); });
}

}  // namespace

void avx2(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* table) {
    AlikeRows rows;
    NearLine line;
    if (rows.fit(table)) {
        look_up(in, out, count, rows);
    } else if (line.fit(table)) {
        line.exact ? look_up(in, out, count, line.line) : look_up(in, out, count, line);
    } else {
        look_up(in, out, count, AnyTable(table));
    }
    std::size_t done = count / 32 * 32;
    scalar(in + done, out + done, count - done, table);
}

void avx2_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* tables) {
    Tables<NearLine> lines;
    auto& [red, green, blue] = lines.tables;
    if (!red.fit(tables) || !green.fit(tables + 256) || !blue.fit(tables + 512)) {
        const Tables<AnyTable> any = {{AnyTable(tables), AnyTable(tables + 256), AnyTable(tables + 512)}};
        look_up_by_channel(in, out, count, any);
    } else if (red.exact && green.exact && blue.exact) {
        look_up_rgb(in, out, count, regroup_lines(red.line, green.line, blue.line));
    } else {
        look_up_by_channel(in, out, count, lines);
    }
    std::size_t done = count / 32 * 32;
    scalar_rgb(in + 3 * done, out + 3 * done, count - done, tables);
}

}  // namespace halmix::lookup
