#include "halmix/engine.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "batch.h"
#include "checks.h"
#include "cpu/cpu_engine.h"
#include "cpu/view.h"
#include "gpu/gpu_engine.h"
#include "halmix/error.h"
#include "lowering/program.h"
#include "plan/guard.h"
#include "target.h"
#include "workspace.h"

namespace halmix {

namespace {

/// The workspace of a call; after it, it keeps no more than it should.
struct CallWorkspace {
    explicit CallWorkspace(const Options& options)
        : state((options.workspace != nullptr ? *options.workspace : Workspace::of_this_thread()).state()) {}
    ~CallWorkspace() { state.trim(); }
    CallWorkspace(const CallWorkspace&) = delete;
    CallWorkspace& operator=(const CallWorkspace&) = delete;

    Workspace::State& state;
};

/// Images for a GPU, of one size and layout, one after another in this memory.
MutableImageView packed_like(const ImageView& image, std::uint8_t* memory) {
    return {memory, image.width, image.height, image.channels, image.layout};
}

std::size_t image_bytes(const ImageView& image) {
    return image_bytes(image.layout, image.width, image.height, image.channels);
}

Batch batch_of(const ImageView& first, int count) {
    return {first.data, count, first.width, first.height, first.channels, Memory::host, first.layout};
}

MutableBatch batch_of(const MutableImageView& first, int count) {
    return {first.data, count, first.width, first.height, first.channels, Memory::host, first.layout};
}

/// Runs tasks of any sizes on a GPU: those alike together, by way of memory of their own.
void run_by_size(GpuEngine& engine, std::span<const Task> tasks, const Options& options) {
    using Alike = std::tuple<int, int, int, Layout, int, int, Layout>;
    std::map<Alike, std::vector<const Task*>> groups;
    for (const Task& task : tasks) {
        const auto& [plan, in, out] = task;
        groups[{in.width, in.height, in.channels, in.layout, out.width, out.height, out.layout}].push_back(&task);
    }
    std::vector<std::uint8_t> from, to;
    std::vector<const Plan*> plans;
    for (const auto& [alike, members] : groups) {
        const Task& first = *members[0];
        const std::size_t in_bytes = image_bytes(first.in), out_bytes = image_bytes(first.out);
        from.resize(in_bytes * members.size());
        to.resize(out_bytes * members.size());
        plans.clear();
        for (std::size_t k = 0; k < members.size(); k++) {
            plans.push_back(members[k]->plan);
            copy(members[k]->in, packed_like(first.in, from.data() + k * in_bytes));
        }
        const auto count = static_cast<int>(members.size());
        engine.run(plans, batch_of(ImageView(packed_like(first.in, from.data())), count),
                   batch_of(packed_like(first.out, to.data()), count), options);
        for (std::size_t k = 0; k < members.size(); k++) {
            copy(packed_like(first.out, to.data() + k * out_bytes), members[k]->out);
        }
    }
}

}  // namespace

Engine::Engine(std::string_view target, Memory data) {
    guarded([&] {
        Choice choice = choose_target(target, data);
        reason_ = std::move(choice.reason);
        if (choice.gpu) {
            target_ = describe_gpu(choice.index);
            gpu_ = std::make_shared<GpuEngine>(choice.index, choice.device);
            target_.available = true;
            target_.devices = {gpu_->device().name};
        } else {
            target_ = describe_cpu(choice.index);
            cpu_ = std::make_shared<CpuEngine>(choice.index);
        }
    });
}

void Engine::apply(std::span<const OpCall> ops, const Fill& fill, ImageView in, MutableImageView out,
                   const Options& options) const {
    guarded([&] {
        check_ops(ops);
        check_images(in, out);
        check_sizes(nullptr, in, out);
        check_normalization(options.normalization);
        const CallWorkspace work(options);
        if (cpu_) return cpu_->apply(ops, fill, in, out, options.normalization, work.state.own);
        // A chain whose share is all of the mixture is the chain: level + 0 for every level.
        Plan plan{in.width, in.height, 1, fill, {{1, {ops.begin(), ops.end()}}}};
        const Task task{&plan, in, out};
        run_by_size(*gpu_, {&task, 1}, options);
    });
}

void Engine::run(const Plan& plan, ImageView in, MutableImageView out, const Options& options) const {
    guarded([&] {
        const Task task{&plan, in, out};
        check_task(task, options.normalization);
        if (!cpu_) return run_by_size(*gpu_, {&task, 1}, options);
        const CallWorkspace work(options);
        cpu_->run(&plan, in, out, options.normalization, work.state.own);
    });
}

void Engine::run(std::span<const Task> tasks, const Options& options) const {
    guarded([&] {
        check_tasks(tasks, options.normalization);
        if (!cpu_) return run_by_size(*gpu_, tasks, options);
        const CallWorkspace work(options);
        run_tasks(*cpu_, tasks, options, work.state);
    });
}

BatchReport Engine::run(std::span<const Plan> plans, const Batch& in, const MutableBatch& out,
                        const Options& options) const {
    return guarded([&]() -> BatchReport {
        check_batch(plans, in, out, options.normalization, gpu_ ? gpu_->device().driver.memory : Memory::host,
                    target_.name);
        if (plans.empty()) return {.passes = 0};
        if (gpu_) {
            std::vector<const Plan*> pointers;
            for (const Plan& plan : plans) pointers.push_back(&plan);
            return gpu_->run(pointers, in, out, options);
        }
        const auto begin = std::chrono::steady_clock::now();
        const std::size_t views = plans.size() / in.count;
        const std::size_t in_bytes = halmix::image_bytes(in.layout, in.width, in.height, in.channels);
        const std::size_t out_bytes = halmix::image_bytes(out.layout, out.width, out.height, out.channels);
        const CallWorkspace work(options);
        Workspace::State& state = work.state;
        state.tasks.clear();
        for (std::size_t i = 0; i < plans.size(); i++) {
            const auto* from = static_cast<const std::uint8_t*>(in.data) + i / views * in_bytes;
            auto* to = static_cast<std::uint8_t*>(out.data) + i * out_bytes;
            state.tasks.push_back({&plans[i],
                                   {from, in.width, in.height, in.channels, in.layout},
                                   {to, out.width, out.height, out.channels, out.layout}});
        }
        run_tasks(*cpu_, state.tasks, options, state);
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
        return {.kernels = options.timed ? taken.count() : 0};
    });
}

void Engine::warm_up(int count, int width, int height, int channels, int chains, const Queue& queue) const {
    if (!gpu_) return;
    guarded([&] {
        std::vector<std::uint8_t> image(std::size_t(width) * height * channels * count), result(4 * image.size());
        // As many steps and tables as a plan of depth 3 can have.
        const Chain chain{0, {{Op::posterize, 4}, {Op::sharpness, 1.5}, {Op::solarize, 128}}};
        std::vector<Plan> plans(count, {width, height, 0.5F, {}, std::vector<Chain>(chains, chain)});
        for (const OpInfo& op : ops()) {
            const OpCall call{op.op, op.examples[0]};
            apply({&call, 1}, {}, {image.data(), width, height, channels}, {result.data(), width, height, channels});
        }
        // Of what size sources of boxes will be is not known.
        Plan resized{.width = 1, .height = 1, .chains = {{}}};
        resized.resized_crop = {.source_width = 1, .source_height = 1, .width = 1, .height = 1};
        run(resized, {image.data(), 1, 1, channels}, {result.data(), 1, 1, channels});
        for (Layout layout : {Layout::u8_hwc, Layout::f16_chw, Layout::f32_chw}) {
            run(plans, Batch{image.data(), count, width, height, channels},
                MutableBatch{result.data(), count, width, height, channels, Memory::host, layout}, {.queue = queue});
        }
    });
}

std::vector<std::string_view> Engine::describe(std::span<const OpCall> ops, int width, int height, int channels) const {
    return guarded([&] {
        check_ops(ops);
        Program program;
        lower(ops, width, height, channels, gpu_ ? Processor::gpu : Processor::cpu, program);
        std::vector<std::string_view> names;
        for (const Step& step : program.steps) names.push_back(step.pipeline->name);
        return names;
    });
}

}  // namespace halmix
