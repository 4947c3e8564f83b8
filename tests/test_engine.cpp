#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdlib>
#include <new>
#include <random>
#include <thread>

#include "allocations.h"
#include "catch.h"
#include "contents.h"
#include "engines.h"
#include "halmix/halmix.h"
#include "reference/reference.h"

using namespace halmix;
using reference::Content;
using test::available_engines;

namespace {

ImageView view(const reference::Image& image) {
    return {image.pixels.data(), image.width, image.height, image.channels};
}
MutableImageView view(reference::Image& image) {
    return {image.pixels.data(), image.width, image.height, image.channels};
}

Policy policy_number(std::uint32_t number) {
    std::mt19937 random(number);
    Policy policy;
    policy.severity = random() % 11;
    policy.width = 1 + static_cast<int>(random() % 5);
    policy.depth = random() % 3 == 0 ? 1 + static_cast<int>(random() % 6) : -1;
    policy.alpha = random() % 2 == 0 ? 1 : 0.5;
    policy.ops = parse_op_choices(random() % 3 == 0 ? "original" : "all");
    policy.fill = {static_cast<std::uint8_t>(random()), static_cast<std::uint8_t>(random()), 0};
    return policy;
}

reference::Image image_number(std::uint32_t number) {
    std::mt19937 random(number);
    auto contents = reference::contents();
    return make(contents[random() % contents.size()], 1 + static_cast<int>(random() % 70),
                1 + static_cast<int>(random() % 50), random() % 3 == 0 ? 1 : 3, random());
}

/// The message of the Error that a call throws.
template <typename Function>
std::string message(Status status, Function call) {
    try {
        call();
    } catch (const Error& error) {
        CHECK(error.status() == status);
        return error.what();
    }
    FAIL("no Error was thrown");
    return {};
}

}  // namespace

TEST_CASE("sampled plans equal the reference on every target") {
    int images = 0;
    for (const Engine& engine : available_engines()) {
        for (std::uint32_t i = 0; i < 1000; i++) {
            reference::Image in = image_number(i), out = in;
            Plan plan = sample(policy_number(i), {.seed = 5, .index = i}, in.width, in.height);
            engine.run(plan, view(std::as_const(in)), view(out));
            images++;
            if (out == reference::run(plan, in)) continue;
            FAIL(engine.target().name << ", image " << i << " (" << in.width << "x" << in.height << "x" << in.channels
                                      << "), plan " << to_json(plan));
        }
    }
    CHECK(images == static_cast<int>(1000 * available_engines().size()));
}

TEST_CASE("input and output may overlap in any way") {
    Engine engine;
    for (std::uint32_t i = 0; i < 200; i++) {
        reference::Image in = image_number(i);
        Plan plan = sample(policy_number(i), {.seed = 6, .index = i}, in.width, in.height);
        const std::vector<OpCall>& ops = plan.chains[0].ops;
        reference::Image chain = in;
        for (const OpCall& call : ops) chain = reference::apply(call, plan.fill, chain);
        std::mt19937 random(i);
        std::size_t size = in.pixels.size(), from = random() % (size + 1), to = random() % (size + 1);
        if (i % 4 == 0) to = from;
        for (bool mixing : {false, true}) {
            std::vector<std::uint8_t> memory(2 * size, 0x5A);
            std::copy(in.pixels.begin(), in.pixels.end(), memory.begin() + from);
            ImageView source(memory.data() + from, in.width, in.height, in.channels);
            MutableImageView target(memory.data() + to, in.width, in.height, in.channels);
            if (mixing) {
                engine.run(plan, source, target);
            } else {
                engine.apply(ops, plan.fill, source, target);
            }
            const reference::Image& expected = mixing ? reference::run(plan, in) : chain;
            CHECK(std::equal(expected.pixels.begin(), expected.pixels.end(), memory.begin() + to));
        }
    }
}

