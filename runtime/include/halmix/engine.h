#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "halmix/batch.h"
#include "halmix/export.h"
#include "halmix/image.h"
#include "halmix/op.h"
#include "halmix/plan.h"

namespace halmix {

class CpuEngine;
class GpuEngine;

/// Where pipelines run.
struct TargetInfo {
    std::string_view name;                  ///< "cpu-avx512", ..., "cuda", "opencl"
    std::string_view needs;                 ///< what the machine must have, for people
    bool available;                         ///< this machine has it
    int pipelines;                          ///< compiled for it
    std::vector<std::string> devices = {};  ///< of a GPU target, as its driver calls them
    std::string problem = {};               ///< why it is not available, for people
};

/// The targets of this build: those of CPUs, best first, then those of GPUs, best first. Loads the GPUs' drivers, which
/// nothing else does before an Engine is made for one: a process that is to fork should not call it before.
[[nodiscard]] HALMIX_API std::vector<TargetInfo> targets();

/// The processor features halmix looks at that this machine has, such as "avx2".
[[nodiscard]] HALMIX_API std::vector<std::string_view> processor_features();

/// Runs plans on one target. Constant once made: every member may be called from many threads at once. It starts no
/// threads.
///
/// Which bytes a result has depends on the plan and the image alone: not on the target, the number of threads, the
/// layouts, or what is computed beside it.
///
/// An engine of a CPU holds no lock and may be used in a child that is forked at any time, whatever other threads were
/// doing. One of a GPU keeps, for each queue and each call that is under way at the same time, (chains + 1) images for
/// every plan of a batch on the device, and its drivers may start threads; a child that is forked after it was made
/// cannot use it.
class HALMIX_API Engine {
 public:
    /// `target` is a name from `targets()`, of a GPU with the device's number or a part of its name if it is not to be
    /// the first, "cuda:1" or "opencl:Portable"; or "auto": what the environment variable HALMIX_TARGET names if it is
    /// set and not empty; else for `data` on a GPU that GPU's target, and for data on the host the first available one
    /// of the CPU's. Throws Error: unknown_target or target_unavailable, listing what there is.
    explicit Engine(std::string_view target = "auto", Memory data = Memory::host);

    [[nodiscard]] const TargetInfo& target() const noexcept { return target_; }

    /// Why this target was chosen, in one sentence.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

    /// Computes the plan's result. `out` has the plan's size, `in` that of its resized crop's source or else the same,
    /// and both the same number of channels; they may be the same memory or overlap in any way. Throws Error:
    /// invalid_argument for a bad view, bad_plan for a plan that is not valid or is for another size, out_of_memory. If
    /// it throws, `out` is unspecified.
    void run(const Plan& plan, ImageView in, MutableImageView out, const Options& options = {}) const;

    /// Computes all results of a batch in host memory; sizes and layouts may differ. A CPU has the tasks done by
    /// `options.runner`; a GPU computes those of the same sizes together. As `run` otherwise, but that no output may
    /// overlap an image of another task. All tasks are checked before anything is written; what is wrong is named with
    /// the task's number. Throws Error(interrupted) if `options.interrupt` wants it, or what that throws: on a CPU each
    /// result is then either complete or untouched.
    void run(std::span<const Task> tasks, const Options& options = {}) const;

    /// Computes the results of all plans, `plans.size() / in.count` for each image: plan i is for image
    /// i / (plans.size() / in.count), its result is image i of `out`, which may not overlap `in`. All sources have one
    /// size and all results one; where both are the same, plans with and without a resized crop may be together.
    ///
    /// If both are on a device, it returns when all is in the queue's order, which the caller must wait for before
    /// using the results; else when the results are there. If the device has too little memory, or a batch is larger
    /// than pipelines can index (2^31 bytes), it is computed in parts. Throws Error: invalid_argument for batches that
    /// are not as this and `Batch` say, or in memory the target cannot use; bad_plan, out_of_memory, interrupted,
    /// pipeline_failed.
    // NOLINTNEXTLINE(modernize-use-nodiscard): run for its results, not for the report
    BatchReport run(std::span<const Plan> plans, const Batch& in, const MutableBatch& out,
                    const Options& options = {}) const;

    /// Compiles for the device and takes the memory that batches of `count` images of a size need, so that none of
    /// that happens later, but what resized crops need beside it. Does nothing on a CPU.
    void warm_up(int count, int width, int height, int channels, int chains = 3, const Queue& queue = {}) const;

    /// The ops one after another, without mixing. As `run` otherwise.
    void apply(std::span<const OpCall> ops, const Fill& fill, ImageView in, MutableImageView out,
               const Options& options = {}) const;

    /// The pipelines that `apply` would run for these ops on such an image, in order; ops that change nothing run none.
    [[nodiscard]] std::vector<std::string_view> describe(std::span<const OpCall> ops, int width, int height,
                                                         int channels) const;

 private:
    TargetInfo target_;
    std::string reason_;
    std::shared_ptr<const CpuEngine> cpu_;  ///< if the target is a CPU's
    std::shared_ptr<GpuEngine> gpu_;        ///< if it is a GPU's
};

}  // namespace halmix
