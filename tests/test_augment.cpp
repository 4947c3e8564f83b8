// From the bytes of pictures to results: those that the whole picture and its plan give. Pillow's are compared with in
// python/test_decode.py.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "allocations.h"
#include "catch.h"
#include "engines.h"
#include "halmix/augment.h"
#include "halmix/error.h"
#include "pictures.h"

using namespace halmix;
using namespace halmix::test;

namespace {

const Normalization imagenet{{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};

Policy cropping(int width, int height) {
    Policy policy;
    policy.crop = RandomResizedCrop{.width = width, .height = height};
    return policy;
}

/// Results of a sample, for each view. They begin as 99s, which a test can look for.
struct Results {
    Results(std::size_t views, int width, int height, int channels, Layout layout) {
        memory.resize(views, Bytes(image_bytes(layout, width, height, channels), 99));
        for (Bytes& one : memory) all.emplace_back(one.data(), width, height, channels, layout);
    }
    [[nodiscard]] bool untouched() const {
        return std::ranges::all_of(memory,
                                   [](const Bytes& one) { return std::ranges::count(one, 99) == std::ssize(one); });
    }

    std::vector<Bytes> memory;
    std::vector<MutableImageView> all;
};

/// What the whole picture gives.
Results expected(const Engine& engine, const io::Recipe& recipe, const Bytes& bytes, Key key, const Results& like) {
    const MutableImageView& first = like.all.front();
    io::Decoder decoder;
    const io::Picture picture = decoder.open(as_bytes(bytes), "picture", recipe.orientation);
    Pixels whole(picture.width, picture.height, first.channels);
    decoder.decode({0, 0, picture.width, picture.height}, whole.view());
    Results results(recipe.views.size(), first.width, first.height, first.channels, first.layout);
    for (std::size_t i = 0; i < recipe.views.size(); ++i) {
        Plan plan;
        if (recipe.views[i] < 0) {
            sample_clean(recipe.policy, key, picture.width, picture.height, plan);
        } else {
            key.view = static_cast<std::uint16_t>(recipe.views[i]);
            plan = sample(recipe.policy, key, picture.width, picture.height);
        }
        engine.run(plan, whole.view(), results.all[i], {.normalization = imagenet});
    }
    return results;
}

/// Pictures of every kind that there is.
std::vector<Bytes> pictures(int width, int height) {
    std::vector<Bytes> all;
    for (const JpegKind& kind : jpeg_kinds()) all.push_back(jpeg(picture(width, height, kind.channels), kind));
    for (const PngKind& kind : png_kinds()) all.push_back(png(width, height, kind));
    for (const int orientation : {3, 6}) all.push_back(tagged(all.front(), orientation));
    return all;
}

/// A batch of samples, some of them broken, of 20 x 16 results.
struct Work {
    explicit Work(int count, std::vector<int> broken = {}, const io::Recipe& recipe = {.policy = cropping(20, 16)})
        : recipe(recipe) {
        for (int i = 0; i < count; ++i) {
            names.push_back("picture " + std::to_string(i));
            bytes.push_back(jpeg(picture(60, 50, 3), {}));
            if (std::ranges::count(broken, i) != 0) bytes.back().resize(100);
            results.emplace_back(recipe.views.size(), 20, 16, 3, Layout::f32_chw);
        }
        for (int i = 0; i < count; ++i) {
            samples.push_back({as_bytes(bytes[i]), names[i], {.seed = 3, .index = std::uint64_t(i)}, results[i].all});
        }
    }
    void run(const Options& options = {.normalization = imagenet}, std::span<std::string> problems = {}) {
        augmenter.run(engine, recipe, samples, options, problems);
    }
    /// How many are done; others must be untouched.
    int done() const {
        int count = 0;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            if (results[i].untouched()) continue;
            REQUIRE(results[i].memory == expected(engine, recipe, bytes[i], samples[i].key, results[i]).memory);
            ++count;
        }
        return count;
    }

    io::Recipe recipe;
    Engine engine;
    io::Augmenter augmenter;
    std::vector<std::string> names;
    std::vector<Bytes> bytes;
    std::vector<Results> results;
    std::vector<io::Sample> samples;
};

}  // namespace

