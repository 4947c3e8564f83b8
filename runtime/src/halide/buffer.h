#pragma once

#include <HalideRuntime.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace halmix {

inline halide_dimension_t dimension(std::ptrdiff_t extent, std::ptrdiff_t stride) {
    return {0, static_cast<std::int32_t>(extent), static_cast<std::int32_t>(stride)};
}

template <std::size_t rank>
using Shape = std::array<halide_dimension_t, rank>;

/// A Halide buffer over someone else's memory; pipelines keep no pointer to it.
template <std::size_t rank>
struct Buffer : halide_buffer_t {
    Buffer(const void* data, halide_type_t element, const Shape<rank>& shape) : halide_buffer_t{}, shape_(shape) {
        host = static_cast<std::uint8_t*>(const_cast<void*>(data));
        type = element;
        dimensions = rank;
        dim = shape_.data();
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

 private:
    Shape<rank> shape_;
};

}  // namespace halmix
