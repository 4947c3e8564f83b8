// halmix._core: the library's classes and calls, with arguments in fixed places. python/halmix gives them names,
// defaults and documentation.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "composer_draws.h"
#ifdef HALMIX_IO
#include "halmix/augment.h"
#endif
#include "halmix/c.h"
#include "views.h"

namespace nb = nanobind;

namespace halmix::python {

namespace {

void raise(const Error& error) {
    switch (error.status()) {
        case Status::invalid_argument:
        case Status::bad_plan:
        case Status::unknown_target:
            PyErr_SetString(PyExc_ValueError, error.what());
            return;
        case Status::out_of_memory:
            PyErr_SetString(PyExc_MemoryError, error.what());
            return;
        case Status::interrupted:
            // What asked for it has set the exception.
            if (PyErr_Occurred() == nullptr) PyErr_SetNone(PyExc_KeyboardInterrupt);
            return;
        default:
            PyErr_SetString(PyExc_RuntimeError, error.what());
    }
}

/// Asks Python whether a signal has come, such as Ctrl-C's, but not more often than people notice.
class Signals {
 public:
    Interrupt interrupt() { return {wanted, this}; }

 private:
    using Clock = std::chrono::steady_clock;

    // Signals are for the main thread, which is where a batch runs that was called there.
    const unsigned long thread_ = PyThread_get_thread_ident();
    Clock::time_point next_ = Clock::now() + period;
    static constexpr auto period = std::chrono::milliseconds(20);

