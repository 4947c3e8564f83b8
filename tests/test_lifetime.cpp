// What the library keeps and gives back, and what it does when there is no memory.

#include <dlfcn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "allocations.h"
#include "catch.h"
#include "contents.h"
#include "engines.h"
#include "halmix/c.h"
#include "halmix/halmix.h"
#include "reference/reference.h"

using namespace halmix;
using reference::Content;

namespace {

constexpr int width = 40, height = 30;

const Engine& engine() {
    static const Engine cpu(test::least_cpu());
    return cpu;
}

struct Images {
    reference::Image in = make(Content::noise, width, height, 3), out = in;
    Plan plan = sample({}, {.seed = 1}, width, height);

    [[nodiscard]] ImageView from() const { return {in.pixels.data(), width, height, 3}; }
    [[nodiscard]] MutableImageView to() { return {out.pixels.data(), width, height, 3}; }
};

/// Has each allocation of a call fail once: it must throw the library's one type of exception, and the next call must
/// do what is `right`. Returns how many there were. Before that all fail from one on; and of the memory of images and
/// pipelines three in a row, since a pipeline asks twice more where what is kept for it is lacking.
long fail_each(
    const std::function<void()>& call, const std::function<bool()>& right = [] { return true; }) {
    long count = 0;
    for (const long in_a_row : {1'000'000, 3, 1}) {
        failures = in_a_row;
        aligned_only = in_a_row == 3;
        for (count = 0;; count++) {
            until_failure = count;
            bool failed = false;
            try {
                call();
            } catch (const Error& error) {
                until_failure = LONG_MAX;
                failed = true;
                // What it was to report has another status, if memory for that was left.
                CHECK((error.status() == Status::out_of_memory || error.status() == Status::invalid_argument));
            } catch (...) {
                until_failure = LONG_MAX;
                FAIL("another exception left the library, at allocation " << count);
            }
            const bool all_succeeded = !failed && until_failure >= 0;
            until_failure = LONG_MAX;
            if (all_succeeded) break;
            call();  // it failed, or did without
            REQUIRE(right());
        }
    }
    return count;
}

std::size_t resident_bytes() {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages >> pages;
    return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_CASE("every allocation that fails is an Error, and the next call is right") {
    Images images;
    const Engine& cpu = engine();
    const std::vector<Plan> plans(3, images.plan);
    const std::vector<std::uint8_t> in(std::size_t{3} * width * height * 3);
    std::vector<std::uint8_t> out(in.size() * 4);
    const reference::Image expected = reference::run(images.plan, images.in);
    const auto image_is_right = [&] {
        const bool right = images.out == expected;
        std::ranges::fill(images.out.pixels, 0);
        return right;
    };
    Workspace kept;
    CHECK(fail_each([] { Engine made(test::least_cpu()); }) > 0);
    CHECK(fail_each([] { Workspace workspace; }) > 0);
    CHECK(fail_each(
              [&] {
                  Workspace workspace;
                  cpu.run(images.plan, images.from(), images.to(), {.workspace = &workspace});
              },
              image_is_right) > 5);
    CHECK(fail_each(
              [&] {
                  kept.release();
                  cpu.run(images.plan, images.from(), images.to(), {.workspace = &kept});
              },
              image_is_right) > 4);
    const auto batch = [&](const Layout layout, const Runner& runner) {
        const Batch from{in.data(), 3, width, height, 3};
        const MutableBatch to{out.data(), 3, width, height, 3, Memory::host, layout};
        const auto run = [&, from, to, runner] {
            kept.release();
            cpu.run(plans, from, to, {.workspace = &kept, .runner = runner});
        };
        run();
        const std::vector<std::uint8_t> wanted = out;
        return fail_each(run, [&] {
            const bool right = out == wanted;
            std::ranges::fill(out, 0);
            return right;
        });
    };
    CHECK(batch(Layout::f32_chw, {}) > 5);
    {
        Threads threads(2);
        CHECK(batch(Layout::u8_hwc, threads.runner()) > 5);
    }
    CHECK(fail_each([] { Threads threads(2); }) > 0);
    CHECK(fail_each(
              [&] {
                  Workspace workspace;
                  cpu.run(images.plan, images.from(), images.to(), {.workspace = &workspace});
                  cpu.apply(images.plan.chains[0].ops, {}, images.from(), images.to(), {.workspace = &workspace});
                  cpu.run(images.plan, images.from(), images.to(), {.workspace = &workspace});
              },
              image_is_right) > 1);
    CHECK(fail_each([&] { (void)cpu.describe(images.plan.chains[0].ops, width, height, 3); }) > 0);
    CHECK(fail_each([] { (void)sample({}, {}, width, height); }) > 3);
    CHECK(fail_each([] { (void)parse_op_choices("safe,rotate:2"); }) > 3);
    Plan read;
    CHECK(fail_each([&] { read = plan_from_json(to_json(images.plan)); },
                    [&] { return std::exchange(read, {}) == images.plan; }) > 10);
    // Messages need memory as well.
    CHECK(fail_each([] {
              try {
                  (void)parse_op("no such op");
              } catch (const Error& error) {
                  if (error.status() == Status::out_of_memory) throw;
              }
          }) > 1);
    CHECK(fail_each([&] {
              try {
                  cpu.run(images.plan, {nullptr, width, height, 3}, images.to());
              } catch (const Error& error) {
                  if (error.status() == Status::out_of_memory) throw;
              }
          }) > 1);
    cpu.run(images.plan, images.from(), images.to());
    CHECK(images.out == reference::run(images.plan, images.in));
}

TEST_CASE("an image too large for the memory there is, is an Error, and the next one is computed") {
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        Images images;
        const Engine& cpu = engine();
        constexpr int large = 8000;
        std::vector<std::uint8_t> pixels(std::size_t{large} * large * 3, 7);
        const Plan plan = sample({}, {.seed = 1}, large, large);
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        const rlimit limit{pages * sysconf(_SC_PAGESIZE) + (std::size_t{100} << 20), RLIM_INFINITY};
        setrlimit(RLIMIT_AS, &limit);
        bool refused = false;
        try {
            cpu.run(plan, {pixels.data(), large, large, 3}, {pixels.data(), large, large, 3});
        } catch (const Error& error) {
            refused = error.status() == Status::out_of_memory;
        }
        cpu.run(images.plan, images.from(), images.to());
        _exit(refused && images.out == reference::run(images.plan, images.in) ? 0 : 1);
    }
    int status = -1;
    waitpid(pid, &status, 0);
#ifndef HALMIX_SANITIZED  // they need address space of their own
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
#endif
}

TEST_CASE("a workspace gives its memory back") {
    const Engine& cpu = engine();
    constexpr int large = 2000;
    std::vector<std::uint8_t> pixels(std::size_t{large} * large * 3, 7);
    const Plan plan = sample({}, {.seed = 1}, large, large);
    Workspace workspace;
    CHECK(workspace.bytes() == 0);
    [[maybe_unused]] const std::size_t before = resident_bytes();
    cpu.run(plan, {pixels.data(), large, large, 3}, {pixels.data(), large, large, 3}, {.workspace = &workspace});
    CHECK(workspace.bytes() > std::size_t{4} * large * large * 3);
    workspace.release();
    CHECK(workspace.bytes() == 0);
#ifndef HALMIX_SANITIZED
    CHECK(resident_bytes() < before + (std::size_t{4} << 20));
#endif
    Workspace other = std::move(workspace);
    cpu.run(plan, {pixels.data(), large, large, 3}, {pixels.data(), large, large, 3}, {.workspace = &other});
    CHECK(other.bytes() > 0);
    Workspace::of_this_thread().release();
    CHECK(Workspace::of_this_thread().bytes() == 0);
}

TEST_CASE("a thread keeps no more than it should of a huge image") {
    const Engine& cpu = engine();
    constexpr int wide = 6000, high = 4000;
    constexpr std::size_t most_kept = std::size_t{256} << 20;
    std::vector<std::uint8_t> pixels(std::size_t{wide} * high * 3, 7);
    const ImageView in{pixels.data(), wide, high, 3};
    const MutableImageView out{pixels.data(), wide, high, 3};
    const Plan plan = sample({}, {.seed = 1}, wide, high);
    Workspace& own = Workspace::of_this_thread();
    own.release();
    [[maybe_unused]] const std::size_t before = resident_bytes();
    cpu.run(plan, in, out);
    CHECK(own.bytes() == 0);
    cpu.run(std::vector<Task>(1, {&plan, in, out}), {});
    CHECK(own.bytes() == 0);
#ifndef HALMIX_SANITIZED
    CHECK(resident_bytes() < before + (std::size_t{8} << 20));
#endif
    Workspace callers;
    cpu.run(plan, in, out, {.workspace = &callers});
    CHECK(callers.bytes() > most_kept);
    Images images;
    cpu.run(images.plan, images.from(), images.to());
    CHECK(own.bytes() > 0);
    CHECK(images.out == reference::run(images.plan, images.in));
}

TEST_CASE("engines end while others run") {
    const Images images;
    const reference::Image expected = reference::run(images.plan, images.in);
    std::atomic<int> right = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; t++) {
        threads.emplace_back([&] {
            for (int i = 0; i < 300; i++) {
                const Engine made(test::least_cpu());
                reference::Image out = images.in;
                made.run(images.plan, images.from(), {out.pixels.data(), width, height, 3});
                right += out == expected ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(right == 3 * 300);
}

namespace {

/// A call of the shared library, from loading it to unloading it; the message if it fails.
[[maybe_unused]] std::string load_and_run(const Images& images, const reference::Image& expected) {
    void* const library = dlopen(HALMIX_TEST_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return dlerror();
    std::string problem;
    // In a thread, for a library stays as long as a thread that has memory of its own there.
    std::thread([&] {
        const auto function = [&]<typename Function>(Function* /*like*/, const char* name) {
            return reinterpret_cast<Function*>(dlsym(library, name));
        };
        reference::Image out = images.in;
        const halmix_image from{
            const_cast<std::uint8_t*>(images.in.pixels.data()), width, height, 3, HALMIX_U8_HWC, HALMIX_HOST, 0, 0, 0};
        const halmix_image to{out.pixels.data(), width, height, 3, HALMIX_U8_HWC, HALMIX_HOST, 0, 0, 0};
        halmix_engine* made = nullptr;
        halmix_plan* plan = nullptr;
        const auto step = [&](int status) {
            if (status != HALMIX_OK && problem.empty()) problem = "status " + std::to_string(status);
        };
        step(function(halmix_engine_create, "halmix_engine_create")(nullptr, std::string(test::least_cpu()).c_str(),
                                                                    &made));
        step(function(halmix_plan_create, "halmix_plan_create")(nullptr, &plan));
        step(function(halmix_plan_from_json, "halmix_plan_from_json")(nullptr, to_json(images.plan).c_str(), plan));
        step(function(halmix_run, "halmix_run")(nullptr, made, plan, &from, &to, nullptr));
        function(halmix_plan_free, "halmix_plan_free")(plan);
        function(halmix_engine_free, "halmix_engine_free")(made);
        if (problem.empty() && out != expected) problem = "wrong bytes";
    }).join();
    dlclose(library);
    if (problem.empty() && dlopen(HALMIX_TEST_LIBRARY, RTLD_NOW | RTLD_NOLOAD) != nullptr)
        problem = "it is still loaded";
    return problem;
}

}  // namespace

#ifndef HALMIX_SANITIZED  // Clang gives a library that is loaded another aligned_alloc than its free knows
TEST_CASE("the shared library is loaded and unloaded again and again") {
    const Images images;
    const reference::Image expected = reference::run(images.plan, images.in);
    for (int i = 0; i < 20; i++) REQUIRE(load_and_run(images, expected).empty());
    const std::size_t before = resident_bytes();
    for (int i = 0; i < 200; i++) REQUIRE(load_and_run(images, expected).empty());
    CHECK(resident_bytes() < before + (std::size_t{2} << 20));
}
#endif

TEST_CASE("no allocation in batches once warm, in one thread and in several") {
    const Engine& cpu = engine();
    constexpr int count = 40;
    const std::size_t bytes = std::size_t{width} * height * 3;
    std::vector<std::uint8_t> in(count * bytes, 9), out(count * bytes * 4);
    std::vector<Plan> plans(count);
    std::vector<Task> tasks;
    for (int i = 0; i < count; i++) {
        plans[i].chains.reserve(3);
        tasks.push_back({&plans[i],
                         {in.data() + i * bytes, width, height, 3},
                         {out.data() + i * bytes, width, height, 3, Layout::u8_chw}});
    }
    Threads threads(2);
    Workspace workspace;
    std::uint64_t index = 0;
    const auto batch = [&](const Runner& runner) {
        const Options options{.workspace = &workspace, .runner = runner};
        for (Plan& plan : plans) sample({}, {.seed = 2, .index = index++}, width, height, plan);
        const long before = allocations;
        cpu.run(tasks, options);
        for (const Layout layout : {Layout::u8_hwc, Layout::u8_rgbx, Layout::f16_chw, Layout::f32_chw}) {
            cpu.run(plans, {in.data(), count, width, height, 3},
                    {out.data(), count, width, height, 3, Memory::host, layout}, options);
        }
        return allocations - before;
    };
    for (const Runner& runner : {Runner{}, threads.runner()}) {
        // A thread that a busy machine holds back is warm later.
        bool warm = false;
        for (int attempt = 0; attempt < 10 && !warm; attempt++) {
            long more = 0;
            for (int i = 0; i < 20; i++) more += batch(runner);
            warm = more == 0;
        }
        CHECK(warm);
    }
}

TEST_CASE("ten thousand short-lived threads leave nothing behind") {
    Images images;
    const Engine& cpu = engine();
    const auto run_threads = [&](int count) {
        for (int i = 0; i < count; i++) {
            std::thread([&] {
                reference::Image out = images.in;
                cpu.run(images.plan, images.from(), {out.pixels.data(), width, height, 3});
            }).join();
        }
    };
    run_threads(100);
    [[maybe_unused]] const std::size_t after_a_hundred = resident_bytes();
    run_threads(9900);
    [[maybe_unused]] const std::size_t after_all = resident_bytes();
#ifndef HALMIX_SANITIZED  // they keep what is freed
    CHECK(after_all < after_a_hundred + (std::size_t{10} << 20));
#endif
}
