#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "halmix/export.h"
#include "halmix/image.h"
#include "halmix/op.h"
#include "halmix/plan.h"

namespace halmix {

/// How the factor of color, contrast, brightness and sharpness is drawn; the other ops have one law only.
enum class FactorLaw : unsigned char {
    symmetric,  ///< Composer's own: as often below 1 as above (from severity 1 up)
    original,   ///< that of the AugMix paper's code: uniform in 0.118 .. 0.18 * severity + 0.1
};

/// An op the sampler may draw, with its relative probability.
struct OpChoice {
    Op op{};
    FactorLaw law = FactorLaw::symmetric;
    double weight = 1;  ///< finite and >= 0, as is the sum of a policy's; they are not all 0

    friend bool operator==(const OpChoice&, const OpChoice&) = default;
};

/// The choices named by a comma-separated list. An item is `all`, `safe` or `original` (Composer's sets), an op, or
/// `color_original` and the like, and may end in `:WEIGHT` (`rotate:2`; a set's ops all get it). Blanks around names
/// and weights are ignored; what is named twice is listed twice, and so drawn with both weights. Throws
/// Error(invalid_argument): for unknown names, listing those there are, and for weights OpChoice does not allow.
[[nodiscard]] HALMIX_API std::vector<OpChoice> parse_op_choices(std::string_view list);

/// Draws the crop of a plan as torchvision's RandomResizedCrop and RandomHorizontalFlip do, whose defaults these are:
/// up to ten boxes of a random area and aspect ratio, and the first that fits is put at a random place. If none does,
/// it is the largest box in the middle with an allowed ratio.
struct RandomResizedCrop {
    int width = 224;             ///< of the result, in pixels, from 1 up
    int height = 224;            ///< of the result, in pixels, from 1 up
    double min_scale = 0.08;     ///< of the box's area, as a part of the source's: 0..1
    double max_scale = 1;        ///< the same, min_scale..1
    double min_ratio = 3.0 / 4;  ///< of the box's width to its height: finite, above 0
    double max_ratio = 4.0 / 3;  ///< the same, finite, from min_ratio up
    double mirror = 0.5;         ///< the probability that left and right change places, 0..1
    Filter filter = Filter::bilinear;
    PassOrder order = PassOrder::pillow_13;

    friend bool operator==(const RandomResizedCrop&, const RandomResizedCrop&) = default;
};

/// What to draw plans from. The defaults are Composer's.
struct Policy {
    double severity = 3;  ///< 0..10
    int width = 3;        ///< chains, 1..max_width
    int depth = -1;       ///< ops of each chain, 1..max_depth; -1: drawn from 1, 2, 3 for each chain
    double alpha = 1;     ///< of Dirichlet (weights) and Beta (mix); any finite value > 0
    std::vector<OpChoice> ops = parse_op_choices("all");
    Fill fill{};
    std::optional<RandomResizedCrop> crop{};  ///< drawn before the ops; without, images keep their size
};

/// Throws Error(invalid_argument) unless the policy is as its comments say.
HALMIX_API void validate(const Policy& policy);

/// Names one draw. Equal keys give equal plans, in any process, thread, order or machine; different keys give
/// independent plans.
struct Key {
    std::uint64_t seed = 0;
    std::uint32_t epoch = 0;
    std::uint64_t index = 0;  ///< of the sample in its data set
    std::uint16_t view = 0;   ///< several augmented views of one sample
};

/// Draws the plan of a key for a width x height image: a pure function. Philox-4x32-10 (Salmon et al., 2011) with
/// `seed` as its key and counter (index, epoch, view, block); docs/sampling.md defines every draw to the last bit.
/// With a crop the plan is of the crop's size, and has the ops, weights and mix that the key gives for an image of that
/// size without one. Throws Error(invalid_argument) for a policy that is not valid or an image without pixels.
///
/// The second form reuses the plan's memory: after the first plan of a policy it allocates nothing.
[[nodiscard]] HALMIX_API Plan sample(const Policy& policy, const Key& key, int width, int height);
HALMIX_API void sample(const Policy& policy, const Key& key, int width, int height, Plan& plan);

/// The plan of a clean view, which reuses its memory too: the policy's crop for the key, if it has one, and no ops.
/// Throws as `sample` does.
HALMIX_API void sample_clean(const Policy& policy, const Key& key, int width, int height, Plan& plan);

/// The crop alone that a policy with this one draws for a key: what a decoder must know first, and all that a clean
/// view needs. The key's view does not matter: all views of a sample are of the same crop.
[[nodiscard]] HALMIX_API ResizedCrop sample_crop(const RandomResizedCrop& crop, const Key& key, int width, int height);

}  // namespace halmix
