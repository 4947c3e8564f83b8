// Everything halmix replaces of the Halide runtime, whose own versions abort on errors, start threads that do not
// survive a fork, and return memory to the system between images. The runtime's definitions are weak; these win.

#include "halide_glue.h"

#include <HalideRuntime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace halmix {

namespace {

constexpr std::size_t alignment = 128;

/// A pipeline's scratch memory, kept by its thread for the next image. The size stands in front of the block.
class BlockCache {
 public:
    BlockCache() = default;
    BlockCache(const BlockCache&) = delete;
    BlockCache& operator=(const BlockCache&) = delete;
    ~BlockCache() {
        for (std::byte* block : blocks_) std::free(block);
    }

    void* take(std::size_t size) {
        std::byte** best = nullptr;
        for (std::byte*& block : blocks_) {
            if (block != nullptr && capacity(block) >= size && (best == nullptr || capacity(block) < capacity(*best))) {
                best = &block;
            }
        }
        std::byte* block = nullptr;
        if (best != nullptr) {
            std::swap(block, *best);
        } else {
            std::size_t rounded = (size + alignment - 1) / alignment * alignment;
            block = static_cast<std::byte*>(std::aligned_alloc(alignment, alignment + rounded));
            if (block == nullptr) return nullptr;
            capacity(block) = rounded;
        }
        return block + alignment;
    }

    void give(void* pointer) {
        std::byte* block = static_cast<std::byte*>(pointer) - alignment;
        std::byte** smallest = &blocks_[0];
        for (std::byte*& kept : blocks_) {
            if (kept == nullptr) {
                kept = block;
                return;
            }
            if (capacity(kept) < capacity(*smallest)) smallest = &kept;
        }
        if (capacity(*smallest) < capacity(block)) std::swap(*smallest, block);
        std::free(block);
    }

 private:
    static std::size_t& capacity(std::byte* block) { return *std::launder(reinterpret_cast<std::size_t*>(block)); }

    // More than a pipeline has at a time.
    std::array<std::byte*, 64> blocks_{};
};

thread_local BlockCache block_cache;
thread_local std::string error_message;

}  // namespace

const std::string& last_pipeline_error() { return error_message; }

}  // namespace halmix

extern "C" {

void halide_error(void* /*user_context*/, const char* message) {
    halmix::error_message = message;
    while (!halmix::error_message.empty() && halmix::error_message.back() == '\n') halmix::error_message.pop_back();
}

void halide_print(void* /*user_context*/, const char* /*message*/) {}

void* halide_malloc(void* /*user_context*/, std::size_t size) { return halmix::block_cache.take(size); }

void halide_free(void* /*user_context*/, void* pointer) {
    if (pointer != nullptr) halmix::block_cache.give(pointer);
}

int halide_do_par_for(void* user_context, halide_task_t task, int min, int size, std::uint8_t* closure) {
    for (int i = min; i < min + size; i++) {
        if (int error = task(user_context, i, closure); error != 0) return error;
    }
    return 0;
}

}  // extern "C"
