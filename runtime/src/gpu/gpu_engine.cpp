#include "gpu/gpu_engine.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "halmix/error.h"
#include "lowering/elements.h"
#include "lowering/program.h"

namespace halmix {

namespace {

constexpr std::size_t most_bytes = std::numeric_limits<std::int32_t>::max();  // of an array, as pipelines index it
constexpr std::size_t most_items = 65535;                                     // blocks of a launch in one dimension

/// A launch of a pipeline for `count` items from `first` on.
struct Launch {
    const PipelineRow* pipeline;
    bool from_input;
    int first, first_stage, count;
};

/// Arrays on their way to a device: one block, uploaded in one go.
class Block {
 public:
    /// Adds an array and returns where it lies.
    template <typename T>
    std::size_t add(const std::vector<T>& array) {
        // Parts of a cl_mem begin where the device allows it: at multiples of 512 bytes on all that are known.
        constexpr std::size_t alignment = 512;
        std::size_t offset = bytes_.size(), size = array.size() * sizeof(T);
        bytes_.resize(offset + (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment);
        if (size != 0) std::memcpy(bytes_.data() + offset, array.data(), size);
        return offset;
    }
    void clear() { bytes_.clear(); }
    [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
    std::vector<std::uint8_t> bytes_;
};

/// The size of images, all the same.
struct Size {
    int width, height, channels;

    [[nodiscard]] std::size_t bytes() const { return std::size_t(width) * height * channels; }

    /// `count` of them one after another.
    [[nodiscard]] Shape<4> shape(std::size_t count) const {
        std::ptrdiff_t row = std::ptrdiff_t{width} * channels;
        return {dimension(channels, 1), dimension(width, channels), dimension(height, row),
                dimension(static_cast<std::ptrdiff_t>(count), row * height)};
    }

    /// The same with each channel by itself, but for levels.
    [[nodiscard]] Shape<4> result_shape(std::size_t count, Format format) const {
        if (format == Format::u8_hwc) return shape(count);
        std::ptrdiff_t plane = std::ptrdiff_t{width} * height;
        return {dimension(channels, plane), dimension(width, 1), dimension(height, width),
                dimension(static_cast<std::ptrdiff_t>(count), plane * channels)};
    }
};

Shape<1> bytes(std::size_t count) { return {dimension(static_cast<std::ptrdiff_t>(count), 1)}; }

Shape<2> table_shape(std::size_t columns, std::size_t rows) {
    auto row = static_cast<std::ptrdiff_t>(columns);
    return {dimension(row, 1), dimension(static_cast<std::ptrdiff_t>(rows), row)};
}

const halide_type_t byte_type = halide_type_of<std::uint8_t>();

std::uint32_t pack_fill(const Fill& fill) { return fill[0] | fill[1] << 8 | fill[2] << 16; }

void check(int status, const Device& device, std::string_view pipeline) {
    if (status != 0) fail_on_device(device.name + ": " + std::string(pipeline), status);
}

}  // namespace

/// What a batch needs of host and device, kept for the next.
struct GpuEngine::Workspace {
    Workspace(const Device& device, std::size_t gpu) : device(device), gpu(gpu) {}

    const Device& device;
    const std::size_t gpu;
    DeviceMemory input, output;  ///< for what is in host memory
    DeviceMemory slots;          ///< images between pipelines
    DeviceMemory parameters;

    /// Where an item comes from.
    struct Origin {
        std::int32_t image;  ///< of the input
        std::uint32_t fill;
    };

    std::vector<Program> programs;  ///< of items, the chains of all plans one after another
    std::vector<Origin> origins;    ///< of items
    std::vector<int> slot_of;       ///< the item's image; -1 while it is its input
    std::vector<std::int32_t> places;
    std::vector<std::uint32_t> fills;
    std::vector<Params> params;
    std::vector<Table> tables;
    std::vector<Launch> launches;
    Block block;

    /// Memory for `images` on their way and, of `input_bytes` and `output_bytes`, for what the caller has on the host.
    [[nodiscard]] bool reserve(std::size_t slot_bytes, std::size_t input_bytes, std::size_t output_bytes) {
        if (slots.reserve(device, slot_bytes) && (input_bytes == 0 || input.reserve(device, input_bytes)) &&
            (output_bytes == 0 || output.reserve(device, output_bytes))) {
            return true;
        }
        for (DeviceMemory* memory : {&slots, &input, &output, &parameters}) memory->release();
        return false;
    }

