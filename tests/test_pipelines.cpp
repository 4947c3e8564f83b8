#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>

#include "catalogue.h"
#include "catch.h"
#include "contents.h"
#include "engines.h"
#include "guarded.h"
#include "halmix/halmix.h"
#include "lowering/program.h"
#include "reference/reference.h"

using namespace halmix;
using reference::Content;
using test::available_engines;
using test::Guard;
using test::GuardedImage;

namespace {

struct Size {
    int width, height;
};

const Size sizes[] = {{1, 1},   {1, 9},   {9, 1},   {2, 2},   {3, 3},   {4, 3},    {7, 5},  {16, 16},
                      {17, 13}, {31, 33}, {32, 32}, {33, 17}, {64, 65}, {97, 111}, {5, 130}};

const Fill fill = {11, 97, 203};

reference::Image run_reference(std::span<const OpCall> ops, reference::Image image, const Fill& color = fill) {
    for (const OpCall& call : ops) image = reference::apply(call, color, image);
    return image;
}

std::string text(std::span<const OpCall> ops) {
    std::string all;
    for (const OpCall& call : ops) all += std::string(info(call.op).name) + "=" + std::to_string(call.value) + " ";
    return all;
}

/// The examples of all ops by the kind that computes them, on every image large enough.
std::map<Kind, std::vector<OpCall>> calls_by_kind() {
    std::map<Kind, std::vector<OpCall>> calls;
    for (const OpInfo& op : ops()) {
        for (double value : op.examples) {
            const OpCall call{op.op, value};
            Program program;
            lower({&call, 1}, 64, 64, 3, Processor::cpu, program);
            INFO(text({&call, 1}));
            REQUIRE(program.kinds.size() == 1);
            calls[program.kinds[0]].push_back(call);
        }
    }
    return calls;
}

std::vector<Kind> unpack(Sequence sequence) {
    std::vector<Kind> kinds;
    for (; sequence != 0; sequence >>= 5) kinds.push_back(static_cast<Kind>((sequence & 31) - 1));
    return kinds;
}

bool of_one_kind(const PipelineRow& row) { return unpack(row.sequence).size() == 1; }

struct Case {
    Size size;
    Content content;
    std::size_t variant;
};

/// All sizes, contents and calls for pipelines of one kind; for longer ones, of which there may be a thousand, some.
std::vector<Case> cases(std::size_t length, std::size_t variants, std::mt19937& random) {
    std::vector<Case> all;
    for (Size size : sizes) {
        for (Content content : reference::contents()) {
            for (std::size_t variant = 0; variant < variants; variant++) all.push_back({size, content, variant});
        }
    }
    if (length == 1) return all;
    std::vector<Case> some;
    std::sample(all.begin(), all.end(), std::back_inserter(some), 60, random);
    return some;
}

}  // namespace

TEST_CASE("every pipeline of every target equals the reference, within its bounds") {
    const std::map<Kind, std::vector<OpCall>> calls_of_kind = calls_by_kind();
    std::vector<Engine> engines = available_engines();
    REQUIRE(!engines.empty());
    std::set<std::pair<std::string_view, std::string_view>> ran;
    std::mt19937 random(20);
    int images = 0;
    for (const PipelineRow& row : pipeline_rows) {
        std::vector<Kind> kinds = unpack(row.sequence);
        for (const Case& test : cases(kinds.size(), calls_of_kind.at(kinds[0]).size(), random)) {
            std::vector<OpCall> ops;
            for (std::size_t stage = 0; stage < kinds.size(); stage++) {
                const std::vector<OpCall>& calls = calls_of_kind.at(kinds[stage]);
                ops.push_back(calls[(stage == 0 ? test.variant : random()) % calls.size()]);
            }
            auto [width, height] = test.size;
            reference::Image in = make(test.content, width, height, row.channels, random());
            reference::Image expected = run_reference(ops, in);
            Guard guard = random() % 2 == 0 ? Guard::before : Guard::after;
            GuardedImage from(in, guard, random() % 3 * 7, random() % 4 == 0);
            for (const Engine& engine : engines) {
                GuardedImage to(in, guard, random() % 3 * 5, random() % 4 == 0);
                engine.apply(ops, fill, from.view(), to.view());
                images++;
                auto names = engine.describe(ops, width, height, row.channels);
                if (names == std::vector{row.name}) ran.emplace(row.name, engine.target().name);
                if (to.pixels() == expected && to.gaps_untouched() && from.pixels() == in) continue;
                INFO(row.name << " on " << engine.target().name << ": " << text(ops) << "on "
                              << reference::name(test.content) << " " << width << "x" << height);
                REQUIRE(to.pixels() == expected);
                REQUIRE(to.gaps_untouched());
                REQUIRE(from.pixels() == in);
            }
        }
    }
    int pipelines = 0;
    for (const Engine& engine : engines) {
        // A GPU runs longer ones for large groups of images only: see below.
        bool gpu = !engine.target().devices.empty();
        pipelines +=
            gpu ? static_cast<int>(std::ranges::count_if(pipeline_rows, of_one_kind)) : engine.target().pipelines;
    }
    CHECK(static_cast<int>(ran.size()) == pipelines);
    CHECK(images >= 11000 * static_cast<int>(engines.size()));
}