    static bool wanted(void* state) {
        auto& self = *static_cast<Signals*>(state);
        if (PyThread_get_thread_ident() != self.thread_ || Clock::now() < self.next_) return false;
        nb::gil_scoped_acquire gil;
        self.next_ = Clock::now() + period;
        return PyErr_CheckSignals() != 0;
    }
};

double number(nb::handle object, const std::string& name) {
    if (PyFloat_Check(object.ptr()) || PyIndex_Check(object.ptr())) {
        const double value = PyFloat_AsDouble(object.ptr());
        if (value != -1 || PyErr_Occurred() == nullptr) return value;
        PyErr_Clear();
    }
    throw nb::type_error((name + ": " + nb::repr(object).c_str() + "; allowed are numbers").c_str());
}

/// A whole number of 0 or more, of a type's range; NumPy's are some, True and 3.0 are none.
template <typename Number>
Number whole(nb::handle object, const char* name) {
    constexpr Number most = std::numeric_limits<Number>::max();
    auto problem = [&] {
        return std::string(name) + ": " + nb::repr(object).c_str() + "; allowed are whole numbers 0.." +
               std::to_string(most);
    };
    if (PyBool_Check(object.ptr()) || !PyIndex_Check(object.ptr())) throw nb::type_error(problem().c_str());
    const auto number = nb::steal(PyNumber_Index(object.ptr()));
    if (!number.is_valid()) nb::raise_python_error();
    const unsigned long long value = PyLong_AsUnsignedLongLong(number.ptr());
    const bool beyond = value == ~0ULL && PyErr_Occurred() != nullptr;
    if (beyond) PyErr_Clear();
    if (beyond || value > most) throw nb::value_error(problem().c_str());
    return static_cast<Number>(value);
}

/// (seed, epoch, index, view).
Key key_of(const nb::tuple& numbers) {
    if (numbers.size() != 4) throw nb::value_error("key: allowed are seed, epoch, index, view");
    return {whole<std::uint64_t>(numbers[0], "seed"), whole<std::uint32_t>(numbers[1], "epoch"),
            whole<std::uint64_t>(numbers[2], "index"), whole<std::uint16_t>(numbers[3], "view")};
}

/// "equalize", ("equalize",) or ("rotate", -12), one after another.
std::vector<OpCall> op_calls(nb::handle list, const std::string& name) {
    if (!nb::isinstance<nb::sequence>(list) || nb::isinstance<nb::str>(list)) {
        throw nb::type_error((name + ": " + nb::repr(list).c_str() + "; allowed are lists of ops").c_str());
    }
    std::vector<OpCall> calls;
    for (nb::handle item : list) {
        nb::handle op = item, value;
        const std::string here = name + "[" + std::to_string(calls.size()) + "]";
        if (PyTuple_Check(item.ptr()) && (nb::len(item) == 1 || nb::len(item) == 2)) {
            op = PyTuple_GET_ITEM(item.ptr(), 0);
            if (nb::len(item) == 2) value = PyTuple_GET_ITEM(item.ptr(), 1);
        }
        if (!nb::isinstance<nb::str>(op)) {
            throw nb::type_error(
                (here + ": " + nb::repr(item).c_str() + "; allowed are an op's name and (name, value)").c_str());
        }
        const OpInfo& found = info(parse_op(nb::cast<std::string>(op)));
        if (value.is_valid() != (found.type != ValueType::none)) {
            throw nb::value_error((here + ": " + nb::repr(item).c_str() + "; " + std::string(found.name) +
                                   (value.is_valid() ? " has no value" : " needs a value"))
                                      .c_str());
        }
        calls.push_back({found.op, value.is_valid() ? number(value, here) : 0});
        validate(calls.back());
    }
    return calls;
}

nb::tuple chains_of(const Plan& plan) {
    nb::list chains;
    for (const Chain& chain : plan.chains) {
        nb::list ops;
        for (const OpCall& call : chain.ops) {
            const OpInfo& op = info(call.op);
            nb::object name = nb::cast(op.name);
            switch (op.type) {
                case ValueType::none:
                    ops.append(nb::make_tuple(name));
                    break;
                case ValueType::integer:
                    ops.append(nb::make_tuple(name, static_cast<long>(call.value)));
                    break;
                case ValueType::real:
                    ops.append(nb::make_tuple(name, call.value));
            }
        }
        chains.append(nb::make_tuple(chain.weight, nb::tuple(ops)));
    }
    return nb::tuple(chains);
}

/// The members of a resized crop, whose names are those of a plan's text.
struct CropPixels {
    const char* name;
    int ResizedCrop::*member;
};
constexpr auto crop_pixels = std::to_array<CropPixels>({{"source_width", &ResizedCrop::source_width},
                                                        {"source_height", &ResizedCrop::source_height},
                                                        {"left", &ResizedCrop::left},
                                                        {"top", &ResizedCrop::top},
                                                        {"width", &ResizedCrop::width},
                                                        {"height", &ResizedCrop::height}});

nb::object dict_of(const std::optional<ResizedCrop>& crop) {
    if (!crop) return nb::none();
    nb::dict members;
    for (const auto& [name, member] : crop_pixels) members[name] = (*crop).*member;
    members["filter"] = name(crop->filter);
    members["order"] = name(crop->order);
    members["mirror"] = crop->mirror;
    return members;
}

/// What `parse` makes of a string; `here` names it.
template <typename Parse>
auto parsed(nb::handle text, const std::string& here, Parse parse) {
    if (!nb::isinstance<nb::str>(text)) {
        throw nb::type_error((here + ": " + nb::repr(text).c_str() + "; allowed are strings").c_str());
    }
    try {
        return parse(nb::cast<std::string_view>(text));
    } catch (const Error& error) {
        throw nb::value_error((here + ": " + error.what()).c_str());
    }
}

/// A dict as `dict_of` makes it, or None.
std::optional<ResizedCrop> crop_of(nb::handle given) {
    if (given.is_none()) return std::nullopt;
    if (!PyDict_Check(given.ptr())) {
        throw nb::type_error(
            (std::string("resized_crop: ") + nb::repr(given).c_str() + "; allowed are dicts and None").c_str());
    }
    const auto members = nb::steal<nb::dict>(PyDict_Copy(given.ptr()));
    std::size_t found = 0;
    std::string allowed;
    const auto find = [&](const char* name) {
        allowed.append(allowed.empty() ? "" : ", ").append(name);
        nb::handle value = PyDict_GetItemString(members.ptr(), name);
        found += value.is_valid();
        return value;
    };
    ResizedCrop crop;
    for (const auto& [name, member] : crop_pixels) {
        const std::string here = std::string("resized_crop.") + name;
        nb::handle value = find(name);
        if (!value.is_valid()) throw nb::value_error((here + ": missing; a whole number is needed").c_str());
        crop.*member = whole<int>(value, here.c_str());
    }
    if (nb::handle value = find("filter"); value.is_valid()) {
        crop.filter = parsed(value, "resized_crop.filter", parse_filter);
    }
    if (nb::handle value = find("order"); value.is_valid()) {
        crop.order = parsed(value, "resized_crop.order", parse_pass_order);
    }
    if (nb::handle value = find("mirror"); value.is_valid()) {
        if (!PyBool_Check(value.ptr())) {
            throw nb::type_error(
                (std::string("resized_crop.mirror: ") + nb::repr(value).c_str() + "; allowed are True and False")
                    .c_str());
        }
        crop.mirror = value.ptr() == Py_True;
    }
    if (found != members.size()) {
        throw nb::value_error((std::string("resized_crop: ") + nb::repr(members).c_str() +
                               " has an unknown member; allowed are " + allowed)
                                  .c_str());
    }
    return crop;
}

Plan make_plan(int width, int height, double mix, nb::handle chains, const Fill& fill, nb::handle resized_crop) {
    Plan plan{width, height, static_cast<float>(mix), fill, {}, crop_of(resized_crop)};
    if (!nb::isinstance<nb::sequence>(chains)) throw nb::type_error("chains: allowed are lists of (weight, ops)");
    for (nb::handle item : chains) {
        const std::string here = "chains[" + std::to_string(plan.chains.size()) + "]";
        if (!PyTuple_Check(item.ptr()) || nb::len(item) != 2) {
            throw nb::type_error((here + ": " + nb::repr(item).c_str() + "; allowed is (weight, ops)").c_str());
        }
        const double weight = number(PyTuple_GET_ITEM(item.ptr(), 0), here + "[0]");
        plan.chains.push_back({static_cast<float>(weight), op_calls(PyTuple_GET_ITEM(item.ptr(), 1), here + "[1]")});
    }
    validate(plan);
    return plan;
}

/// "500x375 > crop(12, 30, 300, 280) > resize(224x224, bicubic) > mirror": left, top, width and height of the box.
std::string text_of(const ResizedCrop& crop, const std::string& size) {
    const ResizedCrop usual;
    std::string text = std::to_string(crop.source_width) + "x" + std::to_string(crop.source_height) + " > crop(" +
                       std::to_string(crop.left) + ", " + std::to_string(crop.top) + ", " + std::to_string(crop.width) +
                       ", " + std::to_string(crop.height) + ") > resize(" + size;
    if (crop.filter != usual.filter) text.append(", ").append(name(crop.filter));
    if (crop.order != usual.order) text.append(", ").append(name(crop.order));
    return text + (crop.mirror ? ") > mirror" : ")");
}

/// As people write it: "0.42 of (0.31 rotate(-12) > equalize + 0.69 image)".
std::string text_of(const Plan& plan) {
    auto shortest = [](double value) { return std::string(nb::repr(nb::float_(value)).c_str()); };
    auto rounded = [](float value) {
        char digits[32];
        std::snprintf(digits, sizeof digits, "%.3g", value);
        return std::string(digits);
    };
    const std::string size = std::to_string(plan.width) + "x" + std::to_string(plan.height);
    std::string text =
        "Plan(" + (plan.resized_crop ? text_of(*plan.resized_crop, size) : size) + ": " + rounded(plan.mix) + " of (";
    for (const Chain& chain : plan.chains) {
        if (&chain != plan.chains.data()) text += " + ";
        text += rounded(chain.weight) + " ";
        if (chain.ops.empty()) text += "image";
        for (const OpCall& call : chain.ops) {
            const OpInfo& op = info(call.op);
            if (&call != chain.ops.data()) text += " > ";
            text += op.name;
            if (op.type == ValueType::integer) text += "(" + std::to_string(static_cast<long>(call.value)) + ")";
            if (op.type == ValueType::real) text += "(" + shortest(call.value) + ")";
        }
    }
    return text + "))";
}

/// "cuda:0 (NVIDIA H200)"; none of a CPU.
std::optional<std::string> device_of(const Engine& engine) {
    const std::vector<std::string>& devices = engine.target().devices;
    return devices.empty() ? std::nullopt : std::optional(devices[0]);
}

/// Of halmix.RandomResizedCrop: width, height, ranges of scale and ratio, probability of a mirror, filter, order.
using CropNumbers = std::tuple<int, int, double, double, double, double, double, std::string_view, std::string_view>;

Policy make_policy(double severity, int width, int depth, double alpha, std::string_view ops, const Fill& fill,
                   const std::optional<CropNumbers>& crop) {
    Policy policy{severity, width, depth, alpha, parse_op_choices(ops), fill};
    if (crop) {
        const auto& [w, h, min_scale, max_scale, min_ratio, max_ratio, mirror, filter, order] = *crop;
        policy.crop = {
            w, h, min_scale, max_scale, min_ratio, max_ratio, mirror, parse_filter(filter), parse_pass_order(order)};
    }
    validate(policy);
    return policy;
}

void run(const Engine& engine, const Plan& plan, nb::handle image, Layout layout, nb::handle out) {
    Held held_in, held_out;
    const ImageView in = source_view(image, layout, "image", held_in);
    const MutableImageView result = result_view(out, layout, "out", held_out);
    nb::gil_scoped_release release;
    engine.run(plan, in, result);
}

/// Of a crop that is drawn elsewhere: left, top, width, height, mirror.
using Box = std::tuple<int, int, int, int, bool>;

/// Draws and runs, as transforms do for every image: no plan is made for Python. A box is that of the policy's crop, in
/// place of the key's.
void augment(const Engine& engine, const Policy& policy, const nb::tuple& numbers, nb::handle image, Layout layout,
             nb::handle out, const std::optional<Box>& box) {
    Held held_in, held_out;
    const Key key = key_of(numbers);
    const ImageView in = source_view(image, layout, "image", held_in);
    const MutableImageView result = result_view(out, layout, "out", held_out);
    nb::gil_scoped_release release;
    thread_local Plan plan;
    sample(policy, key, in.width, in.height, plan);
    if (box && plan.resized_crop) {
        ResizedCrop& crop = *plan.resized_crop;
        std::tie(crop.left, crop.top, crop.width, crop.height, crop.mirror) = *box;
    }
    engine.run(plan, in, result);
}

void apply(const Engine& engine, nb::handle ops, const Fill& fill, nb::handle image, Layout layout, nb::handle out) {
    Held held_in, held_out;
    const std::vector<OpCall> calls = op_calls(ops, "ops");
    const ImageView in = source_view(image, layout, "image", held_in);
    const MutableImageView result = result_view(out, layout, "out", held_out);
    nb::gil_scoped_release release;
    engine.apply(calls, fill, in, result);
}

/// The images of a batch's argument: an array with all of them, or a list.
std::vector<MutableImageView> views(nb::handle images, Layout layout, const char* name, Use use,
                                    std::vector<Held>& held) {
    std::vector<MutableImageView> all;
    if (!PyList_Check(images.ptr())) {
        held.emplace_back();
        const Stack stack = stack_view(images, layout, name, use, held.back());
        for (std::ptrdiff_t i = 0; i < stack.count; i++) {
            all.push_back(stack.first);
            all.back().data += i * stack.step;
        }
        return all;
    }
    held.reserve(PyList_GET_SIZE(images.ptr()));
    for (nb::handle image : nb::borrow<nb::list>(images)) {
        const std::string item = std::string(name) + "[" + std::to_string(all.size()) + "]";
        held.emplace_back();
        if (use == Use::result) {
            all.push_back(result_view(image, layout, item.c_str(), held.back()));
        } else {
            const ImageView view = source_view(image, layout, item.c_str(), held.back());
            // Views of results and of sources are kept alike; sources are only read.
            all.emplace_back(const_cast<std::uint8_t*>(view.data), view.width, view.height, view.channels, view.stride,
                             view.plane, view.layout);
        }
    }
    return all;
}

/// At least so many plans, whose memory serves the next batch.
std::vector<Plan>& plans_of_this_thread(std::size_t count) {
    thread_local std::vector<Plan> plans;
    if (plans.size() < count) plans.resize(count);
    return plans;
}

/// The key of each sample of a batch, but for its view.
std::vector<Key> keys_of(nb::handle seed, nb::handle epoch, const nb::list& indices) {
    Key key{.seed = whole<std::uint64_t>(seed, "seed"), .epoch = whole<std::uint32_t>(epoch, "epoch")};
    std::vector<Key> keys;
    keys.reserve(indices.size());
    for (nb::handle index : indices) {
        key.index = whole<std::uint64_t>(index, "indices");
        keys.push_back(key);
    }
    return keys;
}

/// That there are as many results as samples have views.
void check_room(std::size_t results, std::size_t samples, std::size_t views) {
    if (results == samples * views) return;
    throw nb::value_error(
        ("out: room for " + std::to_string(results) + " results; there are " + std::to_string(samples * views))
            .c_str());
}

/// The plan of view `number` of a sample; -1 is a clean one, which may be cropped.
void draw(const Policy& policy, Key key, int number, int width, int height, Plan& plan) {
    if (number < 0) return sample_clean(policy, key, width, height, plan);
    key.view = static_cast<std::uint16_t>(number);
    sample(policy, key, width, height, plan);
}

/// Result `i * views.size() + v` is view v of image i: the image itself, or what its index's key for that view gives.
/// `views` has -1 for a clean one.
void batch(const Engine& engine, const Policy& policy, nb::handle seed, nb::handle epoch, const nb::list& indices,
           const std::vector<int>& view_numbers, nb::handle images, Layout in_layout, nb::handle out, Layout out_layout,
           const Normalization& normalization, int threads) {
    const std::vector<Key> keys = keys_of(seed, epoch, indices);
    std::vector<Held> held;
    std::vector<Held> held_out;
    const std::vector<MutableImageView> in = views(images, in_layout, "images", Use::source, held);
    const std::vector<MutableImageView> results = views(out, out_layout, "out", Use::result, held_out);
    if (keys.size() != in.size()) {
        throw nb::value_error(("indices: " + std::to_string(keys.size()) + " for " + std::to_string(in.size()) +
                               " images; allowed is one for each")
                                  .c_str());
    }
    check_room(results.size(), in.size(), view_numbers.size());
    Signals signals;
    nb::gil_scoped_release release;
    std::vector<Plan>& plans = plans_of_this_thread(results.size());
    std::vector<Task> tasks;
    tasks.reserve(results.size());
    for (std::size_t i = 0; i < in.size(); i++) {
        for (const int view : view_numbers) {
            const std::size_t k = tasks.size();
            draw(policy, keys[i], view, in[i].width, in[i].height, plans[k]);
            tasks.push_back({&plans[k], in[i], results[k]});
        }
    }
    Options options{.normalization = normalization, .interrupt = signals.interrupt()};
    std::optional<Threads> own;
    if (threads != 1) options.runner = own.emplace(threads).runner();
    engine.run(tasks, options);
}

#ifdef HALMIX_IO  // the build found libjpeg-turbo and libpng

/// The bytes of pictures' files, and what the pictures are called in messages.
class Pictures {
 public:
    Pictures(const nb::list& files, const nb::list& names) : held_(files.size()) {
        for (nb::handle file : files) {
            const std::string here = "images[" + std::to_string(bytes.size()) + "]";
            if (PyObject_CheckBuffer(file.ptr()) == 0) {
                throw nb::type_error((here + ": " + Py_TYPE(file.ptr())->tp_name +
                                      "; allowed are the bytes of JPEG and PNG files, and paths")
                                         .c_str());
            }
            Py_buffer& buffer = held_[bytes.size()].buffer;
            if (PyObject_GetBuffer(file.ptr(), &buffer, PyBUF_SIMPLE) != 0) {
                PyErr_Clear();
                throw nb::value_error((here + ": memory with gaps; allowed are bytes one after another").c_str());
            }
            bytes.emplace_back(static_cast<const std::byte*>(buffer.buf), static_cast<std::size_t>(buffer.len));
        }
        for (nb::handle name : names) this->names.push_back(nb::cast<std::string>(name));
    }

