// The C interface: handles are the classes of C++, a call is theirs, and what it throws becomes a status.

#include "halmix/c.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks.h"
#include "halmix/halmix.h"
#include "plan/guard.h"
#include "plan/text.h"
#include "workspace.h"

// NOLINTBEGIN(readability-identifier-naming): the names of C

struct halmix_workspace : halmix::Workspace {};

struct halmix_engine : halmix::Engine {
    explicit halmix_engine(std::string_view target) : Engine(target), name(this->target().name) {}
    std::string name;
};

struct halmix_policy : halmix::Policy {};

struct halmix_plan : halmix::Plan {};

struct halmix_threads : halmix::Threads {
    using Threads::Threads;
};

// NOLINTEND(readability-identifier-naming)

namespace halmix {

namespace {

constexpr bool same(Status status, int number) { return static_cast<int>(status) == number; }
static_assert(same(Status::ok, HALMIX_OK) && same(Status::invalid_argument, HALMIX_INVALID_ARGUMENT) &&
              same(Status::bad_plan, HALMIX_BAD_PLAN) && same(Status::unknown_target, HALMIX_UNKNOWN_TARGET) &&
              same(Status::target_unavailable, HALMIX_TARGET_UNAVAILABLE) &&
              same(Status::out_of_memory, HALMIX_OUT_OF_MEMORY) &&
              same(Status::pipeline_failed, HALMIX_PIPELINE_FAILED) && same(Status::interrupted, HALMIX_INTERRUPTED));

constexpr bool same(Layout layout, int number) { return static_cast<int>(layout) == number; }
static_assert(same(Layout::u8_hwc, HALMIX_U8_HWC) && same(Layout::u8_chw, HALMIX_U8_CHW) &&
              same(Layout::u8_rgbx, HALMIX_U8_RGBX) && same(Layout::f16_chw, HALMIX_F16_CHW) &&
              same(Layout::f32_chw, HALMIX_F32_CHW) && layout_count == HALMIX_F32_CHW + 1);

constexpr bool same(Filter filter, int number) { return static_cast<int>(filter) == number; }
static_assert(same(Filter::bilinear, HALMIX_BILINEAR) && same(Filter::bicubic, HALMIX_BICUBIC));

constexpr bool same(PassOrder order, int number) { return static_cast<int>(order) == number; }
static_assert(same(PassOrder::pillow_13, HALMIX_PILLOW_13) &&
              same(PassOrder::horizontal_first, HALMIX_HORIZONTAL_FIRST));

constexpr bool same(Memory memory, int number) { return static_cast<int>(memory) == number; }
static_assert(same(Memory::host, HALMIX_HOST) && same(Memory::cuda, HALMIX_CUDA) &&
              same(Memory::opencl, HALMIX_OPENCL));

// What programs were compiled with: structs with a size grow at the end, the others never.
constexpr std::size_t first_policy_options = 48, first_options = 80, first_task = 104;
static_assert(sizeof(halmix_policy_options) >= first_policy_options && sizeof(halmix_options) >= first_options &&
              sizeof(halmix_task) >= first_task && sizeof(halmix_image) == 48 && sizeof(halmix_op) == 16);

// ---- Statuses

/// What was thrown, as an Error.
Error current_error() {
    try {
        throw;
    } catch (const Error& error) {
        return error;
    } catch (const std::bad_alloc&) {
        return no_memory;
    } catch (const std::exception& exception) {
        return {Status::interrupted, "a callback threw an exception: " + text::one_line(exception.what())};
    } catch (...) {
        return {Status::interrupted, "a callback threw an exception"};
    }
}

/// Keeps what was thrown as the workspace's message; returns its status.
int report(Workspace& workspace) noexcept {
    std::string& message = workspace.state().message;
    try {
        const Error error = current_error();
        message = error.what();
        std::ranges::replace(message, '\n', ' ');
        return static_cast<int>(error.status());
    } catch (...) {  // there is no memory to say what it was, but a string has room for this
        message = no_memory.what();
        return HALMIX_OUT_OF_MEMORY;
    }
}

/// Whether this thread's own workspace, which would keep a message, could not be made when it was needed last.
thread_local bool without_workspace = false;

/// The workspace that was given, or the thread's own.
Workspace& workspace_of(halmix_workspace* given) {
    if (given != nullptr) return *given;
    without_workspace = true;
    Workspace& own = Workspace::of_this_thread();
    without_workspace = false;
    return own;
}

/// Does `call(workspace)` with that workspace.
template <typename Call>
int answer(halmix_workspace* given, const Call& call) noexcept {
    try {
        Workspace& workspace = workspace_of(given);
        try {
            call(workspace);
        } catch (...) {
            return report(workspace);
        }
        return HALMIX_OK;
    } catch (...) {  // there is no workspace
        return HALMIX_OUT_OF_MEMORY;
    }
}

/// As `answer` for what has a result of its own, which is `otherwise` if there is no workspace.
template <typename Result, typename Call>
Result ask(const halmix_workspace* given, const Result& otherwise, const Call& call) noexcept {
    try {
        return call(workspace_of(const_cast<halmix_workspace*>(given)));
    } catch (...) {
        return otherwise;
    }
}

// ---- Arguments

template <typename T>
T& required(T* pointer, std::string_view name) {
    if (pointer == nullptr) refuse(name, "it is null");
    return *pointer;
}

template <typename T>
std::span<T> required(T* pointer, std::size_t count, std::string_view name) {
    if (count != 0) required(pointer, name);
    return {pointer, count};
}

/// Makes what a handle stands for: `*made = make()`.
template <typename Handle, typename Make>
int create(halmix_workspace* workspace, Handle** made, std::string_view name, const Make& make) noexcept {
    if (made != nullptr) *made = nullptr;
    return answer(workspace, [&](Workspace&) { required(made, name) = make(); });
}

/// A struct as a program has it that was compiled with an older or a newer header: members it lacks are as in
/// `defaults`, and those that this release lacks must be 0. `first` is the size it had at first.
template <typename Struct>
Struct read(const void* given, std::size_t size, std::size_t first, Struct defaults, std::string_view name) {
    constexpr std::size_t most = 4096;
    if (size < first || size > most) {
        refuse(name, "size " + std::to_string(size) + "; here it is " + std::to_string(sizeof(Struct)));
    }
    const auto* bytes = static_cast<const unsigned char*>(given);
    const std::size_t known = std::min(size, sizeof(Struct));
    if (!std::all_of(bytes + known, bytes + size, [](unsigned char byte) { return byte == 0; })) {
        refuse(name, "it has a member that is not known here and not 0");
    }
    std::memcpy(&defaults, bytes, known);
    return defaults;
}

/// Sets what a program knows of a struct, and what only it knows to 0.
template <typename Struct>
void write(Struct* to, std::size_t size, Struct defaults) {
    if (to == nullptr) return;
    defaults.size = size;
    std::memset(static_cast<void*>(to), 0, size);
    std::memcpy(static_cast<void*>(to), &defaults, std::min(size, sizeof(Struct)));
}

halmix_policy_options default_policy_options() {
    const Policy policy{.ops = {}};  // which takes no memory
    halmix_policy_options options{};
    options.severity = policy.severity;
    options.alpha = policy.alpha;
    options.width = policy.width;
    options.depth = policy.depth;
    std::ranges::copy(policy.fill, options.fill);
    const RandomResizedCrop crop;
    options.crop_min_scale = crop.min_scale;
    options.crop_max_scale = crop.max_scale;
    options.crop_min_ratio = crop.min_ratio;
    options.crop_max_ratio = crop.max_ratio;
    options.crop_mirror = crop.mirror;
    return options;
}

Policy policy_of(const halmix_policy_options& from) {
    Policy policy{.severity = from.severity,
                  .width = from.width,
                  .depth = from.depth,
                  .alpha = from.alpha,
                  .ops = parse_op_choices(from.ops != nullptr ? from.ops : "all")};
    std::ranges::copy(from.fill, policy.fill.begin());
    if (from.crop_width != 0 || from.crop_height != 0) {
        policy.crop = RandomResizedCrop{.width = from.crop_width,
                                        .height = from.crop_height,
                                        .min_scale = from.crop_min_scale,
                                        .max_scale = from.crop_max_scale,
                                        .min_ratio = from.crop_min_ratio,
                                        .max_ratio = from.crop_max_ratio,
                                        .mirror = from.crop_mirror,
                                        .filter = static_cast<Filter>(from.crop_filter),
                                        .order = static_cast<PassOrder>(from.crop_order)};
    }
    validate(policy);
    return policy;
}

halmix_options default_options() {
    const Normalization normalization;
    halmix_options options{};
    std::ranges::copy(normalization.mean, options.mean);
    std::ranges::copy(normalization.std, options.std);
    return options;
}

Options options_of(const halmix_options* given, Workspace& workspace) {
    halmix_options from = default_options();
    if (given != nullptr) from = read(given, given->size, first_options, from, "options");
    Options options{.workspace = &workspace,
                    .runner = {from.runner.run, from.runner.state},
                    .interrupt = {from.interrupt, from.interrupt_state},
                    .queue = {from.stream, from.context}};
    std::ranges::copy(from.mean, options.normalization.mean.begin());
    std::ranges::copy(from.std, options.normalization.std.begin());
    return options;
}

/// The layout of an image whose numbers are checked.
Layout layout_of(const halmix_image& image, std::string_view name) {
    if (image.layout < 0 || image.layout >= layout_count) {
        refuse(name, "layout " + std::to_string(image.layout) + " does not exist");
    }
    if (image.memory < HALMIX_HOST || image.memory > HALMIX_OPENCL) {
        refuse(name, "memory " + std::to_string(image.memory) + " does not exist");
    }
    if (image.reserved != 0) refuse(name, "reserved is " + std::to_string(image.reserved) + "; it must be 0");
    return static_cast<Layout>(image.layout);
}

MutableImageView view_of(const halmix_image& image, std::string_view name) {
    const Layout layout = layout_of(image, name);
    if (image.memory != HALMIX_HOST) refuse(name, "its memory is a device's; here it must be the host's");
    const std::ptrdiff_t stride = image.stride != 0 ? image.stride : row_bytes(layout, image.width, image.channels);
    MutableImageView view(static_cast<std::uint8_t*>(image.data), image.width, image.height, image.channels, stride,
                          layout);
    if (image.plane != 0) view.plane = image.plane;
    return view;
}

template <typename AnyBatch>
AnyBatch batch_of(const halmix_image& first, std::size_t count, std::string_view name) {
    const Layout layout = layout_of(first, name);
    if (first.stride != 0 || first.plane != 0) refuse(name, "stride and plane must be 0: it has no gaps");
    if (count > std::numeric_limits<int>::max()) refuse(name, std::to_string(count) + " images are too many");
    return {first.data,     static_cast<int>(count),           first.width, first.height,
            first.channels, static_cast<Memory>(first.memory), layout};
}

constexpr const char* in_name = "input image";
constexpr const char* out_name = "output image";

Task task_of(const halmix_task& task) { return {task.plan, view_of(task.in, in_name), view_of(task.out, out_name)}; }

}  // namespace

}  // namespace halmix

