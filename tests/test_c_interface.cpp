// The C interface: it does what the C++ one does, and nothing but statuses comes out of it.

#include <array>
#include <atomic>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "allocations.h"
#include "catch.h"
#include "engines.h"
#include "halmix/c.h"
#include "halmix/halmix.h"

using namespace halmix;

namespace {

void check(int status) {
    INFO(halmix_message(nullptr));
    REQUIRE(status == HALMIX_OK);
}

template <typename Handle>
Handle handle_of(void (*free)(Handle));

/// A handle by the function that ends it.
template <auto free>
using HandleOf = std::remove_pointer_t<decltype(handle_of(free))>;

template <auto free>
struct Free {
    void operator()(HandleOf<free>* handle) const { free(handle); }
};

template <auto free>
using Owned = std::unique_ptr<HandleOf<free>, Free<free>>;
using OwnedEngine = Owned<halmix_engine_free>;
using OwnedPolicy = Owned<halmix_policy_free>;
using OwnedPlan = Owned<halmix_plan_free>;
using OwnedWorkspace = Owned<halmix_workspace_free>;
using OwnedThreads = Owned<halmix_threads_free>;

template <auto create, auto free, typename... Arguments>
Owned<free> make(Arguments... arguments) {
    HandleOf<free>* made = nullptr;
    check(create(nullptr, arguments..., &made));
    return Owned<free>(made);
}

OwnedEngine make_engine(const char* target = test::least_cpu().data()) {
    return make<halmix_engine_create, halmix_engine_free>(target);
}
OwnedPolicy make_policy(const halmix_policy_options* options = nullptr) {
    return make<halmix_policy_create, halmix_policy_free>(options);
}
OwnedPlan make_plan() { return make<halmix_plan_create, halmix_plan_free>(); }
OwnedPlan make_plan(const halmix_policy* policy, std::uint64_t index, int width, int height) {
    OwnedPlan plan = make_plan();
    check(halmix_sample(nullptr, policy, 3, 0, index, 0, width, height, plan.get()));
    return plan;
}
OwnedWorkspace make_workspace() { return make<halmix_workspace_create, halmix_workspace_free>(); }
OwnedThreads make_threads(int count) { return make<halmix_threads_create, halmix_threads_free>(count); }

std::string json(const halmix_plan* plan) {
    std::size_t length = 0;
    check(halmix_plan_to_json(nullptr, plan, nullptr, 0, &length));
    std::string text(length + 1, '?');
    check(halmix_plan_to_json(nullptr, plan, text.data(), text.size(), nullptr));
    REQUIRE(text.back() == '\0');
    text.pop_back();
    return text;
}

constexpr int width = 29, height = 17, channels = 3;
constexpr std::size_t pixels = std::size_t{width} * height * channels;

using Bytes = std::vector<std::uint8_t>;

Bytes noise(std::size_t count, unsigned seed = 1) {
    std::mt19937 random(seed);
    Bytes bytes(count);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    return bytes;
}

halmix_image image(Bytes& bytes, int layout = HALMIX_U8_HWC) {
    return {bytes.data(), width, height, channels, layout, HALMIX_HOST, 0, 0, 0};
}

halmix_options options() {
    halmix_options options;
    halmix_options_init(&options, sizeof options);
    return options;
}

void says(std::string_view part, const halmix_workspace* workspace = nullptr) {
    INFO(halmix_message(workspace));
    const std::string_view message = halmix_message(workspace);
    CHECK(message.find(part) != std::string_view::npos);
    CHECK(message.find('\n') == std::string_view::npos);
}

}  // namespace

