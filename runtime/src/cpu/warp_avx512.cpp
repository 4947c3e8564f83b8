#include <immintrin.h>

#include "cpu/bytes_avx512.h"
#include "cpu/warp.h"
#include "cpu/warp_place.h"

namespace halmix::warp {

namespace {

constexpr int lanes = 16;  ///< pixels of a tile
/// Tiles side by side whose coordinates are counted from the place in their middle.
constexpr std::ptrdiff_t group = 30, middle = group / 2, room = 32;  // whole vectors
static_assert(middle * 8 + 4 < 1 << (31 - precision::places), "coordinates have a sign and a fraction below 1");

std::ptrdiff_t smaller(std::ptrdiff_t a, std::ptrdiff_t b) { return a < b ? a : b; }
std::ptrdiff_t larger(std::ptrdiff_t a, std::ptrdiff_t b) { return a > b ? a : b; }
std::ptrdiff_t clamp(std::ptrdiff_t value, std::ptrdiff_t low, std::ptrdiff_t high) {
    return smaller(larger(value, low), high);
}

/// Where the pixels of tiles come from, along one axis: how far from the middle of a group, in units.
template <int columns>
struct Distances {
    alignas(64) std::int32_t of[group * lanes] = {};
    alignas(32) std::int32_t least[room] = {};  ///< of the lane that comes from furthest left, or furthest up

