// AugMix as an operator of DALI: fn.halmix.augmix(images, keys, ...), in pipelines and in dynamic mode.
//
// On a CPU DALI's own threads compute, images of any sizes beside each other; on a GPU all is put into the operator's
// stream. What comes out is a function of the arguments, the image and its key. docs/loaders.md tells how to build it.

#include <halmix/halmix.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dali/pipeline/operator/checkpointing/stateless_operator.h"
#include "dali/pipeline/operator/operator.h"

namespace halmix_dali {

[[noreturn]] void refuse(const std::string& problem) { throw std::invalid_argument(problem); }

/// The operator's arguments. Their values are at first the defaults, which are the library's; only the seed has none.
struct Arguments {
    std::int64_t seed = 0;
    halmix::Policy policy;
    std::string augmentation_set = "all";
    std::vector<int> fill = {0};
    std::vector<int> crop;
    halmix::RandomResizedCrop box;
    std::vector<double> scale = {box.min_scale, box.max_scale};
    std::vector<double> ratio = {box.min_ratio, box.max_ratio};
    std::string interpolation{halmix::name(box.filter)};
    std::string order{halmix::name(box.order)};
    dali::DALIDataType dtype = DALI_UINT8;
    std::string output_layout;
    std::vector<double> mean = {0}, std = {1};

    /// The only list of them: calls `visit(name, value, documentation)` for each.
    template <typename Visitor>
    void each(Visitor visit) {
        visit("seed", seed, "Of the run, from 0 up. A pipeline's own seed changes nothing.");
        visit("severity", policy.severity, "How strong ops are, 0 to 10.");
        visit("width", policy.width, "How many chains are mixed, 1 to 16.");
        visit("depth", policy.depth, "Ops in a chain, 1 to 16; -1 draws 1, 2 or 3 for each chain.");
        visit("alpha", policy.alpha, "Of the Dirichlet and Beta distributions that weights are drawn from, above 0.");
        visit("augmentation_set", augmentation_set,
              "``all``, ``safe``, ``original`` or a comma-separated list of ops, each a name or ``name:weight``.");
        visit("fill", fill, "The level, or red, green and blue, that warps uncover.");
        visit("crop", crop,
              "Height and width, or one number for both, to which a random part of the image is resized first. "
              "Without, images keep their size.");
        visit("scale", scale, "The range of that part's area, beside the image's.");
        visit("ratio", ratio, "The range of that part's width to its height.");
        visit("interpolation", interpolation, "``bilinear`` or ``bicubic``, both with antialiasing.");
        visit("flip", box.mirror, "The probability that left and right of that part change places.");
        visit("order", order,
              "Whose bytes a resize has: ``pillow_13``, or ``horizontal_first`` for Pillow up to 12.1.");
        visit("dtype", dtype, "``UINT8`` for levels; ``FLOAT`` and ``FLOAT16`` for ``(level / 255 - mean) / std``.");
        visit("output_layout", output_layout, "``HWC`` or ``CHW``; by itself HWC for levels, CHW for floats.");
        visit("mean", mean, "One for all channels, or red, green and blue. Of levels from 0 to 1, as in torchvision.");
        visit("std", std, "The same.");
    }
};

/// Puts arguments into the schema.
struct Declare {
    dali::OpSchema& schema;

    void operator()(const char* name, dali::DALIDataType value, const char* doc) const {
        schema.AddOptionalTypeArg(name, doc, value);
    }
    void operator()(const char* name, double value, const char* doc) const {
        schema.AddOptionalArg(name, doc, static_cast<float>(value));
    }
    void operator()(const char* name, const std::vector<double>& value, const char* doc) const {
        schema.AddOptionalArg(name, doc, std::vector<float>(value.begin(), value.end()));
    }
    /// The seed. If it could be left out, DALI would fill in a random one.
    void operator()(const char* name, std::int64_t /*value*/, const char* doc) const {
        schema.AddArg(name, doc, DALI_INT64);
    }
    template <typename Value>
    void operator()(const char* name, const Value& value, const char* doc) const {
        schema.AddOptionalArg(name, doc, value);
    }
};

/// Takes those that were given from an operator's spec.
struct Read {
    const dali::OpSpec& spec;

    template <typename Value>
    void operator()(const char* name, Value& value, const char* /*doc*/) const {
        if (!spec.HasArgument(name)) return;
        if constexpr (std::is_same_v<Value, double>) {
            value = as_written(spec.GetArgument<float>(name));
        } else if constexpr (std::is_same_v<Value, std::vector<double>>) {
            value.clear();
            for (const float number : spec.GetRepeatedArgument<float>(name)) value.push_back(as_written(number));
        } else if constexpr (std::is_same_v<Value, std::vector<int>>) {
            value = spec.GetRepeatedArgument<int>(name);
        } else {
            value = spec.GetArgument<Value>(name);
        }
    }

