// Everything halmix replaces of the Halide runtime, whose own versions abort on errors, start threads that do not
// survive a fork, and return memory to the system between images. The runtime's definitions are weak; these win.

#include "halide/glue.h"

#include <HalideRuntime.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>

namespace halmix {

namespace {

constexpr std::size_t alignment = 128;

/// A pipeline's scratch memory, kept by its thread for the next image. Blocks follow one another and are free again
/// when all of them are, which suits pipelines that take none inside loops. What does not fit comes from the system,
/// and the next time there is room for it.
class Scratch {
 public:
    Scratch() = default;
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() { std::free(memory_); }

    /// To be called while no block is in use.
    void reserve(std::size_t size) {
        wanted_ = std::max(wanted_, size);
        if (wanted_ > capacity_) grow();
    }

    void* take(std::size_t size) {
        // Pipelines for GPUs ask for nothing where they need no memory on the host, and give nothing back.
        if (size == 0 || size > std::numeric_limits<std::size_t>::max() / 2) return nullptr;
        std::size_t rounded = round_up(size);
        if (blocks_ == 0) reserve(wanted_);
        void* block = memory_ + used_;
        if (rounded > capacity_ - used_) {
            block = std::aligned_alloc(alignment, rounded);
            if (block == nullptr) return nullptr;
        } else {
            used_ += rounded;
        }
        blocks_++;
        in_use_ += rounded;
        wanted_ = std::max(wanted_, in_use_);
        return block;
    }

    void give(void* block) {
        auto place = reinterpret_cast<std::uintptr_t>(block) - reinterpret_cast<std::uintptr_t>(memory_);
        if (place >= capacity_) std::free(block);
        if (--blocks_ == 0) used_ = in_use_ = 0;
    }

 private:
    static std::size_t round_up(std::size_t size) { return (size + alignment - 1) / alignment * alignment; }

    void grow() {
        std::free(memory_);
        wanted_ = round_up(wanted_);
        memory_ = static_cast<std::byte*>(std::aligned_alloc(alignment, wanted_));
        capacity_ = memory_ == nullptr ? 0 : wanted_;
        std::fill_n(memory_, capacity_, std::byte{});  // or its pages would be new when they are first needed
    }

    std::byte* memory_ = nullptr;
    std::size_t capacity_ = 0;
    std::size_t used_ = 0;    ///< bytes of the memory
    std::size_t in_use_ = 0;  ///< bytes taken since no block was in use
    std::size_t wanted_ = 0;  ///< the most of those
    std::size_t blocks_ = 0;  ///< in use
};

thread_local Scratch scratch;
thread_local std::string error_message;

}  // namespace

const std::string& last_pipeline_error() { return error_message; }

void clear_pipeline_error() { error_message.clear(); }

bool is_out_of_device_memory() {
    constexpr std::array signs = {"CUDA_ERROR_OUT_OF_MEMORY", "CL_MEM_OBJECT_ALLOCATION_FAILURE", "CL_OUT_OF_RESOURCES",
                                  "CL_OUT_OF_HOST_MEMORY", "CL_INVALID_BUFFER_SIZE"};
    return std::ranges::any_of(signs, [](const char* sign) { return error_message.find(sign) != std::string::npos; });
}

void reserve_scratch(std::size_t bytes) { scratch.reserve(bytes); }

}  // namespace halmix

extern "C" {

void halide_error(void* /*user_context*/, const char* message) {
    halmix::error_message = message;
    while (!halmix::error_message.empty() && halmix::error_message.back() == '\n') halmix::error_message.pop_back();
}

void halide_print(void* /*user_context*/, const char* /*message*/) {}

void* halide_malloc(void* /*user_context*/, std::size_t size) { return halmix::scratch.take(size); }

void halide_free(void* /*user_context*/, void* pointer) {
    if (pointer != nullptr) halmix::scratch.give(pointer);
}

int halide_do_par_for(void* user_context, halide_task_t task, int min, int size, std::uint8_t* closure) {
    for (int i = min; i < min + size; i++) {
        if (int error = task(user_context, i, closure); error != 0) return error;
    }
    return 0;
}

}  // extern "C"
