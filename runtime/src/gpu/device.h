#pragma once

#include <HalideRuntime.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "catalogue.h"
#include "gpu/driver.h"
#include "halide/buffer.h"
#include "halide/context.h"
#include "halmix/batch.h"

namespace halmix {

/// Of an array, as pipelines index it.
constexpr std::size_t most_bytes = std::numeric_limits<std::int32_t>::max();

/// A GPU in use.
struct Device {
    const Driver& driver;
    std::string name;  ///< "cuda:0 (NVIDIA H200)"
    Queue queue;       ///< its own
};

/// Opens a device, by its number or a part of its name, "" for the first; it stays open until the process ends. Throws
/// Error(target_unavailable), listing what there is.
const Device& open_device(DeviceApi api, std::string_view which);

/// Has what Halide does with a context be for a device, in the order of a queue.
void set_device(Context& context, const Device& device, const Queue& queue);

/// Waits until the context's queue is empty.
void wait(Context& context, const Device& device);

/// Memory of a device as bytes; `context` is for that device, and outlives it.
class DeviceMemory : public Buffer<1> {
 public:
    DeviceMemory(const Device& owner, Context& context)
        : Buffer<1>(nullptr, halide_type_of<std::uint8_t>(), {dimension(0, 1)}), owner_(owner), context_(context) {}
    ~DeviceMemory();

    /// Takes `size` bytes; what was there before is lost. Returns false if the device has no more. Throws Error.
    [[nodiscard]] bool reserve(std::size_t size);
    /// Takes memory that the caller has and keeps.
    void wrap(const void* data, std::size_t size);
    void release();

    [[nodiscard]] std::size_t size() const { return dim[0].extent; }
    [[nodiscard]] Context& context() const { return context_; }

 private:
    const Device& owner_;
    Context& context_;
    bool wrapped_ = false;
};

void crop_device_memory(const DeviceMemory& memory, halide_buffer_t& crop);

/// A part of a device's memory as an array.
template <std::size_t rank>
class DeviceArray : public Buffer<rank> {
 public:
    DeviceArray(const DeviceMemory& memory, std::size_t offset, halide_type_t element, const Shape<rank>& shape)
        : Buffer<rank>(nullptr, element, shape), context_(memory.context()) {
        Buffer<1> crop(nullptr, memory.type, {dimension(0, 1)});
        crop.dim[0].min = static_cast<std::int32_t>(offset);
        crop_device_memory(memory, crop);
        this->device = crop.device;
        this->device_interface = crop.device_interface;
        this->set_device_dirty(true);
    }
    ~DeviceArray() { halide_device_release_crop(&context_, this); }

 private:
    Context& context_;
};

}  // namespace halmix
