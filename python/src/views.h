#pragma once

#include <Python.h>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <vector>

#include "halmix/halmix.h"

namespace halmix::python {

/// The memory of a Python object, held until this ends.
class Held {
 public:
    Held() = default;
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    Held(Held&& other) noexcept;
    Held& operator=(Held&&) = delete;
    ~Held();

    Py_buffer buffer{};
    std::vector<std::uint8_t> copy;  ///< of an image whose pixels do not lie as a layout has them
};

/// Pixels made for Pillow, which takes them by Arrow's interface without a copy.
class Pixels {
 public:
    Pixels(int width, int height, int channels);
    ~Pixels();
    Pixels(const Pixels&) = delete;
    Pixels& operator=(const Pixels&) = delete;

    [[nodiscard]] MutableImageView view() const;
    /// The two capsules of Arrow's interface. They take the memory along: once only.
    nanobind::tuple arrow();

 private:
    std::uint8_t* data_;
    int width_, height_, channels_;
};

/// What an argument must be that is an image.
enum class Use { source, result };

/// The image in an object: one with the buffer protocol (a NumPy array) of shape (H, W) or (H, W, C), or (C, H, W) for
/// layouts with planes; or a tuple (capsule, width, height, channels) of a Pillow image's Arrow array. `name` is the
/// argument's, for messages. Throws nanobind's TypeError or ValueError.
ImageView source_view(nanobind::handle object, Layout layout, const char* name, Held& held);

/// Where a result is written to: a buffer as above, or Pixels.
MutableImageView result_view(nanobind::handle object, Layout layout, const char* name, Held& held);

/// The bytes of a buffer without gaps, one or more images in it: shape (N, ...) with the same rules. How many there
/// are, and the view of the first.
struct Stack {
    std::ptrdiff_t count, step;  ///< images, and bytes from one to the next
    MutableImageView first;
};
Stack stack_view(nanobind::handle object, Layout layout, const char* name, Use use, Held& held);

/// Arrays as DLPack hands them over, in memory of the host or of a GPU of CUDA.
using SourceArray = nanobind::ndarray<nanobind::ro>;
using ResultArray = nanobind::ndarray<>;

/// The batch in an array without gaps, (N, H, W, C), or (N, C, H, W) for layouts with planes. Throws as above.
Batch source_batch(const SourceArray& array, Layout layout, const char* name);
MutableBatch result_batch(const ResultArray& array, Layout layout, const char* name);

}  // namespace halmix::python
