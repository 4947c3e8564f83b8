#pragma once

#include <immintrin.h>

#include <cstdint>

namespace halmix {

namespace {  // inline functions of one file could be linked in place of the other's

/// A vector of 64 bytes, each a function of its place.
struct alignas(64) Bytes {
    std::uint8_t at[64] = {};

    template <typename Value>
    explicit constexpr Bytes(Value value) {
        for (int i = 0; i < 64; i++) at[i] = static_cast<std::uint8_t>(value(i));
    }
    [[gnu::always_inline]] operator __m512i() const { return _mm512_load_si512(at); }
};

}  // namespace

}  // namespace halmix
