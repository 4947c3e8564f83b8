// Replaces operator new and aligned_alloc, from which images and pipelines have their memory, of the test that includes
// it: allocations are counted, and one of them can be made to fail.
#pragma once

#include <atomic>
#include <climits>
#include <cstdlib>
#include <new>

inline std::atomic<long> allocations = 0;
/// Allocations that succeed; the next ones fail, as many as `failures`, and those after them do not.
inline std::atomic<long> until_failure = LONG_MAX;
inline std::atomic<long> failures = 1;
/// Those of operator new neither fail nor count.
inline std::atomic<bool> aligned_only = false;

inline bool fails() {
    const long left = until_failure--;
    return left <= 0 && left > -failures;
}

inline void* allocate(std::size_t size) {
    allocations++;
    return !aligned_only && fails() ? nullptr : std::malloc(size);
}

// Not inlined, or the compiler takes a new and its delete for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
    if (void* memory = allocate(size)) return memory;
    throw std::bad_alloc();
}
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    allocations++;
    void* memory = nullptr;
    return fails() || posix_memalign(&memory, alignment, size) != 0 ? nullptr : memory;
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept { return allocate(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