using namespace halmix;

int halmix_abi(void) { return HALMIX_ABI; }

const char* halmix_version(void) { return HALMIX_VERSION; }

int halmix_workspace_create(halmix_workspace* workspace, halmix_workspace** created) {
    return create(workspace, created, "created", [] { return new halmix_workspace; });
}

void halmix_workspace_free(halmix_workspace* workspace) { delete workspace; }

const char* halmix_message(const halmix_workspace* workspace) {
    if (workspace == nullptr && without_workspace) return no_memory.what();
    return ask(workspace, no_memory.what(), [](Workspace& own) { return own.state().message.c_str(); });
}

void halmix_workspace_release(halmix_workspace* workspace) {
    ask(workspace, 0, [](Workspace& own) { return own.release(), 0; });
}

size_t halmix_workspace_bytes(const halmix_workspace* workspace) {
    return ask(workspace, std::size_t{0}, [](Workspace& own) { return own.bytes(); });
}

int halmix_targets(halmix_workspace* workspace, void (*each)(void* state, const halmix_target* target), void* state) {
    return answer(workspace, [&](Workspace&) {
        required(each, "each");
        for (const TargetInfo& info : targets()) {
            const std::string name(info.name), needs(info.needs);
            std::vector<const char*> devices;
            for (const std::string& device : info.devices) devices.push_back(device.c_str());
            const halmix_target target{
                sizeof target,  name.c_str(),   needs.c_str(), info.available ? nullptr : info.problem.c_str(),
                devices.data(), devices.size(), info.pipelines};
            each(state, &target);
        }
    });
}

