// Sources and results in every layout, on every target: the same levels, wherever they lie.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "catch.h"
#include "contents.h"
#include "engines.h"
#include "guarded.h"
#include "halmix/halmix.h"
#include "reference/reference.h"

using namespace halmix;
using reference::Content;
using test::available_engines;
using test::Guard;
using test::GuardedBytes;

namespace {

using Random = std::mt19937;

constexpr Normalization imagenet{{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};

/// IEEE half nearest to a float, ties to even: by what a half is, not by bits.
std::uint16_t nearest_half(float value) {
    const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
    const double magnitude = std::fabs(double{value});
    if (magnitude >= 65520) return sign | 0x7C00;  // the middle between the largest half and the next power of two
    // 11 significant bits, of which none is below 2^-24.
    const double unit = std::exp2(std::max(std::ilogb(magnitude == 0 ? 1e-30 : magnitude), -14) - 10);
    double units = std::nearbyint(magnitude / unit);
    int exponent = static_cast<int>(std::log2(unit)) + 25;
    if (units == 2048) {
        units = 1024;
        exponent++;
    }
    if (units < 1024) return sign | static_cast<std::uint16_t>(units);
    return sign | static_cast<std::uint16_t>(exponent << 10 | (static_cast<int>(units) - 1024));
}

/// What a level is in a layout, as bits.
std::uint32_t element(int level, int channel, Layout layout, const Normalization& normalization) {
    if (element_bytes(layout) == 1) return level;
    const float value = (static_cast<float>(level) / 255.0F - normalization.mean[channel]) / normalization.std[channel];
    return layout == Layout::f16_chw ? nearest_half(value) : std::bit_cast<std::uint32_t>(value);
}

/// An image in a layout between inaccessible pages, with room between rows and planes that holds a pattern.
class Placed {
 public:
    Placed(Layout layout, int width, int height, int channels, Random& random)
        : row_(row_bytes(layout, width, channels)) {
        const std::ptrdiff_t bytes = element_bytes(layout);
        const std::ptrdiff_t pitch = row_ + bytes * static_cast<std::ptrdiff_t>(random() % 3 * 5);
        planes_ = has_planes(layout) ? channels : 1;
        const std::ptrdiff_t plane = pitch * height + bytes * static_cast<std::ptrdiff_t>(random() % 2 * 3);
        const std::ptrdiff_t size = (planes_ - 1) * plane + (height - 1) * pitch + row_;
        memory_ = std::make_unique<GuardedBytes>(size, random() % 2 == 0 ? Guard::before : Guard::after);
        view = {memory_->data(), width, height, channels, pitch, plane, layout};
        if (random() % 4 == 0) {  // bottom-up
            view.data += (height - 1) * pitch;
            view.stride = -pitch;
        }
        if (random() % 4 == 0 && planes_ > 1) {  // the last channel first
            view.data += (planes_ - 1) * plane;
            view.plane = -plane;
        }
    }

    /// Element (x, y, c), as bits; c may be 3 in u8_rgbx.
    [[nodiscard]] std::uint32_t at(int x, int y, int c) const {
        std::uint32_t bits = 0;
        std::memcpy(&bits, place(x, y, c), element_bytes(view.layout));
        return bits;
    }
    void set(int x, int y, int c, int level) { *place(x, y, c) = static_cast<std::uint8_t>(level); }

    /// Whether nothing was written between rows.
    [[nodiscard]] bool gaps_untouched() const {
        std::vector<bool> used(memory_->size());
        for (int p = 0; p < planes_; p++) {
            for (int y = 0; y < view.height; y++) {
                const std::ptrdiff_t first = view.row(y, p) - memory_->data();
                std::fill_n(used.begin() + first, row_, true);
            }
        }
        for (std::size_t i = 0; i < used.size(); i++) {
            if (!used[i] && memory_->data()[i] != GuardedBytes::pattern) return false;
        }
        return true;
    }

    MutableImageView view;

 private:
    [[nodiscard]] std::uint8_t* place(int x, int y, int c) const {
        if (has_planes(view.layout)) return view.row(y, c) + x * element_bytes(view.layout);
        return view.row(y) + x * (view.layout == Layout::u8_rgbx ? 4 : view.channels) + c;
    }

    std::ptrdiff_t row_;
    int planes_ = 1;
    std::unique_ptr<GuardedBytes> memory_;
};

/// An image placed in a layout; the fourth byte of pixels that have one is anything.
void place(const reference::Image& image, Placed& to, Random& random) {
    for (int y = 0; y < image.height; y++) {
        for (int x = 0; x < image.width; x++) {
            for (int c = 0; c < image.channels; c++) to.set(x, y, c, image.at(x, y, c));
            if (to.view.layout == Layout::u8_rgbx) to.set(x, y, 3, static_cast<int>(random() & 255));
        }
    }
}

bool holds(const Placed& placed, const reference::Image& image, const Normalization& normalization) {
    const bool four = placed.view.layout == Layout::u8_rgbx;
    for (int y = 0; y < image.height; y++) {
        for (int x = 0; x < image.width; x++) {
            for (int c = 0; c < image.channels; c++) {
                if (placed.at(x, y, c) != element(image.at(x, y, c), c, placed.view.layout, normalization))
                    return false;
            }
            if (four && placed.at(x, y, 3) != 255) return false;
        }
    }
    return true;
}

std::vector<Layout> layouts(int channels, bool of_results) {
    std::vector<Layout> all;
    for (int i = 0; i < layout_count; i++) {
        const auto layout = static_cast<Layout>(i);
        if (channels == 1 && layout == Layout::u8_rgbx) continue;
        if (of_results || element_bytes(layout) == 1) all.push_back(layout);
    }
    return all;
}

const std::vector<std::pair<int, int>> sizes = {{1, 1},  {1, 7},  {7, 1},  {2, 3},   {15, 4},  {16, 3}, {17, 5},
                                                {31, 2}, {32, 9}, {33, 4}, {63, 11}, {64, 30}, {65, 3}, {130, 61}};
constexpr int longest_row = 70;  ///< longer than any vector of pixels and what is left beside it

}  // namespace

TEST_CASE("every layout of sources and results on every target, within its bounds") {
    Random random(31);
    int images = 0;
    for (const Engine& engine : available_engines()) {
        for (const auto& [width, height] : sizes) {
            for (const int channels : {1, 3}) {
                const reference::Image image = make(Content::noise, width, height, channels, random());
                const Plan plan = sample({}, {.seed = 2, .index = random()}, width, height);
                Plan clean = plan;
                clean.mix = 0;
                const reference::Image augmented = reference::run(plan, image);
                const std::vector<OpCall>& ops = plan.chains[0].ops;
                reference::Image chain = image;
                for (const OpCall& call : ops) chain = reference::apply(call, plan.fill, chain);
                for (const Layout from : layouts(channels, false)) {
                    for (const Layout to : layouts(channels, true)) {
                        Placed in(from, width, height, channels, random), out(to, width, height, channels, random);
                        place(image, in, random);
                        const Options options{.normalization = imagenet};
                        INFO(engine.target().name << ": " << width << "x" << height << "x" << channels << ", layout "
                                                  << static_cast<int>(from) << " to " << static_cast<int>(to));
                        engine.run(plan, in.view, out.view, options);
                        REQUIRE(holds(out, augmented, imagenet));
                        engine.run(clean, in.view, out.view, options);
                        REQUIRE(holds(out, image, imagenet));
                        engine.apply(ops, plan.fill, in.view, out.view, options);
                        REQUIRE(holds(out, chain, imagenet));
                        REQUIRE(out.gaps_untouched());
                        REQUIRE(in.gaps_untouched());
                        images++;
                    }
                }
            }
        }
    }
    CHECK(images == static_cast<int>(available_engines().size() * sizes.size() * (2 * 4 + 3 * 5)));
}

TEST_CASE("rows of any length from every layout to every other, within their bounds") {
    Random random(35);
    for (const Engine& engine : available_engines()) {
        for (int width = 1; width <= longest_row; width++) {
            const reference::Image image = make(Content::noise, width, 2, 3, random());
            const Plan clean = {.width = width, .height = 2, .mix = 0, .chains = {{}}};
            for (const Layout from : layouts(3, false)) {
                for (const Layout to : layouts(3, true)) {
                    Placed in(from, width, 2, 3, random), out(to, width, 2, 3, random);
                    place(image, in, random);
                    INFO(engine.target().name << ": " << width << " pixels, layout " << static_cast<int>(from) << " to "
                                              << static_cast<int>(to));
                    engine.run(clean, in.view, out.view, {.normalization = imagenet});
                    REQUIRE(holds(out, image, imagenet));
                    REQUIRE(out.gaps_untouched());
                }
            }
        }
    }
}

TEST_CASE("a batch of images by pointer: of many sizes and layouts, with several views, clean ones among them") {
    Random random(32);
    for (const Engine& engine : available_engines()) {
        std::vector<reference::Image> images, expected;
        std::vector<Plan> plans;
        std::vector<Placed> in, out;
        std::vector<Task> tasks;
        constexpr int count = 60, views = 3;
        for (int i = 0; i < count; i++) {
            const auto [width, height] = sizes[random() % sizes.size()];
            const int channels = random() % 4 == 0 ? 1 : 3;
            images.push_back(make(Content::noise, width, height, channels, random()));
            const auto sources = layouts(channels, false), results = layouts(channels, true);
            in.emplace_back(sources[random() % sources.size()], width, height, channels, random);
            place(images.back(), in.back(), random);
            for (int view = 0; view < views; view++) {
                out.emplace_back(results[random() % results.size()], width, height, channels, random);
                plans.push_back(
                    sample({}, {.seed = 3, .index = std::uint64_t(i), .view = std::uint16_t(view)}, width, height));
            }
        }
        for (int i = 0; i < count * views; i++) {
            const bool clean = i % views == 0;  // the first of a sample's views, as a JSD loss wants it
            const reference::Image& image = images[i / views];
            expected.push_back(clean ? image : reference::run(plans[i], image));
            tasks.push_back({clean ? nullptr : &plans[i], in[i / views].view, out[i].view});
        }
        engine.run(tasks, {.normalization = imagenet});
        for (int i = 0; i < count * views; i++) {
            INFO(engine.target().name << ", task " << i);
            REQUIRE(holds(out[i], expected[i], imagenet));
            REQUIRE(out[i].gaps_untouched());
        }
    }
}

TEST_CASE("a box of a source, resized and mirrored, of any size in any layout, alone or under a mixture") {
    Random random(36);
    const auto length = [&](int most) {  // small ones as often as large ones
        return std::clamp(static_cast<int>(std::exp2(std::log2(most + 1.0) * random() / 4294967296.0)), 1, most);
    };
    for (const Engine& engine : available_engines()) {
        const int rounds = engine.target().devices.empty() ? 1500 : 500;
        for (int round = 0; round < rounds; round++) {
            const int channels = random() % 3 == 0 ? 1 : 3;
            const int width = length(300), height = length(300), wide = length(400), high = length(200);
            const Content content = random() % 4 == 0 ? Content::checkerboard : Content::noise;
            const reference::Image image = make(content, wide, high, channels, random());
            ResizedCrop crop{
                .source_width = wide, .source_height = high, .width = length(wide), .height = length(high)};
            crop.left = static_cast<int>(random() % (wide - crop.width + 1));
            crop.top = static_cast<int>(random() % (high - crop.height + 1));
            crop.filter = random() % 2 == 0 ? Filter::bilinear : Filter::bicubic;
            crop.order = random() % 4 == 0 ? PassOrder::horizontal_first : PassOrder::pillow_13;
            crop.mirror = random() % 2 == 0;
            Plan plan = sample({}, {.seed = 6, .index = random()}, width, height);
            if (random() % 4 == 0) {  // nothing to resize
                plan.width = crop.width;
                plan.height = crop.height;
            }
            if (random() % 4 != 0) plan.mix = 0;
            plan.resized_crop = crop;
            const auto sources = layouts(channels, false), results = layouts(channels, true);
            Placed in(sources[random() % sources.size()], wide, high, channels, random),
                out(results[random() % results.size()], plan.width, plan.height, channels, random);
            place(image, in, random);
            INFO(engine.target().name << ", round " << round << ": " << to_json(plan) << ", " << channels
                                      << " channels, layout " << static_cast<int>(in.view.layout) << " to "
                                      << static_cast<int>(out.view.layout));
            engine.run(plan, in.view, out.view, {.normalization = imagenet});
            REQUIRE(holds(out, reference::run(plan, image), imagenet));
            REQUIRE(out.gaps_untouched());
            REQUIRE(in.gaps_untouched());
        }
    }
}

TEST_CASE("packed batches in every layout equal their images one by one") {
    Random random(33);
    for (const Engine& engine : available_engines()) {
        for (const int channels : {1, 3}) {
            constexpr int count = 5, views = 2, width = 37, height = 21;
            std::vector<Plan> plans;
            for (int i = 0; i < count * views; i++) {
                plans.push_back(sample({}, {.seed = 4, .index = std::uint64_t(i)}, width, height));
                if (i % 3 == 0) plans.back().mix = 0;
            }
            for (const Layout from : layouts(channels, false)) {
                for (const Layout to : layouts(channels, true)) {
                    const std::size_t in_bytes = image_bytes(from, width, height, channels);
                    const std::size_t out_bytes = image_bytes(to, width, height, channels);
                    std::vector<std::uint8_t> in(count * in_bytes), out(count * views * out_bytes),
                        expected(out.size());
                    for (std::uint8_t& byte : in) byte = static_cast<std::uint8_t>(random());
                    const Options options{.normalization = imagenet};
                    for (int i = 0; i < count * views; i++) {
                        engine.run(plans[i], {in.data() + i / views * in_bytes, width, height, channels, from},
                                   {expected.data() + i * out_bytes, width, height, channels, to}, options);
                    }
                    engine.run(plans, Batch{in.data(), count, width, height, channels, Memory::host, from},
                               MutableBatch{out.data(), count * views, width, height, channels, Memory::host, to},
                               options);
                    INFO(engine.target().name << ": layout " << static_cast<int>(from) << " to "
                                              << static_cast<int>(to));
                    const bool same = out == expected;
                    REQUIRE(same);
                }
            }
        }
    }
}

TEST_CASE("sources and results in other layouts may overlap in any way") {
    Random random(34);
    const Engine engine;
    constexpr int width = 40, height = 30;
    for (int round = 0; round < 400; round++) {
        const int channels = random() % 4 == 0 ? 1 : 3;
        const auto sources = layouts(channels, false), results = layouts(channels, true);
        const Layout from = sources[random() % sources.size()], to = results[random() % results.size()];
        const reference::Image image = make(Content::noise, width, height, channels, random());
        Plan plan = sample({}, {.seed = 5, .index = std::uint64_t(round)}, width, height);
        if (round % 4 == 0) plan.mix = 0;
        const std::size_t in_bytes = image_bytes(from, width, height, channels);
        const std::size_t out_bytes = image_bytes(to, width, height, channels);
        std::vector<std::uint8_t> alone(out_bytes), source(in_bytes), memory(in_bytes + 2 * out_bytes);
        for (std::uint8_t& byte : source) byte = static_cast<std::uint8_t>(random());
        engine.run(plan, {source.data(), width, height, channels, from}, {alone.data(), width, height, channels, to});
        const std::size_t at = random() % (2 * out_bytes), target = random() % (in_bytes + out_bytes) / 4 * 4;
        std::copy(source.begin(), source.end(), memory.begin() + static_cast<std::ptrdiff_t>(at));
        engine.run(plan, {memory.data() + at, width, height, channels, from},
                   {memory.data() + target, width, height, channels, to});
        REQUIRE(std::equal(alone.begin(), alone.end(), memory.begin() + static_cast<std::ptrdiff_t>(target)));
    }
}

TEST_CASE("floats are (level / 255 - mean) / std in float32, halves the nearest to that") {
    reference::Image levels =
        reference::generate(16, 16, 3, [](int x, int y, int) { return static_cast<std::uint8_t>(16 * y + x); });
    Random random(35);
    // Of all sizes, subnormal ones and those whose quotients overflow among them.
    const auto any_float = [&] {
        for (;;) {
            const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
            if (std::isfinite(value) && value != 0) return value;
        }
    };
    const auto usual = [&](float least) { return least + static_cast<float>(random() % 100000) / 100000; };
    for (const Engine& engine : available_engines()) {
        const int pairs = engine.target().devices.empty() ? 10000 : 300;
        std::vector<std::uint8_t> out(std::size_t{4} * 3 * 256);
        std::size_t wrong = 0;
        for (int pair = 0; pair < pairs; pair += 3) {
            Normalization normalization = pair == 0 ? imagenet : Normalization{};
            for (int c = 0; c < 3 && pair != 0; c++) {
                const bool extreme = pair % 4 == 0;
                normalization.mean[c] = extreme ? any_float() : usual(0);
                normalization.std[c] = extreme ? any_float() : usual(0.01F) * (random() % 8 == 0 ? -1.0F : 1.0F);
            }
            for (const Layout layout : {Layout::f16_chw, Layout::f32_chw}) {
                engine.apply({}, {}, {levels.pixels.data(), 16, 16, 3}, {out.data(), 16, 16, 3, layout},
                             {.normalization = normalization});
                for (int i = 0; i < 3 * 256; i++) {
                    std::uint32_t bits = 0;
                    std::memcpy(&bits, out.data() + i * element_bytes(layout), element_bytes(layout));
                    wrong += bits != element(i % 256, i / 256, layout, normalization) ? 1 : 0;
                }
            }
        }
        INFO(engine.target().name);
        CHECK(wrong == 0);
    }
}

TEST_CASE("layouts that cannot be are refused, naming what is wrong") {
    const Engine engine;
    alignas(4) std::array<std::uint8_t, 4096> memory{};
    const Plan plan = sample({}, {}, 8, 6);
    const ImageView good(memory.data(), 8, 6, 3);
    const auto refused = [&](const ImageView& in, const MutableImageView& out) -> std::string {
        try {
            engine.run(plan, in, out);
        } catch (const Error& error) {
            CHECK(error.status() == Status::invalid_argument);
            return error.what();
        }
        return "";
    };
    MutableImageView out(memory.data() + 1024, 8, 6, 3, Layout::f32_chw);
    CHECK(refused(good, out).empty());
    CHECK(refused({memory.data(), 8, 6, 3, Layout::f32_chw}, out).find("results only") != std::string::npos);
    CHECK(refused(good, {out.data + 1, 8, 6, 3, Layout::f32_chw}).find("multiples of 4") != std::string::npos);
    CHECK(refused(good, {out.data + 1, 8, 6, 3, Layout::f16_chw}).find("multiples of 2") != std::string::npos);
    CHECK(refused(good, {out.data, 8, 6, 3, 34, Layout::f32_chw}).find("multiples of 4") != std::string::npos);
    CHECK(refused(good, {out.data, 8, 6, 3, 28, Layout::f32_chw}).find("stride 28") != std::string::npos);
    CHECK(refused(good, {out.data, 8, 6, 3, 8, 44, Layout::u8_chw}).find("planes 44 bytes") != std::string::npos);
    CHECK(refused(good, {out.data, 8, 6, 3, 24, 8, Layout::u8_chw}).empty());  // planes line by line
    CHECK(refused(good, {out.data, 8, 6, 3, 8, PTRDIFF_MIN, Layout::u8_chw}).find("too large") != std::string::npos);
    out.layout = static_cast<Layout>(77);
    CHECK(refused(good, out).find("layout 77") != std::string::npos);
    CHECK(refused({memory.data(), 8, 6, 1}, {out.data, 8, 6, 1, Layout::u8_rgbx}).find("u8_rgbx has 3 channels") !=
          std::string::npos);
}
