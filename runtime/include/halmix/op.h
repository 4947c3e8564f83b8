#pragma once

#include <array>
#include <span>
#include <string_view>

#include "halmix/export.h"

namespace halmix {

/// The augmentations: Composer's 13, in its order, then others.
enum class Op : unsigned char {
    autocontrast,
    equalize,
    posterize,
    rotate,
    solarize,
    shear_x,
    shear_y,
    translate_x,
    translate_y,
    color,
    contrast,
    brightness,
    sharpness,
};

/// What an op's value may be.
enum class ValueType : unsigned char { none, integer, real };

/// One row per op: everything that must be known of it but what it computes.
struct OpInfo {
    Op op;
    std::string_view name;  ///< as in plans, on the command line and in Composer
    ValueType type;
    double min, max;  ///< the allowed values, both included
    /// Values to try the op with, none of which leaves images as they are: two usual ones, of either direction where
    /// there are two, and special cases. Zeros where there is no value.
    std::array<double, 4> examples;
    std::string_view unit;   ///< "degrees", "pixels", ...; empty where there is no value
    std::string_view about;  ///< one line for a help page
};

/// All ops, indexed by `Op`.
[[nodiscard]] HALMIX_API std::span<const OpInfo> ops() noexcept;
[[nodiscard]] HALMIX_API const OpInfo& info(Op op) noexcept;

/// The op of exactly this name; throws Error(invalid_argument), listing the names there are.
[[nodiscard]] HALMIX_API Op parse_op(std::string_view name);

/// An op with its value, in the op's own unit: degrees (counter-clockwise), the shear's slope, pixels (positive moves
/// the content left or up), bits kept, threshold, or enhancement factor (1 is unchanged). Ops without a value have 0.
struct OpCall {
    Op op{};
    double value = 0;

    friend bool operator==(const OpCall&, const OpCall&) = default;
};

/// Throws Error(invalid_argument) if the value is not one the op allows: finite, in its range, and whole for integers.
HALMIX_API void validate(const OpCall& call);

}  // namespace halmix