int halmix_engine_create(halmix_workspace* workspace, const char* target, halmix_engine** engine) {
    return create(workspace, engine, "engine", [&] { return new halmix_engine(target != nullptr ? target : "auto"); });
}

void halmix_engine_free(halmix_engine* engine) { delete engine; }

const char* halmix_engine_target(const halmix_engine* engine) {
    return engine != nullptr ? engine->name.c_str() : nullptr;
}

const char* halmix_engine_reason(const halmix_engine* engine) {
    return engine != nullptr ? engine->reason().c_str() : nullptr;
}

void halmix_policy_options_init(halmix_policy_options* options, size_t size) {
    write(options, size, default_policy_options());
}

int halmix_policy_create(halmix_workspace* workspace, const halmix_policy_options* options, halmix_policy** policy) {
    return create(workspace, policy, "policy", [&] {
        halmix_policy_options from = default_policy_options();
        if (options != nullptr) from = read(options, options->size, first_policy_options, from, "policy options");
        if (std::ranges::any_of(from.reserved, [](int byte) { return byte != 0; })) {
            refuse("policy options", "reserved must be 0");
        }
        return new halmix_policy{policy_of(from)};
    });
}

void halmix_policy_free(halmix_policy* policy) { delete policy; }

int halmix_plan_create(halmix_workspace* workspace, halmix_plan** plan) {
    return create(workspace, plan, "plan", [] { return new halmix_plan; });
}

