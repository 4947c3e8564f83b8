#pragma once

#include <HalideRuntime.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "catalogue.h"
#include "halide/context.h"
#include "halmix/batch.h"

namespace halmix {

/// A device that has not been opened.
struct FoundDevice {
    std::string name;   ///< as the driver calls it
    std::uintptr_t id;  ///< the driver's: CUDA's number of it, OpenCL's cl_device_id
    int number;         ///< people's, from 0; that of CUDA counts devices too old as well
};

struct FoundDevices {
    std::vector<FoundDevice> found;
    std::string problem;  ///< why there are none, if so
};

/// How one kind of GPU is spoken to, beyond what Halide knows of it. All threads may use it.
struct Driver {
    std::string_view name;  ///< its target's
    Memory memory;          ///< what callers have on its devices
    /// Whether that is addresses, so that a part of it can be handed to pipelines. If not, only all of it can.
    bool addresses;
    const halide_device_interface_t* (*interface)();  ///< Halide's

    /// Looks for devices that can run pipelines. The first call loads the driver.
    FoundDevices (*find)();
    /// Makes a context and a queue, which are never given back. Throws Error(target_unavailable) about `name`.
    Queue (*open)(const FoundDevice& device, const std::string& name);

    /// Takes memory for a buffer. Returns a status as Halide does.
    int (*allocate)(Context& context, halide_buffer_t& buffer);
    void (*free)(Context& context, halide_buffer_t& buffer);
    /// Has a buffer be over memory of the caller's. Returns a status as Halide does.
    int (*wrap)(Context& context, halide_buffer_t& buffer, const void* data);
    void (*detach)(Context& context, halide_buffer_t& buffer);
    /// Gives back what pipelines have taken of the context's memory and left for the next ones.
    void (*release_scratch)(Context& context);
};

extern const Driver cuda_driver, opencl_driver;

const Driver& driver(DeviceApi api);

/// The driver for memory of this kind; null for the host's.
const Driver* find_driver(Memory memory);

}  // namespace halmix
