#include "halmix/engine.h"

#include <HalideRuntime.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <utility>

#include "catalogue.h"
#include "gpu/gpu_engine.h"
#include "halide/buffer.h"
#include "halide/glue.h"
#include "halmix/error.h"
#include "lowering/elements.h"
#include "lowering/program.h"
#include "target.h"

namespace halmix {

namespace {

/// What a thread keeps between images. Images in it have no gaps between rows.
struct Workspace {
    Program program;
    std::vector<float> weights;

    /// Memory for `count` images of `size` bytes each; what was there before is lost.
    std::uint8_t* reserve(std::size_t count, std::size_t size) {
        if (size != 0 && count > std::numeric_limits<std::size_t>::max() / size) fail(count, size);
        if (count * size > capacity_) {
            memory_.reset();
            capacity_ = 0;
            memory_.reset(static_cast<std::uint8_t*>(std::malloc(count * size)));
            if (!memory_) fail(count, size);
            capacity_ = count * size;
        }
        return memory_.get();
    }

 private:
    [[noreturn]] static void fail(std::size_t count, std::size_t size) {
        throw Error(Status::out_of_memory, "no memory for a workspace of " + std::to_string(count) + " images of " +
                                               std::to_string(size) + " bytes");
    }

    struct Free {
        void operator()(std::uint8_t* memory) const { std::free(memory); }
    };
    std::unique_ptr<std::uint8_t, Free> memory_;
    std::size_t capacity_ = 0;
};

thread_local Workspace workspace;

std::string size_text(int width, int height, int channels) {
    return std::to_string(width) + "x" + std::to_string(height) + "x" + std::to_string(channels);
}

void check_image(const char* name, const ImageView& image) {
    auto fail = [&](const std::string& problem) {
        throw Error(Status::invalid_argument, std::string(name) + " image: " + problem);
    };
    if (image.data == nullptr) fail("its data is null");
    if (image.channels != 1 && image.channels != 3) {
        fail(std::to_string(image.channels) + " channels; allowed are 1 (gray) and 3 (RGB)");
    }
    if (image.width < 1 || image.height < 1) {
        fail("size " + size_text(image.width, image.height, image.channels) + "; it needs at least one pixel");
    }
    std::int64_t row = std::int64_t{image.width} * image.channels;
    std::int64_t stride = image.stride;
    if (stride < row && stride > -row) {
        fail("stride " + std::to_string(stride) + "; a row has " + std::to_string(row) + " bytes");
    }
    // Pipelines index in 31 bits, their own padded copies too.
    constexpr std::int64_t limit = std::numeric_limits<std::int32_t>::max();
    constexpr std::int64_t row_padding = 512, rows_of_padding = 8;
    if (stride < -limit || stride > limit || (image.height - 1) * std::abs(stride) + row > limit ||
        (image.height + rows_of_padding) * (row + row_padding) > limit) {
        fail("size " + size_text(image.width, image.height, image.channels) + " with stride " + std::to_string(stride) +
             " is too large; (height + 8) * (width * channels + 512) and the bytes from first to last may be at most "
             "2^31 - 1");
    }
}

void check_images(const ImageView& in, const ImageView& out) {
    check_image("input", in);
    check_image("output", out);
    if (in.width != out.width || in.height != out.height || in.channels != out.channels) {
        throw Error(Status::invalid_argument, "output image: size " + size_text(out.width, out.height, out.channels) +
                                                  "; the input's is " + size_text(in.width, in.height, in.channels));
    }
}

void check_ops(std::span<const OpCall> ops) {
    for (const OpCall& call : ops) validate(call);
    if (ops.size() > max_depth) {
        throw Error(Status::invalid_argument, "ops: " + std::to_string(ops.size()) + " of them; at most " +
                                                  std::to_string(max_depth) + " make a chain");
    }
}

void check_plan(const Plan& plan, int width, int height) {
    validate(plan);
    if (plan.width != width || plan.height != height) {
        throw Error(Status::bad_plan, "plan: it is for an image of " + std::to_string(plan.width) + "x" +
                                          std::to_string(plan.height) + " pixels; this one has " +
                                          std::to_string(width) + "x" + std::to_string(height));
    }
}

bool overlap(const ImageView& a, const ImageView& b) {
    auto range = [](const ImageView& image) {
        auto first = reinterpret_cast<std::uintptr_t>(image.row(0));
        auto last = reinterpret_cast<std::uintptr_t>(image.row(image.height - 1));
        return std::pair{std::min(first, last), std::max(first, last) + std::size_t(image.width) * image.channels};
    };
    auto [a_begin, a_end] = range(a);
    auto [b_begin, b_end] = range(b);
    return a_begin < b_end && b_begin < a_end;
}

void copy(const ImageView& from, const MutableImageView& to) {
    for (int y = 0; y < from.height; y++) {
        std::memcpy(to.row(y), from.row(y), static_cast<std::size_t>(from.width) * from.channels);
    }
}

Buffer<3> pixels(const ImageView& image) {
    return {
        image.data,
        halide_type_of<std::uint8_t>(),
        {dimension(image.channels, 1), dimension(image.width, image.channels), dimension(image.height, image.stride)}};
}

bool has_gaps(const ImageView& image) { return image.stride != std::ptrdiff_t{image.width} * image.channels; }

ImageView one_row(const ImageView& image) { return {image.data, image.width * image.height, 1, image.channels}; }

void check(int status, std::string_view pipeline) {
    if (status == 0) return;
    if (status == halide_error_code_out_of_memory) {
        throw Error(Status::out_of_memory, std::string(pipeline) + ": no memory for intermediate results");
    }
    throw Error(Status::pipeline_failed, std::string(pipeline) + ": " + last_pipeline_error());
}

/// Room for the scratch memory of any pipeline, or of most: each stage has its image twice at most, padded, and tables
/// by row and column. For huge images it is less, and pipelines take the rest when they need it.
void reserve_scratch_for(const ImageView& image) {
    constexpr std::size_t enough = std::size_t{64} << 20;
    std::size_t row = std::size_t(image.width) * image.channels + 256, rows = std::size_t(image.height) + 16;
    std::size_t stage = 2 * row * rows + 64 * (row + rows) + 16384;
    reserve_scratch(std::min(enough, stage * longest_sequence));
}

/// Images of one size in this thread's memory, one after another, and room for what pipelines on them need.
struct Slots {
    Slots(const ImageView& like, std::size_t count)
        : width(like.width),
          height(like.height),
          channels(like.channels),
          size(std::size_t(width) * height * channels),
          memory(workspace.reserve(count, size)) {
        reserve_scratch_for(like);
    }