void halmix_plan_free(halmix_plan* plan) { delete plan; }

int halmix_sample(halmix_workspace* workspace, const halmix_policy* policy, uint64_t seed, uint32_t epoch,
                  uint64_t index, uint32_t view, int32_t width, int32_t height, halmix_plan* plan) {
    return answer(workspace, [&](Workspace&) {
        constexpr std::uint32_t last_view = std::numeric_limits<decltype(Key::view)>::max();
        if (view > last_view) refuse("view", std::to_string(view) + "; allowed are 0.." + std::to_string(last_view));
        const Key key{.seed = seed, .epoch = epoch, .index = index, .view = static_cast<std::uint16_t>(view)};
        sample(required(policy, "policy"), key, width, height, required(plan, "plan"));
    });
}

int halmix_sample_clean(halmix_workspace* workspace, const halmix_policy* policy, uint64_t seed, uint32_t epoch,
                        uint64_t index, int32_t width, int32_t height, halmix_plan* plan) {
    return answer(workspace, [&](Workspace&) {
        const Key key{.seed = seed, .epoch = epoch, .index = index};
        sample_clean(required(policy, "policy"), key, width, height, required(plan, "plan"));
    });
}

int halmix_plan_from_json(halmix_workspace* workspace, const char* text, halmix_plan* plan) {
    return answer(workspace, [&](Workspace&) {
        static_cast<Plan&>(required(plan, "plan")) = plan_from_json(&required(text, "text"));
    });
}

int halmix_plan_to_json(halmix_workspace* workspace, const halmix_plan* plan, char* buffer, size_t size,
                        size_t* length) {
    return answer(workspace, [&](Workspace&) {
        const std::span<char> to = required(buffer, size, "buffer");
        const std::string text = to_json(required(plan, "plan"));
        if (length != nullptr) *length = text.size();
        if (to.empty()) return;
        to[text.copy(to.data(), to.size() - 1)] = '\0';
    });
}