    [[nodiscard]] std::size_t device_bytes() const { return slots.size() + parameters.size(); }

    void upload(const void* from, std::size_t size, const DeviceMemory& to) const {
        Buffer<1> host(from, byte_type, bytes(size));
        DeviceArray<1> part(to, 0, byte_type, bytes(size));
        check(halide_buffer_copy(nullptr, &host, device.interface, &part), device, "upload");
    }

    void download(const DeviceMemory& from, std::size_t offset, std::size_t size, void* to) const {
        Buffer<1> host(to, byte_type, bytes(size));
        DeviceArray<1> part(from, offset, byte_type, bytes(size));
        check(halide_buffer_copy(nullptr, &part, nullptr, &host), device, "download");
    }

    void copy(const DeviceMemory& from, std::size_t from_offset, const DeviceMemory& to, std::size_t to_offset,
              std::size_t size) const {
        DeviceArray<1> source(from, from_offset, byte_type, bytes(size)), part(to, to_offset, byte_type, bytes(size));
        check(halide_buffer_copy(nullptr, &source, device.interface, &part), device, "copy");
    }

    /// Has all items of a sequence pass through one pipeline if there is one and it saves more than it costs: it saves
    /// the writing and reading of their images once, and costs launches of its own.
    void fuse(const Size& size) {
        // What a GPU reads and writes in the time of a launch: some 4 us at some 3 TB/s.
        constexpr std::size_t bytes_of_a_launch = std::size_t{12} << 20;
        constexpr std::size_t most_sequences = 4;  // so that all launches stay few, whatever the plans
        std::map<const PipelineRow*, std::vector<std::size_t>> groups;
        for (std::size_t item = 0; item < programs.size(); item++) {
            const PipelineRow* whole = find_whole(programs[item], size.channels, Processor::gpu);
            if (whole != nullptr && programs[item].steps.size() > 1) groups[whole].push_back(item);
        }
        std::erase_if(groups,
                      [&](const auto& group) { return 2 * group.second.size() * size.bytes() < bytes_of_a_launch; });
        while (groups.size() > most_sequences) {
            groups.erase(std::ranges::min_element(groups, {}, [](const auto& group) { return group.second.size(); }));
        }
        for (const auto& [whole, members] : groups) {
            for (std::size_t item : members) programs[item].steps = {{whole, 0}};
        }
    }

    /// Lowers all chains; plan i is for image (begin + i) / views, of which the first is image 0 of the input.
    void lower_plans(std::span<const Plan> plans, std::size_t begin, std::size_t views, const Size& size) {
        std::size_t items = 0;
        origins.clear();
        for (std::size_t i = 0; i < plans.size(); i++) {
            auto image = static_cast<std::int32_t>((begin + i) / views - begin / views);
            for (const Chain& chain : plans[i].chains) {
                if (items == programs.size()) programs.emplace_back();
                lower(chain.ops, size.width, size.height, size.channels, Processor::gpu, programs[items++]);
                origins.push_back({image, pack_fill(plans[i].fill)});
            }
        }
        programs.resize(items);
    }

    /// Finds a launch and a slot for each step of each program: step by step, all items whose next pipeline is the same
    /// together. There are slots for all items and some more, so that there is always a free one; a slot is free again
    /// once the next pipeline has read it.
    void schedule(std::size_t slot_count) {
        auto items = static_cast<int>(programs.size());
        slot_of.assign(items, -1);
        places.clear();
        fills.clear();
        params.clear();
        tables.clear();
        launches.clear();
        std::vector<int> free(slot_count), ready;
        std::iota(free.rbegin(), free.rend(), 0);
        for (std::size_t level = 0;; level++) {
            ready.clear();
            for (int item = 0; item < items; item++) {
                if (programs[item].steps.size() > level) ready.push_back(item);
            }
            if (ready.empty()) return;
            auto pipeline_of = [&](int item) { return programs[item].steps[level].pipeline; };
            std::ranges::stable_sort(ready, {}, pipeline_of);
            for (std::size_t begin = 0; begin < ready.size();) {
                const PipelineRow* pipeline = pipeline_of(ready[begin]);
                std::size_t most = std::min({ready.size() - begin, free.size(), most_items}), end = begin;
                launches.push_back(
                    {pipeline, level == 0, static_cast<int>(fills.size()), static_cast<int>(params.size()), 0});
                std::vector<int> read;
                for (; end < begin + most && pipeline_of(ready[end]) == pipeline; end++) {
                    int item = ready[end], slot = free.back();
                    free.pop_back();
                    if (level != 0) read.push_back(slot_of[item]);
                    places.insert(places.end(), {level == 0 ? origins[item].image : slot_of[item], slot});
                    fills.push_back(origins[item].fill);
                    slot_of[item] = slot;
                    add_stages(programs[item], level);
                }
                launches.back().count = static_cast<int>(end - begin);
                free.insert(free.end(), read.begin(), read.end());
                begin = end;
            }
        }
    }