    /// DALI hands numbers over as float32. The shortest decimal that gives this one is what the user wrote, 0.3, and
    /// so what the library gets elsewhere.
    static double as_written(float number) {
        std::array<char, 32> text{};
        const char* end = std::to_chars(text.begin(), text.end(), number).ptr;
        double value = 0;
        std::from_chars(text.data(), end, value);
        return value;
    }
};

/// A list of `count` values, or of one that stands for all.
template <typename To, std::size_t count, typename From>
std::array<To, count> spread(const char* name, const std::vector<From>& values, const char* allowed) {
    if (values.size() != 1 && values.size() != count) {
        refuse(std::string(name) + ": " + std::to_string(values.size()) + " values; allowed are " + allowed);
    }
    std::array<To, count> all{};
    for (std::size_t i = 0; i < count; i++) all[i] = static_cast<To>(values[values.size() == 1 ? 0 : i]);
    return all;
}

halmix::Fill fill_of(const Arguments& arguments) {
    for (const int level : arguments.fill) {
        if (level < 0 || level > 255) refuse("fill: " + std::to_string(level) + "; allowed are levels 0..255");
    }
    return spread<std::uint8_t, 3>("fill", arguments.fill, "a level and three of them");
}

halmix::RandomResizedCrop crop_of(const Arguments& arguments) {
    halmix::RandomResizedCrop crop = arguments.box;
    const auto [height, width] = spread<int, 2>("crop", arguments.crop, "a size, and height and width");
    const auto [min_scale, max_scale] = spread<double, 2>("scale", arguments.scale, "two numbers");
    const auto [min_ratio, max_ratio] = spread<double, 2>("ratio", arguments.ratio, "two numbers");
    crop.width = width, crop.height = height;
    crop.min_scale = min_scale, crop.max_scale = max_scale;
    crop.min_ratio = min_ratio, crop.max_ratio = max_ratio;
    crop.filter = halmix::parse_filter(arguments.interpolation);
    crop.order = halmix::parse_pass_order(arguments.order);
    return crop;
}

halmix::Layout layout_of(const Arguments& arguments) {
    const bool levels = arguments.dtype == DALI_UINT8;
    const std::string& layout = arguments.output_layout;
    if (levels && (layout.empty() || layout == "HWC")) return halmix::Layout::u8_hwc;
    if (layout.empty() || layout == "CHW") {
        if (levels) return halmix::Layout::u8_chw;
        if (arguments.dtype == DALI_FLOAT) return halmix::Layout::f32_chw;
        if (arguments.dtype == DALI_FLOAT16) return halmix::Layout::f16_chw;
    }
    refuse("dtype " + to_string(arguments.dtype) + ", output_layout \"" + layout +
           "\"; allowed are UINT8 as HWC and CHW, FLOAT and FLOAT16 as CHW");
}

/// What a sample's key names: a draw, or with a view of -1 the clean view.
struct Draw {
    halmix::Key key;
    bool clean = false;
};

/// One number is the index, two are epoch and index, three epoch, index and view.
template <typename Number>
Draw draw_of(const Number* numbers, std::int64_t count, std::uint64_t seed, int sample) {
    constexpr std::int64_t index_max = std::numeric_limits<std::int64_t>::max();
    static constexpr struct {
        const char* name;
        std::int64_t low, high;
    } parts[] = {{"epoch", 0, 0xffffffff}, {"index", 0, index_max}, {"view", -1, 0xffff}};
    std::int64_t values[] = {0, 0, 0};
    for (std::int64_t i = 0; i < count; i++) {
        const std::int64_t part = count == 1 ? 1 : i;
        const auto& [name, low, high] = parts[part];
        values[part] = numbers[i];
        if (values[part] >= low && values[part] <= high) continue;
        refuse("keys: sample " + std::to_string(sample) + ": " + name + " " + std::to_string(values[part]) +
               "; allowed are whole numbers " + std::to_string(low) + ".." + std::to_string(high));
    }
    const auto [epoch, index, view] = values;
    const bool clean = view < 0;
    return {{seed, static_cast<std::uint32_t>(epoch), static_cast<std::uint64_t>(index),
             static_cast<std::uint16_t>(clean ? 0 : view)},
            clean};
}

Draw draw_of(const dali::TensorList<dali::CPUBackend>& keys, int sample, std::uint64_t seed) {
    const dali::span<const std::int64_t> shape = keys.tensor_shape_span(sample);
    const std::int64_t count = dali::volume(shape);
    if (shape.size() > 1 || count < 1 || count > 3) {
        refuse("keys: sample " + std::to_string(sample) + " has " + std::to_string(count) + " numbers in " +
               std::to_string(shape.size()) +
               " dimensions; allowed are an index, [epoch, index] and [epoch, index, view]");
    }
    if (keys.type() == DALI_INT64) return draw_of(keys.tensor<std::int64_t>(sample), count, seed, sample);
    if (keys.type() == DALI_INT32) return draw_of(keys.tensor<std::int32_t>(sample), count, seed, sample);
    refuse("keys: of type " + to_string(keys.type()) + "; allowed are int64 and int32");
}

/// DALI's threads have the tasks done: each takes the next one until none is left.
void run_in_pool(void* pool, std::size_t count, halmix::Runner::Task task, void* tasks) {
    auto& threads = *static_cast<dali::ThreadPool*>(pool);
    std::atomic<std::size_t> next = 0;
    auto work = [&] {
        for (std::size_t i = next++; i < count && task(tasks, i); i = next++) {
        }
    };
    const auto wanted = std::min<std::size_t>(count, threads.NumThreads());
    // A reference is what std::function holds without taking memory.
    for (std::size_t i = 0; i < wanted; i++) threads.AddWork(std::ref(work));
    threads.RunAll();
}

/// It has no state beyond its arguments, so it adds nothing to checkpoints.
template <typename Backend>
class Augmix : public dali::StatelessOperator<Backend> {
 public:
    static constexpr bool on_gpu = std::is_same_v<Backend, dali::GPUBackend>;

