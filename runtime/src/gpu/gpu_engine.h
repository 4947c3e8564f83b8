#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "gpu/device.h"
#include "halmix/image.h"
#include "halmix/plan.h"

namespace halmix {

class GpuWorkspace;

/// Runs plans on a GPU, many images at a time: all that are to pass through one pipeline next do so in one go.
class GpuEngine {
 public:
    /// `gpu` is an index into gpu_rows; `which` as open_device takes it.
    GpuEngine(std::size_t gpu, std::string_view which);
    ~GpuEngine();
    GpuEngine(const GpuEngine&) = delete;
    GpuEngine& operator=(const GpuEngine&) = delete;

    [[nodiscard]] const Device& device() const { return device_; }

    /// All that Engine::run documents has been checked. A plan that is null is a clean view's.
    BatchReport run(std::span<const Plan* const> plans, const Batch& in, const MutableBatch& out,
                    const Options& options);

 private:
    std::size_t gpu_;
    const Device& device_;
    std::mutex mutex_;
    std::multimap<void*, std::unique_ptr<GpuWorkspace>> idle_;  ///< by the stream whose work they hold

    std::unique_ptr<GpuWorkspace> take_workspace(const Queue& queue);
    void give_back(std::unique_ptr<GpuWorkspace> workspace, const Queue& queue);
};

}  // namespace halmix