    /// The parameters of one step's stages; a stage with a table has its number instead.
    void add_stages(const Program& program, std::size_t step) {
        std::size_t first = program.steps[step].first_stage;
        std::size_t end = step + 1 < program.steps.size() ? program.steps[step + 1].first_stage : program.kinds.size();
        for (std::size_t stage = first; stage < end; stage++) {
            if (program.kinds[stage] == Kind::tone) {
                params.push_back({static_cast<double>(tables.size())});
                tables.push_back(program.tables[stage]);
            } else {
                params.push_back(program.params[stage]);
            }
        }
    }

    /// Where the arrays lie in the block.
    struct Offsets {
        std::size_t places, fills, params, tables;
    };

    Offsets add_arrays() {
        if (tables.empty()) tables.emplace_back();  // an array has at least one element
        return {block.add(places), block.add(fills), block.add(params), block.add(tables)};
    }

    /// Where those of the mix lie.
    struct MixOffsets {
        std::size_t places, weights, elements;
    };

    /// Plans with fewer chains than others get some with a weight of 0, which changes no sum.
    MixOffsets add_mix_arrays(std::span<const Plan> plans, std::size_t chains,
                              const std::vector<std::uint8_t>& elements) {
        std::vector<std::int32_t> mix_places;
        std::vector<float> weights;
        std::size_t item = 0;
        for (const Plan& plan : plans) {
            mix_places.push_back(origins[item].image);
            weights.push_back(plan.mix);
            for (std::size_t k = 0; k < chains; k++) {
                bool there = k < plan.chains.size();
                weights.push_back(there ? plan.chains[k].weight : 0);
                mix_places.push_back(there ? slot_of[item++] : 0);
            }
        }
        return {block.add(mix_places), block.add(weights), block.add(elements)};
    }

    void upload_block() {
        const std::vector<std::uint8_t>& all = block.bytes();
        // Batches differ a little.
        constexpr std::size_t unit = std::size_t{1} << 16;
        if (!parameters.reserve(device, (all.size() + unit - 1) / unit * unit))
            check(halide_error_code_out_of_memory, device, "parameters");
        upload(all.data(), all.size(), parameters);
    }

    /// Runs what `schedule` found.
    void launch(const Size& size, const Offsets& at, const DeviceMemory& source, std::size_t source_count,
                std::size_t slot_count) const {
        DeviceArray<4> input_images(source, 0, byte_type, size.shape(source_count));
        DeviceArray<4> images(slots, 0, byte_type, size.shape(slot_count));
        DeviceArray<4> results(slots, 0, byte_type, size.shape(slot_count));
        DeviceArray<2> places_array(parameters, at.places, halide_type_of<std::int32_t>(),
                                    table_shape(2, fills.size()));
        DeviceArray<1> fills_array(parameters, at.fills, halide_type_of<std::uint32_t>(),
                                   {dimension(std::ssize(fills), 1)});
        DeviceArray<2> params_array(parameters, at.params, halide_type_of<double>(),
                                    table_shape(std::tuple_size_v<Params>, params.size()));
        DeviceArray<2> tables_array(parameters, at.tables, byte_type,
                                    table_shape(std::tuple_size_v<Table>, tables.size()));
        for (const Launch& launch : launches) {
            int status = launch.pipeline->batch_functions[gpu](
                launch.from_input ? &input_images : &images, &places_array, &fills_array, &params_array, &tables_array,
                launch.first, launch.first_stage, launch.count, &results);
            check(status, device, launch.pipeline->name);
        }
    }

