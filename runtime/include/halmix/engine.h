#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "halmix/export.h"
#include "halmix/image.h"
#include "halmix/op.h"
#include "halmix/plan.h"

namespace halmix {

/// Where pipelines run.
struct TargetInfo {
    std::string_view name;   ///< "cpu-avx512", ...
    std::string_view needs;  ///< what the machine must have, for people
    bool available;          ///< this machine has it
    int pipelines;           ///< compiled for it
};

/// The targets of this build, best first.
[[nodiscard]] HALMIX_API std::span<const TargetInfo> targets();

/// The processor features halmix looks at that this machine has, such as "avx2".
[[nodiscard]] HALMIX_API std::vector<std::string_view> processor_features();

/// Runs plans on one target. Holds no global state; every member may be called from many threads at once, and from a
/// forked child. It starts no threads. Each thread that runs a plan keeps a workspace of (chains + 1) images until it
/// ends, so that there is no allocation after the first call for a size.
class HALMIX_API Engine {
 public:
    /// `target` is a name from `targets()` or "auto": the environment variable HALMIX_TARGET if it is set and not
    /// empty, else the first available one. Throws Error: unknown_target or target_unavailable, listing what there is.
    explicit Engine(std::string_view target = "auto");

    [[nodiscard]] const TargetInfo& target() const noexcept { return *target_; }

    /// Why this target was chosen, in one sentence.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

    /// Computes the plan's result. `in` and `out` have the plan's size and the same number of channels; they may be the
    /// same memory or overlap in any way. Throws Error: invalid_argument for a bad view, bad_plan for a plan that is
    /// not valid or is for another size, out_of_memory. If it throws, `out` is unspecified.
    void run(const Plan& plan, ImageView in, MutableImageView out) const;

    /// The ops one after another, without mixing. As `run` otherwise.
    void apply(std::span<const OpCall> ops, const Fill& fill, ImageView in, MutableImageView out) const;

    /// The pipelines that `apply` would run for these ops on such an image, in order; ops that change nothing run none.
    [[nodiscard]] std::vector<std::string_view> describe(std::span<const OpCall> ops, int width, int height,
                                                         int channels) const;

 private:
    const TargetInfo* target_;
    std::size_t index_;  ///< of the target in the catalogue
    std::string reason_;
};

}  // namespace halmix