    Distances(double along_x, double along_y, std::ptrdiff_t tiles) {
        const __m512d x = _mm512_set_pd(7, 6, 5, 4, 3, 2, 1, 0), scale = _mm512_set1_pd(precision::unit);
        for (int i = 0; i < group * lanes && i < tiles * lanes; i += 8) {
            // Eight pixels side by side, or four below four.
            const int tile = i / lanes, row = i % lanes / columns;
            __m512d column = _mm512_add_pd(x, _mm512_set1_pd(static_cast<double>((tile - middle) * columns))),
                    line = _mm512_set1_pd(row);
            if (columns == 4) {
                column = _mm512_mask_sub_pd(column, 0xf0, column, _mm512_set1_pd(4));
                line = _mm512_mask_add_pd(line, 0xf0, line, _mm512_set1_pd(1));
            }
            const __m512d distance = _mm512_add_pd(_mm512_mul_pd(column, _mm512_set1_pd(along_x)),
                                                   _mm512_mul_pd(line, _mm512_set1_pd(along_y)));
            _mm256_store_si256(reinterpret_cast<__m256i*>(of + i), _mm512_cvtpd_epi32(_mm512_mul_pd(distance, scale)));
        }
        const int lane = (along_x < 0 ? columns - 1 : 0) + (along_y < 0 ? lanes - columns : 0);
        for (int i = 0; i < group && i < tiles; i++) least[i] = of[i * lanes + lane];
    }
    [[nodiscard]] __m512i operator[](std::ptrdiff_t tile) const { return _mm512_load_si512(of + tile * lanes); }
};

// Lane i has the tile's pixel (i % columns, i / columns), and of it the taps above left, above right, below left, below
// right, one byte each.

/// Tiles of columns x 16 / columns pixels, whose taps lie in a window of 32 bytes by `window_rows`.
template <int columns, int window_rows>
void rgb(const Warp& warp) {
    constexpr int rows = lanes / columns, row_bytes = 3 * columns, lane_bytes = 64 / rows;
    constexpr int channels = 3;

    const double* m = warp.matrix;
    const std::ptrdiff_t tiles_of_row = (warp.width + columns - 1) / columns;
    const Distances<columns> across(m[0], m[1], tiles_of_row), down(m[3], m[4], tiles_of_row);
    const Rounding rounding(m);
    // Products want signed bytes, so levels are less 128, which is added again, with what Rounding adds: to the first
    // of three sums, which is turned by 8 bits and then shifted by 8. It stays above 0, as the digits of four weights
    // add up to 256 at most.
    const std::uint32_t added = static_cast<std::uint32_t>(rounding.added) ^ 1U << 31;
    const __m512i start = _mm512_set1_epi32(static_cast<int>(added >> 16 | added << 16));

    static constexpr Bytes low_digits([](int i) { return i % 2 * 64 + i / 4 * 4 + i % 4 / 2; });
    static constexpr Bytes top_digits([](int i) { return i % 2 * 64 + i / 4 * 4 + 2; });
    static constexpr Bytes around([](int i) {
        return i % 16 / 4 * 4 + (i % 4 == 0 ? 1 : i % 4 == 1 ? 3 : i % 4 == 2 ? 0 : 2);
    });
    static constexpr Bytes lower_words([](int i) { return i % 4 / 2 * 64 + i / 4 * 4 + i % 2; });
    static constexpr Bytes upper_words([](int i) { return i % 4 / 2 * 64 + i / 4 * 4 + 2 + i % 2; });
    static constexpr Bytes whole_places([](int i) {
        return i % 4 == 0 ? i / 4 * 4 + 3 : i % 4 == 1 ? 67 + i / 4 * 4 : 0;
    });
    static constexpr Bytes first_of_lane([](int i) { return i % 16 / 4 * 4; });
    static constexpr Bytes tap_places([](int i) { return i % 2 * 3 + i % 4 / 2 * 32; });
    // The highest bytes of three vectors, by pixels: as many as a row of the tile has into each part of the result.
    static constexpr auto pixel_of = [](int i) {
        const int in_row = i % lane_bytes;
        return in_row < row_bytes ? i / lane_bytes * columns + in_row / 3 : 0;
    };
    static constexpr Bytes red_green([](int i) { return (i % lane_bytes % 3 == 1 ? 64 : 0) + pixel_of(i) * 4 + 3; });
    static constexpr Bytes blue([](int i) { return pixel_of(i) * 4 + 3; });
    constexpr auto blues = [] {
        __mmask64 mask = 0;
        for (int i = 0; i < 64; i++) mask |= __mmask64{i % lane_bytes % 3 == 2} << i;
        return mask;
    }();

    const __m512i fractions = _mm512_set1_epi32(precision::fraction_mask), one = _mm512_set1_epi32(precision::unit);
    const __m512 reciprocal = _mm512_set1_ps(1.0F / precision::unit);
    const __m512i sign = _mm512_set1_epi8(-128), next = _mm512_set1_epi8(1);
    const __m512i close = _mm512_set1_epi32(precision::close);

    for (std::ptrdiff_t y = 0; y < warp.height; y += rows) {
        const auto begin = [&](int r) -> std::ptrdiff_t {
            return y + r < warp.height ? warp.begin[y + r] : warp.width;
        };
        const auto end = [&](int r) -> std::ptrdiff_t { return y + r < warp.height ? warp.end[y + r] : 0; };
        // Pixels that lie inside: in some row, and in all of them.
        std::ptrdiff_t from = begin(0), to = end(0), all_from = from, all_to = to;
        for (int r = 1; r < rows; r++) {
            const std::ptrdiff_t first = begin(r), last = end(r);
            from = smaller(from, first);
            to = larger(to, last);
            all_from = larger(all_from, first);
            all_to = smaller(all_to, last);
        }
        std::uint8_t* const line = warp.to + y * warp.to_stride;
        for (; from < to; from += group * columns) {
            const Place left = place(m, from + middle * columns, y), top = place(m + 3, from + middle * columns, y);
            const std::int32_t left_fraction = rounded(left.rest * precision::unit) + rounding.nudge;
            const std::int32_t top_fraction = rounded(top.rest * precision::unit) + rounding.nudge;
            const __m512i left_fractions = _mm512_set1_epi32(left_fraction);
            const __m512i top_fractions = _mm512_set1_epi32(top_fraction);
            const int count = static_cast<int>(smaller(group, (to - from + columns - 1) / columns));

            // Where windows lie, for all tiles before any is loaded. Pixels outside may have their window elsewhere;
            // those inside need none beyond these.
            alignas(64) const std::uint8_t* windows[room];
            alignas(32) std::int32_t corners[room];  ///< 3 * column + 32 * row, as below, less that of the window
            const std::uint8_t* const place_in_source = warp.source + top.whole * warp.pitch + left.whole * channels;
            for (int n = 0; n < count; n += 8) {
                const auto steps = [n](std::int32_t fraction, const std::int32_t* least, std::ptrdiff_t whole,
                                       std::int32_t extent) {
                    const __m256i places = _mm256_add_epi32(
                        _mm256_set1_epi32(fraction), _mm256_load_si256(reinterpret_cast<const __m256i*>(least + n)));
                    const __m512i step = _mm512_cvtepi32_epi64(_mm256_srai_epi32(places, precision::places));
                    return _mm512_min_epi64(_mm512_max_epi64(step, _mm512_set1_epi64(-1 - whole)),
                                            _mm512_set1_epi64(extent - 1 - whole));
                };
                const __m512i right = steps(left_fraction, across.least, left.whole, warp.width);
                const __m512i below = steps(top_fraction, down.least, top.whole, warp.height);
                const auto sum = [&](std::ptrdiff_t each_right, std::ptrdiff_t each_below) {
                    return _mm512_add_epi64(_mm512_mullo_epi64(right, _mm512_set1_epi64(each_right)),
                                            _mm512_mullo_epi64(below, _mm512_set1_epi64(each_below)));
                };
                const __m512i origin = _mm512_set1_epi64(reinterpret_cast<std::intptr_t>(place_in_source));
                _mm512_store_si512(windows + n, _mm512_add_epi64(origin, sum(channels, warp.pitch)));
                _mm256_store_si256(reinterpret_cast<__m256i*>(corners + n), _mm512_cvtepi64_epi32(sum(-3, -32)));
            }

            for (int n = 0; n < count; n++) {
                const std::ptrdiff_t x = from + std::ptrdiff_t{n} * columns;
                const __m512i columns_of = _mm512_add_epi32(left_fractions, across[n]);
                const __m512i rows_of = _mm512_add_epi32(top_fractions, down[n]);
                const __m512i dx = _mm512_and_si512(columns_of, fractions), dy = _mm512_and_si512(rows_of, fractions);
                const __m512i below_right = _mm512_cvtps_epi32(
                    _mm512_mul_ps(_mm512_cvtepi32_ps(dx), _mm512_mul_ps(_mm512_cvtepi32_ps(dy), reciprocal)));
                const __m512i above_right = _mm512_sub_epi32(dx, below_right);
                const __m512i below_left = _mm512_sub_epi32(dy, below_right);
                const __m512i above_left = _mm512_sub_epi32(_mm512_sub_epi32(one, dx), below_left);
                // Of two weights each: the lower digits, and the highest. Then a digit of each, in the order of the
                // taps.
                const __m512i above = _mm512_permutex2var_epi8(above_left, low_digits, above_right);
                const __m512i below = _mm512_permutex2var_epi8(below_left, low_digits, below_right);
                const __m512i low = _mm512_permutex2var_epi8(above, lower_words, below);
                const __m512i medium = _mm512_permutex2var_epi8(above, upper_words, below);
                const __m512i high =
                    _mm512_mask_mov_epi16(_mm512_permutex2var_epi8(above_left, top_digits, above_right), 0xaaaaaaaa,
                                          _mm512_permutex2var_epi8(below_left, top_digits, below_right));

                // 3 * column + 32 * row from the window's corner, all modulo 256.
                const __m512i whole =
                    _mm512_maskz_permutex2var_epi8(0x3333333333333333, columns_of, whole_places, rows_of);
                const __m512i place =
                    _mm512_dpbusd_epi32(_mm512_set1_epi32(corners[n]), whole, _mm512_set1_epi32(3 | 32 << 8));
                __m512i places_of_taps = _mm512_add_epi8(_mm512_shuffle_epi8(place, first_of_lane), tap_places);

                __m512i window[window_rows / 2];
                for (int r = 0; r < window_rows / 2; r++) {
                    const auto row = [&](int i) {
                        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(windows[n] + i * warp.pitch));
                    };
                    const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(row(2 * r)), row(2 * r + 1), 1);
                    window[r] = _mm512_xor_si512(both, sign);
                }
                __m512i taps[3], level[3];
                __mmask16 sure = 0xffff;
                for (__m512i& of_channel : taps) {
                    of_channel = _mm512_permutex2var_epi8(window[0], places_of_taps, window[1]);
                    if constexpr (window_rows == 8) {
                        of_channel =
                            _mm512_mask_mov_epi8(of_channel, _mm512_movepi8_mask(places_of_taps),
                                                 _mm512_permutex2var_epi8(window[2], places_of_taps, window[3]));
                    }
                    places_of_taps = _mm512_add_epi8(places_of_taps, next);
                }
                // All three step by step, as they wait for each other less.
                for (int c = 0; c < 3; c++) level[c] = _mm512_dpbusd_epi32(start, high, taps[c]);
                for (int c = 0; c < 3; c++) {
                    level[c] = _mm512_dpbusd_epi32(_mm512_rol_epi32(level[c], 8), medium, taps[c]);
                }
                for (int c = 0; c < 3; c++) {
                    level[c] = _mm512_dpbusd_epi32(_mm512_slli_epi32(level[c], 8), low, taps[c]);
                }
                for (const __m512i of_channel : level) sure = _mm512_mask_test_epi32_mask(sure, of_channel, close);
                const auto store_pixels = [&] {
                    const __m512i two = _mm512_permutex2var_epi8(level[0], red_green, level[1]);
                    const __m512i pixels = _mm512_mask_permutexvar_epi8(two, blues, blue, level[2]);

                    // What a store has beyond the tile is inside as well, and comes anew with the next one.
                    std::uint8_t* const to = line + channels * x;
                    if (__builtin_expect(x >= all_from && x + (lane_bytes + 2) / 3 <= all_to, 1)) {
                        const auto store = [&](int r, __m128i part) {
                            _mm_storeu_si128(reinterpret_cast<__m128i*>(to + r * warp.to_stride), part);
                        };
                        if constexpr (rows == 4) {
                            store(0, _mm512_castsi512_si128(pixels));
                            store(1, _mm512_extracti32x4_epi32(pixels, 1));
                            store(2, _mm512_extracti32x4_epi32(pixels, 2));
                            store(3, _mm512_extracti32x4_epi32(pixels, 3));
                        } else {
                            const auto store_two = [&](int r, __m256i part) {
                                _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + r * warp.to_stride), part);
                            };
                            store_two(0, _mm512_castsi512_si256(pixels));
                            store_two(1, _mm512_extracti64x4_epi64(pixels, 1));
                        }
                    } else {
                        for (int r = 0; r < rows; r++) {
                            const std::ptrdiff_t first = clamp(begin(r) - x, 0, columns),
                                                 last = clamp(end(r) - x, 0, columns);
                            if (first >= last) continue;
                            const __mmask64 bytes = (__mmask64{1} << 3 * last) - (__mmask64{1} << 3 * first);
                            _mm512_mask_storeu_epi8(to + r * (warp.to_stride - lane_bytes), bytes << r * lane_bytes,
                                                    pixels);
                        }
                    }
                };
                store_pixels();