TEST_CASE("one engine in many threads") {
    Engine engine;
    constexpr int threads = 8, images = 60;
    std::atomic<int> wrong = 0, done = 0;
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; t++) {
        workers.emplace_back([&, t] {
            for (std::uint32_t i = 0; i < images; i++) {
                std::uint32_t number = (i * 7 + t * 13) % images;
                reference::Image in = image_number(number), out = in;
                Plan plan = sample(policy_number(number), {.seed = 7, .index = number}, in.width, in.height);
                engine.run(plan, view(std::as_const(in)), view(out));
                wrong += out != reference::run(plan, in);
                done++;
            }
        });
    }
    for (std::thread& worker : workers) worker.join();
    CHECK(wrong == 0);
    CHECK(done == threads * images);
}

TEST_CASE("a forked child may go on, whatever other threads of the parent do") {
    Engine engine;
    reference::Image in = make(Content::noise, 64, 48, 3);
    Plan plan = sample({}, {.seed = 8}, in.width, in.height);
    reference::Image expected = reference::run(plan, in);
    std::atomic<bool> stop = false;
    std::thread busy([&] {
        reference::Image out = in;
        while (!stop) engine.run(plan, view(std::as_const(in)), view(out));
    });
    int right = 0;
    for (int child = 0; child < 40; child++) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20);  // a child that hangs is a failure
            reference::Image out = in;
            engine.run(plan, view(std::as_const(in)), view(out));
            Engine(test::least_cpu()).run(plan, view(std::as_const(in)), view(out));
            _exit(out == expected ? 0 : 1);
        }
        int status = -1;
        waitpid(pid, &status, 0);
        right += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    stop = true;
    busy.join();
    CHECK(right == 40);
}

TEST_CASE("no allocation and no page fault once warm, on a CPU") {
    for (const Engine& engine : available_engines(false)) {
        reference::Image in = make(Content::smooth, 224, 224, 3), out = in;
        ImageView from = view(std::as_const(in));
        MutableImageView to = view(out);
        Policy policy;
        Plan plan;
        auto run = [&](std::uint64_t first, std::uint64_t last) {
            for (std::uint64_t i = first; i < last; i++) {
                sample(policy, {.seed = 9, .index = i}, 224, 224, plan);
                engine.run(plan, from, to);
            }
        };
        run(0, 200);
        long allocations_before = allocations;
        long faults = LONG_MAX;  // in the best of a few rounds: the kernel may take a page away meanwhile
        for (int round = 0; round < 5 && faults > 0; round++) {
            rusage before{}, after{};
            getrusage(RUSAGE_SELF, &before);
            run(200, 400);
            getrusage(RUSAGE_SELF, &after);
            faults = std::min(faults, after.ru_minflt - before.ru_minflt);
        }
        CHECK(allocations == allocations_before);
#ifndef HALMIX_SANITIZED
        CHECK(faults == 0);
#endif
    }
}

TEST_CASE("targets are found, forced and refused by name") {
    const std::string least(test::least_cpu());
    for (const TargetInfo& target : targets()) {
        if (target.available) CHECK(Engine(target.name).target().name == target.name);
    }
    std::string unknown = message(Status::unknown_target, [] { Engine engine("cpu-vax"); });
    CHECK(unknown.find("cpu-vax") != std::string::npos);
    CHECK(unknown.find(least) != std::string::npos);

    setenv("HALMIX_TARGET", least.c_str(), 1);
    CHECK(Engine().target().name == least);
    CHECK(Engine().reason().find("HALMIX_TARGET") != std::string::npos);
    setenv("HALMIX_TARGET", "nonsense", 1);
    message(Status::unknown_target, [] { Engine engine; });
    CHECK(Engine(least).target().name == least);
    setenv("HALMIX_TARGET", "", 1);
    CHECK(Engine().target().available);
    unsetenv("HALMIX_TARGET");
}

