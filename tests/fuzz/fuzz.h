// What fuzz targets share. A target is a file with LLVMFuzzerTestOneInput, which libFuzzer calls with bytes of its
// making: scripts/fuzz runs them. Each holds the library to a promise; crashes, leaks and whatever sanitizers see count
// anyway.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catalogue.h"
#include "contents.h"
#include "guarded.h"
#include "halmix/halmix.h"
#include "reference/image.h"

namespace halmix::fuzz {

/// Ends the process unless a promise is kept; that is how libFuzzer learns of it.
inline void require(bool kept, std::string_view promise, std::string_view details = {}) {
    if (kept) return;
    std::fprintf(stderr, "broken: %.*s\n%.*s\n", static_cast<int>(promise.size()), promise.data(),
                 static_cast<int>(details.size()), details.data());
    std::abort();
}

/// What errors say is one line, whatever was in the input.
inline void require_one_line(std::string_view message) {
    const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    require(!message.empty() && std::ranges::none_of(message, control), "a message is one line", message);
}

inline void require_error(const Error& error, std::initializer_list<Status> allowed) {
    require(std::ranges::find(allowed, error.status()) != allowed.end(), "a documented status", error.what());
    require_one_line(error.what());
}

/// The CPU's engines that this machine has. `targets()` would load drivers of GPUs, which are not looked at here.
inline const std::vector<Engine>& engines() {
    static const std::vector<Engine> all = [] {
        std::vector<Engine> made;
        for (const CpuRow& row : cpu_rows) {
            try {
                made.emplace_back(row.name);
            } catch (const Error&) {
            }
        }
        return made;
    }();
    return all;
}

/// Any width or height: mostly small ones, which are quick and have the most edges for their pixels.
inline int draw_side(FuzzedDataProvider& input, int most = 200) {
    return input.ConsumeIntegralInRange(1, input.ConsumeIntegralInRange(0, 7) == 0 ? most : 40);
}

inline reference::Image draw_image(FuzzedDataProvider& input, int width, int height, int channels) {
    const auto content = static_cast<reference::Content>(
        input.ConsumeIntegralInRange<int>(0, static_cast<int>(std::size(reference::content_names)) - 1));
    return reference::make(content, width, height, channels, input.ConsumeIntegral<std::uint8_t>());
}

inline Fill draw_fill(FuzzedDataProvider& input) {
    Fill fill{};
    for (std::uint8_t& level : fill) level = input.ConsumeIntegral<std::uint8_t>();
    return fill;
}

/// An op with a value that it allows.
inline OpCall draw_call(FuzzedDataProvider& input) {
    const OpInfo& op = ops()[input.ConsumeIntegralInRange<std::size_t>(0, ops().size() - 1)];
    if (op.type == ValueType::none) return {op.op, 0};
    // Most values of the ranges leave nothing of an image.
    const double around = input.PickValueInArray({1000.0, 50.0, 2.0});
    const double min = std::max(op.min, -around), max = std::min(op.max, around);
    if (op.type == ValueType::real) return {op.op, input.ConsumeFloatingPointInRange(min, max)};
    return {op.op, static_cast<double>(input.ConsumeIntegralInRange(static_cast<long>(min), static_cast<long>(max)))};
}

/// A valid plan. Weights are shares of 1, which floats may miss by a little.
inline Plan draw_plan(FuzzedDataProvider& input, int width, int height) {
    Plan plan{.width = width, .height = height, .mix = input.ConsumeProbability<float>(), .fill = draw_fill(input)};
    const int chains = input.ConsumeIntegralInRange(1, input.ConsumeBool() ? 3 : max_width);
    for (int i = 0; i < chains; ++i) {
        Chain chain{.weight = input.ConsumeProbability<float>() / static_cast<float>(chains)};
        const int depth = input.ConsumeIntegralInRange(0, 5);
        for (int k = 0; k < depth; ++k) chain.ops.push_back(draw_call(input));
        plan.chains.push_back(std::move(chain));
    }
    return plan;
}

/// A plan is what its text says.
inline void require_round_trip(const Plan& plan) {
    const std::string text = to_json(plan);
    const Plan again = plan_from_json(text);
    require(again == plan && to_json(again) == text, "plan_from_json(to_json(plan)) == plan", text);
}

/// Where an image lies between its inaccessible pages.
struct Place {
    test::Guard guard;
    int gap;
    bool bottom_up;
};

inline Place draw_place(FuzzedDataProvider& input) {
    return {input.ConsumeBool() ? test::Guard::before : test::Guard::after, input.ConsumeIntegralInRange(0, 70),
            input.ConsumeBool()};
}

/// All targets compute what the plain implementation does, and touch nothing but the pixels.
inline void require_same_everywhere(const Plan& plan, const reference::Image& source, const reference::Image& expected,
                                    const Place& in_place, const Place& out_place) {
    const test::GuardedImage in(source, in_place.guard, in_place.gap, in_place.bottom_up);
    for (const Engine& engine : engines()) {
        const reference::Image blank{expected.width, expected.height, expected.channels,
                                     std::vector<std::uint8_t>(expected.pixels.size())};
        const test::GuardedImage out(blank, out_place.guard, out_place.gap, out_place.bottom_up);
        engine.run(plan, in.view(), out.view());
        const std::string where = std::string(engine.target().name) + "\n" + to_json(plan);
        require(out.pixels() == expected, "bytes are the reference's", where);
        require(out.gaps_untouched(), "bytes between rows are not written", where);
        require(in.pixels() == source && in.gaps_untouched(), "a source is only read", where);
    }
}

}  // namespace halmix::fuzz
