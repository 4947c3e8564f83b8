// The linker turns every call of malloc in what it links into one of __wrap_malloc, and __real_malloc into malloc; so
// do the other three. Operator new is replaced so that it is one of these calls, also where shared libraries use it.

#include "bench/allocations.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::uint64_t> count{0};

void* or_throw(void* memory) {
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

std::uint64_t bench::allocations() noexcept { return count; }

extern "C" {

void* __real_malloc(std::size_t size);
void* __real_calloc(std::size_t items, std::size_t size);
void* __real_realloc(void* memory, std::size_t size);
void* __real_aligned_alloc(std::size_t alignment, std::size_t size);

void* __wrap_malloc(std::size_t size) {
    count++;
    return __real_malloc(size);
}

void* __wrap_calloc(std::size_t items, std::size_t size) {
    count++;
    return __real_calloc(items, size);
}

void* __wrap_realloc(void* memory, std::size_t size) {
    count++;
    return __real_realloc(memory, size);
}

void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
    count++;
    return __real_aligned_alloc(alignment, size);
}

}  // extern "C"

void* operator new(std::size_t size) { return or_throw(std::malloc(size == 0 ? 1 : size)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }

void* operator new(std::size_t size, std::align_val_t alignment) {
    auto bytes = static_cast<std::size_t>(alignment);
    return or_throw(std::aligned_alloc(bytes, (size + bytes - 1) / bytes * bytes));
}
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept { std::free(memory); }