    explicit Augmix(const dali::OpSpec& spec)
        : dali::StatelessOperator<Backend>(spec), engine_(on_gpu ? "cuda:" + device_of(spec) : "auto") {
        Arguments arguments;
        arguments.each(Read{spec});
        if (arguments.seed < 0) refuse("seed: " + std::to_string(arguments.seed) + "; allowed are numbers from 0 up");
        seed_ = static_cast<std::uint64_t>(arguments.seed);
        policy_ = arguments.policy;
        policy_.ops = halmix::parse_op_choices(arguments.augmentation_set);
        policy_.fill = fill_of(arguments);
        for (const char* name : {"scale", "ratio", "interpolation", "flip", "order"}) {
            if (arguments.crop.empty() && spec.HasArgument(name)) refuse(std::string(name) + ": allowed beside crop");
        }
        if (!arguments.crop.empty()) policy_.crop = crop_of(arguments);
        halmix::validate(policy_);
        dtype_ = arguments.dtype;
        layout_ = layout_of(arguments);
        constexpr auto allowed = "a number and three of them";
        options_.normalization = {spread<float, 3>("mean", arguments.mean, allowed),
                                  spread<float, 3>("std", arguments.std, allowed)};
        options_.workspace = &workspace_;
    }

 protected:
    bool SetupImpl(std::vector<dali::OutputDesc>& results, const dali::Workspace& ws) override {
        const auto& images = ws.Input<Backend>(0);
        if (images.type() != DALI_UINT8) {
            refuse("images: of type " + to_string(images.type()) + "; allowed is uint8");
        }
        dali::TensorListShape<> shapes = images.shape();
        for (int i = 0; i < shapes.num_samples(); i++) {
            const Size size = size_of(images, i), result = result_of(size);
            if (size.channels != 1 && size.channels != 3) {
                refuse("images: sample " + std::to_string(i) + " has " + std::to_string(size.channels) +
                       " channels; allowed are 1 (gray) and 3 (RGB)");
            }
            if (halmix::has_planes(layout_)) {
                shapes.set_tensor_shape(i, dali::TensorShape<>{result.channels, result.height, result.width});
            } else {
                shapes.set_tensor_shape(i, dali::TensorShape<>{result.height, result.width, result.channels});
            }
        }
        results = {{std::move(shapes), dtype_}};
        return true;
    }

    using dali::Operator<Backend>::RunImpl;
    void RunImpl(dali::Workspace& ws) override {
        const auto& images = ws.Input<Backend>(0);
        const auto& keys = ws.Input<dali::CPUBackend>(1);
        auto& results = ws.Output<Backend>(0);
        results.SetLayout(halmix::has_planes(layout_) ? "CHW" : "HWC");
        plans_.resize(images.num_samples());
        for (int i = 0; i < images.num_samples(); i++) {
            const Draw draw = draw_of(keys, i, seed_);
            const Size size = size_of(images, i);
            if (draw.clean) {
                halmix::sample_clean(policy_, draw.key, size.width, size.height, plans_[i]);
            } else {
                halmix::sample(policy_, draw.key, size.width, size.height, plans_[i]);
            }
        }
        if constexpr (on_gpu) {
            options_.queue.stream = ws.stream();
            run_on_gpu(images, results);
        } else {
            options_.runner = {run_in_pool, &ws.GetThreadPool()};
            run_on_cpu(images, results);
        }
    }

