// Everything halmix replaces of the Halide runtime, whose own versions abort on errors, start threads that do not
// survive a fork, and return memory to the system between images. The runtime's definitions are weak; these win.
//
// Their user_context is the Context of a call. It is null for what Halide does on its own account.

#include <HalideRuntime.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "halide/context.h"
#include "halmix/error.h"

namespace halmix {

bool is_out_of_device_memory(const Context& context) {
    constexpr std::array signs = {"CUDA_ERROR_OUT_OF_MEMORY", "CL_MEM_OBJECT_ALLOCATION_FAILURE", "CL_OUT_OF_RESOURCES",
                                  "CL_OUT_OF_HOST_MEMORY", "CL_INVALID_BUFFER_SIZE"};
    return std::ranges::any_of(signs,
                               [&](const char* sign) { return context.message().find(sign) != std::string::npos; });
}

void check(int status, Context& context, std::string_view what) {
    if (status == 0) return;
    bool memory = status == halide_error_code_out_of_memory || is_out_of_device_memory(context);
    const struct Forget {
        Context& context;
        ~Forget() { context.forget_message(); }
    } afterwards{context};  // also if there is no memory for an Error
    throw Error(memory ? Status::out_of_memory : Status::pipeline_failed,
                std::string(what).append(": ").append(context.message()));
}

}  // namespace halmix

extern "C" {

void halide_error(void* user_context, const char* message) {
    if (user_context == nullptr) return;
    auto& error = static_cast<halmix::Context*>(user_context)->error;
    if (error.front() != '\0') return;
    std::string_view text(message);
    while (text.ends_with('\n')) text.remove_suffix(1);
    text = text.substr(0, error.size() - 1);
    *std::ranges::copy(text, error.begin()).out = '\0';
}

void halide_print(void* /*user_context*/, const char* /*message*/) {}

void* halide_malloc(void* user_context, std::size_t size) {
    if (user_context == nullptr) return std::aligned_alloc(halmix::memory_alignment, halmix::round_up(size));
    return static_cast<halmix::Context*>(user_context)->scratch.take(size);
}

void halide_free(void* user_context, void* pointer) {
    if (pointer == nullptr) return;
    if (user_context == nullptr) return std::free(pointer);
    static_cast<halmix::Context*>(user_context)->scratch.give(pointer);
}

int halide_do_par_for(void* user_context, halide_task_t task, int min, int size, std::uint8_t* closure) {
    for (int i = min; i < min + size; i++) {
        if (int error = task(user_context, i, closure); error != 0) return error;
    }
    return 0;
}

}  // extern "C"
