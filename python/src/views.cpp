#include "views.h"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>

namespace nb = nanobind;

namespace halmix::python {

namespace {

/// Arrow's C data interface, whose layout is fixed: https://arrow.apache.org/docs/format/CDataInterface.html
struct ArrowSchema {
    const char *format, *name, *metadata;
    std::int64_t flags, n_children;
    ArrowSchema **children, *dictionary;
    void (*release)(ArrowSchema*);
    void* private_data;
};
struct ArrowArray {
    std::int64_t length, null_count, offset, n_buffers, n_children;
    const void** buffers;
    ArrowArray **children, *dictionary;
    void (*release)(ArrowArray*);
    void* private_data;
};

std::string shape_of(const Py_buffer& buffer) {
    std::string shape = "(";
    for (int d = 0; d < buffer.ndim; d++) shape += (d == 0 ? "" : ", ") + std::to_string(buffer.shape[d]);
    return shape + (buffer.ndim == 1 ? ",)" : ")");
}

const char* format_of(Layout layout) { return layout == Layout::f32_chw ? "f" : layout == Layout::f16_chw ? "e" : "B"; }
const char* dtype_of(Layout layout) {
    return layout == Layout::f32_chw ? "float32" : layout == Layout::f16_chw ? "float16" : "uint8";
}

/// Fills in `held`; the buffer's element type must be the layout's.
void hold(nb::handle object, Layout layout, const char* name, Use use, Held& held) {
    const int flags = use == Use::result ? PyBUF_RECORDS : PyBUF_RECORDS_RO;
    if (!PyObject_CheckBuffer(object.ptr())) {
        throw nb::type_error((std::string(name) + ": " + Py_TYPE(object.ptr())->tp_name +
                              "; allowed are arrays with the buffer protocol, such as NumPy's")
                                 .c_str());
    }
    if (PyObject_GetBuffer(object.ptr(), &held.buffer, flags) != 0) {
        PyErr_Clear();
        throw nb::value_error((std::string(name) + ": " + Py_TYPE(object.ptr())->tp_name +
                               (use == Use::result ? " that cannot be written to" : " whose memory cannot be read"))
                                  .c_str());
    }
    const char* format = held.buffer.format == nullptr ? "B" : held.buffer.format;
    if (std::strcmp(format, format_of(layout)) != 0) {
        throw nb::type_error((std::string(name) + ": elements of format '" + format + "'; allowed is " +
                              dtype_of(layout) + " ('" + format_of(layout) + "')")
                                 .c_str());
    }
}

/// The view of the last dimensions of a buffer, from `from` on; false if its elements do not lie as the layout has
/// them.
bool fits(const Py_buffer& buffer, int from, Layout layout, const char* name, MutableImageView& view) {
    const int dimensions = buffer.ndim - from;
    const bool planes = has_planes(layout);
    if (dimensions != 3 && (dimensions != 2 || planes)) {
        throw nb::value_error((std::string(name) + ": shape " + shape_of(buffer) + "; allowed are " +
                               (planes ? "(1, H, W) and (3, H, W)" : "(H, W), (H, W, 1) and (H, W, 3)") +
                               (from == 0 ? "" : " for each image"))
                                  .c_str());
    }
    const Py_ssize_t *shape = buffer.shape + from, *strides = buffer.strides + from;
    const int row = planes ? 1 : 0, column = row + 1, channel = planes ? 0 : 2;
    const Py_ssize_t channels = dimensions == 2 ? 1 : shape[channel];
    constexpr Py_ssize_t most = std::numeric_limits<int>::max();
    if ((channels != 1 && channels != 3) || shape[row] < 1 || shape[column] < 1 || shape[row] > most ||
        shape[column] > most) {
        throw nb::value_error((std::string(name) + ": shape " + shape_of(buffer) + "; allowed are 1 or 3 channels, " +
                               (planes ? "first" : "last") + ", and at least one pixel")
                                  .c_str());
    }
    view.data = static_cast<std::uint8_t*>(buffer.buf);
    view.width = static_cast<int>(shape[column]);
    view.height = static_cast<int>(shape[row]);
    view.channels = static_cast<int>(channels);
    view.layout = layout;
    // How far apart the elements of a dimension are that has but one means nothing.
    const Py_ssize_t element = element_bytes(layout), pixel = planes ? element : channels * element;
    const Py_ssize_t tight = view.width * pixel;
    view.stride = view.height > 1 ? strides[row] : tight;
    view.plane = planes && channels > 1 ? strides[channel] : tight * view.height;
    if (view.width > 1 && strides[column] != pixel) return false;
    return planes || channels == 1 || strides[channel] == element;
}

/// The view of a buffer's last dimensions. If they do not lie as the layout has them, a result is refused, and of a
/// source all is copied; true then.
bool buffer_view(nb::handle object, int from, Layout layout, const char* name, Use use, Held& held,
                 MutableImageView& view) {
    hold(object, layout, name, use, held);
    if (held.buffer.ndim < from)
        throw nb::value_error((std::string(name) + ": a number; allowed are arrays of images").c_str());
    if (fits(held.buffer, from, layout, name, view)) return false;
    if (use == Use::result) {
        throw nb::value_error(
            (std::string(name) +
             ": pixels do not lie one after another; allowed are arrays whose rows have no gaps within")
                .c_str());
    }
    held.copy.resize(held.buffer.len);
    if (PyBuffer_ToContiguous(held.copy.data(), &held.buffer, held.buffer.len, 'C') != 0) nb::raise_python_error();
    view = {held.copy.data(), view.width, view.height, view.channels, layout};
    return true;
}

ImageView arrow_view(nb::handle object, const char* name) {
    PyObject* tuple = object.ptr();
    ArrowArray* array = nullptr;
    if (PyTuple_GET_SIZE(tuple) == 4) {
        array = static_cast<ArrowArray*>(PyCapsule_GetPointer(PyTuple_GET_ITEM(tuple, 0), "arrow_array"));
        if (array == nullptr) nb::raise_python_error();
    }
    if (array == nullptr || array->release == nullptr) {
        throw nb::type_error((std::string(name) + ": not a Pillow image's Arrow array").c_str());
    }
    const auto width = nb::cast<int>(nb::handle(PyTuple_GET_ITEM(tuple, 1)));
    const auto height = nb::cast<int>(nb::handle(PyTuple_GET_ITEM(tuple, 2)));
    const auto channels = nb::cast<int>(nb::handle(PyTuple_GET_ITEM(tuple, 3)));
    // RGB is a list of four bytes for each pixel, L a byte for each.
    const bool rgb = channels == 3;
    const ArrowArray* bytes = rgb && array->n_children == 1 ? array->children[0] : array;
    const std::int64_t pixels = std::int64_t{width} * height;
    if (array->offset != 0 || array->length != pixels || bytes->offset != 0 ||
        bytes->length != pixels * (rgb ? 4 : 1) || bytes->n_buffers < 2) {
        throw nb::value_error(
            (std::string(name) + ": an Arrow array that is not laid out as Pillow's images are").c_str());
    }
    return {static_cast<const std::uint8_t*>(bytes->buffers[1]), width, height, channels,
            rgb ? Layout::u8_rgbx : Layout::u8_hwc};
}

/// What an exported array keeps: its buffers, and its only child if pixels are lists.
struct Exported {
    explicit Exported(std::uint8_t* data) : data(data) {}
    ~Exported() { std::free(data); }
    Exported(const Exported&) = delete;
    Exported& operator=(const Exported&) = delete;

