#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "halide/kept_memory.h"

namespace halmix {

/// Parts of a cl_mem begin where the device allows it: at multiples of this many bytes on all that are known.
constexpr std::size_t device_alignment = 512;

/// Arrays on their way to a device: one block, uploaded in one go.
class ParameterBlock {
 public:
    /// Adds an array and returns where it lies.
    template <typename T>
    std::size_t add(const std::vector<T>& array) {
        std::size_t offset = bytes_.size(), size = array.size() * sizeof(T);
        bytes_.resize(offset + round_up(std::max<std::size_t>(size, 1), device_alignment));
        if (size != 0) std::memcpy(bytes_.data() + offset, array.data(), size);
        return offset;
    }
    void clear() { bytes_.clear(); }
    [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
    std::vector<std::uint8_t> bytes_;
};

}  // namespace halmix
