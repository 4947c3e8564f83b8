#include "gpu/device.h"

#include <HalideRuntimeCuda.h>
#include <HalideRuntimeOpenCL.h>
#include <dlfcn.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

#include "halmix/error.h"

namespace halmix {

namespace {

/// A driver's library, loaded at first use and for good; `open` is null if there is none.
class Library {
 public:
    explicit Library(const char* name) : handle_(dlopen(name, RTLD_NOW | RTLD_LOCAL)) {}

    [[nodiscard]] explicit operator bool() const { return handle_ != nullptr; }
    [[nodiscard]] void* symbol(const char* name) const { return handle_ == nullptr ? nullptr : dlsym(handle_, name); }

    /// Calls a function that returns a status, which is 0 if all is well; -1 if the library lacks it.
    template <typename... Args>
    int call(const char* name, Args... args) const {
        auto function = reinterpret_cast<int (*)(Args...)>(symbol(name));
        return function == nullptr ? -1 : function(args...);
    }

 private:
    void* handle_;
};

const Library& cuda_library() {
    static const Library library("libcuda.so.1");
    return library;
}

const Library& opencl_library() {
    static const Library library("libOpenCL.so.1");
    return library;
}

std::string code(int status) { return "error " + std::to_string(status); }

/// Of a device before it is opened.
struct Found {
    std::string name;
    int ordinal;  ///< CUDA's number of it
    void* id;     ///< OpenCL's cl_device_id
};

struct Search {
    std::vector<Found> found;
    std::string problem;
};

Search search_cuda() {
    const Library& cuda = cuda_library();
    if (!cuda) return {{}, "libcuda.so.1, NVIDIA's driver, is not on this machine"};
    if (int status = cuda.call("cuInit", 0U); status != 0) return {{}, "NVIDIA's driver: cuInit: " + code(status)};
    int count = 0;
    if (int status = cuda.call("cuDeviceGetCount", &count); status != 0) {
        return {{}, "NVIDIA's driver: cuDeviceGetCount: " + code(status)};
    }
    Search search;
    for (int i = 0; i < count; i++) {
        std::array<char, 256> name{};
        int major = 0, minor = 0;
        constexpr int compute_capability_major = 75, compute_capability_minor = 76;
        cuda.call("cuDeviceGetName", name.data(), static_cast<int>(name.size()), i);
        cuda.call("cuDeviceGetAttribute", &major, compute_capability_major, i);
        cuda.call("cuDeviceGetAttribute", &minor, compute_capability_minor, i);
        if (10 * major + minor >= 75) search.found.push_back({name.data(), i, nullptr});
    }
    if (search.found.empty()) {
        search.problem = count == 0 ? "NVIDIA's driver finds no GPU" : "the GPU's compute capability is below 7.5";
    }
    return search;
}

Search search_opencl() {
    const Library& opencl = opencl_library();
    if (!opencl) return {{}, "libOpenCL.so.1, which finds OpenCL's drivers, is not on this machine"};
    unsigned platform_count = 0;
    opencl.call("clGetPlatformIDs", 0U, static_cast<void**>(nullptr), &platform_count);
    std::vector<void*> platforms(platform_count);
    if (platform_count != 0)
        opencl.call("clGetPlatformIDs", platform_count, platforms.data(), static_cast<unsigned*>(nullptr));
    auto text = [&](const char* function, void* of, unsigned what) {
        std::array<char, 1024> value{};
        opencl.call(function, of, what, value.size() - 1, static_cast<void*>(value.data()),
                    static_cast<std::size_t*>(nullptr));
        return std::string(value.data());
    };
    Search search;
    bool any = false;
    for (void* platform : platforms) {
        constexpr std::uint64_t all_types = 0xFFFFFFFF;
        constexpr unsigned platform_name = 0x0902, device_name = 0x102B, double_config = 0x1032;
        unsigned count = 0;
        opencl.call("clGetDeviceIDs", platform, all_types, 0U, static_cast<void**>(nullptr), &count);
        std::vector<void*> devices(count);
        if (count != 0) {
            opencl.call("clGetDeviceIDs", platform, all_types, count, devices.data(), static_cast<unsigned*>(nullptr));
        }
        for (void* device : devices) {
            any = true;
            std::uint64_t doubles = 0;
            opencl.call("clGetDeviceInfo", device, double_config, sizeof doubles, static_cast<void*>(&doubles),
                        static_cast<std::size_t*>(nullptr));
            std::string name = text("clGetPlatformInfo", platform, platform_name) + ": " +
                               text("clGetDeviceInfo", device, device_name);
            if (doubles != 0) search.found.push_back({name, 0, device});
        }
    }
    if (search.found.empty()) {
        search.problem =
            any ? "no OpenCL device has 64-bit floats" : "OpenCL finds no device; a driver (ICD) is missing";
    }
    return search;
}

Search search(DeviceApi api) { return api == DeviceApi::cuda ? search_cuda() : search_opencl(); }

std::string_view name_of(DeviceApi api) { return api == DeviceApi::cuda ? "cuda" : "opencl"; }

/// Memory that pipelines take for tables and means, kept for the next ones in the same queue. Halide does so with CUDA.
class OpenClScratch {
 public:
    /// Sets the buffer's memory if there is some of that size.
    bool take(const Context& context, halide_buffer_t& buffer, std::size_t size) {
        std::scoped_lock lock(mutex_);
        auto found = idle_.find({context.device_context, context.stream, size});
        if (found == idle_.end()) return false;
        buffer.device = found->second;
        buffer.device_interface = halide_opencl_device_interface();
        idle_.erase(found);
        sizes_[buffer.device] = size;
        return true;
    }
    void add(const halide_buffer_t& buffer, std::size_t size) {
        std::scoped_lock lock(mutex_);
        sizes_[buffer.device] = size;
    }
    void give(const Context& context, halide_buffer_t& buffer) {
        std::scoped_lock lock(mutex_);
        idle_.emplace(std::tuple{context.device_context, context.stream, sizes_.at(buffer.device)}, buffer.device);
        sizes_.erase(buffer.device);
        buffer.device = 0;
        buffer.device_interface = nullptr;
    }
    /// Gives back what a context's pipelines have left.
    void release(Context& context) {
        std::scoped_lock lock(mutex_);
        std::erase_if(idle_, [&](const auto& entry) {
            if (std::get<0>(entry.first) != context.device_context) return false;
            Buffer<1> buffer(nullptr, halide_type_of<std::uint8_t>(), {dimension(1, 1)});
            buffer.device = entry.second;
            buffer.device_interface = halide_opencl_device_interface();
            buffer.device_interface->device_free(&context, &buffer);
            return true;
        });
    }