TEST_CASE("every longer pipeline of a GPU, for groups of images large enough, equals the CPU") {
    const std::map<Kind, std::vector<OpCall>> calls_of_kind = calls_by_kind();
    const Engine cpu;
    for (const Engine& gpu : available_engines(true)) {
        std::size_t index = std::ranges::find(gpu_rows, gpu.target().name, &GpuRow::name) - gpu_rows.begin();
        int pipelines = 0;
        std::mt19937 random(21);
        for (const PipelineRow& row : pipeline_rows) {
            if (of_one_kind(row) || row.batch_functions[index] == nullptr) continue;
            constexpr int few = 8, many = 1050, width = 51, height = 41;
            std::size_t bytes = std::size_t{width} * height * row.channels;
            std::vector<Plan> plans(many, {width, height, 1, fill, {{1, {}}}});
            for (Plan& plan : plans) {
                for (Kind kind : unpack(row.sequence)) {
                    const std::vector<OpCall>& calls = calls_of_kind.at(kind);
                    plan.chains[0].ops.push_back(calls[random() % calls.size()]);
                }
            }
            std::vector<std::uint8_t> in(many * bytes), out(in.size()), expected(in.size());
            for (std::uint8_t& level : in) level = static_cast<std::uint8_t>(random() % 200 + 20);
            auto run = [&](const Engine& engine, int count, std::vector<std::uint8_t>& to) {
                return engine.run(std::span(plans).first(count), Batch{in.data(), count, width, height, row.channels},
                                  MutableBatch{to.data(), count, width, height, row.channels});
            };
            run(cpu, many, expected);
            int launches = run(gpu, many, out).launches;
            INFO(row.name << " on " << gpu.target().name);
            bool same = out == expected;
            REQUIRE(same);
            CHECK(launches < run(gpu, few, out).launches);
            pipelines++;
        }
        CHECK(pipelines + std::ranges::count_if(pipeline_rows, of_one_kind) == gpu.target().pipelines);
    }
}

namespace {

/// Applies each call to an image on every target; returns the number of comparisons.
int sweep(const std::vector<OpCall>& calls, const std::vector<reference::Image>& images) {
    int count = 0;
    for (const Engine& engine : available_engines()) {
        for (const OpCall& call : calls) {
            for (const reference::Image& in : images) {
                reference::Image out = in;
                std::span<const OpCall> ops(&call, 1);
                engine.apply(ops, fill, {in.pixels.data(), in.width, in.height, in.channels},
                             {out.pixels.data(), in.width, in.height, in.channels});
                count++;
                if (out == run_reference(ops, in)) continue;
                FAIL(engine.target().name << ": " << text(ops) << "on " << in.width << "x" << in.height << "x"
                                          << in.channels);
            }
        }
    }
    return count;
}

std::vector<OpCall> grid(Op op, double first, double last, double step) {
    std::vector<OpCall> calls;
    for (int i = 0; first + i * step <= last; i++) calls.push_back({op, first + i * step});
    return calls;
}

}  // namespace

