#include "cpu/cpu_engine.h"

#include <HalideRuntime.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "catalogue.h"
#include "cpu/view.h"
#include "halide/buffer.h"
#include "halide/kept_memory.h"
#include "halmix/error.h"

namespace halmix {

namespace {

/// Room for the scratch memory of any pipeline, or of most: each stage has its image twice at most, padded, and tables
/// by row and column. For huge images it is less, and pipelines take the rest when they need it.
std::size_t scratch_bytes(const ImageView& image) {
    constexpr std::size_t enough = std::size_t{64} << 20, copies = 2, row_padding = 256, rows_of_padding = 16;
    constexpr std::size_t entry = 64, tables = 16384;  // bytes of what a row or column has; of tables by level
    std::size_t row = std::size_t(image.width) * image.channels + row_padding;
    std::size_t rows = std::size_t(image.height) + rows_of_padding;
    return std::min(enough, (copies * row * rows + entry * (row + rows) + tables) * longest_sequence);
}

/// Images of one size in a workspace, u8_hwc and one after another, and room for what pipelines on them need.
struct Slots {
    Slots(const ImageView& like, std::size_t count, CpuWorkspace& work)
        : width(like.width),
          height(like.height),
          channels(like.channels),
          size(image_bytes(Layout::u8_hwc, width, height, channels)),
          memory(work.images.reserve(count, size)) {
        work.context.scratch.reserve(scratch_bytes(like));
    }

    MutableImageView operator[](std::size_t k) const { return {memory + k * size, width, height, channels}; }