 private:
    std::mutex mutex_;
    std::multimap<std::tuple<void*, void*, std::size_t>, std::uint64_t> idle_;  ///< by context, stream and size
    std::map<std::uint64_t, std::size_t> sizes_;                                ///< of what is in use
};

OpenClScratch& opencl_scratch() {
    static auto& scratch = *new OpenClScratch;
    return scratch;
}

/// Has floats multiplied and added as they are written: Halide's source allows a compiler to fuse them.
void* create_exact_program(void* context, unsigned count, const char** sources, const std::size_t* /*lengths*/,
                           int* status) {
    constexpr std::string_view fused = "FP_CONTRACT ON", exact = "FP_CONTRACT OFF";
    std::string text;
    for (unsigned i = 0; i < count; i++) text += sources[i];
    std::size_t place = text.find(fused);
    if (place == std::string::npos) {
        *status = -30;  // CL_INVALID_VALUE
        return nullptr;
    }
    text.replace(place, fused.size(), exact);
    const char* source = text.c_str();
    auto create = reinterpret_cast<void* (*)(void*, unsigned, const char**, const std::size_t*, int*)>(
        opencl_library().symbol("clCreateProgramWithSource"));
    return create(context, 1, &source, nullptr, status);
}

/// The first call of Halide's OpenCL part loads the library without a lock.
void load_opencl_in_halide(const Device& device) {
    Context context;
    set_device(context, device, {});
    wait(context, device);
}

std::unique_ptr<Device> open(DeviceApi api, const Found& found, std::size_t number) {
    auto device = std::make_unique<Device>();
    device->api = api;
    device->name = std::string(name_of(api)) + ":" + std::to_string(number) + " (" + found.name + ")";
    device->context = device->stream = nullptr;
    auto fail = [&](const char* function, int status) {
        throw Error(Status::target_unavailable, "target " + device->name + ": " + function + ": " + code(status));
    };
    if (api == DeviceApi::cuda) {
        device->memory = Memory::cuda;
        device->interface = halide_cuda_device_interface();
        int status = cuda_library().call("cuDevicePrimaryCtxRetain", &device->context, found.ordinal);
        if (status != 0) fail("cuDevicePrimaryCtxRetain", status);
        static const bool set = [] {
            halide_set_cuda_acquire_context([](void* user_context, void** context, bool) {
                if (user_context == nullptr) return -1;
                *context = static_cast<Context*>(user_context)->device_context;
                return 0;
            });
            halide_set_cuda_release_context([](void*) { return 0; });
            halide_set_cuda_get_stream([](void* user_context, void*, void** stream) {
                if (user_context == nullptr) return -1;
                *stream = static_cast<Context*>(user_context)->stream;
                return 0;
            });
            return true;
        }();
        (void)set;
    } else {
        device->memory = Memory::opencl;
        device->interface = halide_opencl_device_interface();
        int status = 0;
        auto create_context = reinterpret_cast<void* (*)(const void*, unsigned, void* const*, void*, void*, int*)>(
            opencl_library().symbol("clCreateContext"));
        auto create_queue = reinterpret_cast<void* (*)(void*, void*, std::uint64_t, int*)>(
            opencl_library().symbol("clCreateCommandQueue"));
        device->context = create_context(nullptr, 1, &found.id, nullptr, nullptr, &status);
        if (device->context == nullptr) fail("clCreateContext", status);
        device->stream = create_queue(device->context, found.id, 0, &status);
        if (device->stream == nullptr) fail("clCreateCommandQueue", status);
        load_opencl_in_halide(*device);
    }
    return device;
}

}  // namespace

Devices find_devices(DeviceApi api) {
    Search all = search(api);
    Devices devices{{}, all.problem};
    for (const Found& found : all.found) devices.names.push_back(found.name);
    return devices;
}

const Device& open_device(DeviceApi api, std::string_view which) {
    static std::mutex mutex;
    static auto& opened = *new std::map<std::pair<DeviceApi, std::size_t>, std::unique_ptr<Device>>;
    std::scoped_lock lock(mutex);
    Search all = search(api);
    std::size_t number = 0;
    if (!which.empty()) {
        auto [end, problem] = std::from_chars(which.data(), which.data() + which.size(), number);
        if (problem != std::errc() || end != which.data() + which.size()) {
            auto named = [&](const Found& found) { return found.name.find(which) != std::string::npos; };
            number = std::ranges::find_if(all.found, named) - all.found.begin();
        }
    }
    if (number >= all.found.size()) {
        std::string names;
        for (const Found& found : all.found) names += (names.empty() ? "" : ", ") + found.name;
        std::string asked(name_of(api));
        if (!which.empty()) asked.append(":").append(which);
        throw Error(Status::target_unavailable,
                    "target " + asked + ": " + (names.empty() ? all.problem : "no such device; there are " + names));
    }
    std::unique_ptr<Device>& device = opened[{api, number}];
    if (!device) device = open(api, all.found[number], number);
    return *device;
}

void set_device(Context& context, const Device& device, const Queue& queue) {
    context.device_context = queue.context != nullptr ? queue.context : device.context;
    context.stream = queue.stream != nullptr ? queue.stream : device.stream;
    context.launches = 0;
}

void wait(Context& context, const Device& device) {
    check(halide_device_sync_global(&context, device.interface), context, device.name);
}

DeviceMemory::~DeviceMemory() { release(); }

bool DeviceMemory::reserve(const Device& owner, std::size_t size) {
    if (device != 0 && size <= this->size()) return true;
    release();
    if (size > std::numeric_limits<std::int32_t>::max()) return false;
    dim[0].extent = static_cast<std::int32_t>(size);
    int status = owner.interface->device_malloc(&context_, this, owner.interface);
    if (status == 0) return true;
    dim[0].extent = 0;
    if (is_out_of_device_memory(context_)) return false;
    check(status, context_, owner.name);
    return false;
}

void DeviceMemory::wrap(const Device& owner, const void* data, std::size_t size) {
    release();
    if (size > std::numeric_limits<std::int32_t>::max()) {
        throw Error(Status::invalid_argument, "batch: " + std::to_string(size) + " bytes on " + owner.name +
                                                  "; at most 2^31 - 1 in one cl_mem: make it several batches");
    }
    dim[0].extent = static_cast<std::int32_t>(size);
    auto pointer = reinterpret_cast<std::uint64_t>(data);
    int status = owner.api == DeviceApi::cuda ? halide_cuda_wrap_device_ptr(&context_, this, pointer)
                                              : halide_opencl_wrap_cl_mem(&context_, this, pointer);
    check(status, context_, owner.name);
    wrapped_ = true;
}

void DeviceMemory::release() {
    if (device == 0) return;
    if (!wrapped_) {
        device_interface->device_free(&context_, this);
    } else if (device_interface == halide_cuda_device_interface()) {
        halide_cuda_detach_device_ptr(&context_, this);
    } else {
        halide_opencl_detach_cl_mem(&context_, this);
    }
    wrapped_ = false;
    dim[0].extent = 0;
}

void release_scratch(Context& context, const Device& device) {
    if (device.api == DeviceApi::opencl) opencl_scratch().release(context);
}

void crop_device_memory(const DeviceMemory& memory, halide_buffer_t& crop) {
    check(halide_device_crop(&memory.context(), &memory, &crop), memory.context(), "a part of the device's memory");
}

}  // namespace halmix