    MutableImageView operator[](std::size_t k) const { return {memory + k * size, width, height, channels}; }

    int width, height, channels;
    std::size_t size;
    std::uint8_t* memory;
};

/// The image without gaps between rows: itself, or copied to `room`.
ImageView packed(const ImageView& image, const MutableImageView& room) {
    if (!has_gaps(image)) return image;
    copy(image, room);
    return room;
}

const char* name_of(Memory memory) {
    return memory == Memory::host ? "host" : memory == Memory::cuda ? "cuda" : "opencl";
}

void check_batch(std::span<const Plan> plans, const Batch& in, const MutableBatch& out, Memory of_target,
                 std::string_view target) {
    auto fail = [](const char* name, const std::string& problem) {
        throw Error(Status::invalid_argument, std::string(name) + " batch: " + problem);
    };
    auto check_memory = [&](const char* name, const void* data, Memory memory) {
        if (data == nullptr) fail(name, "its data is null");
        if (memory != Memory::host && memory != of_target) {
            fail(name, std::string("its memory is ") + name_of(memory) + "; target " + std::string(target) +
                           " takes host" +
                           (of_target == Memory::host ? "" : std::string(" and ") + name_of(of_target)));
        }
    };
    if (in.count < 1 || plans.size() % in.count != 0) {
        fail("input", std::to_string(in.count) + " images for " + std::to_string(plans.size()) +
                          " plans; each image has as many plans as the others");
    }
    if (out.count < 0 || plans.size() != static_cast<std::size_t>(out.count)) {
        fail("output", std::to_string(out.count) + " images for " + std::to_string(plans.size()) + " plans");
    }
    if (plans.empty()) return;
    check_memory("input", in.data, in.memory);
    check_memory("output", out.data, out.memory);
    std::uint8_t somewhere = 0;  // device pointers are none to look at
    check_images({&somewhere, in.width, in.height, in.channels},
                 MutableImageView{&somewhere, out.width, out.height, out.channels});
    for (int channel = 0; channel < in.channels; channel++) {
        float mean = out.normalization.mean[channel], deviation = out.normalization.std[channel];
        if (!std::isfinite(mean) || !std::isfinite(deviation) || deviation == 0) {
            fail("output", "normalization of channel " + std::to_string(channel) + ": mean " + std::to_string(mean) +
                               ", std " + std::to_string(deviation) + "; both must be finite, and std not 0");
        }
    }
    auto begins = [](const void* data) { return reinterpret_cast<std::uintptr_t>(data); };
    std::size_t bytes = std::size_t(in.width) * in.height * in.channels;
    std::size_t in_bytes = in.count * bytes, out_bytes = plans.size() * bytes * element_bytes(out.format);
    bool disjoint = begins(in.data) + in_bytes <= begins(out.data) || begins(out.data) + out_bytes <= begins(in.data);
    bool opaque = in.memory == Memory::opencl;  // a cl_mem is no address
    if (in.memory == out.memory && (opaque ? in.data == out.data : !disjoint)) fail("output", "it overlaps the input");
    for (const Plan& plan : plans) check_plan(plan, in.width, in.height);
}

/// An image's levels as elements, each channel by itself.
void convert(const ImageView& image, Format format, const std::vector<std::uint8_t>& elements, std::uint8_t* to) {
    auto size = static_cast<std::size_t>(element_bytes(format));
    for (int channel = 0; channel < image.channels; channel++) {
        const std::uint8_t* table = elements.data() + 256 * size * channel;
        for (int i = 0; i < image.width * image.height; i++, to += size) {
            std::memcpy(to, table + image.data[i * image.channels + channel] * size, size);
        }
    }
}

Batch batch_of_one(const ImageView& image) { return {image.data, 1, image.width, image.height, image.channels}; }

MutableBatch batch_of_one(const MutableImageView& image) {
    return {image.data, 1, image.width, image.height, image.channels};
}

/// Runs a lowered chain. `out` and `scratch` overlap neither each other nor `in`.
void run_program(const Program& program, std::size_t target, const Fill& fill, const ImageView& in,
                 const MutableImageView& out, const MutableImageView& scratch) {
    if (program.steps.empty()) return copy(in, out);
    std::uint32_t packed_fill = fill[0] | fill[1] << 8 | fill[2] << 16;
    std::ptrdiff_t stages = std::ssize(program.kinds);
    ImageView from = in;
    for (std::size_t i = 0; i < program.steps.size(); i++) {
        const Step& step = program.steps[i];
        std::ptrdiff_t end = i + 1 < program.steps.size() ? program.steps[i + 1].first_stage : stages;
        std::ptrdiff_t count = end - step.first_stage;
        // Alternating so that the last step writes to out.
        const MutableImageView& to = (program.steps.size() - i) % 2 == 1 ? out : scratch;
        bool flat = step.pipeline->flat && !has_gaps(from) && !has_gaps(to);
        Buffer<3> src = pixels(flat ? one_row(from) : from), dst = pixels(flat ? one_row(to) : to);
        Buffer<2> params(program.params[step.first_stage].data(), halide_type_of<double>(),
                         {dimension(std::tuple_size_v<Params>, 1), dimension(count, std::tuple_size_v<Params>)});
        Buffer<2> tables(program.tables[step.first_stage].data(), halide_type_of<std::uint8_t>(),
                         {dimension(std::tuple_size_v<Table>, 1), dimension(count, std::tuple_size_v<Table>)});
        check(step.pipeline->functions[target](&src, &params, &tables, packed_fill, &dst), step.pipeline->name);
        from = to;
    }
}

}  // namespace

Engine::Engine(std::string_view target, Memory data) {
    Choice choice = choose_target(target, data);
    index_ = choice.index;
    reason_ = std::move(choice.reason);
    target_ = choice.gpu ? describe_gpu(index_) : describe_cpu(index_);
    if (choice.gpu) {
        gpu_ = std::make_shared<GpuEngine>(index_, choice.device);
        target_.available = true;
        target_.devices = {gpu_->device().name};
    }
}

void Engine::apply(std::span<const OpCall> ops, const Fill& fill, ImageView in, MutableImageView out) const {
    check_ops(ops);
    check_images(in, out);
    Slots slots(in, 2);
    if (gpu_) {
        gpu_->apply(ops, fill, packed(in, slots[0]), slots[1]);
        return copy(slots[1], out);
    }
    lower(ops, in.width, in.height, in.channels, Processor::cpu, workspace.program);
    if (overlap(in, out)) {
        run_program(workspace.program, index_, fill, in, slots[0], slots[1]);
        copy(slots[0], out);
    } else {
        run_program(workspace.program, index_, fill, in, out, slots[0]);
    }
}

void Engine::run(const Plan& plan, ImageView in, MutableImageView out) const {
    check_images(in, out);
    check_plan(plan, in.width, in.height);
    std::size_t count = plan.chains.size();
    Slots slots(in, count + 1);
    if (gpu_) {
        gpu_->run({&plan, 1}, batch_of_one(packed(in, slots[0])), batch_of_one(slots[1]), {}, false);
        return copy(slots[1], out);
    }
    workspace.weights.clear();
    for (std::size_t k = 0; k < count; k++) {
        const Chain& chain = plan.chains[k];
        workspace.weights.push_back(chain.weight);
        lower(chain.ops, in.width, in.height, in.channels, Processor::cpu, workspace.program);
        run_program(workspace.program, index_, plan.fill, in, slots[k], slots[count]);
    }

    bool staged = overlap(in, out);
    MutableImageView result = staged ? slots[count] : out;
    bool flat = !has_gaps(in) && !has_gaps(result);
    std::ptrdiff_t row = std::ptrdiff_t{in.width} * in.channels, rows = in.height;
    if (flat) row *= std::exchange(rows, 1);
    auto byte = halide_type_of<std::uint8_t>();
    Buffer<2> original(in.data, byte, {dimension(row, 1), dimension(rows, in.stride)});
    Buffer<3> chains(slots.memory, byte, {dimension(row, 1), dimension(rows, row), dimension(count, slots.size)});
    Buffer<1> weights(workspace.weights.data(), halide_type_of<float>(), {dimension(count, 1)});
    Buffer<2> mixed(result.data, byte, {dimension(row, 1), dimension(rows, result.stride)});
    check(cpu_rows[index_].mix(&original, &chains, &weights, plan.mix, &mixed), "mix");
    if (staged) copy(result, out);
}

void Engine::run(std::span<const Plan> plans, std::span<const ImageView> in,
                 std::span<const MutableImageView> out) const {
    if (in.size() != plans.size() || out.size() != plans.size()) {
        throw Error(Status::invalid_argument, "batch: " + std::to_string(plans.size()) + " plans, " +
                                                  std::to_string(in.size()) + " input and " +
                                                  std::to_string(out.size()) + " output images; they must be as many");
    }
    if (!gpu_) {
        for (std::size_t i = 0; i < plans.size(); i++) run(plans[i], in[i], out[i]);
        return;
    }
    std::map<std::array<int, 3>, std::vector<std::size_t>> by_size;
    for (std::size_t i = 0; i < plans.size(); i++) {
        check_images(in[i], out[i]);
        by_size[{in[i].width, in[i].height, in[i].channels}].push_back(i);
    }
    for (const auto& [size, members] : by_size) {
        auto [width, height, channels] = size;
        std::size_t bytes = std::size_t(width) * height * channels;
        std::vector<Plan> group;
        std::vector<std::uint8_t> from(bytes * members.size()), to(bytes * members.size());
        for (std::size_t k = 0; k < members.size(); k++) {
            group.push_back(plans[members[k]]);
            copy(in[members[k]], {from.data() + k * bytes, width, height, channels});
        }
        auto count = static_cast<int>(members.size());
        run(group, Batch{from.data(), count, width, height, channels},
            MutableBatch{to.data(), count, width, height, channels});
        for (std::size_t k = 0; k < members.size(); k++) {
            copy({to.data() + k * bytes, width, height, channels}, out[members[k]]);
        }
    }
}

BatchReport Engine::run(std::span<const Plan> plans, const Batch& in, const MutableBatch& out, const Queue& queue,
                        bool timed) const {
    check_batch(plans, in, out, gpu_ ? gpu_->device().memory : Memory::host, target_.name);
    if (plans.empty()) return {.passes = 0};
    if (gpu_) return gpu_->run(plans, in, out, queue, timed);

    auto begin = std::chrono::steady_clock::now();
    const std::size_t views = plans.size() / in.count, bytes = std::size_t(in.width) * in.height * in.channels;
    const bool levels = out.format == Format::u8_hwc;
    const std::vector<std::uint8_t> elements = make_elements(out.format, out.normalization, in.channels);
    std::vector<std::uint8_t> unconverted(levels ? 0 : bytes);
    for (std::size_t i = 0; i < plans.size(); i++) {
        auto* result = static_cast<std::uint8_t*>(out.data) + i * bytes * element_bytes(out.format);
        MutableImageView image(levels ? result : unconverted.data(), in.width, in.height, in.channels);
        run(plans[i], {static_cast<const std::uint8_t*>(in.data) + i / views * bytes, in.width, in.height, in.channels},
            image);
        if (!levels) convert(image, out.format, elements, result);
    }
    std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    return {.kernels = timed ? taken.count() : 0};
}

void Engine::warm_up(int count, int width, int height, int channels, int chains, const Queue& queue) const {
    if (!gpu_) return;
    constexpr std::array<double, op_count> values = {0, 0, 4, 10, 128, 0.1, 0.1, 3, 3, 1.5, 1.5, 1.5, 1.5};
    std::vector<std::uint8_t> image(std::size_t(width) * height * channels * count), result(4 * image.size());
    // As many steps and tables as a plan of depth 3 can have.
    const Chain chain{0, {{Op::posterize, 4}, {Op::sharpness, 1.5}, {Op::solarize, 128}}};
    std::vector<Plan> plans(count, {width, height, 0.5F, {}, std::vector<Chain>(chains, chain)});
    for (const OpInfo& info : ops()) {
        OpCall call{info.op, values[static_cast<std::size_t>(info.op)]};
        apply({&call, 1}, {}, {image.data(), width, height, channels}, {result.data(), width, height, channels});
    }
    for (Format format : {Format::u8_hwc, Format::f16_chw, Format::f32_chw}) {
        run(plans, Batch{image.data(), count, width, height, channels},
            MutableBatch{result.data(), count, width, height, channels, Memory::host, format}, queue);
    }
}

std::vector<std::string_view> Engine::describe(std::span<const OpCall> ops, int width, int height, int channels) const {
    check_ops(ops);
    Program program;
    lower(ops, width, height, channels, gpu_ ? Processor::gpu : Processor::cpu, program);
    std::vector<std::string_view> names;
    for (const Step& step : program.steps) names.push_back(step.pipeline->name);
    return names;
}

}  // namespace halmix