    std::vector<std::span<const std::byte>> bytes;
    std::vector<std::string> names;

 private:
    std::vector<Held> held_;
};

/// Width and height of each picture, (0, 0) of those whose header cannot be read.
std::vector<std::tuple<int, int>> picture_sizes(const nb::list& files, const nb::list& names,
                                                io::Orientation orientation, const io::Acceptance& accept) {
    const Pictures pictures(files, names);
    std::vector<std::tuple<int, int>> sizes(pictures.bytes.size());
    nb::gil_scoped_release release;
    thread_local io::Decoder decoder;
    for (std::size_t i = 0; i < sizes.size(); i++) {
        try {
            const io::Picture picture = decoder.open(pictures.bytes[i], pictures.names[i], orientation, accept);
            sizes[i] = {picture.width, picture.height};
        } catch (const io::Error&) {
            sizes[i] = {0, 0};  // what is wrong, who decodes it says
        }
    }
    return sizes;
}

/// `batch` for the bytes of pictures' files. If `tell` is true, what is wrong with each picture, "" if nothing is.
std::vector<std::string> decode_batch(const Engine& engine, const Policy& policy, nb::handle seed, nb::handle epoch,
                                      const nb::list& indices, const std::vector<int>& view_numbers,
                                      const nb::list& files, const nb::list& names, nb::handle out, Layout out_layout,
                                      const Normalization& normalization, int threads, io::Mode mode,
                                      io::Orientation orientation, const io::Acceptance& accept, bool tell) {
    const std::vector<Key> keys = keys_of(seed, epoch, indices);
    const Pictures pictures(files, names);
    std::vector<Held> held;
    const std::vector<MutableImageView> results = views(out, out_layout, "out", Use::result, held);
    const std::size_t count = keys.size();
    check_room(results.size(), count, view_numbers.size());
    if (policy.crop) {
        for (const MutableImageView& result : results) {
            if (result.width == policy.crop->width && result.height == policy.crop->height) continue;
            throw nb::value_error(("out: " + std::to_string(result.width) + "x" + std::to_string(result.height) +
                                   " pixels; allowed is the crop's size, " + std::to_string(policy.crop->width) + "x" +
                                   std::to_string(policy.crop->height))
                                      .c_str());
        }
    }
    Signals signals;
    nb::gil_scoped_release release;
    const io::Recipe recipe{policy, view_numbers, mode, orientation, accept};
    std::vector<io::Sample> samples;
    for (std::size_t i = 0; i < count; i++) {
        samples.push_back({pictures.bytes[i], pictures.names[i], keys[i],
                           std::span(results).subspan(i * view_numbers.size(), view_numbers.size())});
    }
    Options options{.normalization = normalization, .interrupt = signals.interrupt()};
    std::optional<Threads> own;
    if (threads != 1) options.runner = own.emplace(threads).runner();
    std::vector<std::string> problems(tell ? count : 0);
    thread_local io::Augmenter augmenter;
    augmenter.run(engine, recipe, samples, options, problems);
    return problems;
}

void define_decoder(nb::module_& module) {
    nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
        try {
            std::rethrow_exception(thrown);
        } catch (const io::Error& error) {
            PyErr_SetString(PyExc_ValueError, error.what());
        }
    });
    nb::enum_<io::Mode>(module, "Mode").value("exact", io::Mode::exact).value("fast", io::Mode::fast);
    nb::enum_<io::Orientation>(module, "Orientation")
        .value("stored", io::Orientation::stored)
        .value("upright", io::Orientation::upright);
    nb::class_<io::Acceptance>(module, "Acceptance")
        .def("__init__", [](io::Acceptance* self, std::int64_t max_pixels, bool unsupported, bool damaged) {
            new (self) io::Acceptance{max_pixels, unsupported, damaged};
        });
    module.def("picture_sizes", picture_sizes);
    module.def("decode_batch", decode_batch);
}