TEST_CASE("results are those of the whole picture and its plan", "[augment]") {
    INFO("HALMIX_TEST_SEED=" << seed());
    const Engine engine;
    io::Augmenter augmenter;
    const std::vector<std::vector<int>> views{{0}, {-1}, {-1, 0, 1}, {5, 5}};
    const std::array layouts{Layout::u8_hwc, Layout::u8_chw, Layout::u8_rgbx, Layout::f16_chw, Layout::f32_chw};
    int round = 0;
    for (const Bytes& bytes : pictures(90, 70)) {
        for (int i = 0; i < 8; ++i, ++round) {
            io::Recipe recipe{.policy = cropping(1 + below(60), 1 + below(60)), .views = views.at(round % 4)};
            recipe.policy.crop->filter = i % 3 == 0 ? Filter::bicubic : Filter::bilinear;
            recipe.orientation = i % 2 == 0 ? io::Orientation::stored : io::Orientation::upright;
            const Layout layout = layouts.at(round % layouts.size());
            const int channels = layout == Layout::u8_rgbx || i % 4 != 0 ? 3 : 1;
            Results results(recipe.views.size(), recipe.policy.crop->width, recipe.policy.crop->height, channels,
                            layout);
            const Key key{.seed = 5, .epoch = 1, .index = std::uint64_t(round), .view = 9};
            const io::Sample sample{as_bytes(bytes), "picture", key, results.all};
            augmenter.run(engine, recipe, {&sample, 1}, {.normalization = imagenet});
            CAPTURE(round, i);
            REQUIRE(results.memory == expected(engine, recipe, bytes, key, results).memory);
        }
    }
}

TEST_CASE("without a crop results have the picture's size", "[augment]") {
    const Engine engine;
    io::Augmenter augmenter;
    const Bytes bytes = tagged(jpeg(picture(50, 40, 3), {}), 6);
    for (const io::Mode mode : {io::Mode::exact, io::Mode::fast}) {
        for (const bool upright : {false, true}) {
            const io::Recipe recipe{.views = {-1, 0},
                                    .mode = mode,
                                    .orientation = upright ? io::Orientation::upright : io::Orientation::stored};
            Results right(2, upright ? 40 : 50, upright ? 50 : 40, 3, Layout::u8_hwc);
            const io::Sample sample{as_bytes(bytes), "picture", {}, right.all};
            augmenter.run(engine, recipe, {&sample, 1});
            CHECK(right.memory == expected(engine, recipe, bytes, {}, right).memory);
        }
    }
    Results wrong(1, 40, 40, 3, Layout::u8_hwc);
    const io::Sample sample{as_bytes(bytes), "turned.jpg", {}, wrong.all};
    const std::string line = message_of<io::Error>([&] { augmenter.run(engine, {}, {&sample, 1}); });
    CHECK(line ==
          "turned.jpg: is 50x40 pixels, its results are 40x40; use a policy with a crop, or results of the "
          "picture's size");
    CHECK(wrong.untouched());
}