TEST_CASE("a plan and its result are those of C++") {
    halmix_policy_options from;
    halmix_policy_options_init(&from, sizeof from);
    CHECK(from.size == sizeof from);
    from.severity = 7;
    from.alpha = 0.5;
    from.ops = "safe,color_original:2";
    from.width = 4;
    from.depth = 2;
    from.fill[1] = 200;
    const Policy same{
        .severity = 7, .width = 4, .depth = 2, .alpha = 0.5, .ops = parse_op_choices(from.ops), .fill = {0, 200, 0}};
    const OwnedPolicy policy = make_policy(&from);
    const OwnedPlan plan = make_plan();
    const OwnedWorkspace workspace = make_workspace();
    for (const Engine& engine : test::available_engines()) {
        const OwnedEngine same_engine = make_engine(std::string(engine.target().name).c_str());
        CHECK(halmix_engine_target(same_engine.get()) == engine.target().name);
        CHECK(halmix_engine_reason(same_engine.get()) == engine.reason());
        for (std::uint16_t view = 0; view < 20; view++) {
            const Key key{.seed = ~0ULL, .epoch = 5, .index = 1ULL << 40, .view = view};
            check(halmix_sample(workspace.get(), policy.get(), key.seed, key.epoch, key.index, view, width, height,
                                plan.get()));
            const Plan expected_plan = sample(same, key, width, height);
            REQUIRE(json(plan.get()) == to_json(expected_plan));

            const int layout = view % layout_count, source = view % 3;
            halmix_options how = options();
            std::fill_n(how.mean, 3, 0.25F);
            std::fill_n(how.std, 3, 0.5F);
            Bytes in = noise(4 * pixels, view), out(4 * pixels), expected(4 * pixels);
            const halmix_image from = image(in, source), to = image(out, layout);
            check(halmix_run(workspace.get(), same_engine.get(), plan.get(), &from, &to, &how));
            engine.run(expected_plan, {in.data(), width, height, channels, static_cast<Layout>(source)},
                       {expected.data(), width, height, channels, static_cast<Layout>(layout)},
                       {.normalization = {{0.25F, 0.25F, 0.25F}, {0.5F, 0.5F, 0.5F}}});
            REQUIRE(out == expected);
        }
    }
    CHECK(halmix_workspace_bytes(workspace.get()) > 0);
    halmix_workspace_release(workspace.get());
    CHECK(halmix_workspace_bytes(workspace.get()) == 0);
    CHECK(json(make_plan(make_policy().get(), 9, 8, 7).get()) == to_json(sample({}, {.seed = 3, .index = 9}, 8, 7)));
}

TEST_CASE("crops are those of C++, and of programs that know no crops") {
    halmix_policy_options from;
    halmix_policy_options_init(&from, sizeof from);
    from.crop_width = 13;
    from.crop_height = 21;
    Policy same{.crop = RandomResizedCrop{.width = 13, .height = 21}};
    const auto compare = [&] {
        const OwnedPolicy policy = make_policy(&from);
        const OwnedPlan plan = make_plan();
        for (std::uint16_t view = 0; view < 9; view++) {
            const Key key{.seed = 8, .epoch = 1, .index = view * 100U, .view = view};
            check(halmix_sample(nullptr, policy.get(), 8, 1, key.index, view, width, height, plan.get()));
            REQUIRE(json(plan.get()) == to_json(sample(same, key, width, height)));
            check(halmix_sample_clean(nullptr, policy.get(), 8, 1, key.index, width, height, plan.get()));
            Plan clean;
            sample_clean(same, key, width, height, clean);
            REQUIRE(json(plan.get()) == to_json(clean));
        }
    };
    compare();
    from.crop_filter = HALMIX_BICUBIC;
    from.crop_order = HALMIX_HORIZONTAL_FIRST;
    from.crop_min_scale = 0.2;
    from.crop_max_scale = 0.4;
    from.crop_min_ratio = 0.5;
    from.crop_max_ratio = 0.6;
    from.crop_mirror = 1;
    same.crop = RandomResizedCrop{.width = 13,
                                  .height = 21,
                                  .min_scale = 0.2,
                                  .max_scale = 0.4,
                                  .min_ratio = 0.5,
                                  .max_ratio = 0.6,
                                  .mirror = 1,
                                  .filter = Filter::bicubic,
                                  .order = PassOrder::horizontal_first};
    compare();
    from.size = offsetof(halmix_policy_options, crop_width);  // as the first programs were compiled
    from.crop_filter = from.crop_order = 0;
    same.crop.reset();
    compare();
    CHECK(halmix_sample_clean(nullptr, nullptr, 0, 0, 0, 5, 5, nullptr) == HALMIX_INVALID_ARGUMENT);
}