    std::uint8_t* data;
    const void* no_buffers[1] = {nullptr};
    const void* buffers[2] = {nullptr, nullptr};
    ArrowArray child{};
    ArrowArray* children[1] = {&child};
};

void release_array(ArrowArray* array) {
    delete static_cast<Exported*>(array->private_data);
    array->release = nullptr;
}
void release_child(ArrowArray* array) { array->release = nullptr; }
void release_schema(ArrowSchema* schema) { schema->release = nullptr; }

/// Schemas never change and own nothing.
ArrowSchema schema_of(int channels) {
    static ArrowSchema byte{"C", "", nullptr, 0, 0, nullptr, nullptr, release_schema, nullptr};
    static ArrowSchema* children[1] = {&byte};
    if (channels == 1) return {"C", "", nullptr, 0, 0, nullptr, nullptr, release_schema, nullptr};
    return {"+w:4", "", nullptr, 0, 1, children, nullptr, release_schema, nullptr};
}

template <typename Struct>
nb::object capsule(std::unique_ptr<Struct> value, const char* name) {
    PyObject* made = PyCapsule_New(value.get(), name, [](PyObject* self) {
        auto* kept = static_cast<Struct*>(PyCapsule_GetPointer(self, PyCapsule_GetName(self)));
        if (kept->release != nullptr) kept->release(kept);
        delete kept;
    });
    if (made == nullptr) nb::raise_python_error();
    value.release();  // NOLINT(bugprone-unused-return-value): it is the capsule's now
    return nb::steal(made);
}

template <typename Array>
Memory memory_of(const Array& array, const char* name) {
    switch (array.device_type()) {
        case nb::device::cpu::value:
        case nb::device::cuda_host::value:
            return Memory::host;
        case nb::device::cuda::value:
        case nb::device::cuda_managed::value:
            return Memory::cuda;
        default:
            throw nb::value_error((std::string(name) + ": memory of DLPack's device " +
                                   std::to_string(array.device_type()) + "; allowed are the host and CUDA")
                                      .c_str());
    }
}

template <typename Result, typename Array>
Result batch_of(const Array& array, Layout layout, const char* name) {
    auto refuse = [&](const std::string& problem) {
        throw nb::value_error((std::string(name) + ": " + problem).c_str());
    };
    const auto code = static_cast<std::uint8_t>(element_bytes(layout) == 1 ? nb::dlpack::dtype_code::UInt
                                                                           : nb::dlpack::dtype_code::Float);
    const nb::dlpack::dtype type = array.dtype();
    if (type.code != code || type.bits != 8 * element_bytes(layout) || type.lanes != 1) {
        throw nb::type_error((std::string(name) + ": allowed are elements of " + dtype_of(layout)).c_str());
    }
    if (array.ndim() != 4) refuse(std::to_string(array.ndim()) + " dimensions; allowed are 4");
    std::int64_t tight = 1;
    bool gaps = false;
    for (int d = 3; d >= 0; d--) {
        const auto extent = static_cast<std::int64_t>(array.shape(d));
        if (extent > std::numeric_limits<int>::max()) refuse("larger than 2^31 - 1");
        // How far apart the elements of a dimension are that has but one means nothing.
        gaps = gaps || (extent > 1 && array.stride(d) != tight);
        tight *= extent;
    }
    if (gaps && tight != 0) refuse("images do not lie one after another; allowed are arrays without gaps");
    const int channel = has_planes(layout) ? 1 : 3, row = has_planes(layout) ? 2 : 1;
    auto extent = [&](int d) { return static_cast<int>(array.shape(d)); };
    return {array.data(), extent(0), extent(row + 1), extent(row), extent(channel), memory_of(array, name), layout};
}

}  // namespace

Held::Held(Held&& other) noexcept : buffer(other.buffer), copy(std::move(other.copy)) { other.buffer.obj = nullptr; }

Held::~Held() {
    if (buffer.obj != nullptr) PyBuffer_Release(&buffer);
}

Pixels::Pixels(int width, int height, int channels)
    : data_(static_cast<std::uint8_t*>(
          std::malloc(image_bytes(channels == 3 ? Layout::u8_rgbx : Layout::u8_hwc, width, height, channels)))),
      width_(width),
      height_(height),
      channels_(channels) {
    if (data_ == nullptr) throw std::bad_alloc();
}

Pixels::~Pixels() { std::free(data_); }

MutableImageView Pixels::view() const {
    return {data_, width_, height_, channels_, channels_ == 3 ? Layout::u8_rgbx : Layout::u8_hwc};
}

nb::tuple Pixels::arrow() {
    if (data_ == nullptr) throw nb::value_error("these pixels have been taken already");
    auto kept = std::make_unique<Exported>(std::exchange(data_, nullptr));
    const std::int64_t pixels = std::int64_t{width_} * height_;
    const bool rgb = channels_ == 3;
    kept->buffers[1] = kept->data;
    kept->child = {4 * pixels, 0, 0, 2, 0, kept->buffers, nullptr, nullptr, release_child, nullptr};
    auto array = std::make_unique<ArrowArray>();
    *array = {pixels,
              0,
              0,
              rgb ? 1 : 2,
              rgb ? 1 : 0,
              rgb ? kept->no_buffers : kept->buffers,
              rgb ? kept->children : nullptr,
              nullptr,
              release_array,
              kept.get()};
    kept.release();  // NOLINT(bugprone-unused-return-value): it is the array's now
    nb::object of_array = capsule(std::move(array), "arrow_array");
    return nb::make_tuple(capsule(std::make_unique<ArrowSchema>(schema_of(channels_)), "arrow_schema"), of_array);
}

ImageView source_view(nb::handle object, Layout layout, const char* name, Held& held) {
    if (PyTuple_Check(object.ptr())) return arrow_view(object, name);
    MutableImageView view;
    buffer_view(object, 0, layout, name, Use::source, held, view);
    return view;
}

MutableImageView result_view(nb::handle object, Layout layout, const char* name, Held& held) {
    Pixels* pixels = nullptr;
    if (nb::try_cast(object, pixels) && pixels != nullptr) return pixels->view();
    MutableImageView view;
    buffer_view(object, 0, layout, name, Use::result, held, view);
    return view;
}

Stack stack_view(nb::handle object, Layout layout, const char* name, Use use, Held& held) {
    MutableImageView first;
    const bool copied = buffer_view(object, 1, layout, name, use, held, first);
    const std::size_t image = image_bytes(layout, first.width, first.height, first.channels);
    return {held.buffer.shape[0], copied ? static_cast<std::ptrdiff_t>(image) : held.buffer.strides[0], first};
}

Batch source_batch(const SourceArray& array, Layout layout, const char* name) {
    return batch_of<Batch>(array, layout, name);
}

MutableBatch result_batch(const ResultArray& array, Layout layout, const char* name) {
    return batch_of<MutableBatch>(array, layout, name);
}

}  // namespace halmix::python
