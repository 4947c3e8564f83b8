// The mixture of levels for which integers and float32 are furthest apart, against Composer's arithmetic.
#include <HalideBuffer.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iomanip>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "catalogue.h"
#include "catch.h"
#include "engines.h"
#include "guarded.h"
#include "reference/mix.h"

using namespace halmix;
using Halide::Runtime::Buffer;
using test::Guard;
using test::GuardedBytes;

namespace {

struct Weights {
    std::vector<float> chains;
    float mix;
};

std::string text(const Weights& weights) {
    std::ostringstream all;
    all << std::setprecision(9) << "mix " << weights.mix << ", weights";
    for (const float weight : weights.chains) all << " " << weight;
    return all.str();
}

std::vector<const CpuRow*> available_rows() {
    std::vector<const CpuRow*> rows;
    for (const Engine& engine : test::available_engines(false)) {
        for (const CpuRow& row : cpu_rows) {
            if (row.name == engine.target().name) rows.push_back(&row);
        }
    }
    return rows;
}

/// Levels of the original and then of each chain, one row each.
using Levels = std::vector<reference::Image>;

Levels levels_of(int images, int count) {
    return Levels(images, reference::Image{count, 1, 1, std::vector<std::uint8_t>(count)});
}

/// Mixes on each target; ends the test where a byte differs.
void compare(const Levels& levels, const Weights& weights) {
    const int count = levels[0].width, chain_count = static_cast<int>(weights.chains.size());
    const Levels chains(levels.begin() + 1, levels.end());
    const reference::Image expected = reference::mix(levels[0], chains, weights.chains, weights.mix);
    Buffer<const std::uint8_t> original(levels[0].pixels.data(), count, 1);
    Buffer<std::uint8_t> joined(count, 1, chain_count), mixed(count, 1);
    for (int k = 0; k < chain_count; k++) std::ranges::copy(chains[k].pixels, &joined(0, 0, k));
    Buffer<const float> shares(weights.chains.data(), chain_count);
    for (const CpuRow* row : available_rows()) {
        mixed.fill(GuardedBytes::pattern);
        REQUIRE(row->mix(nullptr, original, joined, shares, weights.mix, mixed) == 0);
        if (std::equal(mixed.begin(), mixed.end(), expected.pixels.begin())) continue;
        FAIL(row->name << ": " << text(weights));
    }
}

/// All combinations of levels of four images that end in `some`, side by side.
Levels all_of(const std::vector<std::uint8_t>& some) {
    const int n = static_cast<int>(some.size());
    Levels levels = levels_of(4, n * n * n * n);
    for (int i = 0; i < levels[0].width; i++) {
        for (int t = 0, rest = i; t < 4; t++, rest /= n) levels[t].pixels[i] = some[rest % n];
    }
    return levels;
}

float random_float(std::mt19937& random, float low, float high) {
    return std::uniform_real_distribution<float>(low, high)(random);
}

}  // namespace

TEST_CASE("mixtures of all weights on a grid") {
    const Levels levels = all_of({0, 1, 2, 3, 85, 127, 128, 200, 254, 255});
    constexpr int steps = 20;
    for (int mix = 0; mix <= 10; mix++) {
        for (int a = 0; a <= steps; a++) {
            for (int b = 0; a + b <= steps; b++) {
                auto share = [](int part) { return static_cast<float>(part) / steps; };
                compare(levels, {{share(a), share(b), share(steps - a - b)}, static_cast<float>(mix) / 10});
            }
        }
    }
}

TEST_CASE("mixtures whose shares are furthest from what stands for them") {
    // Roundings of shares that are multiples of 2^-23 and of 2^-19 but for almost a half, all up or all down, add up;
    // with levels that are high, and nearly alike, so that the result is nearly whole.
    const Levels levels = all_of({255, 254, 253, 252, 250, 247});
    std::mt19937 random(1);
    for (const double unit : {double{1 << 23}, double{1 << 19}}) {
        for (int run = 0; run < 3000; run++) {
            const double side = run % 2 == 0 ? 0.49 : 0.51;
            // The original's share is exact, so that mix may be any that has the wanted fraction.
            auto nearly = [&](double share) { return (std::floor(share * unit) + side) / unit; };
            const auto mix = static_cast<float>(1 - nearly(random_float(random, 0.05F, 0.7F)));
            float left = mix;
            std::vector<float> weights;
            for (int k = 0; k < 3; k++) {
                const float part = k == 2 ? left : random_float(random, 0.1F, 0.6F) * left;
                left -= part;
                weights.push_back(static_cast<float>(nearly(part) / double{mix}));
            }
            compare(levels, {weights, mix});
        }
    }
    // The furthest of a million such for multiples of 2^-23: 526, 547 and 564 of them, in float32 another whole number.
    const Levels high = all_of({255, 254, 253, 252, 251, 250, 249, 248, 247, 246});
    compare(high, {{0.517861664F, 0.0483752862F, 0.351733357F}, 0.767899215F});
    compare(high, {{0.492739677F, 0.0634596348F, 0.392544091F}, 0.919662893F});
    compare(high, {{0.519679368F, 0.207284153F, 0.226351514F}, 0.858475745F});
}

