// The C interface, in calls of any order. Every status is one of those that a function may give, and goes with one
// line; what a create function fails to make is NULL; texts are cut as snprintf cuts them; results are those of the C++
// interface on another target, and an argument that is wrong is never taken for right.

#include <cstring>
#include <memory>

#include "fuzz.h"
#include "halmix/c.h"

using namespace halmix;

namespace {

/// What a status promises: a message goes with a failure. Some would say that the library or the machine is broken.
bool succeeded(int status, const halmix_workspace* workspace) {
    fuzz::require(status >= HALMIX_OK && status <= HALMIX_INTERRUPTED && status != HALMIX_OUT_OF_MEMORY &&
                      status != HALMIX_PIPELINE_FAILED,
                  "a documented status", halmix_message(workspace));
    if (status != HALMIX_OK) fuzz::require_one_line(halmix_message(workspace));
    return status == HALMIX_OK;
}

/// Handles of one kind, any of which may be NULL.
template <typename Handle, void (*free)(Handle*)>
class Handles {
 public:
    template <typename Create>
    void replace(FuzzedDataProvider& input, const halmix_workspace* workspace, Create create) {
        Handle*& handle = pick(input);
        free(handle);
        handle = reinterpret_cast<Handle*>(1);
        const bool made = succeeded(create(&handle), workspace);
        fuzz::require(made == (handle != nullptr), "there is a handle unless it fails");
    }
    Handle*& pick(FuzzedDataProvider& input) {
        return handles_[input.ConsumeIntegralInRange<std::size_t>(0, handles_.size() - 1)];
    }
    Handle*& first() { return handles_.front(); }

    Handles() = default;
    ~Handles() { std::ranges::for_each(handles_, free); }
    Handles(const Handles&) = delete;
    Handles& operator=(const Handles&) = delete;

 private:
    std::array<Handle*, 3> handles_{};
};

/// The plan as C++ has it; a plan that nothing has filled is none.
std::optional<Plan> cpp_plan(const halmix_plan* plan) {
    std::size_t length = 0;
    if (!succeeded(halmix_plan_to_json(nullptr, plan, nullptr, 0, &length), nullptr)) return {};
    std::string text(length + 1, 'x');
    fuzz::require(succeeded(halmix_plan_to_json(nullptr, plan, text.data(), text.size(), nullptr), nullptr),
                  "a text again");
    fuzz::require(text.back() == 0, "a text ends in 0");
    text.pop_back();
    return plan_from_json(text);
}

/// An image, with the memory that it needs and not a byte more.
struct Image {
    Image(FuzzedDataProvider& input, int width, int height, int channels)
        : memory(fuzz::draw_image(input, width, height, channels).pixels),
          image{memory.data(), width, height, channels, HALMIX_U8_HWC, HALMIX_HOST, 0, 0, 0} {}

    std::vector<std::uint8_t> memory;
    halmix_image image;
};

/// Changes something so that the image is none that may be; false if it stays.
bool draw_mistake(FuzzedDataProvider& input, halmix_image& image) {
    switch (input.ConsumeIntegralInRange(0, 30)) {
        case 0:
            image.data = nullptr;
            return true;
        case 1:
            image.width = input.ConsumeIntegralInRange(-9, 0);
            return true;
        case 2:
            image.height = input.ConsumeIntegralInRange(-9, 0);
            return true;
        case 3:
            image.channels = input.PickValueInArray({-1, 0, 2, 4, 1 << 30});
            return true;
        case 4:
            image.layout = input.PickValueInArray({-1, 5, 1 << 30});
            return true;
        case 5:
            image.memory = input.PickValueInArray({-1, 1, 2, 3, 1 << 30});
            return true;
        default:
            return false;
    }
}

class Calls {
 public:
    explicit Calls(FuzzedDataProvider& input) : input_(input) {
        if (input_.ConsumeBool()) {
            fuzz::require(halmix_workspace_create(nullptr, &workspace_) == HALMIX_OK, "a workspace is made");
        }
        // One handle of each kind to begin with, or few calls would come far.
        const bool made =
            halmix_policy_create(workspace_, nullptr, &policies_.first()) == HALMIX_OK &&
            halmix_plan_create(workspace_, &plans_.first()) == HALMIX_OK &&
            halmix_engine_create(workspace_, cpu_rows.back().name.data(), &engines_.first()) == HALMIX_OK &&
            halmix_sample(workspace_, policies_.first(), 1, 2, 3, 4, 19, 13, plans_.first()) == HALMIX_OK;
        fuzz::require(made, "handles are made", halmix_message(workspace_));
    }
    ~Calls() { halmix_workspace_free(workspace_); }
    Calls(const Calls&) = delete;
    Calls& operator=(const Calls&) = delete;

