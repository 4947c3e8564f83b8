#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <utility>

#include "halide/kept_memory.h"

namespace halmix {

/// The scratch memory of pipelines, kept for the next image. Blocks follow one another and are free again when all of
/// them are, which suits pipelines that take none inside loops. What does not fit comes from the system, and the next
/// time there is room for it.
class Scratch {
 public:
    Scratch() = default;
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() { release(); }

    /// Makes room, touched, so that none is taken later. To be called while no block is in use.
    void reserve(std::size_t size) {
        wanted_ = std::max(wanted_, size);
        if (wanted_ > capacity_) grow();
    }

    /// Gives its memory back. To be called while no block is in use.
    void release() {
        std::free(std::exchange(memory_, nullptr));
        capacity_ = wanted_ = 0;
    }

    [[nodiscard]] std::size_t bytes() const { return capacity_; }

    void* take(std::size_t size) {
        // Pipelines for GPUs ask for nothing where they need no memory on the host, and give nothing back.
        if (size == 0 || size > std::numeric_limits<std::size_t>::max() / 2) return nullptr;
        std::size_t rounded = round_up(size);
        if (blocks_ == 0) reserve(wanted_);
        void* block = memory_ + used_;
        if (rounded > capacity_ - used_) {
            block = std::aligned_alloc(memory_alignment, rounded);
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
    void grow() {
        std::free(memory_);
        wanted_ = round_up(wanted_);
        memory_ = static_cast<std::byte*>(allocate_to_keep(wanted_));
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

/// What Halide's runtime works with during a call: each pipeline is given one as its user_context and hands it to all
/// that it calls (halide/glue.cpp, gpu/). It serves one call at a time.
struct Context {
    Scratch scratch;

    /// The first error's message since it was forgotten: what is reported after the cause is where it was noticed.
    /// Memory of its own: what reports an error must not fail.
    std::array<char, 1024> error{};

    // Of a GPU.
    void* device_context = nullptr;  ///< CUcontext or cl_context
    void* stream = nullptr;          ///< CUstream or cl_command_queue
    int launches = 0;                ///< of kernels

    [[nodiscard]] std::string_view message() const { return error.data(); }
    void forget_message() { error.front() = '\0'; }
};

/// Throws what a pipeline reported, and forgets it, if its status is not 0: Error(out_of_memory), else
/// Error(pipeline_failed).
void check(int status, Context& context, std::string_view what);

/// Whether the error was that a device has no more memory. Halide says so in the message only.
bool is_out_of_device_memory(const Context& context);

}  // namespace halmix
