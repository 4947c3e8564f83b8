#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "catalogue.h"
#include "gpu/device.h"
#include "gpu/launches.h"
#include "gpu/parameter_block.h"
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
    DeviceMemory slots{device, context};                           ///< images between pipelines
    Launches launches;

    /// Bytes of the device's memory for a part of a batch.
    struct Needs {
        std::size_t slots, input, unpacked, output;
    };
    /// Returns false, and keeps nothing, if the device has not so much.
    [[nodiscard]] bool reserve(const Needs& needs);
    /// Of the device's memory, beyond input and output.
    [[nodiscard]] std::size_t device_bytes() const { return slots.size() + unpacked.size() + parameters_.size(); }

    void upload(const void* from, std::size_t size, const DeviceMemory& to);
    void download(const DeviceMemory& from, std::size_t offset, std::size_t size, void* to);
    void copy(const DeviceMemory& from, std::size_t from_offset, const DeviceMemory& to, std::size_t to_offset,
              std::size_t size);
    /// What launches and the mix read. `elements`: what each level becomes (lowering/elements.h).
    void upload_parameters(const std::vector<std::uint8_t>& elements);

    /// Has the images of `from` be u8_hwc in `unpacked`.
    void unpack(const Part& part, const DeviceMemory& from, Layout layout);
    /// Computes all chains: the images of `source` are u8_hwc, the results in slots.
    void compute_chains(const Part& part, const DeviceMemory& source);
    /// Mixes images with their chains.
    void mix(const Part& part, const DeviceMemory& source, const DeviceMemory& results, Layout layout);

 private:
    void check(int status, std::string_view what) const;
    template <typename Function>
    static Function of_layout(const ByLayout<Function>& functions, const Part& part, Layout layout) {
        return functions[part.size.channels == 1 ? 0 : 1][static_cast<std::size_t>(layout)];
    }

    /// Where arrays lie in the block.
    struct Offsets {
        std::size_t places, fills, params, tables, mix_places, mix_weights, elements;
    };

    const std::size_t gpu_;
    ParameterBlock block_;
    Offsets at_{};
    DeviceMemory parameters_{device, context};  ///< the block
};

}  // namespace halmix