TEST_CASE("every whole angle, threshold and number of bits, factors and slopes on a grid") {
    std::vector<reference::Image> levels = {make(Content::ramp, 16, 16, 1), make(Content::noise, 24, 24, 3)};
    std::vector<reference::Image> shapes = {make(Content::noise, 37, 23, 3), make(Content::noise, 24, 24, 1),
                                            make(Content::two_levels, 18, 31, 3)};
    int count = 0;
    count += sweep(grid(Op::posterize, 0, 8, 1), levels);
    count += sweep(grid(Op::solarize, 0, 256, 1), levels);
    count += sweep(grid(Op::rotate, -180, 180, 1), shapes);
    count += sweep(grid(Op::rotate, -360, 360, 22.25), shapes);
    count += sweep(grid(Op::shear_x, -0.3, 0.3, 0.005), shapes);
    count += sweep(grid(Op::shear_y, -0.3, 0.3, 0.005), shapes);
    count += sweep(grid(Op::translate_x, -40, 40, 1), shapes);
    count += sweep(grid(Op::translate_y, -40, 40, 1), shapes);
    for (Op op : {Op::color, Op::contrast, Op::brightness, Op::sharpness}) {
        count += sweep(grid(op, 0, 4, 0.03125), levels);
        count += sweep(grid(op, 0, 2, 0.01), levels);            // fractions but for rounding
        count += sweep(grid(op, 0.1234567, 6, 0.0371), levels);  // none
        count += sweep({{op, 1}, {op, 1 + 1e-9}, {op, 1 - 1e-9}, {op, 1 + 1e-7}, {op, 1 - 1e-7}, {op, 10}, {op, 1000}},
                       levels);
    }
    CHECK(count >= static_cast<int>(4000 * available_engines().size()));
}

TEST_CASE("factors whose products are so close to whole numbers that Pillow's roundings reach these") {
    // Of these two differences from the luminance, 59 and -148, the products are 1.3 * 2^-17 below 106 and 1.5 * 2^-17
    // beyond -107: with half its margin blend() in program.cpp would take integers, which are on the other side.
    reference::Image in{2, 1, 3, {46, 0, 82, 255, 255, 88}};
    int count = sweep({{Op::color, 1.79661F}, {Op::color, 0.722973049F}}, {in});
    CHECK(count == static_cast<int>(2 * available_engines().size()));
}

TEST_CASE("slopes that are fractions, and those next to them, where roundings decide") {
    // Lines are then on either side of fractions of levels, by a rounding, or on them.
    std::vector<OpCall> calls;
    for (const double denominator : {3, 4, 7, 8, 20, 64, 127, 129, 150, 200, 254, 255}) {
        for (const double numerator : {1, 2, 9}) {
            const double slope = numerator / denominator;
            for (const Op op : {Op::shear_x, Op::shear_y}) {
                for (const double value : {slope, -slope, std::nextafter(slope, 0.0), std::nextafter(slope, 1.0)}) {
                    calls.push_back({op, value});
                }
            }
        }
    }
    int count = sweep(calls, {make(Content::noise, 53, 61, 3), make(Content::two_levels, 61, 53, 3),
                              make(Content::noise, 140, 70, 1), make(Content::ramp, 70, 140, 3)});
    CHECK(count == static_cast<int>(1152 * available_engines().size()));
}

TEST_CASE("matrices of whole degrees are the reference's, to the last bit") {
    for (int degrees = -359; degrees < 360; degrees++) {
        if (degrees == 0) continue;
        const OpCall call{Op::rotate, static_cast<double>(degrees)};
        Program program;
        lower({&call, 1}, 97, 34, 3, Processor::cpu, program);
        INFO(degrees);
        CHECK(program.params.at(0) == reference::rotation_matrix(reference::reduced_degrees(degrees), 97, 34));
    }
}

