#include "halmix/engine.h"

#include <HalideRuntime.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "catalogue.h"
#include "halide_glue.h"
#include "halmix/error.h"
#include "program.h"
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

/// A Halide buffer over someone else's memory; pipelines keep no pointer to it.
template <std::size_t rank>
struct Buffer : halide_buffer_t {
    Buffer(const void* data, halide_type_t element, const std::array<halide_dimension_t, rank>& shape)
        : halide_buffer_t{}, shape_(shape) {
        host = static_cast<std::uint8_t*>(const_cast<void*>(data));
        type = element;
        dimensions = rank;
        dim = shape_.data();
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

 private:
    std::array<halide_dimension_t, rank> shape_;
};

halide_dimension_t dimension(std::ptrdiff_t extent, std::ptrdiff_t stride) {
    return {0, static_cast<std::int32_t>(extent), static_cast<std::int32_t>(stride)};
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

Engine::Engine(std::string_view target) {
    Choice choice = choose_target(target);
    index_ = choice.target;
    target_ = &targets()[index_];
    reason_ = std::move(choice.reason);
}

void Engine::apply(std::span<const OpCall> ops, const Fill& fill, ImageView in, MutableImageView out) const {
    check_ops(ops);
    check_images(in, out);
    Slots slots(in, 2);
    lower(ops, in.width, in.height, in.channels, workspace.program);
    if (overlap(in, out)) {
        run_program(workspace.program, index_, fill, in, slots[0], slots[1]);
        copy(slots[0], out);
    } else {
        run_program(workspace.program, index_, fill, in, out, slots[0]);
    }
}

void Engine::run(const Plan& plan, ImageView in, MutableImageView out) const {
    validate(plan);
    check_images(in, out);
    if (plan.width != in.width || plan.height != in.height) {
        throw Error(Status::bad_plan, "plan: it is for an image of " + std::to_string(plan.width) + "x" +
                                          std::to_string(plan.height) + " pixels; this one has " +
                                          std::to_string(in.width) + "x" + std::to_string(in.height));
    }
    std::size_t count = plan.chains.size();
    Slots slots(in, count + 1);
    workspace.weights.clear();
    for (std::size_t k = 0; k < count; k++) {
        const Chain& chain = plan.chains[k];
        workspace.weights.push_back(chain.weight);
        lower(chain.ops, in.width, in.height, in.channels, workspace.program);
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
    const TargetRow& target = target_rows[index_];
    check(target.mix(&original, &chains, &weights, plan.mix, &mixed), "mix");
    if (staged) copy(result, out);
}

std::vector<std::string_view> Engine::describe(std::span<const OpCall> ops, int width, int height, int channels) const {
    check_ops(ops);
    Program program;
    lower(ops, width, height, channels, program);
    std::vector<std::string_view> names;
    for (const Step& step : program.steps) names.push_back(step.pipeline->name);
    return names;
}

}  // namespace halmix