    void next() {
        switch (input_.ConsumeIntegralInRange(0, 9)) {
            case 0:
                return make_policy();
            case 1:
                return plans_.replace(input_, workspace_,
                                      [&](halmix_plan** made) { return halmix_plan_create(workspace_, made); });
            case 2:
                return sample();
            case 3:
                return read_plan();
            case 4:
                return write_plan();
            case 5:
                return make_engine();
            case 6:
                return run();
            case 7:
                return run_tasks();
            case 8:
                return apply();
            default:
                halmix_workspace_release(workspace_);
                fuzz::require(halmix_workspace_bytes(workspace_) == 0, "a released workspace holds nothing");
        }
    }

 private:
    void make_policy() {
        halmix_policy_options options;
        std::memset(&options, 0xff, sizeof options);
        const auto size =
            input_.ConsumeBool() ? sizeof options : input_.ConsumeIntegralInRange<std::size_t>(0, sizeof options);
        halmix_policy_options_init(&options, size);
        const auto* const after = reinterpret_cast<const std::uint8_t*>(&options) + size;
        fuzz::require(std::all_of(after, after + (sizeof options - size), [](auto byte) { return byte == 0xff; }),
                      "init sets so many bytes");
        const std::string ops = input_.ConsumeRandomLengthString(30);
        if (size == sizeof options) {
            if (input_.ConsumeBool()) options.severity = input_.ConsumeFloatingPointInRange(-1.0, 11.0);
            if (input_.ConsumeBool()) options.width = input_.ConsumeIntegralInRange(-1, 17);
            if (input_.ConsumeBool()) options.depth = input_.ConsumeIntegralInRange(-2, 17);
            if (input_.ConsumeBool()) options.alpha = input_.ConsumeFloatingPoint<double>();
            if (input_.ConsumeIntegralInRange(0, 3) == 0) options.ops = ops.c_str();
            if (input_.ConsumeBool()) {
                options.crop_width = input_.ConsumeIntegralInRange(-1, 30);
                options.crop_height = input_.ConsumeIntegralInRange(-1, 30);
                options.crop_filter = input_.ConsumeIntegralInRange<std::uint8_t>(0, 2);
            }
        }
        policies_.replace(input_, workspace_, [&](halmix_policy** made) {
            return halmix_policy_create(workspace_, size < sizeof options ? nullptr : &options, made);
        });
    }

    void sample() {
        const halmix_policy* policy = policies_.pick(input_);
        halmix_plan* plan = plans_.pick(input_);
        const int width = input_.ConsumeIntegralInRange(-1, 40), height = input_.ConsumeIntegralInRange(-1, 40);
        const auto index = input_.ConsumeIntegral<std::uint64_t>();
        const auto view = input_.ConsumeIntegralInRange<std::uint32_t>(0, 1 << 17);
        const bool clean = input_.ConsumeBool();
        const bool done = succeeded(clean ? halmix_sample_clean(workspace_, policy, 1, 2, index, width, height, plan)
                                          : halmix_sample(workspace_, policy, 1, 2, index, view, width, height, plan),
                                    workspace_);
        const bool right = policy != nullptr && plan != nullptr && width > 0 && height > 0 && (clean || view < 1 << 16);
        fuzz::require(done == right, "a plan is drawn of what may be, and of that only");
    }