    /// Mixes `count` images of `originals` with their chains.
    void mix(const Size& size, const MixOffsets& at, std::size_t chains, std::size_t count,
             const DeviceMemory& originals, std::size_t original_count, std::size_t slot_count,
             const DeviceMemory& results, Format format) const {
        const halide_type_t element(halide_type_uint, static_cast<std::uint8_t>(8 * element_bytes(format)));
        DeviceArray<4> original_images(originals, 0, byte_type, size.shape(original_count));
        DeviceArray<4> images(slots, 0, byte_type, size.shape(slot_count));
        DeviceArray<2> places_array(parameters, at.places, halide_type_of<std::int32_t>(),
                                    table_shape(chains + 1, count));
        DeviceArray<2> weights(parameters, at.weights, halide_type_of<float>(), table_shape(chains + 1, count));
        DeviceArray<2> elements(parameters, at.elements, element, table_shape(256, size.channels));
        DeviceArray<4> mixed(results, 0, element, size.result_shape(count, format));
        BatchMixFunction function = gpu_rows[gpu].mixes[size.channels == 1 ? 0 : 1][static_cast<int>(format)];
        check(function(&original_images, &images, &places_array, &weights, &elements, &mixed), device, "mix");
    }
};

GpuEngine::GpuEngine(std::size_t gpu, std::string_view which)
    : gpu_(gpu), device_(open_device(gpu_rows[gpu].api, which)) {}

GpuEngine::~GpuEngine() {
    OnDevice on(device_, {});
    idle_.clear();
    release_scratch(device_);
}

std::unique_ptr<GpuEngine::Workspace> GpuEngine::take_workspace(const Queue& queue) {
    std::scoped_lock lock(mutex_);
    auto found = idle_.find(queue.stream);
    if (found == idle_.end()) return std::make_unique<Workspace>(device_, gpu_);
    std::unique_ptr<Workspace> workspace = std::move(found->second);
    idle_.erase(found);
    return workspace;
}

void GpuEngine::give_back(std::unique_ptr<Workspace> workspace, const Queue& queue) {
    std::scoped_lock lock(mutex_);
    idle_.emplace(queue.stream, std::move(workspace));
}

void GpuEngine::apply(std::span<const OpCall> ops, const Fill& fill, const ImageView& in, const MutableImageView& out) {
    constexpr std::size_t slot_count = 2;
    OnDevice on(device_, {});
    std::unique_ptr<Workspace> work = take_workspace({});
    Size size{in.width, in.height, in.channels};
    if (size.bytes() > most_bytes / slot_count || !work->reserve(slot_count * size.bytes(), size.bytes(), 0)) {
        throw Error(Status::out_of_memory, "target " + device_.name + ": no memory for " +
                                               std::to_string(slot_count + 1) + " images of " +
                                               std::to_string(size.bytes()) + " bytes");
    }
    work->programs.resize(1);
    lower(ops, in.width, in.height, in.channels, Processor::gpu, work->programs[0]);
    work->origins = {{0, pack_fill(fill)}};
    work->schedule(slot_count);
    work->block.clear();
    Workspace::Offsets at = work->add_arrays();
    work->upload_block();
    work->upload(in.data, size.bytes(), work->input);
    work->launch(size, at, work->input, 1, slot_count);
    work->download(work->slots, work->slot_of[0] * size.bytes(), size.bytes(), out.data);
    on.wait();
    give_back(std::move(work), {});
}

BatchReport GpuEngine::run(std::span<const Plan> plans, const Batch& in, const MutableBatch& out, const Queue& queue,
                           bool timed) {
    OnDevice on(device_, queue);
    std::unique_ptr<Workspace> work = take_workspace(queue);
    const Size size{in.width, in.height, in.channels};
    const std::size_t views = plans.size() / in.count, result_bytes = size.bytes() * element_bytes(out.format);
    std::size_t chains = 0;
    for (const Plan& plan : plans) chains = std::max(chains, plan.chains.size());
    const std::size_t slots_each = chains + 1;
    const std::vector<std::uint8_t> elements = make_elements(out.format, out.normalization, in.channels);

    BatchReport report{.passes = 0};
    auto clock = std::chrono::steady_clock::now();
    auto end_of = [&](double& phase) {
        if (!timed) return;
        on.wait();
        auto now = std::chrono::steady_clock::now();
        phase += std::chrono::duration<double>(now - std::exchange(clock, now)).count();
    };

    // A part of the batch at a time, if not all of it fits the device's memory or what pipelines can index.
    std::size_t most = std::min(
        {plans.size(), most_bytes / (slots_each * size.bytes()), most_bytes / result_bytes, most_items / chains});
    for (std::size_t begin = 0; begin < plans.size();) {
        const std::size_t first_input = begin / views;
        std::size_t end = 0, inputs = 0;
        bool copy_in = false, copy_out = false;
        for (;; most /= 2) {
            if (most == 0) {
                throw Error(Status::out_of_memory, "target " + device_.name + ": no memory for " +
                                                       std::to_string(slots_each) + " images of " +
                                                       std::to_string(size.bytes()) + " bytes");
            }
            end = std::min(begin + most, plans.size());
            inputs = (end - 1) / views - first_input + 1;
            // OpenCL's memory can be handed to a pipeline from its beginning only.
            bool part = end - begin < plans.size() && device_.api == DeviceApi::opencl;
            copy_in = in.memory == Memory::host || part;
            copy_out = out.memory == Memory::host || part;
            if (work->reserve((end - begin) * slots_each * size.bytes(), copy_in ? inputs * size.bytes() : 0,
                              copy_out ? (end - begin) * result_bytes : 0)) {
                break;
            }
        }
        const std::size_t count = end - begin, slot_count = count * slots_each;
        std::span<const Plan> part = plans.subspan(begin, count);

        work->lower_plans(part, begin, views, size);
        work->fuse(size);
        work->schedule(slot_count);
        work->block.clear();
        const Workspace::Offsets at = work->add_arrays();
        const Workspace::MixOffsets at_mix = work->add_mix_arrays(part, chains, elements);

        DeviceMemory callers_in, callers_out;
        auto wrap = [&](DeviceMemory& memory, const void* data, std::size_t total, std::size_t first,
                        std::size_t bytes) {
            if (device_.api == DeviceApi::cuda) {
                memory.wrap(device_, static_cast<const std::uint8_t*>(data) + first, bytes);
            } else {
                memory.wrap(device_, data, total);
            }
        };
        if (in.memory != Memory::host) {
            wrap(callers_in, in.data, in.count * size.bytes(), first_input * size.bytes(), inputs * size.bytes());
        }
        if (out.memory != Memory::host) {
            wrap(callers_out, out.data, plans.size() * result_bytes, begin * result_bytes, count * result_bytes);
        }

        end_of(report.host);
        work->upload_block();
        if (in.memory == Memory::host) {
            const auto* data = static_cast<const std::uint8_t*>(in.data);
            work->upload(data + first_input * size.bytes(), inputs * size.bytes(), work->input);
        } else if (copy_in) {
            work->copy(callers_in, first_input * size.bytes(), work->input, 0, inputs * size.bytes());
        }
        end_of(report.upload);

        const DeviceMemory& source = copy_in ? work->input : callers_in;
        const DeviceMemory& result = copy_out ? work->output : callers_out;
        const int launched = on.launches();
        work->launch(size, at, source, inputs, slot_count);
        const int launched_for_chains = on.launches();
        work->mix(size, at_mix, chains, count, source, inputs, slot_count, result, out.format);
        end_of(report.kernels);

        if (out.memory == Memory::host) {
            auto* data = static_cast<std::uint8_t*>(out.data);
            work->download(work->output, 0, count * result_bytes, data + begin * result_bytes);
        } else if (copy_out) {
            work->copy(work->output, 0, callers_out, begin * result_bytes, count * result_bytes);
        }
        end_of(report.download);

        report.launches += launched_for_chains - launched;
        report.mix_launches += on.launches() - launched_for_chains;
        report.device_bytes = std::max(report.device_bytes, work->device_bytes());
        report.passes++;
        begin = end;
    }
    // What is in the caller's host memory is his again; on the device all is in the order of his queue.
    if (in.memory == Memory::host || out.memory == Memory::host) on.wait();
    give_back(std::move(work), queue);
    return report;
}

}  // namespace halmix
