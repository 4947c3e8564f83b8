#include "gpu/gpu_engine.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "gpu/gpu_workspace.h"
#include "gpu/launches.h"
#include "gpu/resizes.h"
#include "halmix/error.h"
#include "lowering/elements.h"

namespace halmix {

namespace {

/// One batch on its way through a device: in parts, if not all of it fits the device's memory or what pipelines can
/// index, and each part step by step.
class BatchRun {
 public:
    BatchRun(GpuWorkspace& work, std::span<const Plan* const> plans, const Batch& in, const MutableBatch& out,
             const Options& options)
        : work_(work),
          plans_(plans),
          in_(in),
          out_(out),
          options_(options),
          source_{in.width, in.height, in.channels},
          size_{out.width, out.height, out.channels},
          in_layout_(effective(in.layout, in.channels)),
          out_layout_(effective(out.layout, out.channels)),
          in_bytes_(source_.bytes(in_layout_)),
          out_bytes_(size_.bytes(out_layout_)),
          views_(plans.size() / in.count),
          resizes_(Resizes::are_in(plans)),
          elements_(make_elements(out_layout_, options.normalization, in.channels)) {
        for (const Plan* plan : plans) chains_ = std::max(chains_, chains_of(plan).size());
    }

    BatchReport run() {
        BatchReport report{.passes = 0};
        Clock::time_point begin_of_phase = Clock::now();
        auto end_of = [&](double& phase) {
            if (!options_.timed) return;
            wait(work_.context, work_.device);
            const Clock::time_point now = Clock::now();
            phase += std::chrono::duration<double>(now - std::exchange(begin_of_phase, now)).count();
        };
        for (std::size_t first = 0; first < plans_.size(); first += part_.plans.size()) {
            const Interrupt& interrupt = options_.interrupt;
            if (interrupt.wanted != nullptr && interrupt.wanted(interrupt.state)) {
                throw Error(Status::interrupted, "batch: interrupted");
            }
            take_part(first);
            work_.resizes.schedule(part_);
            work_.launches.schedule(part_, work_.resizes.originals);
            end_of(report.host);
            upload();
            end_of(report.upload);
            compute(report);
            end_of(report.kernels);
            download();
            end_of(report.download);
            report.device_bytes = std::max(report.device_bytes, work_.device_bytes());
            report.passes++;
        }
        // What is in the caller's host memory is theirs again; on the device all is in the order of their queue.
        if (in_.memory == Memory::host || out_.memory == Memory::host) wait(work_.context, work_.device);
        return report;
    }

 private:
    using Clock = std::chrono::steady_clock;

    [[nodiscard]] bool unpacks() const { return in_layout_ != Layout::u8_hwc; }

    /// Takes as many plans from `first` on as there is memory for.
    void take_part(std::size_t first) {
        const std::size_t slots_each = chains_ + 1;
        std::size_t most =
            std::min({plans_.size() - first, most_bytes / (slots_each * size_.bytes()), most_bytes / out_bytes_,
                      most_bytes / in_bytes_, most_items / std::max<std::size_t>(chains_, 1)});
        if (resizes_) most = std::min(most, Resizes::most_plans(source_, size_));
        for (; most != 0; most /= 2) {
            part_ = {source_, size_, views_, chains_, first, plans_.subspan(first, most)};
            const bool wraps = most == plans_.size() || work_.device.driver.addresses;
            copy_in_ = in_.memory == Memory::host || !wraps;
            copy_out_ = out_.memory == Memory::host || !wraps;
            const Resizes::Needs resizes = resizes_ ? Resizes::needs(most, source_, size_) : Resizes::Needs{};
            if (work_.reserve({.slots = part_.slots() * size_.bytes(),
                               .input = copy_in_ ? part_.images() * in_bytes_ : 0,
                               .unpacked = unpacks() ? part_.images() * source_.bytes() : 0,
                               .between = resizes.between,
                               .resized = resizes.results,
                               .parameters = resizes.parameters,
                               .output = copy_out_ ? most * out_bytes_ : 0})) {
                return;
            }
        }
        throw Error(Status::out_of_memory, "target " + work_.device.name + ": no memory for " +
                                               std::to_string(slots_each) + " images of " +
                                               std::to_string(size_.bytes()) + " bytes");
    }

