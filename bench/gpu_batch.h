#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "catalogue.h"
#include "gpu/device.h"
#include "gpu/gpu_workspace.h"
#include "gpu/launches.h"
#include "halmix/error.h"
#include "halmix/plan.h"
#include "lowering/elements.h"
#include "lowering/program.h"
#include "target.h"

namespace halmix::bench {

/// A batch of images in a GPU's memory, each step of which can be repeated and timed by itself: engines compute all of
/// a batch, copies included.
class GpuBatch {
 public:
    GpuBatch() : GpuBatch(choose_target("auto", Memory::host)) {}

    /// Plan i is for image i: the one given, moved on by i pixels.
    void load(std::span<const std::uint8_t> image, std::vector<Plan> plans) {
        plans_ = std::move(plans);
        pointers_.clear();
        std::size_t chains = 0;
        for (const Plan& plan : plans_) {
            pointers_.push_back(&plan);
            chains = std::max(chains, chains_of(&plan).size());
        }
        const ImageSize size{plans_[0].width, plans_[0].height,
                             static_cast<int>(image.size()) / (plans_[0].width * plans_[0].height)};
        part_ = {size, size, 1, chains, 0, pointers_};
        images_.resize(plans_.size() * image.size());
        for (std::size_t i = 0; i < plans_.size(); i++) {
            const auto moved = image.begin() + static_cast<std::ptrdiff_t>(i * size.channels % image.size());
            std::rotate_copy(image.begin(), moved, image.end(), &images_[i * image.size()]);
        }
        work_.launches.schedule(part_, {});
        const std::size_t bytes = images_.size();
        if (!work_.reserve({part_.slots() * size.bytes(), bytes, 0, 0, 0, 0, bytes})) {
            throw Error(Status::out_of_memory, "batch: too large for " + work_.device.name);
        }
        work_.upload_parameters(make_elements(Layout::u8_hwc, {}, size.channels));
        work_.upload(images_.data(), images_.size(), work_.input);
        wait();
    }

    // These return before the device is done.
    void compute_chains() { work_.compute_chains(part_, originals()); }
    void mix() { work_.mix(part_, originals(), work_.output, Layout::u8_hwc); }

    void wait() { halmix::wait(work_.context, work_.device); }

    /// The images, and then what there is of their results.
    [[nodiscard]] const std::vector<std::uint8_t>& images() const { return images_; }
    void set_results(std::span<const std::uint8_t> results) {
        work_.upload(results.data(), results.size(), work_.output);
    }
    void get_results(std::span<std::uint8_t> results) {
        work_.download(work_.output, 0, results.size(), results.data());
    }

    /// That the chains are computed by, in order.
    [[nodiscard]] std::vector<std::string_view> pipelines() const {
        std::vector<std::string_view> names;
        for (const Launch& launch : work_.launches.in_order) names.push_back(launch.pipeline->name);
        return names;
    }

 private:
    explicit GpuBatch(const Choice& choice)
        : work_(open_device(gpu_row(choice.index).api, choice.device), choice.index) {
        set_device(work_.context, work_.device, {});
    }

    [[nodiscard]] GpuWorkspace::Originals originals() const { return {work_.input, plans_.size()}; }

    std::vector<Plan> plans_;
    std::vector<const Plan*> pointers_;
    std::vector<std::uint8_t> images_;
    Part part_{};
    GpuWorkspace work_;
};

}  // namespace halmix::bench