TEST_CASE("tasks, a batch and single runs give the same, NULL being the image itself") {
    const OwnedPolicy policy = make_policy();
    const OwnedThreads threads = make_threads(3);
    CHECK(halmix_threads_count(threads.get()) == 3);
    constexpr std::size_t images = 5, views = 2, count = images * views;
    Bytes in = noise(images * pixels), expected(count * pixels), by_tasks(count * pixels), by_batch(count * pixels);
    std::vector<OwnedPlan> owned;
    std::vector<const halmix_plan*> plans;
    for (std::size_t i = 0; i < count; i++) {
        plans.push_back(owned.emplace_back(make_plan(policy.get(), i, width, height)).get());
        if (i % 3 == 1) plans.back() = nullptr;
    }
    const auto part = [](Bytes& bytes, std::size_t i) {
        halmix_image part = image(bytes);
        part.data = bytes.data() + i * pixels;
        return part;
    };
    for (const Engine& available : test::available_engines()) {
        const OwnedEngine engine = make_engine(std::string(available.target().name).c_str());
        std::vector<halmix_task> tasks;
        for (std::size_t i = 0; i < count; i++) {
            const halmix_image from = part(in, i / views), to = part(expected, i);
            check(halmix_run(nullptr, engine.get(), plans[i], &from, &to, nullptr));
            tasks.push_back({plans[i], from, part(by_tasks, i)});
            if (plans[i] == nullptr) CHECK(std::memcmp(from.data, to.data, pixels) == 0);
        }
        for (halmix_threads* of : {threads.get(), static_cast<halmix_threads*>(nullptr)}) {
            std::ranges::fill(by_tasks, 0);
            std::ranges::fill(by_batch, 0);
            halmix_options how = options();
            how.runner = halmix_threads_runner(of);
            check(halmix_run_tasks(nullptr, engine.get(), tasks.data(), count, sizeof(halmix_task), &how));
            CHECK(by_tasks == expected);
            const halmix_image from = image(in), to = image(by_batch);
            check(halmix_run_batch(nullptr, engine.get(), plans.data(), count, &from, images, &to, &how));
            CHECK(by_batch == expected);
        }
        const std::array<halmix_op, 2> ops{{{"rotate", -12}, {"equalize", 0}}};
        const std::array<std::uint8_t, 3> fill{1, 2, 3};
        Bytes applied(pixels), same(pixels);
        const halmix_image from = image(in), to = image(applied);
        check(halmix_apply(nullptr, engine.get(), ops.data(), ops.size(), fill.data(), &from, &to, nullptr));
        const std::array<OpCall, 2> calls{{{Op::rotate, -12}, {Op::equalize, 0}}};
        available.apply(calls, fill, {in.data(), width, height, channels}, {same.data(), width, height, channels});
        CHECK(applied == same);
    }
}

TEST_CASE("rows and planes may have gaps and run backwards") {
    const OwnedEngine engine = make_engine();
    constexpr std::ptrdiff_t row = 64, plane = 2048;
    Bytes in = noise(4 * plane), out(4 * plane), upright(pixels);
    halmix_image from = image(in, HALMIX_U8_CHW), to = image(out, HALMIX_U8_RGBX), whole = image(upright);
    from.stride = -row;
    from.plane = plane;
    from.data = in.data() + (height - 1) * row;
    to.stride = 2 * row;
    check(halmix_run(nullptr, engine.get(), nullptr, &from, &to, nullptr));
    check(halmix_run(nullptr, engine.get(), nullptr, &to, &whole, nullptr));
    for (std::ptrdiff_t y = 0, i = 0; y < height; y++) {
        for (std::ptrdiff_t x = 0; x < width; x++) {
            for (std::ptrdiff_t c = 0; c < channels; c++, i++) {
                REQUIRE(upright[i] == in[(height - 1 - y) * row + x + c * plane]);
            }
        }
    }
}

TEST_CASE("a clean view of a batch keeps nothing of the plan that was there before") {
    const OwnedEngine engine = make_engine();
    const OwnedPlan cropped = make_plan();
    check(halmix_plan_from_json(nullptr,
                                R"({"version": 2, "width": 29, "height": 17, "mix": 0, "fill": [1, 2, 3],
                                    "resized_crop": {"source_width": 29, "source_height": 17, "left": 1, "top": 2,
                                                     "width": 5, "height": 6, "mirror": true},
                                    "chains": [{"weight": 1, "ops": [{"op": "equalize"}]}]})",
                                cropped.get()));
    Bytes in = noise(pixels), out(pixels);
    const halmix_image from = image(in), to = image(out);
    const halmix_plan* plan = cropped.get();
    check(halmix_run_batch(nullptr, engine.get(), &plan, 1, &from, 1, &to, nullptr));
    const Bytes mirrored = out;
    CHECK(mirrored != in);
    check(halmix_run(nullptr, engine.get(), plan, &from, &to, nullptr));
    CHECK(out == mirrored);
    const halmix_task task{plan, from, to};
    check(halmix_run_tasks(nullptr, engine.get(), &task, 1, sizeof task, nullptr));
    CHECK(out == mirrored);
    plan = nullptr;
    check(halmix_run_batch(nullptr, engine.get(), &plan, 1, &from, 1, &to, nullptr));
    CHECK(out == in);
}