TEST_CASE("fast results are those of the reduced part, and near the exact ones", "[augment]") {
    const Engine engine;
    io::Augmenter augmenter;
    io::Decoder decoder;
    const Bytes bytes = jpeg(picture(500, 375, 3), {.sampling = {{{2, 2}, {1, 1}, {1, 1}}}}, 90);
    for (std::uint64_t index = 0; index < 20; ++index) {
        io::Recipe recipe{.policy = cropping(40, 40), .views = {0}};
        const auto run = [&](io::Mode mode) {
            recipe.mode = mode;
            Results results(1, 40, 40, 3, Layout::u8_hwc);
            const io::Sample sample{as_bytes(bytes), "picture", {.index = index}, results.all};
            augmenter.run(engine, recipe, {&sample, 1});
            return results.memory[0];
        };
        const Bytes fast = run(io::Mode::fast);
        Plan plan = sample(recipe.policy, {.index = index}, 500, 375);
        ResizedCrop& crop = *plan.resized_crop;
        const io::Window window{crop.left, crop.top, crop.width, crop.height};
        (void)decoder.open(as_bytes(bytes));
        const io::Reduction reduction = decoder.reduction(window, 40, 40);
        Pixels part(reduction.width, reduction.height, 3);
        decoder.decode(window, reduction, part.view());
        crop.left = crop.top = 0;
        crop.source_width = crop.width = part.width;
        crop.source_height = crop.height = part.height;
        Results expected(1, 40, 40, 3, Layout::u8_hwc);
        engine.run(plan, part.view(), expected.all[0]);
        CAPTURE(index);
        REQUIRE(fast == expected.memory[0]);

        recipe.views = {-1};
        const Bytes clean = run(io::Mode::fast);
        const Bytes exact = run(io::Mode::exact);
        double sum = 0;
        for (std::size_t i = 0; i < exact.size(); ++i) sum += std::abs(exact[i] - clean[i]);
        CHECK((reduction.eighths == 8 || sum > 0));
        // The waves of this picture make much of a shift by a part of a pixel; other pictures are 50 away.
        CHECK(sum / static_cast<double>(exact.size()) < 20);
    }
}

TEST_CASE("fast results of PNG and of what is enlarged are the exact ones", "[augment]") {
    const Engine engine;
    io::Augmenter augmenter;
    const io::Recipe recipe{.policy = cropping(120, 120), .views = {-1, 0}, .mode = io::Mode::fast};
    for (const Bytes& bytes : {jpeg(picture(100, 80, 3), {}), png(400, 300, {"", PNG_COLOR_TYPE_RGB})}) {
        Results results(2, 120, 120, 3, Layout::f32_chw);
        const io::Sample sample{as_bytes(bytes), "picture", {.seed = 8}, results.all};
        augmenter.run(engine, recipe, {&sample, 1}, {.normalization = imagenet});
        CHECK(results.memory == expected(engine, recipe, bytes, {.seed = 8}, results).memory);
    }
}

TEST_CASE("a batch, by a runner or without", "[augment]") {
    const int threads = GENERATE(0, 1, 3);
    Work work(40, {}, {.policy = cropping(20, 16), .views = {-1, 0, 1}});
    Threads own(std::max(threads, 1));
    work.run({.normalization = imagenet, .runner = threads == 0 ? Runner{} : own.runner()});
    CHECK(work.done() == 40);
}

TEST_CASE("a picture of too many pixels is broken", "[augment]") {
    for (const int less : {0, 1}) {
        Work work(3, {}, {.policy = cropping(20, 16), .accept = {.max_pixels = 60 * 50 - less}});
        std::vector<std::string> problems(3);
        work.run({.normalization = imagenet}, problems);
        for (int i = 0; i < 3; ++i) {
            CHECK(contains(problems[i], "60 x 50 pixels, more than the 2999 that are allowed") == (less == 1));
            CHECK(problems[i].empty() == (less == 0));
            CHECK(work.results[i].untouched() == (less == 1));
        }
    }
}