    int width, height, channels;
    std::size_t size;
    std::uint8_t* memory;
};

/// Images by bands of rows that stay in the second cache between two steps: calls `step(first row, rows)`.
template <typename Step>
void by_bands(const ImageView& image, const Step& step) {
    constexpr std::ptrdiff_t band_bytes = 131072;
    const std::ptrdiff_t row = std::max<std::ptrdiff_t>(row_bytes(Layout::u8_hwc, image.width, image.channels), 1);
    const int rows = static_cast<int>(std::clamp<std::ptrdiff_t>(band_bytes / row, 1, image.height));
    for (int y = 0; y < image.height; y += rows) step(y, std::min(rows, image.height - y));
}

}  // namespace

std::uint8_t* ImageMemory::reserve(std::size_t count, std::size_t size) {
    auto fail = [&] {
        throw Error(Status::out_of_memory, "no memory for a workspace of " + std::to_string(count) + " images of " +
                                               std::to_string(size) + " bytes");
    };
    if (size != 0 && count > std::numeric_limits<std::size_t>::max() / size) fail();
    if (count * size > capacity_) {
        release();
        memory_.reset(static_cast<std::uint8_t*>(allocate_to_keep(count * size)));
        if (!memory_) fail();
        capacity_ = count * size;
    }
    return memory_.get();
}

void ImageMemory::release() {
    memory_.reset();
    capacity_ = 0;
}

void CpuWorkspace::release() {
    context.scratch.release();
    program = {};
    weights = {};
    images.release();
    resize = {};
    cut.release();
    between.release();
}

/// One of the two layouts is u8_hwc, or both are the same.
void CpuEngine::convert(const ImageView& from, const MutableImageView& to, const Normalization& normalization,
                        Context& context) const {
    if (from.layout == to.layout) return copy(from, to);
    const CpuRow& row = cpu_rows[cpu_];
    const bool outwards = from.layout == Layout::u8_hwc;
    ConvertFunction function =
        (outwards ? row.from_hwc
                  : row.to_hwc)[from.channels == 1 ? 0 : 1][static_cast<int>(outwards ? to.layout : from.layout)];
    std::array<float, 6> values{};
    for (std::size_t c = 0; c < normalization.mean.size(); c++) {
        values[2 * c] = normalization.mean[c];
        values[2 * c + 1] = normalization.std[c];
    }
    Buffer<2> normalize(values.data(), halide_type_of<float>(), {dimension(2, 1), dimension(from.channels, 2)});
    bool flat = !has_gaps(from) && !has_gaps(to);
    Buffer<3> src = pixels(flat ? one_row(from) : from), dst = pixels(flat ? one_row(to) : to);
    check(function(&context, &src, &normalize, &dst), context, "convert");
}

void CpuEngine::resize(const ResizedCrop& crop, const ImageView& from, const MutableImageView& to,
                       CpuWorkspace& work) const {
    const ResampleRow& passes = cpu_rows[cpu_].resample;
    const int channels = to.channels;
    find_taps(crop, to.width, to.height, channels, passes.form, work.resize);
    const Taps &rows = work.resize.rows, &columns = work.resize.columns;
    const auto byte = halide_type_of<std::uint8_t>();
    const int digit_bits = 32 / passes.form.taps;

    // Some rows of an image, of which the one at `data` has the number `first`.
    struct Rows {
        const std::uint8_t* data;
        std::ptrdiff_t bytes, stride;
        int first, count;
    };
    auto pass = [&](const Taps& taps, ResampleFunction function, const Rows& source, const Rows& result) {
        auto buffer = [&](const Rows& rows) {
            Shape<2> shape{dimension(rows.bytes, 1), dimension(rows.count, rows.stride)};
            shape[1].min = rows.first;
            return Buffer<2>(rows.data, byte, shape);
        };
        Buffer<2> src = buffer(source), dst = buffer(result);
        Buffer<1> first(taps.first.data(), halide_type_of<std::int32_t>(), {dimension(std::ssize(taps.first), 1)});
        const std::ptrdiff_t words = std::ptrdiff_t{taps.elements} * passes.form.taps;
        Buffer<4> digits(
            taps.digits.data(), halide_type_t(halide_type_int, static_cast<std::uint8_t>(digit_bits)),
            {dimension(passes.form.taps, 1), dimension(taps.elements, passes.form.taps),
             dimension(passes.form.digits, words), dimension(taps.dot_products, words * passes.form.digits)});
        check(function(&work.context, &src, &first, &digits, &dst), work.context, "resize");
    };
    const ResampleFunction along_rows = channels == 1 ? passes.along_gray_rows : passes.along_rgb_rows;
    const std::ptrdiff_t from_bytes = row_bytes(from), to_bytes = row_bytes(to);

    // By bands of rows, so that what lies between the passes is still in the cache.
    if (columns_first(crop, to.width, to.height)) {
        by_bands(to, [&](int y, int count) {
            std::uint8_t* between = work.between.reserve(count, from_bytes);
            const Rows middle{between, from_bytes, from_bytes, y, count};
            pass(columns, passes.along_columns, {from.data, from_bytes, from.stride, 0, from.height}, middle);
            pass(rows, along_rows, middle, {to.row(y), to_bytes, to.stride, y, count});
        });
        return;
    }
    std::uint8_t* between = work.between.reserve(from.height, to_bytes);
    int made = 0;
    by_bands(to, [&](int y, int count) {
        constexpr int together = 16;  // rows that a pass takes
        const int reach = columns.first[y + count - 1] + columns.dot_products * passes.form.taps;
        const int needed = std::min(from.height, (reach + together - 1) / together * together);
        if (needed > made) {
            pass(rows, along_rows, {from.row(made), from_bytes, from.stride, made, needed - made},
                 {between + made * to_bytes, to_bytes, to_bytes, made, needed - made});
            made = needed;
        }
        pass(columns, passes.along_columns, {between, to_bytes, to_bytes, 0, from.height},
             {to.row(y), to_bytes, to.stride, y, count});
    });
}

/// `out` and `scratch` overlap neither each other nor `in`.
void CpuEngine::run_program(const Program& program, const Fill& fill, const ImageView& in, const MutableImageView& out,
                            const MutableImageView& scratch, Context& context) const {
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
        check(step.pipeline->functions[cpu_](&context, &src, &params, &tables, packed_fill, &dst), context,
              step.pipeline->name);
        from = to;
    }
}

/// Mixes rows of an image with those of its chains, which lie `chain_bytes` apart.
void CpuEngine::mix(const Plan& plan, const ImageView& original, const std::uint8_t* chains, std::size_t chain_bytes,
                    const MutableImageView& out, CpuWorkspace& work) const {
    const auto count = static_cast<std::ptrdiff_t>(plan.chains.size());
    std::ptrdiff_t row = row_bytes(original), rows = original.height;
    const auto byte = halide_type_of<std::uint8_t>();
    Buffer<3> mixed_chains(
        chains, byte,
        {dimension(row, 1), dimension(rows, row), dimension(count, static_cast<std::ptrdiff_t>(chain_bytes))});
    if (!has_gaps(original) && !has_gaps(out)) {
        row *= std::exchange(rows, 1);
        mixed_chains.dim[0].extent = static_cast<std::int32_t>(row);
        mixed_chains.dim[1].extent = 1;
    }
    Buffer<2> from(original.data, byte, {dimension(row, 1), dimension(rows, original.stride)});
    Buffer<1> weights(work.weights.data(), halide_type_of<float>(), {dimension(count, 1)});
    Buffer<2> mixed(out.data, byte, {dimension(row, 1), dimension(rows, out.stride)});
    check(cpu_rows[cpu_].mix(&work.context, &from, &mixed_chains, &weights, plan.mix, &mixed), work.context, "mix");
}

