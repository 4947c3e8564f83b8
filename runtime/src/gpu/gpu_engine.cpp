#include "gpu/gpu_engine.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <numeric>
#include <utility>

#include "halmix/error.h"
#include "lowering/elements.h"
#include "lowering/program.h"

namespace halmix {

namespace {

constexpr std::size_t most_items = 65535;  // blocks of a launch in one dimension

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

    [[nodiscard]] std::size_t bytes(Layout layout) const { return image_bytes(layout, width, height, channels); }

    /// `count` of them in a layout, by its elements.
    [[nodiscard]] Shape<4> shape(std::size_t count, Layout layout) const {
        const int elements = layout == Layout::u8_rgbx ? 4 : channels, beside = has_planes(layout) ? 1 : elements;
        const std::ptrdiff_t row = std::ptrdiff_t{width} * beside, plane = row * height;
        return {dimension(elements, has_planes(layout) ? plane : 1), dimension(width, beside), dimension(height, row),
                dimension(static_cast<std::ptrdiff_t>(count), plane * elements / beside)};
    }
};

Shape<1> bytes(std::size_t count) { return {dimension(static_cast<std::ptrdiff_t>(count), 1)}; }

Shape<2> table_shape(std::size_t columns, std::size_t rows) {
    auto row = static_cast<std::ptrdiff_t>(columns);
    return {dimension(row, 1), dimension(static_cast<std::ptrdiff_t>(rows), row)};
}

const halide_type_t byte_type = halide_type_of<std::uint8_t>();

std::uint32_t pack_fill(const Fill& fill) { return fill[0] | fill[1] << 8 | fill[2] << 16; }

/// The chains that are computed for a plan: none for a clean view.
std::span<const Chain> chains_of(const Plan* plan) {
    if (plan == nullptr || plan->mix == 0) return {};
    return plan->chains;
}

}  // namespace

/// What a batch needs of host and device, kept for the next.
struct GpuEngine::Workspace {
    Workspace(const Device& device, std::size_t gpu) : device(device), gpu(gpu) {}

    const Device& device;
    const std::size_t gpu;
    Context context;
    DeviceMemory input{device, context}, output{device, context};  ///< for what is in host memory
    DeviceMemory unpacked{device, context};                        ///< input in another layout
    DeviceMemory slots{device, context};                           ///< images between pipelines
    DeviceMemory parameters{device, context};

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

    /// Bytes of the device's memory for a part of a batch.
    struct Needs {
        std::size_t slots, input, unpacked, output;
    };

    [[nodiscard]] bool reserve(const Needs& needs) {
        auto has = [&](DeviceMemory& memory, std::size_t size) { return size == 0 || memory.reserve(size); };
        if (has(slots, needs.slots) && has(input, needs.input) && has(unpacked, needs.unpacked) &&
            has(output, needs.output)) {
            return true;
        }
        for (DeviceMemory* memory : {&slots, &input, &unpacked, &output, &parameters}) memory->release();
        return false;
    }

    [[nodiscard]] std::size_t device_bytes() const { return slots.size() + unpacked.size() + parameters.size(); }

    void check(int status, std::string_view what) const {
        if (status != 0) halmix::check(status, context, std::string(device.name).append(": ").append(what));
    }

    void upload(const void* from, std::size_t size, const DeviceMemory& to) {
        Buffer<1> host(from, byte_type, bytes(size));
        DeviceArray<1> part(to, 0, byte_type, bytes(size));
        check(halide_buffer_copy(&context, &host, device.driver.interface(), &part), "upload");
    }

    void download(const DeviceMemory& from, std::size_t offset, std::size_t size, void* to) {
        Buffer<1> host(to, byte_type, bytes(size));
        DeviceArray<1> part(from, offset, byte_type, bytes(size));
        check(halide_buffer_copy(&context, &part, nullptr, &host), "download");
    }

