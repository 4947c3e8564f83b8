#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "halmix/export.h"
#include "halmix/image.h"
#include "halmix/op.h"

namespace halmix {

inline constexpr int max_width = 16;  ///< chains of a plan
inline constexpr int max_depth = 16;  ///< ops of a chain

/// Bytes of a plan's text. The longest that `to_json` writes has some 15,000; who indents it has room to.
inline constexpr std::size_t max_plan_text = std::size_t{1} << 20;

/// Ops applied one after another, and the share of their result in the mixture.
struct Chain {
    float weight = 1;
    std::vector<OpCall> ops;  ///< may be empty: the chain is then the image itself

    friend bool operator==(const Chain&, const Chain&) = default;
};

/// What is computed for one image. Plain data: the same plan gives the same bytes on every target.
///
///     result = (1 - mix) * image + mix * sum over chains of weight * chain(image)
///
/// in float32, every product and sum rounded by itself, the sum taken in order, the result truncated to 8 bits;
/// source: Composer's augmix_image.
struct Plan {
    int width = 0;   ///< of the image, in pixels
    int height = 0;  ///< of the image, in pixels
    float mix = 0;   ///< the share of the augmented combination, 0..1
    Fill fill{};     ///< for pixels that warps uncover
    std::vector<Chain> chains;

    friend bool operator==(const Plan&, const Plan&) = default;
};

/// Throws Error(bad_plan) unless 1..max_width chains of at most max_depth valid ops have weights >= 0 that sum to at
/// most 1 (plus 0.001 for rounding), mix lies in 0..1 and the image has at least one pixel. The message names the
/// member by its path: "plan: chains[1].ops[0].value: 300 for solarize; allowed are whole numbers 0..256".
HALMIX_API void validate(const Plan& plan);

/// Version 1 of the plan format, a line for each member and each chain:
///
///     {
///       "version": 1,
///       "width": 224,
///       "height": 224,
///       "mix": 0.42,
///       "chains": [
///         {"weight": 0.31, "ops": [{"op": "rotate", "value": -12}, {"op": "equalize"}]},
///         ...
///       ]
///     }
///
/// "fill": [r, g, b] follows "mix" if it is not black; "value" is there if the op has one. Numbers are the shortest
/// decimals that read back exactly, so that plan_from_json(to_json(plan)) == plan. Throws as validate does.
[[nodiscard]] HALMIX_API std::string to_json(const Plan& plan);

/// Reads and validates what `to_json` writes, with members in any order. Whole numbers may also be written as 3.0 or
/// 3e0. For anything else, whatever its bytes, it throws Error(bad_plan): one line that names the member by its path,
/// for unknown, missing and repeated ones too, or the line and column where the text stops being JSON. Text of more
/// than max_plan_text bytes is not looked at; time and memory grow with the text and no faster.
[[nodiscard]] HALMIX_API Plan plan_from_json(std::string_view text);

}  // namespace halmix
