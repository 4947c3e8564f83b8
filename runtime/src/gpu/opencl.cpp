// OpenCL's drivers, and what Halide's runtime asks of them; the runtime's own versions are weak.

#include <HalideRuntimeOpenCL.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <mutex>
#include <tuple>

#include "gpu/driver.h"
#include "gpu/library.h"
#include "halmix/error.h"

namespace halmix {

namespace {

// As CL/cl.h has them, which is not needed to build.
constexpr std::uint64_t device_type_all = 0xFFFFFFFF;
constexpr unsigned platform_name = 0x0902, device_name = 0x102B, device_double_fp_config = 0x1032;
constexpr std::uint64_t mem_read_write = 1;
constexpr int invalid_value = -30;
constexpr std::pair<int, const char*> memory_errors[] = {{-4, "CL_MEM_OBJECT_ALLOCATION_FAILURE"},
                                                         {-5, "CL_OUT_OF_RESOURCES"},
                                                         {-6, "CL_OUT_OF_HOST_MEMORY"},
                                                         {-61, "CL_INVALID_BUFFER_SIZE"}};

const Library& library() {
    static const Library opencl("libOpenCL.so.1");
    return opencl;
}

/// The handles that a function lists: clGetPlatformIDs, or clGetDeviceIDs of a platform.
template <typename... Of>
std::vector<void*> list(const char* function, Of... of) {
    unsigned count = 0;
    library().call(function, of..., 0U, static_cast<void**>(nullptr), &count);
    std::vector<void*> handles(count);
    if (count != 0) library().call(function, of..., count, handles.data(), static_cast<unsigned*>(nullptr));
    return handles;
}

std::string text(const char* function, void* of, unsigned what) {
    std::array<char, 1024> value{};
    library().call(function, of, what, value.size() - 1, static_cast<void*>(value.data()),
                   static_cast<std::size_t*>(nullptr));
    return value.data();
}

bool has_doubles(void* device) {
    std::uint64_t config = 0;
    library().call("clGetDeviceInfo", device, device_double_fp_config, sizeof config, static_cast<void*>(&config),
                   static_cast<std::size_t*>(nullptr));
    return config != 0;
}

/// A cl_mem as Halide takes it.
using Handle = std::uint64_t;

/// Takes memory of a context, and gives it to a buffer.
int create_memory(Context& context, halide_buffer_t& buffer, std::size_t size) {
    int status = 0;
    const auto memory = library().function<Handle(void*, std::uint64_t, std::size_t, void*, int*)>("clCreateBuffer")(
        context.device_context, mem_read_write, size, nullptr, &status);
    if (memory != 0) return halide_opencl_wrap_cl_mem(&context, &buffer, memory);
    const auto* error = std::ranges::find(memory_errors, status, &std::pair<int, const char*>::first);
    const std::string message = error == std::end(memory_errors) ? failure("clCreateBuffer", status)
                                                                 : std::string("clCreateBuffer: ") + error->second;
    halide_error(&context, message.c_str());
    return halide_error_code_device_malloc_failed;
}

/// Takes a buffer's memory from it.
Handle detach_memory(Context& context, halide_buffer_t& buffer) {
    const Handle memory = halide_opencl_get_cl_mem(&context, &buffer);
    halide_opencl_detach_cl_mem(&context, &buffer);
    return memory;
}

/// Memory that pipelines have taken for tables and means, kept for the next ones in the same queue. Of CUDA's, Halide
/// does so by itself.
class IdleMemory {
 public:
    /// 0 if there is none of that size.
    Handle take(const Context& context, std::size_t size) {
        const std::scoped_lock lock(mutex_);
        auto node = idle_.extract({context.device_context, context.stream, size});
        return node.empty() ? 0 : node.mapped();
    }
    void give(const Context& context, std::size_t size, Handle memory) {
        const std::scoped_lock lock(mutex_);
        idle_.emplace(std::tuple{context.device_context, context.stream, size}, memory);
    }
    /// Gives back all of a context.
    void release(const Context& context) {
        const std::scoped_lock lock(mutex_);
        std::erase_if(idle_, [&](const auto& entry) {
            if (std::get<0>(entry.first) != context.device_context) return false;
            library().call("clReleaseMemObject", entry.second);
            return true;
        });
    }