TEST_CASE("text of plans is cut as snprintf does") {
    const OwnedPlan plan = make_plan(make_policy().get(), 1, 8, 8), again = make_plan();
    const std::string whole = json(plan.get());
    for (const std::size_t size : {std::size_t{1}, std::size_t{2}, whole.size(), whole.size() + 1, whole.size() + 9}) {
        std::string text(size + 1, '?');
        std::size_t length = 0;
        check(halmix_plan_to_json(nullptr, plan.get(), text.data(), size, &length));
        CHECK(length == whole.size());
        CHECK(text.c_str() == whole.substr(0, size - 1));
        CHECK(text.back() == '?');
    }
    check(halmix_plan_from_json(nullptr, whole.c_str(), again.get()));
    CHECK(json(again.get()) == whole);
    CHECK(halmix_plan_from_json(nullptr, "{\n]", again.get()) == HALMIX_BAD_PLAN);
    says("not JSON");
    CHECK(json(again.get()) == whole);
}

TEST_CASE("a message belongs to a workspace, and stays until the next failure") {
    const OwnedWorkspace one = make_workspace(), two = make_workspace();
    CHECK(std::string_view(halmix_message(one.get())).empty());
    halmix_engine* engine = nullptr;
    CHECK(halmix_engine_create(one.get(), "cpu-\n386", &engine) == HALMIX_UNKNOWN_TARGET);
    CHECK(engine == nullptr);
    CHECK(halmix_policy_create(two.get(), nullptr, nullptr) == HALMIX_INVALID_ARGUMENT);
    says("policy: it is null", two.get());
    says("386", one.get());
    check(halmix_engine_create(one.get(), nullptr, &engine));
    halmix_engine_free(engine);
    says("386", one.get());
    CHECK(halmix_threads_create(nullptr, -1, nullptr) == HALMIX_INVALID_ARGUMENT);
    std::thread([] { CHECK(std::string_view(halmix_message(nullptr)).empty()); }).join();
}

TEST_CASE("structs may come from another release") {
    struct Later {
        halmix_options known;
        std::int64_t more;
    };
    const OwnedEngine engine = make_engine();
    Bytes in = noise(2 * pixels), out(2 * pixels);
    const halmix_image from = image(in), to = image(out);
    Later later;
    std::memset(static_cast<void*>(&later), 0xA5, sizeof later);
    halmix_options_init(&later.known, sizeof later);
    CHECK(later.known.size == sizeof later);
    CHECK(later.more == 0);
    const auto run = [&] { return halmix_run(nullptr, engine.get(), nullptr, &from, &to, &later.known); };
    CHECK(run() == HALMIX_OK);
    later.more = 1;
    CHECK(run() == HALMIX_INVALID_ARGUMENT);
    says("options: it has a member that is not known here");
    for (const std::size_t size : {std::size_t{0}, sizeof(halmix_options) - 1, std::size_t{SIZE_MAX}}) {
        later.known.size = size;
        CHECK(run() == HALMIX_INVALID_ARGUMENT);
        says("options: size " + std::to_string(size));
    }

    halmix_policy_options policy_options;
    halmix_policy_options_init(&policy_options, sizeof policy_options);
    halmix_policy* policy = nullptr;
    const auto refused = [&](auto halmix_policy_options::*member, auto value, std::string_view part) {
        halmix_policy_options changed = policy_options;
        changed.*member = value;
        CHECK(halmix_policy_create(nullptr, &changed, &policy) == HALMIX_INVALID_ARGUMENT);
        says(part);
    };
    policy_options.reserved[2] = 1;
    refused(&halmix_policy_options::width, 3, "reserved");
    policy_options.reserved[2] = 0;
    refused(&halmix_policy_options::crop_width, 5, "crop.height");
    policy_options.crop_width = policy_options.crop_height = 5;
    refused(&halmix_policy_options::crop_height, -1, "crop.height");
    refused(&halmix_policy_options::crop_filter, std::uint8_t{2}, "crop.filter");
    refused(&halmix_policy_options::crop_order, std::uint8_t{2}, "crop.order");
    refused(&halmix_policy_options::crop_min_scale, 1.5, "crop.min_scale");
    refused(&halmix_policy_options::crop_max_scale, 0.0, "crop.max_scale");
    refused(&halmix_policy_options::crop_min_ratio, 0.0, "crop.min_ratio");
    refused(&halmix_policy_options::crop_max_ratio, std::numeric_limits<double>::infinity(), "crop.max_ratio");
    refused(&halmix_policy_options::crop_mirror, -1.0, "crop.mirror");

    struct LaterTask {
        halmix_task known;
        std::int64_t more;
    };
    std::array<LaterTask, 2> tasks{{{{nullptr, from, to}, 0}, {{nullptr, from, to}, 0}}};
    tasks[1].known.in.data = in.data() + pixels;
    tasks[1].known.out.data = out.data() + pixels;
    const auto run_tasks = [&](std::size_t size) {
        return halmix_run_tasks(nullptr, engine.get(), &tasks[0].known, tasks.size(), size, nullptr);
    };
    CHECK(run_tasks(sizeof(LaterTask)) == HALMIX_OK);
    CHECK(out == in);
    tasks[1].more = -1;
    CHECK(run_tasks(sizeof(LaterTask)) == HALMIX_INVALID_ARGUMENT);
    says("task 1: ");
    CHECK(run_tasks(sizeof(halmix_task) - 8) == HALMIX_INVALID_ARGUMENT);
}