                if (__builtin_expect(sure != 0xffff, 0)) {
                    // Four equal taps give their level, if they are the right ones: so close to a pixel's centre they
                    // may be others.
                    const auto near = [&](__m512i first, __m512i distance) {
                        const __m512i moved =
                            _mm512_add_epi32(_mm512_add_epi32(first, distance), _mm512_set1_epi32(precision::doubt));
                        return _mm512_testn_epi32_mask(moved, _mm512_set1_epi32(precision::off_centre));
                    };
                    const auto may_be_others = static_cast<__mmask16>(
                        ~sure & (near(left_fractions, across[n]) | near(top_fractions, down[n])));
                    __mmask16 again = may_be_others;
                    for (int c = 0; c < 3; c++) {
                        again |= _mm512_testn_epi32_mask(level[c], close) &
                                 _mm512_cmpneq_epi32_mask(taps[c], _mm512_rol_epi32(taps[c], 8));
                    }
                    if (again != 0) {
                        // Not all of them are in doubt, and those that are not are cut where they are.
                        again = may_be_others;
                        for (int c = 0; c < 3; c++) {
                            // Once around, from tap to tap, levels go twice as far as the furthest two are apart.
                            const __m512i neighbour = _mm512_shuffle_epi8(taps[c], around);
                            const __m512i steps = _mm512_sub_epi8(_mm512_max_epi8(taps[c], neighbour),
                                                                  _mm512_min_epi8(taps[c], neighbour));
                            const __m512i bound = _mm512_dpbusd_epi32(
                                _mm512_setzero_si512(), steps, _mm512_set1_epi8(precision::doubt_by_difference / 2));
                            level[c] = _mm512_sub_epi32(level[c], _mm512_set1_epi32(precision::tolerance));
                            const __m512i moved = _mm512_and_si512(_mm512_add_epi32(level[c], bound), fractions);
                            again |= ~sure & _mm512_cmplt_epu32_mask(moved, _mm512_add_epi32(bound, bound));
                        }
                        store_pixels();
                    }
                    for (; again != 0; again &= again - 1) {
                        const int i = __builtin_ctz(again), r = i / columns;
                        const std::ptrdiff_t at = x + i % columns;
                        if (at >= begin(r) && at < end(r)) exact_pixel<channels>(warp, at, y + r);
                    }
                }
            }
        }
    }
}

}  // namespace

void avx512_rgb(const Warp& warp) {
    // How many rows apart pixels of a tile may come from; their columns always fit, with their neighbours 30 bytes.
    const double apart = 7 * size_of(warp.matrix[3]) + size_of(warp.matrix[4]);
    if (apart < 1.99) {
        rgb<8, 4>(warp);
    } else if (apart < 5.99) {
        rgb<8, 8>(warp);
    } else {
        rgb<4, 8>(warp);
    }
}

}  // namespace halmix::warp