 private:
    std::mutex mutex_;
    std::multimap<std::tuple<void*, void*, std::size_t>, Handle> idle_;  ///< by context, stream and size
};

IdleMemory& idle_memory() {
    static auto& idle = *new IdleMemory;
    return idle;
}

/// Batches differ a little: what one has given back is to serve the next.
std::size_t scratch_size(const halide_buffer_t& buffer) { return std::bit_ceil(buffer.size_in_bytes()); }

/// clCreateProgramWithSource as Halide calls it, but floats are multiplied and added as they are written: Halide's
/// source allows a compiler to fuse them.
void* create_exact_program(void* context, unsigned count, const char** sources, const std::size_t* /*lengths*/,
                           int* status) {
    constexpr std::string_view fused = "FP_CONTRACT ON", exact = "FP_CONTRACT OFF";
    std::string text;
    for (unsigned i = 0; i < count; i++) text += sources[i];
    std::size_t place = text.find(fused);
    if (place == std::string::npos) {
        *status = invalid_value;
        return nullptr;
    }
    text.replace(place, fused.size(), exact);
    const char* source = text.c_str();
    return library().function<void*(void*, unsigned, const char**, const std::size_t*, int*)>(
        "clCreateProgramWithSource")(context, 1, &source, nullptr, status);
}

FoundDevices find() {
    if (!library()) return {{}, "libOpenCL.so.1, which finds OpenCL's drivers, is not on this machine"};
    FoundDevices devices;
    bool any = false;
    for (void* platform : list("clGetPlatformIDs")) {
        for (void* device : list("clGetDeviceIDs", platform, device_type_all)) {
            any = true;
            if (!has_doubles(device)) continue;
            devices.found.push_back({text("clGetPlatformInfo", platform, platform_name) + ": " +
                                         text("clGetDeviceInfo", device, device_name),
                                     reinterpret_cast<std::uintptr_t>(device), static_cast<int>(devices.found.size())});
        }
    }
    if (devices.found.empty()) {
        devices.problem =
            any ? "no OpenCL device has 64-bit floats" : "OpenCL finds no device; a driver (ICD) is missing";
    }
    return devices;
}

/// The first call of Halide's OpenCL part loads the library without a lock; devices are opened one at a time.
void load_in_halide(const Queue& queue, const std::string& name) {
    Context context;
    context.device_context = queue.context;
    context.stream = queue.stream;
    check(halide_device_sync_global(&context, halide_opencl_device_interface()), context, name);
}

Queue open(const FoundDevice& device, const std::string& name) {
    auto require = [&](const void* made, const char* function, int status) {
        if (made != nullptr) return;
        throw Error(Status::target_unavailable, "target " + name + ": " + failure(function, status));
    };
    auto* create_context =
        library().function<void*(const void*, unsigned, void* const*, void*, void*, int*)>("clCreateContext");
    auto* create_queue = library().function<void*(void*, void*, std::uint64_t, int*)>("clCreateCommandQueue");
    void* id = std::bit_cast<void*>(device.id);
    int status = 0;
    Queue queue;
    queue.context = create_context(nullptr, 1, &id, nullptr, nullptr, &status);
    require(queue.context, "clCreateContext", status);
    queue.stream = create_queue(queue.context, id, 0, &status);
    require(queue.stream, "clCreateCommandQueue", status);
    load_in_halide(queue, name);
    return queue;
}

int allocate(Context& context, halide_buffer_t& buffer) {
    return create_memory(context, buffer, buffer.size_in_bytes());
}
void free(Context& context, halide_buffer_t& buffer) {
    library().call("clReleaseMemObject", detach_memory(context, buffer));
}
int wrap(Context& context, halide_buffer_t& buffer, const void* data) {
    return halide_opencl_wrap_cl_mem(&context, &buffer, reinterpret_cast<std::uint64_t>(data));
}
void detach(Context& context, halide_buffer_t& buffer) { halide_opencl_detach_cl_mem(&context, &buffer); }
void release_scratch(Context& context) { idle_memory().release(context); }

}  // namespace

constinit const Driver opencl_driver = {
    .name = "opencl",
    .memory = Memory::opencl,
    .addresses = false,
    .interface = halide_opencl_device_interface,
    .find = find,
    .open = open,
    .allocate = allocate,
    .free = free,
    .wrap = wrap,
    .detach = detach,
    .release_scratch = release_scratch,
};

}  // namespace halmix

extern "C" {

void* halide_opencl_get_symbol(void* /*user_context*/, const char* name) {
    if (std::string_view(name) == "clCreateProgramWithSource") {
        return reinterpret_cast<void*>(halmix::create_exact_program);
    }
    return halmix::library().symbol(name);
}

int halide_acquire_cl_context(void* user_context, void** context, void** queue, bool /*create*/) {
    if (user_context == nullptr) return halide_error_code_generic_error;
    *context = static_cast<halmix::Context*>(user_context)->device_context;
    *queue = static_cast<halmix::Context*>(user_context)->stream;
    return 0;
}

int halide_release_cl_context(void* /*user_context*/) { return 0; }

/// A pipeline's scratch memory; what a batch holds comes from Driver::allocate.
int halide_opencl_device_malloc(void* user_context, halide_buffer_t* buffer) {
    if (buffer->device != 0) return 0;
    auto& context = *static_cast<halmix::Context*>(user_context);
    const std::size_t size = halmix::scratch_size(*buffer);
    const halmix::Handle memory = halmix::idle_memory().take(context, size);
    return memory == 0 ? halmix::create_memory(context, *buffer, size)
                       : halide_opencl_wrap_cl_mem(user_context, buffer, memory);
}

int halide_opencl_device_free(void* user_context, halide_buffer_t* buffer) {
    if (buffer->device == 0) return 0;
    auto& context = *static_cast<halmix::Context*>(user_context);
    const std::size_t size = halmix::scratch_size(*buffer);
    halmix::idle_memory().give(context, size, halmix::detach_memory(context, *buffer));
    return 0;
}

// Counts launches; the linker has pipelines call this one (CMakeLists.txt).
// NOLINTBEGIN(readability-identifier-naming, readability-non-const-parameter)
decltype(halide_opencl_run) __real_halide_opencl_run;
int __wrap_halide_opencl_run(void* user_context, void* state, const char* kernel, int blocks_x, int blocks_y,
                             int blocks_z, int threads_x, int threads_y, int threads_z, int shared_bytes,
                             std::size_t* sizes, void** args, std::int8_t* is_buffer) {
    static_cast<halmix::Context*>(user_context)->launches++;
    return __real_halide_opencl_run(user_context, state, kernel, blocks_x, blocks_y, blocks_z, threads_x, threads_y,
                                    threads_z, shared_bytes, sizes, args, is_buffer);
}
// NOLINTEND(readability-identifier-naming, readability-non-const-parameter)

}  // extern "C"