void CpuEngine::run(const Plan* plan, const ImageView& source_image, const MutableImageView& result,
                    const Normalization& normalization, CpuWorkspace& work) const {
    ImageView in = normalized(source_image);
    const MutableImageView out = normalized(result);
    const std::span<const Chain> chains = chains_of(plan);
    const bool clean = chains.empty(), levels = out.layout == Layout::u8_hwc;
    const ResizedCrop* crop = plan != nullptr && plan->resized_crop ? &*plan->resized_crop : nullptr;
    if (crop != nullptr) in = box_of(in, crop->left, crop->top, crop->width, crop->height);
    const bool resized = crop != nullptr && (crop->mirror || in.width != out.width || in.height != out.height);
    const bool converted = in.layout != Layout::u8_hwc;
    if (clean && !resized && !overlap(in, out) && (!converted || levels)) {
        return convert(in, out, normalization, work.context);
    }
    const std::size_t count = chains.size();
    Slots slots(out, count + (converted || resized ? 2 : 1), work);
    const MutableImageView scratch = slots[count];
    ImageView source = in;
    if (converted || resized || clean) {
        MutableImageView room = slots[converted || resized ? count + 1 : count];
        if (resized) {
            if (converted) {
                const std::size_t bytes = image_bytes(Layout::u8_hwc, in.width, in.height, in.channels);
                const MutableImageView cut(work.cut.reserve(1, bytes), in.width, in.height, in.channels);
                convert(in, cut, normalization, work.context);
                source = cut;
            }
            if (clean && levels && !overlap(source, out)) return resize(*crop, source, out, work);
            resize(*crop, source, room, work);
        } else {
            convert(in, room, normalization, work.context);
        }
        source = room;
    }
    if (clean) return convert(source, out, normalization, work.context);

    work.weights.clear();
    for (std::size_t k = 0; k < count; k++) {
        const Chain& chain = chains[k];
        work.weights.push_back(chain.weight);
        lower(chain.ops, out.width, out.height, out.channels, Processor::cpu, work.program);
        run_program(work.program, plan->fill, source, slots[k], scratch, work.context);
    }
    // What is still to be read must not be written to.
    const bool staged = overlap(source, out);
    if (staged || levels) {
        const MutableImageView mixed = staged ? scratch : out;
        mix(*plan, source, slots.memory, slots.size, mixed, work);
        if (staged) convert(mixed, out, normalization, work.context);
        return;
    }
    by_bands(source, [&](int y, int rows) {
        const MutableImageView band = rows_of(scratch, 0, rows);
        mix(*plan, rows_of(source, y, rows), slots[0].row(y), slots.size, band, work);
        convert(band, rows_of(out, y, rows), normalization, work.context);
    });
}

void CpuEngine::apply(std::span<const OpCall> ops, const Fill& fill, const ImageView& source_image,
                      const MutableImageView& result, const Normalization& normalization, CpuWorkspace& work) const {
    const ImageView in = normalized(source_image);
    const MutableImageView out = normalized(result);
    const bool converted = in.layout != Layout::u8_hwc;
    Slots slots(in, converted ? 3 : 2, work);
    ImageView source = in;
    if (converted) {
        convert(in, slots[2], normalization, work.context);
        source = slots[2];
    }
    lower(ops, in.width, in.height, in.channels, Processor::cpu, work.program);
    if (overlap(source, out) || out.layout != Layout::u8_hwc) {
        run_program(work.program, fill, source, slots[0], slots[1], work.context);
        convert(slots[0], out, normalization, work.context);
    } else {
        run_program(work.program, fill, source, out, slots[0], work.context);
    }
}

}  // namespace halmix
