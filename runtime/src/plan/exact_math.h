#pragma once

#include <cmath>

/// log, log1p and exp that give the same bits on every processor.
///
/// The C library may choose between variants with and without fused multiply-add when it runs, and their last bits
/// differ. These use only + - * / and exact scaling by powers of two, each step rounded by itself, and must be compiled
/// without contraction. They are for drawing random numbers: relative errors stay below 1e-13, but are not the least
/// possible. docs/sampling.md defines them.
namespace halmix::exact {

inline constexpr double ln2 = 0.6931471805599453;
inline constexpr double sqrt_half = 0.7071067811865476;

namespace detail {

/// 2 * artanh(s) by its power series, for |s| <= 3 - 2 * sqrt(2), where the first omitted term is below 1e-18 * |s|.
inline double twice_artanh(double s) {
    constexpr int last_power = 21;
    const double square = s * s;
    double sum = 0;
    for (int power = last_power; power >= 1; power -= 2) sum = sum * square + 1.0 / power;
    return 2 * s * sum;
}

}  // namespace detail

/// The natural logarithm of a positive, finite x.
inline double log(double x) {
    int exponent = 0;
    double mantissa = std::frexp(x, &exponent);
    if (mantissa < sqrt_half) {
        mantissa *= 2;
        exponent -= 1;
    }
    return exponent * ln2 + detail::twice_artanh((mantissa - 1) / (mantissa + 1));
}

/// log(1 + x) for a finite x > -1, without the loss of accuracy near 0.
inline double log1p(double x) { return x > -0.29 && x < 0.41 ? detail::twice_artanh(x / (2 + x)) : log(1 + x); }

/// exp(x) for x up to 709 (also minus infinity); 0 below exp(-80), which keeps clear of subnormal numbers even in
/// float32. From 80 up errors are up to 1e-12.
inline double exp(double x) {
    constexpr double lowest = -80;
    constexpr int last_power = 14;
    if (x < lowest) return 0;
    const double exponent = std::floor(x / ln2 + 0.5);
    const double rest = x - exponent * ln2;
    double sum = 1;
    for (int power = last_power; power >= 1; --power) sum = 1 + sum * rest / power;
    return std::ldexp(sum, static_cast<int>(exponent));
}

}  // namespace halmix::exact