TEST_CASE("mixtures of 1 to 16 chains with random weights") {
    std::mt19937 random(2);
    for (int run = 0; run < 400; run++) {
        const int chain_count = run % 16 + 1, count = 1 + static_cast<int>(random() % 2000);
        Levels levels = levels_of(chain_count + 1, count);
        for (auto& image : levels) {
            for (auto& level : image.pixels) level = random() % 8 == 0 ? 255 : static_cast<std::uint8_t>(random());
        }
        std::vector<float> weights;
        float sum = 0;
        for (int k = 0; k < chain_count; k++) sum += weights.emplace_back(random_float(random, 0, 1));
        // As much above 1 as a plan allows, or less.
        for (float& weight : weights) weight *= (run % 3 == 0 ? 1.0009F : run % 3 == 1 ? 1.0F : 0.7F) / sum;
        const float mix = run % 10 == 0 ? 1.0F : run % 10 == 1 ? 0.0F : random_float(random, 0, 1);
        compare(levels, {weights, mix});
    }
}

TEST_CASE("mixtures of images that are the same for a while, and of those for which integers give nothing") {
    constexpr int count = 400000, stretch = 320;
    std::mt19937 random(3);
    Levels same = levels_of(4, count);
    for (int i = 0; i < count; i++) {
        // Every level for a while, and now and then something else.
        const bool other = i / (stretch * 256) % 2 == 1 && random() % 50 == 0;
        for (auto& image : same) image.pixels[i] = static_cast<std::uint8_t>(other ? random() : i / stretch);
    }
    Levels noise = levels_of(4, count);
    for (auto& image : noise) {
        for (auto& level : image.pixels) level = static_cast<std::uint8_t>(random());
    }
    for (const Levels& levels : {same, noise}) {
        for (const float mix : {0.0F, 0.25F, 0.41377F, 0.5F, 0.9999F, 1.0F}) {
            compare(levels, {{0.2F, 0.3F, 0.5F}, mix});
            compare(levels, {{0.21731F, 0.31279F, 0.4699F}, mix});
            compare(levels, {{0.5F, 0.25F, 0}, mix});
            compare(levels, {{0, 0, 1}, mix});
        }
    }
}

TEST_CASE("mixtures of rows of any length touch no byte beside them") {
    constexpr int rows = 3, gap = 5, longest = 200;
    std::mt19937 random(4);
    const std::vector<float> weights{0.3F, 0.45F, 0.25F};
    for (int chain_count = 1; chain_count <= 3; chain_count++) {
        for (int bytes = 1; bytes <= longest; bytes++) {
            const std::size_t stride = bytes + gap, size = stride * (rows - 1) + bytes;
            const Guard guard = bytes % 2 == 0 ? Guard::before : Guard::after;
            GuardedBytes original(size, guard), chains(size * chain_count, guard), mixed(size, guard);
            for (std::size_t i = 0; i < size; i++) original.data()[i] = static_cast<std::uint8_t>(random());
            for (std::size_t i = 0; i < chains.size(); i++) chains.data()[i] = static_cast<std::uint8_t>(random());
            auto image = [&](std::uint8_t* data) {
                halide_dimension_t shape[] = {{0, bytes, 1}, {0, rows, static_cast<int>(stride)}};
                return Buffer<std::uint8_t>(data, 2, shape);
            };
            halide_dimension_t shape[] = {
                {0, bytes, 1}, {0, rows, static_cast<int>(stride)}, {0, chain_count, static_cast<int>(size)}};
            Buffer<std::uint8_t> from = image(original.data()), to = image(mixed.data());
            Buffer<std::uint8_t> mixed_in(chains.data(), 3, shape);
            Buffer<const float> shares(weights.data(), chain_count);
            for (const CpuRow* row : available_rows()) {
                std::memset(mixed.data(), GuardedBytes::pattern, size);
                REQUIRE(row->mix(nullptr, from, mixed_in, shares, 0.6F, to) == 0);
                for (std::size_t i = 0; i < size; i++) {
                    std::uint8_t expected = GuardedBytes::pattern;
                    if (i % stride < std::size_t(bytes)) {
                        auto one = [](std::uint8_t level) { return reference::Image{1, 1, 1, {level}}; };
                        Levels each;
                        for (int k = 0; k < chain_count; k++) each.push_back(one(chains.data()[k * size + i]));
                        expected = reference::mix(one(original.data()[i]), each, weights, 0.6F).pixels[0];
                    }
                    if (mixed.data()[i] == expected) continue;
                    FAIL(row->name << ": byte " << i << " of rows of " << bytes << " bytes, " << chain_count
                                   << " chains");
                }
            }
        }
    }
}