#else

void define_decoder(nb::module_& /*module*/) {}

#endif

/// A batch that is in one piece, on a GPU or the host, and how it is computed: in the order of `stream`, which is
/// waited for if any of it is on the host.
struct WholeBatch {
    Batch in;
    MutableBatch out;
    Options options;

    WholeBatch(const SourceArray& images, Layout in_layout, const ResultArray& results, Layout out_layout,
               const Normalization& normalization, std::uintptr_t stream)
        : in(source_batch(images, in_layout, "images")), out(result_batch(results, out_layout, "out")) {
        if (in.memory != out.memory || images.device_id() != results.device_id()) {
            throw nb::value_error("out: on another device than images");
        }
        options.normalization = normalization;
        options.queue.stream = reinterpret_cast<void*>(stream);  // NOLINT(performance-no-int-to-ptr)
    }

    /// `plans` is called without the GIL.
    template <typename Plans>
    void run(const Engine& engine, const Plans& plans) const {
        Signals signals;
        Options interruptible = options;
        interruptible.interrupt = signals.interrupt();
        nb::gil_scoped_release release;
        engine.run(plans(), in, out, interruptible);
    }
};

void run_whole(const Engine& engine, const std::vector<Plan>& plans, const SourceArray& images, Layout in_layout,
               const ResultArray& out, Layout out_layout, const Normalization& normalization, std::uintptr_t stream) {
    const WholeBatch whole(images, in_layout, out, out_layout, normalization, stream);
    whole.run(engine, [&] { return std::span<const Plan>(plans); });
}

