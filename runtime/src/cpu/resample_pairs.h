#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/resample.h"

/// What passes along rows by pmaddwd share: two taps at a time, with weights in two digits of 16 bits. Each file that
/// includes this has functions of its own, compiled for its processor.
namespace halmix::resample {

// NOLINTBEGIN(misc-definitions-in-headers): inline functions of one file could be linked in place of the other's
namespace {

constexpr std::ptrdiff_t taps = 2, digits = 2;

/// One byte of a result, from its row.
std::uint8_t one(const Rows& rows, const std::uint8_t* row, std::ptrdiff_t i) {
    const auto* weights = static_cast<const std::int16_t*>(rows.digits) + i * taps;
    const std::ptrdiff_t digit = rows.to_bytes * taps;
    std::ptrdiff_t at = std::ptrdiff_t{rows.first[i / rows.channels]} * rows.channels + i % rows.channels;
    int low = 1 << 21, high = 0;
    for (int g = 0; g < rows.dot_products; g++, weights += digits * digit) {
        for (std::ptrdiff_t t = 0; t < taps && at < rows.from_bytes; t++, at += rows.channels) {
            low += row[at] * weights[t];
            high += row[at] * weights[t + digit];
        }
    }
    const int level = (low + (high << 8)) >> 22;
    return static_cast<std::uint8_t>(level < 0 ? 0 : level > 255 ? 255 : level);
}

/// Simd::lanes pixels of RGB of `count` rows, from pixel `x` of the results on; each has four lanes, the last of no
/// use. Four taps at a time, so that a load's bytes are used; where two are left, the others' weights are taken as 0.
template <typename Simd, int count>
[[gnu::always_inline]] inline void some_pixels(const Rows& rows, std::ptrdiff_t row, std::ptrdiff_t x) {
    using Vector = typename Simd::Vector;
    // Of a pixel's channels, two taps side by side as numbers of 16 bits.
    const Vector first_taps = Simd::bytes([](int i) { return i % 2 == 0 && i < 12 ? i / 4 + i % 4 / 2 * 3 : 0x80; });
    const Vector next_taps = Simd::bytes([](int i) { return i % 2 == 0 && i < 12 ? i / 4 + i % 4 / 2 * 3 + 6 : 0x80; });
    Vector low[count], high[count];
#pragma GCC unroll 4
    for (int r = 0; r < count; r++) {
        low[r] = Simd::all(1 << 21);
        high[r] = Simd::all(0);
    }
    constexpr std::ptrdiff_t pixel = 3 * taps, four_taps = 12;
    const std::ptrdiff_t digit = rows.to_bytes * taps;
    const auto* weights = static_cast<const std::int16_t*>(rows.digits) + x * pixel;
    const std::uint8_t* from = rows.from + row * rows.from_stride;
    const std::ptrdiff_t a = 3 * std::ptrdiff_t{rows.first[x]};
    const std::ptrdiff_t b = 3 * std::ptrdiff_t{rows.first[x + Simd::lanes - 1]};
    for (int g = 0; g < rows.dot_products; g += 2, weights += 2 * digits * digit, from += four_taps) {
        auto load = [](const std::int16_t* one) { return Simd::load_lanes(one, one + pixel); };
        const bool both = g + 1 < rows.dot_products;
        const std::int16_t* next = weights + digits * digit;
        const Vector low0 = load(weights), high0 = load(weights + digit);
        const Vector low1 = both ? load(next) : Simd::all(0), high1 = both ? load(next + digit) : Simd::all(0);
#pragma GCC unroll 4
        for (int r = 0; r < count; r++) {
            const std::uint8_t* in = from + r * rows.from_stride;
            const Vector bytes = Simd::load_lanes(in + a, in + b);
            const Vector bytes0 = Simd::shuffle(bytes, first_taps), bytes1 = Simd::shuffle(bytes, next_taps);
            low[r] += Simd::multiply_add(bytes0, low0) + Simd::multiply_add(bytes1, low1);
            high[r] += Simd::multiply_add(bytes0, high0) + Simd::multiply_add(bytes1, high1);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < count; r++) {
        std::uint32_t levels[Simd::lanes];
        Simd::store_levels(Simd::shift_right_signed(low[r] + (high[r] << 8), 22), levels);
        std::uint8_t* to = rows.to + (row + r) * rows.to_stride + 3 * x;
        // Four bytes each: the fourth is the next pixel's, and is written over. The last pixel has but three.
#pragma GCC unroll 2
        for (int k = 0; k < Simd::lanes; k++, to += 3) {
            if (x + k + 1 < rows.to_bytes / 3) {
                __builtin_memcpy(to, &levels[k], 4);
            } else {
                __builtin_memcpy(to, &levels[k], 3);
            }
        }
    }
}

/// All of `count` rows, from left to right: their bytes stay in the first cache.
template <typename Simd, int count>
void all_pixels(const Rows& shared, std::ptrdiff_t row) {
    const Rows rows = shared;  // a copy: bytes that are written could be a part of the other
    const std::ptrdiff_t pixels = rows.to_bytes / rows.channels;
    // The last 16 bytes that are read for a pixel must not lie beyond the row.
    const std::ptrdiff_t reach = std::ptrdiff_t{rows.dot_products + 1} / 2 * 12 + 4;
    auto within = [&](std::ptrdiff_t x) { return 3 * std::ptrdiff_t{rows.first[x]} + reach <= rows.from_bytes; };
    std::ptrdiff_t x = 0;
    while (x < pixels) {
        if (rows.channels == 3 && x + Simd::lanes <= pixels && within(x) && within(x + Simd::lanes - 1)) {
            some_pixels<Simd, count>(rows, row, x);
            x += Simd::lanes;
            continue;
        }
        for (int r = 0; r < count; r++) {
            for (std::ptrdiff_t c = 0; c < rows.channels; c++) {
                const std::ptrdiff_t i = x * rows.channels + c;
                rows.to[(row + r) * rows.to_stride + i] = one(rows, rows.from + (row + r) * rows.from_stride, i);
            }
        }
        x++;
    }
}

template <typename Simd>
void all_rows(const Rows& rows) {
    std::ptrdiff_t row = 0;
    for (; row + 4 <= rows.count; row += 4) all_pixels<Simd, 4>(rows, row);
    for (; row < rows.count; row++) all_pixels<Simd, 1>(rows, row);
}

}  // namespace
// NOLINTEND(misc-definitions-in-headers)

}  // namespace halmix::resample