    void read_plan() {
        const std::string text = input_.ConsumeRandomLengthString(200);
        succeeded(halmix_plan_from_json(workspace_, text.c_str(), plans_.pick(input_)), workspace_);
    }

    void write_plan() {
        const halmix_plan* plan = plans_.pick(input_);
        const auto size = input_.ConsumeIntegralInRange<std::size_t>(0, 400);
        const test::GuardedBytes buffer(size, test::Guard::after);
        std::size_t length = 0;
        if (!succeeded(halmix_plan_to_json(workspace_, plan, reinterpret_cast<char*>(buffer.data()), size, &length),
                       workspace_)) {
            return;
        }
        const std::string text = to_json(*cpp_plan(plan));
        fuzz::require(length == text.size(), "the length is that of the whole text");
        if (size == 0) return;
        const std::string_view cut = std::string_view(text).substr(0, size - 1);
        fuzz::require(reinterpret_cast<const char*>(buffer.data()) == cut, "the text is cut to the buffer", text);
    }

    void make_engine() {
        const std::string name =
            input_.ConsumeBool() ? std::string(input_.PickValueInArray({"auto", "cpu-sse41", "cpu-avx2", "cpu-avx512"}))
                                 : "x" + input_.ConsumeRandomLengthString(9);  // none of a GPU
        engines_.replace(input_, workspace_,
                         [&](halmix_engine** made) { return halmix_engine_create(workspace_, name.c_str(), made); });
    }

    /// A task for a plan, with images that suit it, or nearly.
    struct Work {
        Work(FuzzedDataProvider& input, const halmix_plan* handle)
            : plan(handle != nullptr ? cpp_plan(handle) : std::nullopt),
              in(input, source_width(), source_height(), channels = input.ConsumeBool() ? 3 : 1),
              out(input, width(), height(), channels),
              task{handle, in.image, out.image},
              wrong(draw_mistake(input, task.in)) {
            wrong |= draw_mistake(input, task.out);
            wrong |= handle != nullptr && !plan;
        }
        Work(const Work&) = delete;
        Work& operator=(const Work&) = delete;

        void require_result() const {
            std::vector<std::uint8_t> expected = in.memory;
            if (plan) {
                expected.resize(out.memory.size());
                fuzz::engines().back().run(*plan, {in.memory.data(), source_width(), source_height(), channels},
                                           {expected.data(), width(), height(), channels});
            }
            fuzz::require(out.memory == expected, "results are those of the C++ interface");
        }

        [[nodiscard]] int width() const { return plan ? plan->width : 7; }
        [[nodiscard]] int height() const { return plan ? plan->height : 5; }
        [[nodiscard]] int source_width() const {
            return plan && plan->resized_crop ? plan->resized_crop->source_width : width();
        }
        [[nodiscard]] int source_height() const {
            return plan && plan->resized_crop ? plan->resized_crop->source_height : height();
        }

        std::optional<Plan> plan;
        int channels = 3;
        Image in, out;
        halmix_task task;
        bool wrong;
    };

    /// A plan that is read from text may be for an image of any size.
    bool is_large(const halmix_plan* handle) {
        const std::optional<Plan> plan = handle != nullptr ? cpp_plan(handle) : std::nullopt;
        if (!plan) return false;
        const auto large = [](int width, int height) { return std::int64_t{width} * height > 1 << 14; };
        return large(plan->width, plan->height) ||
               (plan->resized_crop && large(plan->resized_crop->source_width, plan->resized_crop->source_height));
    }

