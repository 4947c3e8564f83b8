#pragma once

#include <cstdint>

namespace bench {

/// How often this process has asked for memory: calls of operator new, and of malloc, calloc, realloc and aligned_alloc
/// from all that is linked statically. May be called from any thread.
[[nodiscard]] std::uint64_t allocations() noexcept;

}  // namespace bench