    void upload() {
        work_.upload_parameters(elements_);
        const std::size_t offset = part_.first_image() * in_bytes_, bytes = part_.images() * in_bytes_;
        if (in_.memory == Memory::host) {
            work_.upload(static_cast<const std::uint8_t*>(in_.data) + offset, bytes, work_.input);
        } else {
            wrap(callers_in_, in_.data, in_.count * in_bytes_, offset, bytes);
            if (copy_in_) work_.copy(callers_in_, offset, work_.input, 0, bytes);
        }
        if (out_.memory != Memory::host) {
            wrap(callers_out_, out_.data, plans_.size() * out_bytes_, part_.first * out_bytes_,
                 part_.plans.size() * out_bytes_);
        }
    }

    void compute(BatchReport& report) {
        const DeviceMemory* source = copy_in_ ? &work_.input : &callers_in_;
        if (unpacks()) {
            work_.unpack(part_, *source, in_layout_);
            source = &work_.unpacked;
        }
        const int before = work_.context.launches;
        if (work_.resizes.images != 0) {
            work_.resize(part_, *source);
            source = &work_.resized;
        }
        const GpuWorkspace::Originals originals{*source,
                                                work_.resizes.images != 0 ? work_.resizes.images : part_.images()};
        work_.compute_chains(part_, originals);
        const int between = work_.context.launches;
        work_.mix(part_, originals, copy_out_ ? work_.output : callers_out_, out_layout_);
        report.launches += between - before;
        report.mix_launches += work_.context.launches - between;
    }

    void download() {
        const std::size_t offset = part_.first * out_bytes_, bytes = part_.plans.size() * out_bytes_;
        if (out_.memory == Memory::host) {
            work_.download(work_.output, 0, bytes, static_cast<std::uint8_t*>(out_.data) + offset);
        } else if (copy_out_) {
            work_.copy(work_.output, 0, callers_out_, offset, bytes);
        }
    }

    /// The part of the caller's memory, or all of it where a part cannot be had.
    void wrap(DeviceMemory& memory, const void* data, std::size_t total, std::size_t first, std::size_t bytes) const {
        if (work_.device.driver.addresses) {
            memory.wrap(static_cast<const std::uint8_t*>(data) + first, bytes);
        } else {
            memory.wrap(data, total);
        }
    }

    GpuWorkspace& work_;
    const std::span<const Plan* const> plans_;
    const Batch& in_;
    const MutableBatch& out_;
    const Options& options_;
    const ImageSize source_, size_;  ///< of images; of what plans are for
    const Layout in_layout_, out_layout_;
    const std::size_t in_bytes_, out_bytes_;  ///< of an image
    const std::size_t views_;                 ///< plans for each image
    const bool resizes_;                      ///< some of the plans
    const std::vector<std::uint8_t> elements_;
    std::size_t chains_ = 0;  ///< of the plan that has most
    Part part_{};
    bool copy_in_ = false, copy_out_ = false;  ///< the part's input or output is in memory of the workspace
    DeviceMemory callers_in_{work_.device, work_.context}, callers_out_{work_.device, work_.context};
};

}  // namespace

GpuEngine::GpuEngine(std::size_t gpu, std::string_view which)
    : gpu_(gpu), device_(open_device(gpu_row(gpu).api, which)) {}

GpuEngine::~GpuEngine() {
    // The callers' queues may be gone.
    for (auto& [stream, workspace] : idle_) set_device(workspace->context, device_, {});
    idle_.clear();
    Context context;
    set_device(context, device_, {});
    device_.driver.release_scratch(context);
}

std::unique_ptr<GpuWorkspace> GpuEngine::take_workspace(const Queue& queue) {
    std::scoped_lock lock(mutex_);
    auto found = idle_.find(queue.stream);
    if (found == idle_.end()) return std::make_unique<GpuWorkspace>(device_, gpu_);
    std::unique_ptr<GpuWorkspace> workspace = std::move(found->second);
    idle_.erase(found);
    return workspace;
}

void GpuEngine::give_back(std::unique_ptr<GpuWorkspace> workspace, const Queue& queue) {
    std::scoped_lock lock(mutex_);
    // Taken first next time: its memory has grown to what is asked for now.
    idle_.emplace_hint(idle_.lower_bound(queue.stream), queue.stream, std::move(workspace));
}

BatchReport GpuEngine::run(std::span<const Plan* const> plans, const Batch& in, const MutableBatch& out,
                           const Options& options) {
    std::unique_ptr<GpuWorkspace> work = take_workspace(options.queue);
    set_device(work->context, device_, options.queue);
    BatchReport report = BatchRun(*work, plans, in, out, options).run();
    give_back(std::move(work), options.queue);
    return report;
}

}  // namespace halmix