TEST_CASE("callbacks end a call: what they throw does not come out") {
    const OwnedEngine engine = make_engine();
    Bytes in = noise(pixels), out(pixels);
    const halmix_task task{nullptr, image(in), image(out)};
    const auto run = [&](const halmix_options& how) {
        return halmix_run_tasks(nullptr, engine.get(), &task, 1, sizeof task, &how);
    };
    halmix_options asked = options();
    asked.interrupt = [](void*) { return true; };
    CHECK(run(asked) == HALMIX_INTERRUPTED);
    says("interrupted");
    for (const bool threaded : {false, true}) {
        const OwnedThreads threads = threaded ? make_threads(2) : nullptr;
        halmix_options throwing = options();
        throwing.runner = halmix_threads_runner(threads.get());
        throwing.interrupt = [](void*) -> bool { throw std::logic_error("two\nlines"); };
        CHECK(run(throwing) == HALMIX_INTERRUPTED);
        says("a callback threw an exception: two\\x0alines");
        throwing.interrupt = [](void*) -> bool { throw 7; };
        CHECK(run(throwing) == HALMIX_INTERRUPTED);
        throwing.interrupt = [](void*) -> bool { throw std::bad_alloc(); };
        CHECK(run(throwing) == HALMIX_OUT_OF_MEMORY);
    }
    halmix_options bad_runner = options();
    bad_runner.runner.run = [](void*, std::size_t, bool (*)(void*, std::size_t), void*) { throw 7; };
    CHECK(run(bad_runner) == HALMIX_INTERRUPTED);
    bad_runner.runner.run = [](void*, std::size_t, bool (*)(void*, std::size_t), void*) {};
    CHECK(run(bad_runner) == HALMIX_INVALID_ARGUMENT);
    CHECK(halmix_targets(
              nullptr, [](void*, const halmix_target*) { throw 7; }, nullptr) == HALMIX_INTERRUPTED);
}

TEST_CASE("targets are those of C++") {
    std::vector<std::string> names;
    check(halmix_targets(
        nullptr,
        [](void* names, const halmix_target* target) {
            CHECK(target->size == sizeof *target);
            CHECK(target->pipelines > 0);
            static_cast<std::vector<std::string>*>(names)->emplace_back(target->name);
        },
        &names));
    std::vector<std::string> expected;
    for (const TargetInfo& target : targets()) expected.emplace_back(target.name);
    CHECK(names == expected);
}

// ---- Whatever it is given

namespace {

/// Arguments that are wrong in many ways, among them enough that are right.
class Arguments {
 public:
    explicit Arguments(unsigned seed) : random_(seed) {
        halmix_policy_options_init(&policy_options_, sizeof policy_options_);
        for (std::size_t i = 0; i < plans_.size(); i++) {
            plans_[i] = i == 0 ? make_plan() : make_plan(policy_.get(), i, pick({1, 7, 16}), pick({1, 7, 16}));
        }
    }

    template <typename T>
    T pick(std::initializer_list<T> from) {
        return from.begin()[random_() % from.size()];
    }
    /// One of `from`, seldom the others.
    template <typename T>
    T mostly(std::initializer_list<T> from, std::initializer_list<T> others) {
        return random_() % 8 == 0 ? pick(others) : pick(from);
    }
    template <typename T>
    T* or_null(T* pointer) {
        return random_() % 8 == 0 ? nullptr : pointer;
    }

    halmix_workspace* given() { return workspace_.get(); }
    halmix_workspace* workspace() { return or_null(workspace_.get()); }
    const halmix_engine* engine() { return or_null(engine_.get()); }
    const halmix_policy* policy() { return or_null(policy_.get()); }
    halmix_plan* plan() { return or_null(plans_[random_() % plans_.size()].get()); }
    std::int32_t side() { return mostly({1, 7, 16}, {0, -1, INT_MIN, INT_MAX}); }
    std::size_t count() { return random_() % 4; }