 private:
    using Images = dali::TensorList<Backend>;

    struct Size {
        int width, height, channels;
        friend bool operator==(const Size&, const Size&) = default;
    };

    static std::string device_of(const dali::OpSpec& spec) {
        return std::to_string(spec.GetArgument<int>("device_id"));
    }

    static Size size_of(const Images& images, int sample) {
        const dali::span<const std::int64_t> shape = images.tensor_shape_span(sample);
        return {static_cast<int>(shape[1]), static_cast<int>(shape[0]), static_cast<int>(shape[2])};
    }

    [[nodiscard]] Size result_of(const Size& size) const {
        return policy_.crop ? Size{policy_.crop->width, policy_.crop->height, size.channels} : size;
    }

    void run_on_cpu(const Images& images, Images& results) {
        tasks_.clear();
        for (int i = 0; i < images.num_samples(); i++) {
            const Size size = size_of(images, i), result = result_of(size);
            tasks_.push_back(
                {&plans_[i],
                 {static_cast<const std::uint8_t*>(images.raw_tensor(i)), size.width, size.height, size.channels},
                 {static_cast<std::uint8_t*>(results.raw_mutable_tensor(i)), result.width, result.height,
                  result.channels, layout_}});
        }
        engine_.run(tasks_, options_);
    }

    /// Neighbours of one size that lie one after another are a batch: all of them, if all have one size.
    void run_on_gpu(const Images& images, Images& results) {
        const std::span<const halmix::Plan> plans(plans_);
        for (int first = 0, end = 0; first < images.num_samples(); first = end) {
            const Size size = size_of(images, first), result = result_of(size);
            const std::size_t in_bytes = bytes(size, halmix::Layout::u8_hwc), out_bytes = bytes(result, layout_);
            const auto* const in = static_cast<const std::uint8_t*>(images.raw_tensor(first));
            auto* const out = static_cast<std::uint8_t*>(results.raw_mutable_tensor(first));
            for (end = first + 1; end < images.num_samples(); end++) {
                const std::size_t k = end - first;
                if (size_of(images, end) != size || images.raw_tensor(end) != in + k * in_bytes ||
                    results.raw_tensor(end) != out + k * out_bytes) {
                    break;
                }
            }
            const int count = end - first;
            engine_.run(plans.subspan(first, count),
                        halmix::Batch{in, count, size.width, size.height, size.channels, halmix::Memory::cuda},
                        halmix::MutableBatch{out, count, result.width, result.height, result.channels,
                                             halmix::Memory::cuda, layout_},
                        options_);
        }
    }

    static std::size_t bytes(const Size& size, halmix::Layout layout) {
        return halmix::image_bytes(layout, size.width, size.height, size.channels);
    }

    halmix::Engine engine_;
    std::uint64_t seed_ = 0;
    halmix::Policy policy_;
    dali::DALIDataType dtype_;
    halmix::Layout layout_;
    halmix::Options options_;

    // Of one batch, kept for the next.
    halmix::Workspace workspace_;
    std::vector<halmix::Plan> plans_;
    std::vector<halmix::Task> tasks_;
};

}  // namespace halmix_dali

DALI_SCHEMA(halmix__Augmix)
    .DocStr("AugMix, and what comes with it: a random resized crop and flip before, normalisation after, in one pass.")
    .NumInput(2)
    .NumOutput(1)
    .InputDox(0, "images", "TensorList of uint8", "Gray or RGB images of any sizes, HWC.")
    .InputDox(1, "keys", "TensorList of int64 or int32",
              "What is drawn for a sample: its index, or [epoch, index], or [epoch, index, view]. A view of -1 is the "
              "clean one: cropped, not augmented. All views of a sample are of one crop. On the CPU, always.")
    .InputLayout(0, "HWC")
    .InputDevice(1, dali::InputDevice::CPU);

static const bool arguments_declared = [] {
    halmix_dali::Arguments().each(halmix_dali::Declare{dali::SchemaRegistry::RegisterSchema("halmix__Augmix")});
    return true;
}();

DALI_REGISTER_OPERATOR(halmix__Augmix, halmix_dali::Augmix<::dali::CPUBackend>, ::dali::CPU);
DALI_REGISTER_OPERATOR(halmix__Augmix, halmix_dali::Augmix<::dali::GPUBackend>, ::dali::GPU);
