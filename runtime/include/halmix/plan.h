#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "halmix/export.h"
#include "halmix/image.h"
#include "halmix/op.h"

namespace halmix {

inline constexpr int max_width = 16;  ///< chains of a plan
inline constexpr int max_depth = 16;  ///< ops of a chain

/// Bytes of a plan's text. The longest that `to_json` writes has some 16,000; who indents it has room to.
inline constexpr std::size_t max_plan_text = std::size_t{1} << 20;

/// Ops applied one after another, and the share of their result in the mixture.
struct Chain {
    float weight = 1;
    std::vector<OpCall> ops;  ///< may be empty: the chain is then the image itself

    friend bool operator==(const Chain&, const Chain&) = default;
};

/// How a resize weighs the pixels around a place. Where it makes an image smaller, their reach grows as much.
enum class Filter : unsigned char { bilinear, bicubic };

/// Which pass of a resize comes first. Each is rounded to bytes, so results differ, mostly by 1 in a tenth of the
/// bytes.
enum class PassOrder : unsigned char {
    pillow_13,         ///< as Pillow 13 chooses it: vertical if H - h > 0 and H - h > 2 (W - w), from W x H to w x h
    horizontal_first,  ///< as Pillow up to 12.1 has it
};

/// "bilinear", "pillow_13" and so on. Throws Error(invalid_argument) for a number that is none of these.
[[nodiscard]] HALMIX_API std::string_view name(Filter filter);
[[nodiscard]] HALMIX_API std::string_view name(PassOrder order);

/// What has this name. Throws Error(invalid_argument), listing the names there are.
[[nodiscard]] HALMIX_API Filter parse_filter(std::string_view name);
[[nodiscard]] HALMIX_API PassOrder parse_pass_order(std::string_view name);

/// A box of a source, resized to the plan's size and then mirrored; the bytes are those of Pillow's crop, resize and
/// transpose. Nothing outside the box is read. A box of the plan's size is copied.
struct ResizedCrop {
    int source_width = 0;   ///< of the image that the box is cut from, in pixels
    int source_height = 0;  ///< the same
    int left = 0;           ///< of the box, in pixels from the source's left edge
    int top = 0;            ///< of the box, in pixels from the source's top edge
    int width = 0;          ///< of the box, in pixels; it ends within the source
    int height = 0;         ///< of the box, in pixels; it ends within the source
    Filter filter = Filter::bilinear;
    PassOrder order = PassOrder::pillow_13;
    bool mirror = false;  ///< left and right change places, after the resize

    friend bool operator==(const ResizedCrop&, const ResizedCrop&) = default;
};

/// What is computed for one image. Plain data: the same plan gives the same bytes on every target.
///
///     image  = source, or its resized crop
///     result = (1 - mix) * image + mix * sum over chains of weight * chain(image)
///
/// in float32, every product and sum rounded by itself, the sum taken in order, the result truncated to 8 bits;
/// source: Composer's augmix_image.
struct Plan {
    int width = 0;   ///< of the image that ops see, and of the result, in pixels
    int height = 0;  ///< the same
    float mix = 0;   ///< the share of the augmented combination, 0..1
    Fill fill{};     ///< for pixels that warps uncover
    std::vector<Chain> chains;
    std::optional<ResizedCrop> resized_crop{};  ///< what comes before; without, the image has the plan's size

    friend bool operator==(const Plan&, const Plan&) = default;
};

/// Throws Error(bad_plan) unless 1..max_width chains of at most max_depth valid ops have weights >= 0 that sum to at
/// most 1 (plus 0.001 for rounding), mix lies in 0..1, the image has at least one pixel, and a resized crop's box has
/// one too and lies inside its source. The message names the member by its path:
/// "plan: chains[1].ops[0].value: 300 for solarize; allowed are whole numbers 0..256".
HALMIX_API void validate(const Plan& plan);

/// The plan format, a line for each member and each chain:
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
/// "fill": [r, g, b] follows "mix" if it is not black; "value" is there if the op has one. A plan with a resized crop
/// has version 2, and after "height"
///
///       "resized_crop": {"source_width": 500, "source_height": 375, "left": 12, "top": 30, "width": 300, "height":
///       280,
///         "filter": "bicubic", "order": "horizontal_first", "mirror": true},
///
/// on one line, where the last three are there if they are not what ResizedCrop has by itself. Numbers are the shortest
/// decimals that read back exactly, so that plan_from_json(to_json(plan)) == plan. Throws as validate does.
[[nodiscard]] HALMIX_API std::string to_json(const Plan& plan);

/// Reads and validates what `to_json` writes, either version, with members in any order. Whole numbers may also be
/// written as 3.0 or 3e0. For anything else, whatever its bytes, it throws Error(bad_plan): one line that names the
/// member by its path, for unknown, missing and repeated ones too, or the line and column where the text stops being
/// JSON. Text of more than max_plan_text bytes is not looked at; time and memory grow with the text and no faster.
[[nodiscard]] HALMIX_API Plan plan_from_json(std::string_view text);

}  // namespace halmix