    halmix_image* image() {
        const std::size_t number = random_() % images_.size();
        Bytes& memory = memories_[number];
        images_[number] = {or_null(memory.data() + memory.size() / 2),
                           side(),
                           side(),
                           mostly({3, 1}, {0, 2, -3, INT_MAX}),
                           mostly({0, 1, 2, 3, 4}, {-1, 5, INT_MIN, 256}),
                           mostly({0}, {1, 2, -1, 256}),
                           mostly({0}, {1}),
                           mostly<std::ptrdiff_t>({0}, {64, -64, 1, PTRDIFF_MAX, PTRDIFF_MIN}),
                           mostly<std::ptrdiff_t>({0}, {4096, -4096, 1, PTRDIFF_MAX, PTRDIFF_MIN})};
        return or_null(&images_[number]);
    }
    const halmix_task* tasks() {
        for (halmix_task& task : tasks_) {
            const halmix_image *in = image(), *out = image();
            task = {plan(), in != nullptr ? *in : halmix_image{}, out != nullptr ? *out : halmix_image{}};
        }
        return or_null(tasks_.data());
    }
    const halmix_plan* const* plans() {
        for (const halmix_plan*& plan : batch_) plan = this->plan();
        return or_null(batch_.data());
    }
    const halmix_op* ops() {
        for (halmix_op& op : ops_) {
            op = {mostly<const char*>({"equalize", "rotate", "posterize"}, {nullptr, "", "turn"}),
                  mostly<double>({0, 4}, {NAN, INFINITY, -1e300})};
        }
        return or_null(ops_.data());
    }
    const halmix_options* options() {
        options_ = ::options();
        options_.size = mostly<std::size_t>({sizeof options_}, {0, 8, SIZE_MAX});
        options_.std[1] = mostly<float>({1}, {0, NAN});
        return or_null(&options_);
    }
    const halmix_policy_options* policy_options() {
        policy_options_ = {mostly<std::size_t>({sizeof policy_options_}, {0, 8, SIZE_MAX}),
                           mostly<double>({0, 10}, {-1, NAN}),
                           mostly<double>({1, 1e-300}, {0, NAN, INFINITY}),
                           mostly<const char*>({"all", "rotate:2"}, {nullptr, "", ",", "turn", "rotate:-1"}),
                           mostly({1, 16}, {0, 17, INT_MIN}),
                           mostly({1, -1}, {0, 17, INT_MIN}),
                           {},
                           mostly<std::uint8_t>({0, 1}, {2, 255}),
                           mostly<std::uint8_t>({0, 1}, {2, 255}),
                           {},
                           side(),
                           side(),
                           mostly<double>({0, 0.5}, {-1, NAN}),
                           mostly<double>({0.5, 1}, {2, NAN}),
                           mostly<double>({0.5, 1}, {0, -1, NAN}),
                           mostly<double>({1, 1e300}, {0, INFINITY, NAN}),
                           mostly<double>({0, 1}, {-1, 2, NAN})};
        return or_null(&policy_options_);
    }
    char* buffer() { return or_null(text_.data()); }

    /// One of all functions; its status.
    int call() {
        halmix_engine* engine = nullptr;
        halmix_policy* policy = nullptr;
        halmix_plan* plan = nullptr;
        halmix_workspace* workspace = nullptr;
        const std::array<std::function<int()>, 13> calls{
            [&] { return halmix_run(this->workspace(), this->engine(), this->plan(), image(), image(), options()); },
            [&] {
                return halmix_run_tasks(this->workspace(), this->engine(), tasks(), count(),
                                        mostly({sizeof(halmix_task)}, {std::size_t{0}, std::size_t{8}}), options());
            },
            [&] {
                return halmix_run_batch(this->workspace(), this->engine(), plans(), count(), image(), count(), image(),
                                        options());
            },
            [&] {
                return halmix_apply(this->workspace(), this->engine(), ops(),
                                    mostly({std::size_t{1}, std::size_t{3}}, {SIZE_MAX}), or_null(ops_fill_.data()),
                                    image(), image(), options());
            },
            [&] {
                return halmix_sample(this->workspace(), this->policy(), random_(), random_(), random_(),
                                     mostly({1U}, {65536U}), side(), side(), this->plan());
            },
            [&] {
                return halmix_sample_clean(this->workspace(), this->policy(), random_(), random_(), random_(), side(),
                                           side(), this->plan());
            },
            [&] { return halmix_plan_to_json(this->workspace(), this->plan(), buffer(), count(), or_null(&length_)); },
            [&] {
                return halmix_plan_from_json(this->workspace(),
                                             pick<const char*>({nullptr, "", "{}", "[[[[[[[[[[[[[[[[[[[[", "\xff\n"}),
                                             this->plan());
            },
            [&] { return halmix_policy_create(this->workspace(), policy_options(), or_null(&policy)); },
            [&] { return halmix_plan_create(this->workspace(), or_null(&plan)); },
            [&] { return halmix_workspace_create(this->workspace(), or_null(&workspace)); },
            [&] {
                return halmix_engine_create(this->workspace(),
                                            pick<const char*>({nullptr, "auto", "", "x\ny", "cpu-avx2:1"}),
                                            or_null(&engine));
            },
            [&] { return halmix_targets(this->workspace(), nullptr, nullptr); },
        };
        const int status = calls[random_() % calls.size()]();
        halmix_engine_free(engine);
        halmix_policy_free(policy);
        halmix_plan_free(plan);
        halmix_workspace_free(workspace);
        return status;
    }