TEST_CASE("turns by next to nothing, which take coordinates in a tile as far as they go") {
    // The cosine is 1 or just below, the sine nearly 0: where rows stay rows, and within tolerances of what is
    // compared.
    const double turns[] = {1e-9, 1e-7, 2e-6, 1e-5, 3e-4};
    std::vector<OpCall> calls;
    for (double quarter : {0.0, 90.0, 180.0, 270.0, 360.0}) {
        for (double turn : turns) {
            calls.push_back({Op::rotate, quarter - turn});
            if (quarter < 360) calls.push_back({Op::rotate, quarter + turn});
        }
    }
    int count = sweep(calls, {make(Content::noise, 300, 200, 3), make(Content::noise, 200, 300, 3),
                              make(Content::ramp, 300, 200, 1), make(Content::noise, 257, 257, 1)});
    CHECK(count == static_cast<int>(180 * available_engines().size()));
}

TEST_CASE("runs of posterize, solarize and brightness, whose tables nearly have a form that is looked up faster") {
    // Thresholds beside the ends invert a few levels only; the second of two inverts another row of 16.
    std::mt19937 random(7);
    auto call = [&]() -> OpCall {
        switch (random() % 3) {
            case 0:
                return {Op::posterize, static_cast<double>(1 + random() % 8)};
            case 1:
                return {Op::solarize, static_cast<double>(random() % 2 == 0 ? random() % 257 : 253 + random() % 4)};
            default:
                return {Op::brightness, static_cast<double>(random() % 65) / 32};
        }
    };
    reference::Image in = make(Content::noise, 41, 31, 3);
    for (int run = 0; run < 2000; run++) {
        std::vector<OpCall> ops = {call(), call()};
        if (run % 2 == 0) ops.push_back(call());
        reference::Image expected = run_reference(ops, in);
        for (const Engine& engine : available_engines()) {
            reference::Image out = in;
            engine.apply(ops, fill, {in.pixels.data(), 41, 31, 3}, {out.pixels.data(), 41, 31, 3});
            if (out == expected) continue;
            FAIL(engine.target().name << ": " << text(ops));
        }
    }
}

TEST_CASE("equalize of more pixels of a level than 16 bits count, in one row and in many, with gaps and without") {
    int count = 0;
    for (const auto [width, height] : {Size{1100003, 1}, {1, 9001}, {1201, 1000}, {70000, 17}, {127, 65}}) {
        for (const Content content : {Content::two_levels, Content::ramp}) {
            for (const int channels : {1, 3}) {
                const reference::Image in = make(content, width, height, channels);
                const std::vector<OpCall> ops = {{Op::equalize}};
                const reference::Image expected = run_reference(ops, in);
                for (const int gap : {0, 5}) {
                    const GuardedImage from(in, Guard::after, gap, false);
                    for (const Engine& engine : available_engines()) {
                        GuardedImage to(in, Guard::after, gap, false);
                        engine.apply(ops, fill, from.view(), to.view());
                        count++;
                        if (to.pixels() == expected) continue;
                        FAIL(engine.target().name << ": " << width << "x" << height << "x" << channels);
                    }
                }
            }
        }
    }
    CHECK(count == static_cast<int>(40 * available_engines().size()));
}

TEST_CASE("the autocontrast table of every pair of lowest and highest level") {
    int count = 0;
    for (const Engine& engine : available_engines()) {
        for (int low = 0; low < 256; low++) {
            // One channel per highest level, three at a time.
            for (int high = low + 1; high < 256; high += 3) {
                reference::Image in = reference::generate(16, 16, 3, [&](int x, int y, int c) {
                    return static_cast<std::uint8_t>(std::clamp(y * 16 + x, low, std::min(high + c, 255)));
                });
                reference::Image out = in;
                std::vector<OpCall> ops = {{Op::autocontrast}};
                engine.apply(ops, {}, {in.pixels.data(), 16, 16, 3}, {out.pixels.data(), 16, 16, 3});
                count += std::min(3, 256 - high);
                if (out == run_reference(ops, in)) continue;
                FAIL(engine.target().name << ": levels " << low << " to " << high << " and the next two");
            }
        }
    }
    CHECK(count == static_cast<int>(32640 * available_engines().size()));
}