    void copy(const DeviceMemory& from, std::size_t from_offset, const DeviceMemory& to, std::size_t to_offset,
              std::size_t size) {
        DeviceArray<1> source(from, from_offset, byte_type, bytes(size)), part(to, to_offset, byte_type, bytes(size));
        check(halide_buffer_copy(&context, &source, device.driver.interface(), &part), "copy");
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
    void lower_plans(std::span<const Plan* const> plans, std::size_t begin, std::size_t views, const Size& size) {
        std::size_t items = 0;
        origins.clear();
        for (std::size_t i = 0; i < plans.size(); i++) {
            auto image = static_cast<std::int32_t>((begin + i) / views - begin / views);
            for (const Chain& chain : chains_of(plans[i])) {
                if (items == programs.size()) programs.emplace_back();
                lower(chain.ops, size.width, size.height, size.channels, Processor::gpu, programs[items++]);
                origins.push_back({image, pack_fill(plans[i]->fill)});
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
    MixOffsets add_mix_arrays(std::span<const Plan* const> plans, std::size_t begin, std::size_t views,
                              std::size_t chains, const std::vector<std::uint8_t>& elements) {
        std::vector<std::int32_t> mix_places;
        std::vector<float> weights;
        std::size_t item = 0;
        for (std::size_t i = 0; i < plans.size(); i++) {
            std::span<const Chain> of_plan = chains_of(plans[i]);
            mix_places.push_back(static_cast<std::int32_t>((begin + i) / views - begin / views));
            weights.push_back(of_plan.empty() ? 0 : plans[i]->mix);
            for (std::size_t k = 0; k < chains; k++) {
                bool there = k < of_plan.size();
                weights.push_back(there ? of_plan[k].weight : 0);
                mix_places.push_back(there ? slot_of[item++] : 0);
            }
        }
        return {block.add(mix_places), block.add(weights), block.add(elements)};
    }

    void upload_block() {
        const std::vector<std::uint8_t>& all = block.bytes();
        // Batches differ a little.
        constexpr std::size_t unit = std::size_t{1} << 16;
        if (!parameters.reserve((all.size() + unit - 1) / unit * unit))
            check(halide_error_code_out_of_memory, "parameters");
        upload(all.data(), all.size(), parameters);
    }

    /// Runs what `schedule` found.
    void launch(const Size& size, const Offsets& at, const DeviceMemory& source, std::size_t source_count,
                std::size_t slot_count) {
        DeviceArray<4> input_images(source, 0, byte_type, size.shape(source_count, Layout::u8_hwc));
        DeviceArray<4> images(slots, 0, byte_type, size.shape(slot_count, Layout::u8_hwc));
        DeviceArray<4> results(slots, 0, byte_type, size.shape(slot_count, Layout::u8_hwc));
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
                &context, launch.from_input ? &input_images : &images, &places_array, &fills_array, &params_array,
                &tables_array, launch.first, launch.first_stage, launch.count, &results);
            check(status, launch.pipeline->name);
        }
    }

    /// Has the input's images in u8_hwc.
    void unpack(const Size& size, const DeviceMemory& from, std::size_t count, Layout layout) {
        DeviceArray<4> images(from, 0, byte_type, size.shape(count, layout));
        DeviceArray<4> results(unpacked, 0, byte_type, size.shape(count, Layout::u8_hwc));
        BatchUnpackFunction function = of_layout(gpu_rows[gpu].unpacks, size, layout);
        check(function(&context, &images, &results), "unpack");
    }

    /// Mixes `count` images of `originals` with their chains.
    void mix(const Size& size, const MixOffsets& at, std::size_t chains, std::size_t count,
             const DeviceMemory& originals, std::size_t original_count, std::size_t slot_count,
             const DeviceMemory& results, Layout layout) {
        const halide_type_t bits(halide_type_uint, static_cast<std::uint8_t>(8 * element_bytes(layout)));
        DeviceArray<4> original_images(originals, 0, byte_type, size.shape(original_count, Layout::u8_hwc));
        DeviceArray<4> images(slots, 0, byte_type, size.shape(slot_count, Layout::u8_hwc));
        DeviceArray<2> places_array(parameters, at.places, halide_type_of<std::int32_t>(),
                                    table_shape(chains + 1, count));
        DeviceArray<2> weights(parameters, at.weights, halide_type_of<float>(), table_shape(chains + 1, count));
        DeviceArray<2> elements(parameters, at.elements, bits, table_shape(256, size.channels));
        DeviceArray<4> mixed(results, 0, bits, size.shape(count, layout));
        BatchMixFunction function = of_layout(gpu_rows[gpu].mixes, size, layout);
        check(function(&context, &original_images, &images, &places_array, &weights, &elements, &mixed), "mix");
    }

 private:
    template <typename Function>
    static Function of_layout(const ByLayout<Function>& functions, const Size& size, Layout layout) {
        return functions[size.channels == 1 ? 0 : 1][static_cast<std::size_t>(layout)];
    }
};

/// One batch on its way through a device: in parts, if not all of it fits the device's memory or what pipelines can
/// index, and each part step by step.
class GpuEngine::BatchRun {
 public:
    BatchRun(Workspace& work, std::span<const Plan* const> plans, const Batch& in, const MutableBatch& out,
             const Options& options)
        : work_(work),
          plans_(plans),
          in_(in),
          out_(out),
          options_(options),
          size_{in.width, in.height, in.channels},
          in_layout_(layout_of(in.layout)),
          out_layout_(layout_of(out.layout)),
          in_bytes_(size_.bytes(in_layout_)),
          out_bytes_(size_.bytes(out_layout_)),
          views_(plans.size() / in.count),
          elements_(make_elements(out_layout_, options.normalization, in.channels)) {
        for (const Plan* plan : plans) chains_ = std::max(chains_, chains_of(plan).size());
    }

    BatchReport run() {
        BatchReport report{.passes = 0};
        Clock::time_point begin_of_phase = Clock::now();
        auto end_of = [&](double& phase) {
            if (!options_.timed) return;
            wait(work_.context, work_.device);
            const Clock::time_point now = Clock::now();
            phase += std::chrono::duration<double>(now - std::exchange(begin_of_phase, now)).count();
        };
        for (std::size_t begin = 0; begin < plans_.size(); begin += part_.count) {
            const Interrupt& interrupt = options_.interrupt;
            if (interrupt.wanted != nullptr && interrupt.wanted(interrupt.state)) {
                throw Error(Status::interrupted, "batch: interrupted");
            }
            take_part(begin);
            prepare();
            end_of(report.host);
            upload();
            end_of(report.upload);
            compute(report);
            end_of(report.kernels);
            download();
            end_of(report.download);
            report.device_bytes = std::max(report.device_bytes, work_.device_bytes());
            report.passes++;
        }
        // What is in the caller's host memory is theirs again; on the device all is in the order of their queue.
        if (in_.memory == Memory::host || out_.memory == Memory::host) wait(work_.context, work_.device);
        return report;
    }

 private:
    using Clock = std::chrono::steady_clock;

    /// Some plans, and the images that they are for.
    struct Part {
        std::size_t first, count;
        std::size_t first_input, inputs;
        bool copy_in, copy_out;  ///< input or output are in memory of the workspace
    };

    /// A gray image has one layout for levels.
    [[nodiscard]] Layout layout_of(Layout layout) const {
        return size_.channels == 1 && layout == Layout::u8_chw ? Layout::u8_hwc : layout;
    }

    [[nodiscard]] std::size_t slots_each() const { return chains_ + 1; }
    [[nodiscard]] std::size_t slot_count() const { return part_.count * slots_each(); }
    [[nodiscard]] bool unpacks() const { return in_layout_ != Layout::u8_hwc; }

    /// Takes as many plans from `begin` on as there is memory for.
    void take_part(std::size_t begin) {
        const std::size_t most_chains = std::max<std::size_t>(chains_, 1);
        std::size_t most = std::min({plans_.size() - begin, most_bytes / (slots_each() * size_.bytes()),
                                     most_bytes / out_bytes_, most_bytes / in_bytes_, most_items / most_chains});
        for (; most != 0; most /= 2) {
            const std::size_t first_input = begin / views_, inputs = (begin + most - 1) / views_ - first_input + 1;
            const bool whole = most == plans_.size() || work_.device.driver.addresses;
            part_ = {begin,
                     most,
                     first_input,
                     inputs,
                     in_.memory == Memory::host || !whole,
                     out_.memory == Memory::host || !whole};
            if (work_.reserve({.slots = slot_count() * size_.bytes(),
                               .input = part_.copy_in ? inputs * in_bytes_ : 0,
                               .unpacked = unpacks() ? inputs * size_.bytes() : 0,
                               .output = part_.copy_out ? most * out_bytes_ : 0})) {
                return;
            }
        }
        throw Error(Status::out_of_memory, "target " + work_.device.name + ": no memory for " +
                                               std::to_string(slots_each()) + " images of " +
                                               std::to_string(size_.bytes()) + " bytes");
    }

    /// Lowers the part's plans, finds launches and slots, and puts parameters together.
    void prepare() {
        const std::span<const Plan* const> plans = plans_.subspan(part_.first, part_.count);
        work_.lower_plans(plans, part_.first, views_, size_);
        work_.fuse(size_);
        work_.schedule(slot_count());
        work_.block.clear();
        at_ = work_.add_arrays();
        at_mix_ = work_.add_mix_arrays(plans, part_.first, views_, chains_, elements_);
    }

    void upload() {
        work_.upload_block();
        const std::size_t offset = part_.first_input * in_bytes_, bytes = part_.inputs * in_bytes_;
        if (in_.memory == Memory::host) {
            work_.upload(static_cast<const std::uint8_t*>(in_.data) + offset, bytes, work_.input);
        } else {
            wrap(callers_in_, in_.data, in_.count * in_bytes_, offset, bytes);
            if (part_.copy_in) work_.copy(callers_in_, offset, work_.input, 0, bytes);
        }
        if (out_.memory != Memory::host) {
            wrap(callers_out_, out_.data, plans_.size() * out_bytes_, part_.first * out_bytes_,
                 part_.count * out_bytes_);
        }
    }

    void compute(BatchReport& report) {
        const DeviceMemory* source = part_.copy_in ? &work_.input : &callers_in_;
        if (unpacks()) {
            work_.unpack(size_, *source, part_.inputs, in_layout_);
            source = &work_.unpacked;
        }
        const int before = work_.context.launches;
        work_.launch(size_, at_, *source, part_.inputs, slot_count());
        const int between = work_.context.launches;
        work_.mix(size_, at_mix_, chains_, part_.count, *source, part_.inputs, slot_count(),
                  part_.copy_out ? work_.output : callers_out_, out_layout_);
        report.launches += between - before;
        report.mix_launches += work_.context.launches - between;
    }

    void download() {
        const std::size_t offset = part_.first * out_bytes_, bytes = part_.count * out_bytes_;
        if (out_.memory == Memory::host) {
            work_.download(work_.output, 0, bytes, static_cast<std::uint8_t*>(out_.data) + offset);
        } else if (part_.copy_out) {
            work_.copy(work_.output, 0, callers_out_, offset, bytes);
        }
    }

    /// The part of the caller's memory, or all of it where a device cannot take parts.
    void wrap(DeviceMemory& memory, const void* data, std::size_t total, std::size_t first, std::size_t bytes) const {
        if (work_.device.driver.addresses) {
            memory.wrap(static_cast<const std::uint8_t*>(data) + first, bytes);
        } else {
            memory.wrap(data, total);
        }
    }

    Workspace& work_;
    const std::span<const Plan* const> plans_;
    const Batch& in_;
    const MutableBatch& out_;
    const Options& options_;
    const Size size_;
    const Layout in_layout_, out_layout_;
    const std::size_t in_bytes_, out_bytes_;  ///< of an image
    const std::size_t views_;                 ///< plans for each image
    const std::vector<std::uint8_t> elements_;
    std::size_t chains_ = 0;  ///< of the plan that has most
    Part part_{};
    Workspace::Offsets at_{};
    Workspace::MixOffsets at_mix_{};
    DeviceMemory callers_in_{work_.device, work_.context}, callers_out_{work_.device, work_.context};
};

GpuEngine::GpuEngine(std::size_t gpu, std::string_view which)
    : gpu_(gpu), device_(open_device(gpu_rows[gpu].api, which)) {}

GpuEngine::~GpuEngine() {
    // The callers' queues may be gone.
    for (auto& [stream, workspace] : idle_) set_device(workspace->context, device_, {});
    idle_.clear();
    Context context;
    set_device(context, device_, {});
    device_.driver.release_scratch(context);
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

BatchReport GpuEngine::run(std::span<const Plan* const> plans, const Batch& in, const MutableBatch& out,
                           const Options& options) {
    std::unique_ptr<Workspace> work = take_workspace(options.queue);
    set_device(work->context, device_, options.queue);
    BatchReport report = BatchRun(*work, plans, in, out, options).run();
    give_back(std::move(work), options.queue);
    return report;
}

}  // namespace halmix
