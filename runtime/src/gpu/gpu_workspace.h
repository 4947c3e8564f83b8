#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "catalogue.h"
#include "gpu/device.h"
#include "gpu/launches.h"
#include "gpu/parameter_block.h"
#include "gpu/resizes.h"
#include "halide/context.h"

namespace halmix {

/// What a batch needs of host and device, kept for the next; and what can be done with it. All that the device does is
/// in the order of the context's queue, and nothing but `download` waits for it.
class GpuWorkspace {
 public:
    /// `gpu` is the device's target, an index into gpu_rows.
    GpuWorkspace(const Device& device, std::size_t gpu) : device(device), gpu_(gpu) {}

    const Device& device;
    Context context;
    DeviceMemory input{device, context}, output{device, context};  ///< for what is in host memory
    DeviceMemory unpacked{device, context};                        ///< input in another layout
    DeviceMemory between{device, context};                         ///< what the first pass of resizes makes
    DeviceMemory resized{device, context};                         ///< and the second
    DeviceMemory slots{device, context};                           ///< images between pipelines
    Resizes resizes;
    Launches launches;

    /// Bytes of the device's memory for a part of a batch.
    struct Needs {
        std::size_t slots, input, unpacked, between, resized, parameters, output;
    };
    /// Returns false, and keeps nothing, if the device has not so much.
    [[nodiscard]] bool reserve(const Needs& needs);
    /// Of the device's memory, beyond input and output.
    [[nodiscard]] std::size_t device_bytes() const {
        return slots.size() + unpacked.size() + between.size() + resized.size() + parameters_.size();
    }

    void upload(const void* from, std::size_t size, const DeviceMemory& to);
    void download(const DeviceMemory& from, std::size_t offset, std::size_t size, void* to);
    void copy(const DeviceMemory& from, std::size_t from_offset, const DeviceMemory& to, std::size_t to_offset,
              std::size_t size);
    /// What launches and the mix read. `elements`: what each level becomes (lowering/elements.h).
    void upload_parameters(const std::vector<std::uint8_t>& elements);

    /// Has the images of `from` be u8_hwc in `unpacked`.
    void unpack(const Part& part, const DeviceMemory& from, Layout layout);
    /// Computes all resized crops of images that are u8_hwc.
    void resize(const Part& part, const DeviceMemory& from);
    /// What plans are for: images of the plans' size, u8_hwc.
    struct Originals {
        const DeviceMemory& images;
        std::size_t count;
    };
    /// Computes all chains; the results are in slots.
    void compute_chains(const Part& part, const Originals& originals);
    /// Mixes images with their chains.
    void mix(const Part& part, const Originals& originals, const DeviceMemory& results, Layout layout);

 private:
    void check(int status, std::string_view what);
    [[nodiscard]] bool reserve_parameters(std::size_t size);
    void resample(const ResampleLaunch& launch, const DeviceMemory& from, std::size_t pixels, const DeviceMemory& to);
    template <typename Function>
    static Function of_layout(const ByLayout<Function>& functions, const Part& part, Layout layout) {
        return functions[part.size.channels == 1 ? 0 : 1][static_cast<std::size_t>(layout)];
    }

    /// Where arrays lie in the block.
    struct Offsets {
        std::size_t items, taps, places, fills, params, tables, mix_places, mix_weights, elements;
    };

    const std::size_t gpu_;
    ParameterBlock block_;
    Offsets at_{};
    DeviceMemory parameters_{device, context};  ///< the block
};

}  // namespace halmix