TEST_CASE("arguments that cannot be are refused, naming what is wrong") {
    Engine engine;
    reference::Image in = make(Content::noise, 8, 6, 3), out = in;
    Plan plan = sample({}, {}, 8, 6);
    MutableImageView good = view(out);
    auto refused = [&](ImageView from, MutableImageView to) {
        return message(Status::invalid_argument, [&] { engine.run(plan, from, to); });
    };
    CHECK(refused({nullptr, 8, 6, 3}, good).find("input") != std::string::npos);
    CHECK(refused(view(std::as_const(in)), {nullptr, 8, 6, 3}).find("output") != std::string::npos);
    CHECK(refused({in.pixels.data(), 8, 6, 2}, good).find("2 channels") != std::string::npos);
    CHECK(refused({in.pixels.data(), 8, 6, 4}, good).find("4 channels") != std::string::npos);
    CHECK(refused({in.pixels.data(), 0, 6, 3}, good).find("0x6") != std::string::npos);
    CHECK(refused({in.pixels.data(), 8, -1, 3}, good).find("8x-1") != std::string::npos);
    CHECK(refused({in.pixels.data(), 8, 6, 3, 23}, good).find("stride 23") != std::string::npos);
    CHECK(refused({in.pixels.data(), 8, 6, 3, PTRDIFF_MIN}, good).find("2^31") != std::string::npos);
    CHECK(refused({in.pixels.data(), 8, 6, 3, PTRDIFF_MAX}, good).find("2^31") != std::string::npos);
    CHECK(refused({in.pixels.data(), 40000, 40000, 3}, good).find("2^31") != std::string::npos);
    CHECK(refused({in.pixels.data(), 2147483647, 1, 3}, good).find("2^31") != std::string::npos);
    CHECK(refused(view(std::as_const(in)), {out.pixels.data(), 6, 8, 3}).find("6x8") != std::string::npos);
    CHECK(refused(view(std::as_const(in)), {out.pixels.data(), 8, 6, 1}).find("8x6x1") != std::string::npos);
    CHECK(out == in);

    plan.width = 9;
    std::string size = message(Status::bad_plan, [&] { engine.run(plan, view(std::as_const(in)), good); });
    CHECK((size.find("9x6") != std::string::npos && size.find("8x6") != std::string::npos));
    message(Status::bad_plan, [&] { engine.run({}, view(std::as_const(in)), good); });
    std::vector<OpCall> bad = {{Op::solarize, 300}};
    CHECK(message(Status::invalid_argument, [&] {
              engine.apply(bad, {}, view(std::as_const(in)), good);
          }).find("solarize") != std::string::npos);
    std::vector<OpCall> many(max_depth + 1, {Op::equalize, 0});
    CHECK(message(Status::invalid_argument, [&] {
              engine.apply(many, {}, view(std::as_const(in)), good);
          }).find("17") != std::string::npos);
    message(Status::invalid_argument, [&] { (void)engine.describe(many, 8, 6, 3); });
    CHECK(out == in);
}

TEST_CASE("long rows and columns equal the reference") {
    Engine engine;
    for (auto [width, height] : {std::pair{1, 1000003}, {1000003, 1}, {3, 400009}}) {
        for (int channels : {1, 3}) {
            reference::Image in = make(Content::noise, width, height, channels), out = in;
            for (const OpInfo& op : halmix::ops()) {
                for (double value : op.examples) {
                    std::vector<OpCall> ops = {{op.op, value}};
                    engine.apply(ops, {}, view(std::as_const(in)), view(out));
                    INFO(op.name << "=" << value << " on " << width << "x" << height << "x" << channels);
                    CHECK((out == reference::apply(ops[0], {}, in)));
                }
            }
        }
    }
}

#ifndef __SANITIZE_THREAD__  // with it the images take more than 20 GiB
TEST_CASE("the largest image") {
    // Not worth the time of the slow reference: ops that move nothing can be checked by themselves.
    constexpr int side = 46000;
    constexpr std::size_t size = std::size_t(side) * side;
    std::vector<std::uint8_t> in(size), out(size);
    for (std::size_t i = 0; i < size; i++) in[i] = static_cast<std::uint8_t>(i * 2654435761U >> 24);
    std::vector<OpCall> ops = {{Op::posterize, 4}, {Op::rotate, 180}, {Op::solarize, 128}};
    Engine().apply(ops, {}, {in.data(), side, side, 1}, {out.data(), side, side, 1});
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < size; i++) {
        int level = in[size - 1 - i] & 0xF0;
        wrong += out[i] != (level < 128 ? level : 255 - level);
    }
    CHECK(wrong == 0);
}
#endif