/// `batch` for a batch that is in one piece.
void augment_whole(const Engine& engine, const Policy& policy, nb::handle seed, nb::handle epoch,
                   const nb::list& indices, const std::vector<int>& view_numbers, const SourceArray& images,
                   Layout in_layout, const ResultArray& out, Layout out_layout, const Normalization& normalization,
                   std::uintptr_t stream) {
    const std::vector<Key> keys = keys_of(seed, epoch, indices);
    const WholeBatch whole_batch(images, in_layout, out, out_layout, normalization, stream);
    whole_batch.run(engine, [&] {
        const std::size_t count = keys.size() * view_numbers.size();
        std::vector<Plan>& plans = plans_of_this_thread(count);
        Plan* plan = plans.data();
        for (const Key& key : keys) {
            for (const int view : view_numbers) {
                draw(policy, key, view, whole_batch.in.width, whole_batch.in.height, *plan++);
            }
        }
        return std::span<const Plan>(plans.data(), count);
    });
}

/// `alpha` is what the weights and `mix` were drawn with.
Plan composer_plan(const Policy& policy, int width, int height, double alpha, const std::vector<double>& weights,
                   double mix, nb::handle bit_generator) {
    if (std::isnan(std::accumulate(weights.begin(), weights.end(), mix))) {
        throw nb::value_error(("alpha: " + std::string(nb::repr(nb::float_(alpha)).c_str()) +
                               "; so small that NumPy's weights are no numbers")
                                  .c_str());
    }
    auto* bits = static_cast<BitGenerator*>(PyCapsule_GetPointer(bit_generator.ptr(), "BitGenerator"));
    if (bits == nullptr) nb::raise_python_error();
    Plan plan{width, height, static_cast<float>(mix), policy.fill, {}};
    for (double weight : weights) plan.chains.push_back({static_cast<float>(weight), {}});
    draw_as_composer(policy, *bits, plan);
    validate(plan);
    return plan;
}

}  // namespace

}  // namespace halmix::python