TEST_CASE("a broken picture is named, and its results are untouched", "[augment]") {
    const int threads = GENERATE(1, 3);
    Threads own(threads);
    const Options options{.normalization = imagenet, .runner = threads == 1 ? Runner{} : own.runner()};
    SECTION("raised") {
        Work work(20, {7});
        const std::string line = message_of<io::Error>([&] { work.run(options); });
        CHECK(line.starts_with("picture 7: "));
        CHECK(work.results[7].untouched());
        CHECK(work.done() >= (threads == 1 ? 7 : 0));
        CHECK(work.done() < 20);
        work.bytes[7] = jpeg(picture(60, 50, 3), {});  // and the next call goes on
        work.samples[7].bytes = as_bytes(work.bytes[7]);
        work.run(options);
        CHECK(work.done() == 20);
    }
    SECTION("told") {
        Work work(20, {0, 7, 19});
        std::vector<std::string> problems(20, "old");
        work.run(options, problems);
        for (int i = 0; i < 20; ++i) {
            const bool broken = i == 0 || i == 7 || i == 19;
            CHECK(problems[i].starts_with("picture " + std::to_string(i) + ": ") == broken);
            CHECK(problems[i].empty() != broken);
            CHECK(work.results[i].untouched() == broken);
        }
        CHECK(work.done() == 17);
    }
}

TEST_CASE("what the caller throws and wants ends a batch", "[augment]") {
    Work work(10);
    int asked = 0;
    const auto fifth = [](void* state) { return ++*static_cast<int*>(state) == 5; };
    try {
        work.run({.normalization = imagenet, .interrupt = {fifth, &asked}});
        FAIL("not interrupted");
    } catch (const halmix::Error& error) {
        CHECK(error.status() == Status::interrupted);
    }
    CHECK(work.done() == 4);
    const auto thrown = [](void*) -> bool { throw std::runtime_error("the caller's"); };
    CHECK_THROWS_WITH(work.run({.interrupt = {thrown, nullptr}}), "the caller's");
    const Runner lazy{[](void*, std::size_t, Runner::Task task, void* tasks) { task(tasks, 3); }, nullptr};
    const Options by_lazy{.normalization = imagenet, .runner = lazy};
    CHECK(contains(message_of<halmix::Error>([&] { work.run(by_lazy); }), "after 1 of 10 tasks"));
    work.samples.clear();
    work.run();
}

TEST_CASE("recipes and samples are checked before anything is written", "[augment]") {
    const auto refused = [](const auto& change) {
        Work work(3);
        std::vector<std::string> problems(3);
        change(work, problems);
        const std::string line = message_of<halmix::Error>([&] { work.run({}, problems); });
        CHECK(work.results[0].untouched());
        return line;
    };
    using Problems = std::vector<std::string>;
    CHECK(refused([](Work& work, Problems&) { work.recipe.views.clear(); }).starts_with("views: none"));
    CHECK(refused([](Work& work, Problems&) { work.recipe.views = {-2}; }) == "views: -2; allowed are -1 and 0..65535");
    CHECK(refused([](Work& work, Problems&) { work.recipe.views = {65536}; }).starts_with("views: 65536"));
    CHECK(refused([](Work& work, Problems&) {
              work.recipe.views = {0, 1};
          }) == "samples[0].results: 1; allowed is one for each of 2 views");
    CHECK(refused([](Work& work, Problems&) { work.recipe.policy.severity = 11; }).starts_with("severity"));
    CHECK(refused([](Work& work, Problems&) { work.results[2].all[0].width = 19; }) ==
          "samples[2].results: 19x16 pixels; allowed is 20x16");
    CHECK(
        refused([](Work& work, Problems&) { work.results[1].all[0].channels = 2; }).starts_with("samples[1].results"));
    CHECK(refused([](Work&, Problems& problems) { problems.resize(2); }).starts_with("problems: 2 for 3 samples"));
}

