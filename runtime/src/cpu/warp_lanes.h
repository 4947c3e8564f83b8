#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/warp.h"
#include "cpu/warp_place.h"

/// What warps with byte shuffles within 16 bytes share: four pixels side by side for each such lane, with a window of
/// their own. Each file that includes this has functions of its own, compiled for its processor.
namespace halmix::warp {

// NOLINTBEGIN(misc-definitions-in-headers): inline functions of one file could be linked in place of the other's
namespace {

/// Pixels of a lane, and those whose coordinates are counted from one place.
constexpr int lane_pixels = 4, group = 240, middle = group / 2;
static_assert(middle + 1 < 1 << (31 - precision::places), "coordinates have a sign and a fraction below 1");

/// Weights are two digits: the lower has so many bits, the upper 15, without a sign.
constexpr int low_bits = precision::places - 15;

/// Of vectors of `window_rows` rows: pixels of a lane come from so many, with those below.
template <typename Simd, int channels, int window_rows>
void rows(const Warp& warp) {
    using Vector = typename Simd::Vector;
    constexpr std::ptrdiff_t pixels = lane_pixels * Simd::lanes;

    const double* m = warp.matrix;
    const Rounding rounding(m);
    std::int32_t across[group] = {}, down[group] = {};
    for (int i = 0; i < group && i < warp.width; i++) {
        across[i] = rounded(m[0] * (i - middle) * precision::unit);
        down[i] = rounded(m[3] * (i - middle) * precision::unit);
    }
    // The pixels of a lane that come from furthest left and from furthest up.
    const int leftmost = m[0] < 0 ? lane_pixels - 1 : 0, uppermost = m[3] < 0 ? lane_pixels - 1 : 0;

    // Columns and rows of pixels, twice each, and those of the window; 16 bytes are a row of it.
    const Vector pairs = Simd::bytes([](int i) { return i / 4 * 4 + i % 2 * 2 + 1; });
    const Vector corner = Simd::bytes([=](int i) { return i % 2 == 0 ? 4 * leftmost + 1 : 4 * uppermost + 3; });
    const Vector steps = Simd::all(0x10001000 | 0x00010001 * channels);
    Vector tap[channels];  // as numbers of 16 bits, two pixels side by side; a sum above 0x7f shuffles to 0
    for (int c = 0; c < channels; c++) {
        tap[c] = Simd::bytes([c](int i) { return i % 2 != 0 ? 0xff : 0x70 + c + (i % 4 == 0 ? 0 : channels); });
    }
    Vector place_in_result[channels];  // of the highest bytes, side by side
    for (int c = 0; c < channels; c++) {
        place_in_result[c] =
            Simd::bytes([c](int i) { return i < 4 * channels && i % channels == c ? i / channels * 4 + 3 : 0x80; });
    }
    const Vector fractions = Simd::all(precision::fraction_mask), one = Simd::all(precision::unit);
    const Vector low_digits = Simd::all(0x00010001 * ((1 << low_bits) - 1)), close = Simd::all(precision::close);
    const Vector off_centre = Simd::all(precision::off_centre);
    const Vector added = Simd::all(rounding.added), row_step = Simd::all(0x10101010);

    for (std::ptrdiff_t y = 0; y < warp.height; y++) {
        const std::ptrdiff_t begin = warp.begin[y], end = warp.end[y];
        if (end - begin < pixels) {
            for (std::ptrdiff_t x = begin; x < end; x++) exact_pixel<channels>(warp, x, y);
            continue;
        }
        std::uint8_t* const line = warp.to + y * warp.to_stride;
        for (std::ptrdiff_t from = begin; from < end;) {
            // Too few for a vector begin further left, as does the last vector of any.
            if (from > end - pixels) from = end - pixels;
            const Place left = place(m, from + middle, y), top = place(m + 3, from + middle, y);
            const std::int32_t left_fraction = rounded(left.rest * precision::unit) + rounding.nudge;
            const std::int32_t top_fraction = rounded(top.rest * precision::unit) + rounding.nudge;
            const std::uint8_t* const source = warp.source + top.whole * warp.pitch + left.whole * channels;
            const Vector left_fractions = Simd::all(left_fraction), top_fractions = Simd::all(top_fraction);
            const std::ptrdiff_t length = end - from < group ? end - from : group;
            const int count = static_cast<int>((length + pixels - 1) / pixels);
            const auto offset = [=](int n) { return n + 1 < count ? n * pixels : length - pixels; };

            // What comes of coordinates alone, for all vectors before any is loaded.
            struct {
                Vector high_above, high_below, low_above, low_below;  ///< digits of the weights, left and right
                Vector taps;                                          ///< places in the window
                const std::uint8_t* window[Simd::lanes];
            } all[group / pixels];
            for (int n = 0; n < count; n++) {
                auto& some = all[n];
                for (int lane = 0; lane < Simd::lanes; lane++) {
                    const std::ptrdiff_t first = offset(n) + lane * lane_pixels;
                    const std::ptrdiff_t column = (left_fraction + across[first + leftmost]) >> precision::places;
                    const std::ptrdiff_t row = (top_fraction + down[first + uppermost]) >> precision::places;
                    some.window[lane] = source + row * warp.pitch + column * channels;
                }
                const Vector columns_of = left_fractions + Simd::load(across + offset(n));
                const Vector rows_of = top_fractions + Simd::load(down + offset(n));
                // Columns and rows are the highest bytes.
                const Vector whole = Simd::words(columns_of >> 16, rows_of);
                some.taps = Simd::multiply_add_bytes(
                    steps, Simd::subtract_bytes(Simd::shuffle(whole, pairs), Simd::shuffle(whole, corner)));

                const Vector dx = columns_of & fractions, dy = rows_of & fractions;
                const Vector below_right = Simd::product(dx, dy, 1.0F / static_cast<float>(precision::unit));
                const Vector above_right = dx - below_right, below_left = dy - below_right;
                const Vector above_left = one - dx - below_left;
                const auto high = [](Vector l, Vector r) { return Simd::words(l >> low_bits, r << (16 - low_bits)); };
                const auto low = [&](Vector l, Vector r) { return Simd::words(l, r << 16) & low_digits; };
                some.high_above = high(above_left, above_right);
                some.high_below = high(below_left, below_right);
                some.low_above = low(above_left, above_right);
                some.low_below = low(below_left, below_right);
            }

            for (int n = 0; n < count; n++) {
                const auto& some = all[n];
                Vector window[window_rows];
                for (int r = 0; r < window_rows; r++) {
                    const std::ptrdiff_t row = r * warp.pitch;
                    window[r] = Simd::load_lanes(some.window[0] + row, some.window[Simd::lanes - 1] + row);
                }
                Vector above[channels], below[channels], level[channels];
                for (int c = 0; c < channels; c++) {
                    above[c] = below[c] = Simd::all(0);
                    Vector taps = some.taps;
                    for (int r = 0; r + 1 < window_rows; r++) {
                        const Vector in_row = Simd::add_saturating(taps, tap[c]);
                        above[c] |= Simd::shuffle(window[r], in_row);
                        below[c] |= Simd::shuffle(window[r + 1], in_row);
                        taps = Simd::subtract_bytes(taps, row_step);
                    }
                    const Vector high =
                        Simd::multiply_add(above[c], some.high_above) + Simd::multiply_add(below[c], some.high_below);
                    const Vector low =
                        Simd::multiply_add(above[c], some.low_above) + Simd::multiply_add(below[c], some.low_below);
                    level[c] = (high << low_bits) + added + low;
                }
                const std::ptrdiff_t x = from + offset(n);
                const auto store = [&] {
                    Vector pixel = Simd::shuffle(level[0], place_in_result[0]);
                    for (int c = 1; c < channels; c++) pixel |= Simd::shuffle(level[c], place_in_result[c]);
                    Simd::template store_pixels<channels>(line + channels * x, pixel);
                };
                store();

                Vector least = level[0] & close;
                for (int c = 1; c < channels; c++) least = Simd::smaller(least, level[c] & close);
                const Vector any = least == 0;
                if (__builtin_expect(Simd::signs(any) != 0, 0)) {
                    // Four equal taps give their level, if they are the right ones: so close to a pixel's centre they
                    // may be others.
                    const auto near = [&](Vector first, const std::int32_t* distance) {
                        return ((first + Simd::load(distance + offset(n)) + precision::doubt) & off_centre) == 0;
                    };
                    const Vector may_be_others = any & (near(left_fractions, across) | near(top_fractions, down));
                    Vector again = may_be_others;
                    for (int c = 0; c < channels; c++) {
                        const Vector differ = (above[c] ^ below[c]) | ((above[c] ^ above[c] >> 16) & 0xff);
                        again |= ((level[c] & close) == 0) & (differ != 0);
                    }
                    unsigned lanes = Simd::signs(again);
                    if (lanes != 0) {
                        // Not all of them are in doubt, and those that are not are cut where they are.
                        again = may_be_others;
                        for (int c = 0; c < channels; c++) {
                            const Vector most = Simd::larger_words(above[c], below[c]);
                            const Vector least = Simd::smaller_words(above[c], below[c]);
                            const Vector difference =
                                (Simd::larger_words(most, most >> 16) - Simd::smaller_words(least, least >> 16)) & 0xff;
                            const Vector bound = difference * precision::doubt_by_difference;
                            level[c] -= precision::tolerance;
                            again |= any & (((level[c] + bound) & fractions) < 2 * bound);
                        }
                        store();
                        lanes = Simd::signs(again);
                    }
                    for (; lanes != 0; lanes &= lanes - 1) exact_pixel<channels>(warp, x + __builtin_ctz(lanes), y);
                }
            }
            from += count * pixels;
        }
    }
}

/// By how many rows apart pixels of a lane come from.
template <typename Simd, int channels>
void pixels(const Warp& warp) {
    const double apart = (lane_pixels - 1) * size_of(warp.matrix[3]);
    if (apart < 0.999) {
        rows<Simd, channels, 3>(warp);
    } else if (apart < 1.999) {
        rows<Simd, channels, 4>(warp);
    } else {
        rows<Simd, channels, 5>(warp);
    }
}

}  // namespace
// NOLINTEND(misc-definitions-in-headers)

}  // namespace halmix::warp