 private:
    std::mt19937 random_;
    OwnedWorkspace workspace_ = make_workspace();
    OwnedEngine engine_ = make_engine();
    OwnedPolicy policy_ = make_policy();
    std::array<OwnedPlan, 6> plans_;
    std::array<Bytes, 3> memories_{noise(1 << 16), noise(1 << 16), noise(1 << 16)};
    std::array<halmix_image, 3> images_{};
    std::array<halmix_task, 3> tasks_{};
    std::array<const halmix_plan*, 3> batch_{};
    std::array<halmix_op, 3> ops_{};
    std::array<std::uint8_t, 3> ops_fill_{};
    halmix_options options_{};
    halmix_policy_options policy_options_{};
    std::array<char, 4> text_{};
    std::size_t length_ = 0;
};

unsigned seed() {
    const char* given = std::getenv("HALMIX_TEST_SEED");
    return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : 1;
}

}  // namespace

TEST_CASE("whatever the arguments, a call ends with a status") {
    INFO("HALMIX_TEST_SEED=" << seed());
    Arguments arguments(seed());
    std::array<int, HALMIX_INTERRUPTED + 1> seen{};
    for (int i = 0; i < 100000; i++) {
        const int status = arguments.call();
        INFO(halmix_message(nullptr) << "; " << halmix_message(arguments.given()));
        REQUIRE((status >= HALMIX_OK && status <= HALMIX_TARGET_UNAVAILABLE));
        seen[status]++;
    }
    for (int status = HALMIX_OK; status <= HALMIX_UNKNOWN_TARGET; status++) {
        INFO(halmix_message(nullptr) << "; " << halmix_message(arguments.given()));
        CHECK(seen[status] > 1000);
    }
    // What returns no status.
    halmix_engine_free(nullptr);
    halmix_policy_free(nullptr);
    halmix_plan_free(nullptr);
    halmix_workspace_free(nullptr);
    halmix_threads_free(nullptr);
    halmix_options_init(nullptr, 80);
    halmix_policy_options_init(nullptr, 48);
    halmix_workspace_release(nullptr);
    CHECK(halmix_workspace_bytes(nullptr) == 0);
    CHECK(halmix_engine_target(nullptr) == nullptr);
    CHECK(halmix_engine_reason(nullptr) == nullptr);
    CHECK(halmix_threads_count(nullptr) == 1);
    CHECK(halmix_threads_runner(nullptr).run == nullptr);
    CHECK(halmix_abi() == HALMIX_ABI);
}

// ---- Memory and threads

namespace {

/// Does `call` with each of its allocations failing once, until none does; returns how many there are. It returns
/// `expected` then, and before that also that memory is lacking, as the workspace's message says.
template <typename Call>
long fail_each(const Call& call, int expected = HALMIX_OK) {
    for (long n = 0;; n++) {
        until_failure = n;
        const int status = call();
        const bool failed = until_failure.exchange(LONG_MAX) < 0;
        if (!failed || status == expected) {
            CHECK(status == expected);
        } else {
            REQUIRE(status == HALMIX_OUT_OF_MEMORY);
            says("memory");
        }
        if (!failed) return n;
    }
}

template <auto create, auto free, typename... Arguments>
long fail_each_to_make(Arguments... arguments) {
    return fail_each([&] {
        HandleOf<free>* made = nullptr;
        const int status = create(nullptr, arguments..., &made);
        const bool right = (made != nullptr) == (status == HALMIX_OK);
        free(made);
        return right ? status : -1;
    });
}

/// What a loader does, with images and plans it has.
struct Loader {
    OwnedPolicy policy = make_policy();
    OwnedPlan plan = make_plan();
    OwnedEngine engine = make_engine();
    Bytes in = noise(2 * pixels), out = Bytes(2 * pixels);
    halmix_image from = image(in), to = image(out);
    std::array<const halmix_plan*, 2> plans{plan.get(), nullptr};
    std::array<halmix_task, 1> tasks{{{plan.get(), from, to}}};
    std::array<halmix_op, 2> ops{{{"rotate", -12}, {"equalize", 0}}};

