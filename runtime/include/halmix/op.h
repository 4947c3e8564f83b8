#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "halmix/export.h"

namespace halmix {

/// The 13 augmentations, in Composer's order.
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

inline constexpr std::size_t op_count = 13;

/// What an op's value may be.
enum class ValueType : unsigned char { none, integer, real };

/// One row per op: everything a user interface needs to know about it.
struct OpInfo {
    Op op;
    std::string_view name;  ///< as in plans, on the command line and in Composer
    ValueType type;
    double min, max;         ///< the allowed values, both included
    std::string_view unit;   ///< "degrees", "pixels", ...; empty where there is no value
    std::string_view about;  ///< one line for a help page
};

/// All ops, indexed by `Op`.
[[nodiscard]] HALMIX_API std::span<const OpInfo, op_count> ops() noexcept;
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
