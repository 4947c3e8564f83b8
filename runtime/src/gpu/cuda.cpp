// CUDA's driver, and what Halide's runtime asks of it; the runtime's own versions are weak.

#include <HalideRuntimeCuda.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "gpu/driver.h"
#include "gpu/library.h"
#include "gpu/shared_memory.h"
#include "halmix/error.h"

namespace halmix {

namespace {

// As cuda.h has them, which is not needed to build.
constexpr int device_attribute_compute_capability_major = 75, device_attribute_compute_capability_minor = 76,
              device_attribute_reserved_shared_memory_per_block = 111;

/// The default stream by the name it has for itself, CU_STREAM_LEGACY. Where Halide is given none, it copies by
/// functions that wait until the stream is empty.
void* default_stream() { return reinterpret_cast<void*>(std::uintptr_t{1}); }  // NOLINT(performance-no-int-to-ptr)

/// What pipelines are compiled for, 7.5.
constexpr int least_capability = 75;

const Library& library() {
    static const Library cuda("libcuda.so.1");
    return cuda;
}

int attribute(int which, int device) {
    int value = 0;
    library().call("cuDeviceGetAttribute", &value, which, device);
    return value;
}

int compute_capability(int device) {
    return 10 * attribute(device_attribute_compute_capability_major, device) +
           attribute(device_attribute_compute_capability_minor, device);
}

/// Bytes of each block's shared memory that the system has for itself, the most of any device. From compute capability
/// 9.0 on they begin at address 0, where Halide takes the block's own to begin.
int reserved_shared_memory() {
    static const int most = [] {
        int devices = 0, found = 0;
        library().call("cuDeviceGetCount", &devices);
        for (int i = 0; i < devices; i++) {
            found = std::max(found, attribute(device_attribute_reserved_shared_memory_per_block, i));
        }
        return found;
    }();
    return most;
}

/// Loads what Halide hands to the driver, with shared memory moved beyond the system's.
int load_module(void** module, const char* ptx, unsigned count, int* options, void** values) {
    const std::string moved = move_shared_memory(ptx, reserved_shared_memory());
    return library().call("cuModuleLoadDataEx", module, moved.c_str(), count, options, values);
}

FoundDevices find() {
    if (!library()) return {{}, "libcuda.so.1, NVIDIA's driver, is not on this machine"};
    auto problem = [](const char* function, int status) -> FoundDevices {
        return {{}, "NVIDIA's driver: " + failure(function, status)};
    };
    int count = 0;
    if (int status = library().call("cuInit", 0U); status != 0) return problem("cuInit", status);
    if (int status = library().call("cuDeviceGetCount", &count); status != 0) {
        return problem("cuDeviceGetCount", status);
    }
    FoundDevices devices;
    for (int i = 0; i < count; i++) {
        std::array<char, 256> name{};
        library().call("cuDeviceGetName", name.data(), static_cast<int>(name.size()), i);
        if (compute_capability(i) >= least_capability) {
            devices.found.push_back({name.data(), static_cast<std::uintptr_t>(i), i});
        }
    }
    if (devices.found.empty()) {
        devices.problem = count == 0 ? "NVIDIA's driver finds no GPU" : "the GPU's compute capability is below 7.5";
    }
    return devices;
}

Queue open(const FoundDevice& device, const std::string& name) {
    Queue queue{.stream = default_stream()};
    const int status = library().call("cuDevicePrimaryCtxRetain", &queue.context, static_cast<int>(device.id));
    if (status == 0) return queue;
    throw Error(Status::target_unavailable, "target " + name + ": " + failure("cuDevicePrimaryCtxRetain", status));
}

int allocate(Context& context, halide_buffer_t& buffer) {
    return halide_device_malloc(&context, &buffer, halide_cuda_device_interface());
}
void free(Context& context, halide_buffer_t& buffer) { halide_device_free(&context, &buffer); }
int wrap(Context& context, halide_buffer_t& buffer, const void* data) {
    return halide_cuda_wrap_device_ptr(&context, &buffer, reinterpret_cast<std::uint64_t>(data));
}
void detach(Context& context, halide_buffer_t& buffer) { halide_cuda_detach_device_ptr(&context, &buffer); }

}  // namespace

constinit const Driver cuda_driver = {
    .name = "cuda",
    .memory = Memory::cuda,
    .addresses = true,
    .interface = halide_cuda_device_interface,
    .find = find,
    .open = open,
    .allocate = allocate,
    .free = free,
    .wrap = wrap,
    .detach = detach,
    .release_scratch = [](Context& /*context*/) {},  // Halide keeps it, for all
};

}  // namespace halmix

extern "C" {

/// The library by the name that every machine with the driver has.
void* halide_cuda_get_symbol(void* /*user_context*/, const char* name) {
    if (std::string_view(name) == "cuModuleLoadDataEx") return reinterpret_cast<void*>(halmix::load_module);
    return halmix::library().symbol(name);
}

int halide_cuda_acquire_context(void* user_context, void** context, bool /*create*/) {
    if (user_context == nullptr) return halide_error_code_generic_error;
    *context = static_cast<halmix::Context*>(user_context)->device_context;
    return 0;
}

int halide_cuda_release_context(void* /*user_context*/) { return 0; }

int halide_cuda_get_stream(void* user_context, void* /*context*/, void** stream) {
    if (user_context == nullptr) return halide_error_code_generic_error;
    *stream = static_cast<halmix::Context*>(user_context)->stream;
    return 0;
}

// Counts launches; the linker has pipelines call this one (CMakeLists.txt).
// NOLINTBEGIN(readability-identifier-naming, readability-non-const-parameter)
decltype(halide_cuda_run) __real_halide_cuda_run;
int __wrap_halide_cuda_run(void* user_context, void* state, const char* kernel, int blocks_x, int blocks_y,
                           int blocks_z, int threads_x, int threads_y, int threads_z, int shared_bytes,
                           std::size_t* sizes, void** args, std::int8_t* is_buffer) {
    static_cast<halmix::Context*>(user_context)->launches++;
    if (shared_bytes != 0) shared_bytes += halmix::reserved_shared_memory();
    return __real_halide_cuda_run(user_context, state, kernel, blocks_x, blocks_y, blocks_z, threads_x, threads_y,
                                  threads_z, shared_bytes, sizes, args, is_buffer);
}
// NOLINTEND(readability-identifier-naming, readability-non-const-parameter)

}  // extern "C"