    void run() {
        const halmix_engine* engine = engines_.pick(input_);
        const halmix_plan* plan = plans_.pick(input_);
        if (is_large(plan)) return;
        const Work work(input_, plan);
        const bool done = succeeded(
            halmix_run(workspace_, engine, work.task.plan, &work.task.in, &work.task.out, nullptr), workspace_);
        fuzz::require(done == (engine != nullptr && !work.wrong), "what is right is computed, and only that",
                      halmix_message(workspace_));
        if (done) work.require_result();
    }

    static bool yes(void* state) { return *static_cast<bool*>(state); }

    void run_tasks() {
        const halmix_engine* engine = engines_.pick(input_);
        std::vector<std::unique_ptr<Work>> works;
        std::vector<halmix_task> tasks;
        bool right = engine != nullptr;
        for (int i = input_.ConsumeIntegralInRange(0, 3); i > 0; --i) {
            const halmix_plan* plan = plans_.pick(input_);
            if (is_large(plan)) continue;
            works.push_back(std::make_unique<Work>(input_, plan));
            tasks.push_back(works.back()->task);
            right = right && !works.back()->wrong;
        }
        halmix_options options;
        halmix_options_init(&options, sizeof options);
        bool interrupted = input_.ConsumeIntegralInRange(0, 5) == 0;
        options.interrupt = yes;
        options.interrupt_state = &interrupted;
        const std::size_t task_size = sizeof(halmix_task) - (input_.ConsumeIntegralInRange(0, 9) == 0 ? 8 : 0);
        right = right && (tasks.empty() || task_size == sizeof(halmix_task));
        const int status = halmix_run_tasks(workspace_, engine, tasks.data(), tasks.size(), task_size, &options);
        const bool done = succeeded(status, workspace_);
        fuzz::require(done == (right && (!interrupted || tasks.empty())), "right tasks are computed, and only those",
                      halmix_message(workspace_));
        fuzz::require(right || status != HALMIX_INTERRUPTED, "all is checked before anything is computed");
        if (done) std::ranges::for_each(works, [](const auto& work) { work->require_result(); });
    }

    void apply() {
        const halmix_engine* engine = engines_.pick(input_);
        std::vector<std::string> names;
        std::vector<OpCall> calls;
        bool right = engine != nullptr;
        for (int i = input_.ConsumeIntegralInRange(0, 5); i > 0; --i) {
            calls.push_back(fuzz::draw_call(input_));
            names.emplace_back(info(calls.back().op).name);
            if (input_.ConsumeIntegralInRange(0, 20) != 0) continue;
            names.back() += "?";
            right = false;
        }
        std::vector<halmix_op> ops;
        for (std::size_t i = 0; i < calls.size(); ++i) ops.push_back({names[i].c_str(), calls[i].value});
        const Fill fill = fuzz::draw_fill(input_);
        const int width = fuzz::draw_side(input_, 60), height = fuzz::draw_side(input_, 60);
        const int channels = input_.ConsumeBool() ? 3 : 1;
        Image in(input_, width, height, channels), out(input_, width, height, channels);
        const std::vector<std::uint8_t> source = in.memory;
        if (draw_mistake(input_, in.image)) right = false;
        const bool done = succeeded(
            halmix_apply(workspace_, engine, ops.data(), ops.size(), fill.data(), &in.image, &out.image, nullptr),
            workspace_);
        fuzz::require(done == right, "what is right is computed, and only that", halmix_message(workspace_));
        if (!done) return;
        std::vector<std::uint8_t> expected(source.size());
        fuzz::engines().back().apply(calls, fill, {source.data(), width, height, channels},
                                     {expected.data(), width, height, channels});
        fuzz::require(out.memory == expected && in.memory == source, "results are those of the C++ interface");
    }

    FuzzedDataProvider& input_;
    halmix_workspace* workspace_ = nullptr;
    Handles<halmix_policy, halmix_policy_free> policies_;
    Handles<halmix_plan, halmix_plan_free> plans_;
    Handles<halmix_engine, halmix_engine_free> engines_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider input(data, size);
    Calls calls(input);
    while (input.remaining_bytes() > 0) calls.next();
    return 0;
}