    int sample(std::uint64_t index = 1) const {
        return halmix_sample(nullptr, policy.get(), 1, 0, index, 0, width, height, plan.get());
    }
    int run() const { return halmix_run(nullptr, engine.get(), plan.get(), &from, &to, nullptr); }
    int run_tasks() const {
        return halmix_run_tasks(nullptr, engine.get(), tasks.data(), tasks.size(), sizeof(halmix_task), nullptr);
    }
    int run_batch() const {
        return halmix_run_batch(nullptr, engine.get(), plans.data(), plans.size(), &from, 2, &to, nullptr);
    }
    int apply() const {
        return halmix_apply(nullptr, engine.get(), ops.data(), ops.size(), nullptr, &from, &to, nullptr);
    }
};

std::size_t threads_now() {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
}

}  // namespace

TEST_CASE("whatever allocation fails, a call says so or does without") {
    CHECK(fail_each_to_make<halmix_workspace_create, halmix_workspace_free>() > 0);
    CHECK(fail_each_to_make<halmix_engine_create, halmix_engine_free>("auto") > 0);
    CHECK(fail_each_to_make<halmix_policy_create, halmix_policy_free>(nullptr) > 0);
    CHECK(fail_each_to_make<halmix_plan_create, halmix_plan_free>() > 0);
    CHECK(fail_each_to_make<halmix_threads_create, halmix_threads_free>(3) > 0);

    Loader loader;
    const auto anew = [&](auto call) {
        return [&loader, call] {
            halmix_workspace_release(nullptr);
            return (loader.*call)();
        };
    };
    CHECK(fail_each([&] {
              loader.plan = nullptr;
              halmix_plan* plan = nullptr;
              if (const int status = halmix_plan_create(nullptr, &plan); status != HALMIX_OK) return status;
              loader.plan.reset(plan);
              return loader.sample();
          }) > 2);
    loader.plans[0] = loader.tasks[0].plan = loader.plan.get();
    CHECK(fail_each(anew(&Loader::run)) > 0);
    CHECK(fail_each(anew(&Loader::run_tasks)) > 0);
    CHECK(fail_each(anew(&Loader::run_batch)) > 2);
    CHECK(fail_each(anew(&Loader::apply)) > 0);

    const std::string text = json(loader.plan.get());
    const OwnedPlan read = make_plan();
    CHECK(fail_each([&] { return halmix_plan_from_json(nullptr, text.c_str(), read.get()); }) > 10);
    std::size_t length = 0;
    CHECK(fail_each([&] { return halmix_plan_to_json(nullptr, loader.plan.get(), nullptr, 0, &length); }) > 0);

    // What is wrong in another way as well.
    loader.from.width = loader.tasks[0].in.layout = -1;
    CHECK(fail_each([&] { return loader.run(); }, HALMIX_INVALID_ARGUMENT) > 0);
    CHECK(fail_each([&] { return loader.run_tasks(); }, HALMIX_INVALID_ARGUMENT) > 0);
    CHECK(fail_each([&] { return halmix_plan_from_json(nullptr, "{", read.get()); }, HALMIX_BAD_PLAN) > 0);

    // A thread's own workspace.
    std::thread([&] {
        until_failure = 0;
        const int status = loader.sample();
        until_failure = LONG_MAX;
        CHECK(status == HALMIX_OUT_OF_MEMORY);
        CHECK(std::string_view(halmix_message(nullptr)) == "no memory");
        CHECK(loader.sample() == HALMIX_OK);
    }).join();
}

TEST_CASE("whatever allocation fails, targets are told or memory is lacking", "[.no-driver]") {
    CHECK(fail_each([] {
              return halmix_targets(
                  nullptr, [](void*, const halmix_target*) {}, nullptr);
          }) > 0);
}

TEST_CASE("what has been done once allocates nothing") {
    const Loader loader;
    const auto all = [&](std::uint64_t index) -> int {
        for (const int status :
             {loader.sample(index), loader.run(), loader.run_tasks(), loader.run_batch(), loader.apply()}) {
            if (status != HALMIX_OK) return status;
        }
        return HALMIX_OK;
    };
    for (std::uint64_t index = 0; index < 20; index++) check(all(index));
    const long before = allocations;
    int failed = 0;
    for (std::uint64_t index = 0; index < 40; index++) failed += all(index);
    CHECK(allocations - before == 0);
    CHECK(failed == 0);
}

TEST_CASE("no thread is started but by halmix_threads") {
    const std::size_t before = threads_now();
    Arguments arguments(seed());
    for (int i = 0; i < 1000; i++) arguments.call();
    const Loader loader;
    check(loader.sample());
    check(loader.run());
    check(loader.run_tasks());
    check(loader.run_batch());
    check(loader.apply());
    CHECK(threads_now() == before);
    {
        const OwnedThreads threads = make_threads(3);
        CHECK(threads_now() == before + 2);
    }
    CHECK(threads_now() == before);
}
