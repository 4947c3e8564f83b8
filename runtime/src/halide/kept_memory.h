#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>

namespace halmix {

constexpr std::size_t memory_alignment = 128;  ///< bytes; two cache lines, as Halide assumes

constexpr std::size_t round_up(std::size_t size, std::size_t unit = memory_alignment) {
    return (size + unit - 1) / unit * unit;
}

/// Memory that a workspace keeps, or null; for std::free. What fills a huge page asks the system for such: each row of
/// a large image lies on other pages, and with small ones, whose addresses no cache holds, AugMix takes an eighth
/// longer.
inline void* allocate_to_keep(std::size_t size) noexcept {
    constexpr std::size_t huge_page = std::size_t{2} << 20;
    if (size < huge_page) return std::aligned_alloc(memory_alignment, round_up(size));
    const std::size_t rounded = round_up(size, huge_page);
    void* const memory = std::aligned_alloc(huge_page, rounded);
    if (memory != nullptr) static_cast<void>(::madvise(memory, rounded, MADV_HUGEPAGE));  // a hint: it may be refused
    return memory;
}

}  // namespace halmix