// What Halide calls: the driver's library by the name that every machine with the driver has, the context and queue of
// a call; and what is put around what Halide calls, by the linker: memory that is kept, a count of launches.
extern "C" {

void* halide_cuda_get_symbol(void* /*user_context*/, const char* name) { return halmix::cuda_library().symbol(name); }

void* halide_opencl_get_symbol(void* /*user_context*/, const char* name) {
    if (std::string_view(name) == "clCreateProgramWithSource") {
        return reinterpret_cast<void*>(halmix::create_exact_program);
    }
    return halmix::opencl_library().symbol(name);
}

// NOLINTBEGIN(readability-identifier-naming): the linker makes these names
int __real_halide_device_malloc(void*, halide_buffer_t*, const halide_device_interface_t*);
int __real_halide_device_free(void*, halide_buffer_t*);

int __wrap_halide_device_malloc(void* user_context, halide_buffer_t* buffer,
                                const halide_device_interface_t* interface) {
    if (interface != halide_opencl_device_interface() || buffer->device != 0 || user_context == nullptr) {
        return __real_halide_device_malloc(user_context, buffer, interface);
    }
    std::size_t size = std::bit_ceil(buffer->size_in_bytes());
    const auto& context = *static_cast<halmix::Context*>(user_context);
    if (halmix::opencl_scratch().take(context, *buffer, size)) return 0;
    halmix::Buffer<1> bytes(nullptr, halide_type_of<std::uint8_t>(), {halmix::dimension(std::ptrdiff_t(size), 1)});
    int status = __real_halide_device_malloc(user_context, &bytes, interface);
    if (status != 0) return status;
    buffer->device = bytes.device;
    buffer->device_interface = interface;
    halmix::opencl_scratch().add(*buffer, size);
    return 0;
}

int __wrap_halide_device_free(void* user_context, halide_buffer_t* buffer) {
    if (buffer->device == 0 || buffer->device_interface != halide_opencl_device_interface() ||
        user_context == nullptr) {
        return __real_halide_device_free(user_context, buffer);
    }
    halmix::opencl_scratch().give(*static_cast<halmix::Context*>(user_context), *buffer);
    buffer->set_device_dirty(false);
    return 0;
}

// NOLINTEND(readability-identifier-naming)

int halide_acquire_cl_context(void* user_context, void** context, void** queue, bool /*create*/) {
    if (user_context == nullptr) return -1;
    *context = static_cast<halmix::Context*>(user_context)->device_context;
    *queue = static_cast<halmix::Context*>(user_context)->stream;
    return 0;
}

int halide_release_cl_context(void* /*user_context*/) { return 0; }

// NOLINTBEGIN(readability-identifier-naming)
#define HALMIX_COUNT_LAUNCHES(function)                                                                                \
    int __real_##function(void*, void*, const char*, int, int, int, int, int, int, int, size_t*, void**, int8_t*);     \
    int __wrap_##function(void* user_context, void* state, const char* name, int blocks_x, int blocks_y, int blocks_z, \
                          int threads_x, int threads_y, int threads_z, int shared, size_t* sizes, void** args,         \
                          int8_t* is_buffer) {                                                                         \
        static_cast<halmix::Context*>(user_context)->launches++;                                                       \
        return __real_##function(user_context, state, name, blocks_x, blocks_y, blocks_z, threads_x, threads_y,        \
                                 threads_z, shared, sizes, args, is_buffer);                                           \
    }
HALMIX_COUNT_LAUNCHES(halide_cuda_run)
HALMIX_COUNT_LAUNCHES(halide_opencl_run)
// NOLINTEND(readability-identifier-naming)

}  // extern "C"