TEST_CASE("no part and no change of a picture crashes", "[augment]") {
    INFO("HALMIX_TEST_SEED=" << seed());
    const Engine engine;
    io::Augmenter augmenter;
    const std::array valid{jpeg(picture(37, 43, 3), {.sampling = {{{2, 2}, {1, 1}, {1, 1}}}}),
                           jpeg(picture(37, 43, 3), {.progressive = true}), png(23, 19, {"", PNG_COLOR_TYPE_RGB})};
    int broken = 0;
    int right = 0;
    const auto attempt = [&](const Bytes& bytes, bool whole) {
        const io::Mode mode = below(2) == 0 ? io::Mode::exact : io::Mode::fast;
        const io::Recipe recipe{.policy = cropping(9, 7), .views = {-1, 0}, .mode = mode};
        Results results(2, 9, 7, 3, Layout::u8_hwc);
        const io::Sample sample{as_bytes(bytes), "picture", {.index = std::uint64_t(below(1000))}, results.all};
        std::string problem;
        augmenter.run(engine, recipe, {&sample, 1}, {}, {&problem, 1});
        CHECK(problem.empty() != results.untouched());
        (problem.empty() ? right : broken) += 1;
        if (whole) CHECK(problem.empty());
    };
    for (const Bytes& bytes : valid) {
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            // In memory of its own, so that a sanitizer sees what is read behind it.
            attempt(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)), false);
            if (size % 100 == 0) attempt(bytes, true);
        }
    }
    CHECK(broken > 500);
    for (int round = 0; round < 3000; ++round) {
        Bytes bytes = valid.at(round % valid.size());
        const int reach = round % 2 == 0 ? std::min<int>(700, std::ssize(bytes)) : std::ssize(bytes);
        for (int flips = 1 + below(4); flips > 0; --flips) bytes[below(reach)] ^= 1 << below(8);
        attempt(bytes, false);
        if (round % 100 == 0) attempt(valid.at(below(valid.size())), true);
    }
    CHECK(right > 100);
}

TEST_CASE("nothing is allocated once it is warm", "[augment]") {
    const Engine engine;
    io::Augmenter augmenter;
    const std::vector<Bytes> all = pictures(120, 90);
    for (const io::Mode mode : {io::Mode::exact, io::Mode::fast}) {
        const io::Recipe recipe{.policy = cropping(32, 32), .views = {-1, 0, 1}, .mode = mode};
        std::vector<Results> results(all.size(), Results(3, 32, 32, 3, Layout::f32_chw));
        std::vector<io::Sample> samples;
        for (std::size_t i = 0; i < all.size(); ++i) {
            results[i] = Results(3, 32, 32, 3, Layout::f32_chw);
            const std::string_view name = "a name that is longer than those that strings keep in themselves";
            samples.push_back({as_bytes(all[i]), name, {.index = i}, results[i].all});
        }
        std::vector<std::string> problems(all.size());
        const Options options{.normalization = imagenet};
        augmenter.run(engine, recipe, samples, options, problems);
        const long before = allocations;
        augmenter.run(engine, recipe, samples, options, problems);
        CHECK(allocations == before);
        CHECK(std::ranges::all_of(problems, &std::string::empty));
    }
}

TEST_CASE("memory that is lacking is an error or a problem", "[augment]") {
    const Engine engine;
    const Bytes bytes = jpeg(picture(120, 90, 3), {});
    bool done = false;
    for (long n = 0; !done; ++n) {
        io::Augmenter augmenter;
        Results results(2, 32, 32, 3, Layout::f32_chw);
        const io::Recipe recipe{.policy = cropping(32, 32), .views = {-1, 0}};
        const io::Sample sample{as_bytes(bytes), "picture", {}, results.all};
        try {
            until_failure = n;
            augmenter.run(engine, recipe, {&sample, 1}, {.normalization = imagenet});
            done = until_failure > 0;
        } catch (const halmix::Error& error) {
            CHECK(error.status() == Status::out_of_memory);
        } catch (const io::Error& error) {
            CHECK(contains(error.what(), "memory"));
        }
        until_failure = LONG_MAX;
        augmenter.run(engine, recipe, {&sample, 1}, {.normalization = imagenet});  // it goes on
        REQUIRE(results.memory == expected(engine, recipe, bytes, {}, results).memory);
        REQUIRE(n < 1000);
    }
}