void halmix_options_init(halmix_options* options, size_t size) { write(options, size, default_options()); }

int halmix_run(halmix_workspace* workspace, const halmix_engine* engine, const halmix_plan* plan,
               const halmix_image* in, const halmix_image* out, const halmix_options* options) {
    return answer(workspace, [&](Workspace& own) {
        const Options how = options_of(options, own);
        const Task task{plan, view_of(required(in, in_name), in_name), view_of(required(out, out_name), out_name)};
        if (plan != nullptr) return required(engine, "engine").run(*plan, task.in, task.out, how);
        required(engine, "engine").run({&task, 1}, how);
    });
}

int halmix_run_tasks(halmix_workspace* workspace, const halmix_engine* engine, const halmix_task* tasks, size_t count,
                     size_t task_size, const halmix_options* options) {
    return answer(workspace, [&](Workspace& own) {
        if (count != 0) required(tasks, "tasks");
        const auto* bytes = reinterpret_cast<const unsigned char*>(tasks);
        std::vector<Task>& all = own.state().tasks;
        all.clear();
        for (std::size_t i = 0; i < count; i++) {
            try {
                all.push_back(task_of(read(bytes + i * task_size, task_size, first_task, halmix_task{}, "task_size")));
            } catch (const Error& error) {
                throw Error(error.status(), "task " + std::to_string(i) + ": " + error.what());
            }
        }
        required(engine, "engine").run(all, options_of(options, own));
    });
}

int halmix_run_batch(halmix_workspace* workspace, const halmix_engine* engine, const halmix_plan* const* plans,
                     size_t count, const halmix_image* in, size_t images, const halmix_image* out,
                     const halmix_options* options) {
    return answer(workspace, [&](Workspace& own) {
        const auto from = batch_of<Batch>(required(in, "input batch"), images, "input batch");
        const auto to = batch_of<MutableBatch>(required(out, "output batch"), count, "output batch");
        std::vector<Plan>& all = own.state().plans;
        all.resize(count);
        for (std::size_t i = 0; const halmix_plan* plan : required(plans, count, "plans")) {
            Plan& copy = all[i++];
            if (plan != nullptr) {
                copy = *plan;
                continue;
            }
            copy.width = from.width;
            copy.height = from.height;
            copy.mix = 0;
            copy.chains.assign(1, {});
            copy.resized_crop.reset();
        }
        required(engine, "engine").run(all, from, to, options_of(options, own));
    });
}

int halmix_apply(halmix_workspace* workspace, const halmix_engine* engine, const halmix_op* ops, size_t count,
                 const uint8_t* fill, const halmix_image* in, const halmix_image* out, const halmix_options* options) {
    return answer(workspace, [&](Workspace& own) {
        std::array<OpCall, max_depth> calls{};
        if (count > calls.size()) {
            refuse("ops", std::to_string(count) + " of them; at most " + std::to_string(max_depth) + " make a chain");
        }
        std::ranges::transform(required(ops, count, "ops"), calls.begin(), [](const halmix_op& op) {
            return OpCall{parse_op(&required(op.name, "op's name")), op.value};
        });
        Fill colour{};
        if (fill != nullptr) std::copy_n(fill, colour.size(), colour.begin());
        required(engine, "engine")
            .apply(std::span(calls).first(count), colour, view_of(required(in, in_name), in_name),
                   view_of(required(out, out_name), out_name), options_of(options, own));
    });
}

int halmix_threads_create(halmix_workspace* workspace, int32_t count, halmix_threads** threads) {
    return create(workspace, threads, "threads", [&] { return new halmix_threads(count); });
}

void halmix_threads_free(halmix_threads* threads) { delete threads; }

int32_t halmix_threads_count(const halmix_threads* threads) { return threads != nullptr ? threads->count() : 1; }

halmix_runner halmix_threads_runner(halmix_threads* threads) {
    const Runner runner = threads != nullptr ? threads->runner() : Runner{};
    return {runner.run, runner.state};
}