NB_MODULE(_core, module) {
    using namespace halmix;
    using namespace halmix::python;

    // The engine that calls share lives as long as the process.
    nb::set_leak_warnings(false);
    nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
        try {
            std::rethrow_exception(thrown);
        } catch (const Error& error) {
            raise(error);
        }
    });

    nb::enum_<Layout>(module, "Layout")
        .value("u8_hwc", Layout::u8_hwc)
        .value("u8_chw", Layout::u8_chw)
        .value("f16_chw", Layout::f16_chw)
        .value("f32_chw", Layout::f32_chw);

    nb::class_<Normalization>(module, "Normalization")
        .def("__init__", [](Normalization* self, std::array<float, 3> mean, std::array<float, 3> deviation) {
            new (self) Normalization{mean, deviation};
        });
    nb::class_<Pixels>(module, "Pixels")
        .def(nb::init<int, int, int>())
        .def(
            "__arrow_c_array__", [](Pixels& self, nb::handle) { return self.arrow(); },
            nb::arg("requested_schema") = nb::none());
    nb::class_<Engine>(module, "Engine")
        .def(nb::init<std::string_view>())
        .def_prop_ro("target", [](const Engine& self) { return std::string(self.target().name); })
        .def_prop_ro("device", device_of)
        .def_prop_ro("reason", &Engine::reason)
        .def("__repr__", [](const Engine& self) {
            return "<halmix.Engine " + device_of(self).value_or(std::string(self.target().name)) + ": " +
                   self.reason() + ">";
        });
    nb::class_<Policy>(module, "Policy")
        .def("__init__", [](Policy* self, double severity, int width, int depth, double alpha, std::string_view ops,
                            const Fill& fill, const std::optional<CropNumbers>& crop) {
            new (self) Policy(make_policy(severity, width, depth, alpha, ops, fill, crop));
        });
    nb::class_<Plan>(module, "Plan")
        .def(
            "__init__",
            [](Plan* self, int width, int height, double mix, nb::handle chains, const Fill& fill,
               nb::handle resized_crop) { new (self) Plan(make_plan(width, height, mix, chains, fill, resized_crop)); },
            nb::arg("width"), nb::arg("height"), nb::arg("mix"), nb::arg("chains"),
            nb::arg("fill") = nb::make_tuple(0, 0, 0), nb::arg("resized_crop") = nb::none())
        .def_static("from_json", [](std::string_view text) { return plan_from_json(text); })
        .def("to_json", [](const Plan& self) { return to_json(self); })
        .def_ro("width", &Plan::width)
        .def_ro("height", &Plan::height)
        .def_ro("mix", &Plan::mix)
        .def_prop_ro("fill", [](const Plan& self) { return nb::make_tuple(self.fill[0], self.fill[1], self.fill[2]); })
        .def_prop_ro("chains", chains_of)
        .def_prop_ro("resized_crop", [](const Plan& self) { return dict_of(self.resized_crop); })
        .def("__repr__", [](const Plan& self) { return text_of(self); })
        .def("__reduce__",
             [](const nb::object& self) {
                 return nb::make_tuple(nb::type<Plan>(), nb::make_tuple(self.attr("width"), self.attr("height"),
                                                                        self.attr("mix"), self.attr("chains"),
                                                                        self.attr("fill"), self.attr("resized_crop")));
             })
        .def("__eq__", [](const Plan& self, nb::handle other) {
            const Plan* plan = nullptr;
            return nb::try_cast(other, plan) && plan != nullptr && self == *plan;
        });

    module.def("sample", [](const Policy& policy, int width, int height, const nb::tuple& numbers) {
        return sample(policy, key_of(numbers), width, height);
    });
    module.def("run", run);
    module.def("augment", augment, nb::arg("engine"), nb::arg("policy"), nb::arg("key"), nb::arg("image"),
               nb::arg("layout"), nb::arg("out"), nb::arg("box") = nb::none());
    module.def("apply", apply);
    module.def("batch", batch);
    module.def("run_whole", run_whole);
    module.def("augment_whole", augment_whole);
    module.def("composer_plan", composer_plan);
    module.def("op_choices", [](std::string_view list) {
        nb::list choices;
        for (const OpChoice& choice : parse_op_choices(list)) {
            choices.append(nb::make_tuple(info(choice.op).name, choice.law == FactorLaw::original));
        }
        return choices;
    });
    module.def("ops", [] {
        nb::list all;
        for (const OpInfo& op : ops()) {
            all.append(nb::make_tuple(op.name, op.type != ValueType::none, op.min, op.max, op.unit, op.about));
        }
        return all;
    });
    module.def("targets", [] {
        nb::list all;
        for (const TargetInfo& target : targets()) {
            all.append(nb::make_tuple(target.name, target.available, target.needs, target.devices, target.problem,
                                      target.pipelines));
        }
        return all;
    });
    define_decoder(module);
    module.attr("__version__") = halmix_version();
}
