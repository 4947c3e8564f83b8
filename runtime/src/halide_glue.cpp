// Everything halmix replaces of the Halide runtime, whose own versions abort on errors, start threads that do not
// survive a fork, and return memory to the system between images. The runtime's definitions are weak; these win.

#include "halide_glue.h"

#include <HalideRuntime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

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
        while (count_ > 0) std::free(blocks_[--count_]);
    }

    /// The smallest block that is large enough, or a new one.
    void* take(std::size_t size) {
        std::size_t best = count_;
        for (std::size_t i = 0; i < count_; i++) {
            if (capacity(blocks_[i]) < size) continue;
            if (best == count_ || capacity(blocks_[i]) < capacity(blocks_[best])) best = i;
        }
        std::byte* block = nullptr;
        if (best < count_) {
            block = std::exchange(blocks_[best], blocks_[count_ - 1]);
            count_--;
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
        if (count_ < blocks_.size()) {
            blocks_[count_++] = block;
        } else {
            std::free(block);
        }
    }

 private:
    static std::size_t& capacity(std::byte* block) { return *std::launder(reinterpret_cast<std::size_t*>(block)); }

    std::array<std::byte*, 64> blocks_{};  // more than a pipeline has at a time
    std::size_t count_ = 0;
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
