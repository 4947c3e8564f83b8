// Engines. For any valid plan and image every target gives the plain implementation's bytes, and touches nothing but
// the pixels; a source and its result may overlap. Anything that is not as it must be is an Error of one line, and only
// that.

#include <cstdlib>
#include <limits>

#include "fuzz.h"
#include "reference/reference.h"

using namespace halmix;

namespace {

void valid(FuzzedDataProvider& input) {
    const int width = fuzz::draw_side(input, 300), height = fuzz::draw_side(input),
              channels = input.ConsumeBool() ? 3 : 1;
    const Plan plan = fuzz::draw_plan(input, width, height);
    fuzz::require_round_trip(plan);
    const fuzz::Place in = fuzz::draw_place(input), out = fuzz::draw_place(input);
    const bool overlapping = input.ConsumeIntegralInRange(0, 3) == 0;
    const reference::Image source = fuzz::draw_image(input, width, height, channels);
    const reference::Image expected = reference::run(plan, source);
    fuzz::require_same_everywhere(plan, source, expected, in, out);
    if (!overlapping) return;

    const auto size = static_cast<int>(source.pixels.size());
    const int shift = input.ConsumeIntegralInRange(0, size);
    const bool down = input.ConsumeBool();
    for (const Engine& engine : fuzz::engines()) {
        std::vector<std::uint8_t> both(size + shift);
        std::uint8_t* const from = both.data() + (down ? shift : 0);
        std::uint8_t* const to = both.data() + (down ? 0 : shift);
        std::ranges::copy(source.pixels, from);
        engine.run(plan, {from, width, height, channels}, {to, width, height, channels});
        fuzz::require(std::equal(expected.pixels.begin(), expected.pixels.end(), to), "images may overlap",
                      to_json(plan));
    }
}

/// Any number, most often one that is nearly right.
int draw_number(FuzzedDataProvider& input, int right) {
    switch (input.ConsumeIntegralInRange(0, 9)) {
        case 0:
            return input.ConsumeIntegral<int>();
        case 1:
            return input.ConsumeIntegralInRange(-2, 5);
        default:
            return right;
    }
}

template <typename Float>
Float draw_float(FuzzedDataProvider& input, Float right) {
    switch (input.ConsumeIntegralInRange(0, 15)) {
        case 0:
            return input.ConsumeFloatingPoint<Float>();
        case 1:
            return std::numeric_limits<Float>::quiet_NaN();
        case 2:
            return std::numeric_limits<Float>::infinity();
        default:
            return right;
    }
}

/// What image.h says of views of u8_hwc, but for their limit of 2 GiB.
bool allowed(const ImageView& view) {
    return view.data != nullptr && view.width >= 1 && view.height >= 1 && (view.channels == 1 || view.channels == 3) &&
           (view.height == 1 || std::abs(static_cast<double>(view.stride)) >= double(view.width) * view.channels);
}

/// A view in `memory`, if it is one that could be read: what an engine must refuse need not lie anywhere.
MutableImageView draw_view(FuzzedDataProvider& input, std::vector<std::uint8_t>& memory, int width, int height) {
    MutableImageView view(memory.data(), draw_number(input, width), draw_number(input, height), draw_number(input, 3));
    if (input.ConsumeBool()) view.stride = input.ConsumeIntegralInRange(-200, 200);
    if (input.ConsumeIntegralInRange(0, 9) == 0) view.stride = input.ConsumeIntegral<std::ptrdiff_t>();
    if (input.ConsumeIntegralInRange(0, 9) == 0) view.data = nullptr;
    if (!allowed(view)) return view;
    const double before = view.stride < 0 ? -double(view.stride) * (view.height - 1) : 0;
    const double all = std::abs(double(view.stride)) * (view.height - 1) + double(view.width) * view.channels;
    if (all > double(memory.size())) {
        view.data = nullptr;
    } else {
        view.data += static_cast<std::ptrdiff_t>(before);
    }
    return view;
}

bool is_valid(const Plan& plan) {
    try {
        validate(plan);
        return true;
    } catch (const Error& error) {
        fuzz::require_error(error, {Status::bad_plan});
        return false;
    }
}

void garbage(FuzzedDataProvider& input) {
    static std::vector<std::uint8_t> source(1 << 14), result(1 << 14);
    const int width = input.ConsumeIntegralInRange(1, 40), height = input.ConsumeIntegralInRange(1, 40);
    Plan plan = fuzz::draw_plan(input, width, height);
    plan.width = draw_number(input, width);
    plan.height = draw_number(input, height);
    plan.mix = draw_float(input, plan.mix);
    for (Chain& chain : plan.chains) {
        chain.weight = draw_float(input, chain.weight);
        for (OpCall& call : chain.ops) {
            call.value = draw_float(input, call.value);
            if (input.ConsumeIntegralInRange(0, 30) == 0)
                call.op = static_cast<Op>(input.ConsumeIntegral<std::uint8_t>());
        }
    }
    if (input.ConsumeIntegralInRange(0, 9) == 0) plan.chains.resize(input.ConsumeIntegralInRange(0, 2 * max_width));
    if (input.ConsumeIntegralInRange(0, 9) == 0) {
        ResizedCrop& crop = plan.resized_crop.emplace();
        for (int* member : {&crop.source_width, &crop.source_height, &crop.width, &crop.height}) {
            *member = draw_number(input, input.ConsumeBool() ? width : height);
        }
        for (int* member : {&crop.left, &crop.top}) *member = draw_number(input, 0);
    }
    const MutableImageView in = draw_view(input, source, width, height), out = draw_view(input, result, width, height);
    const int source_width = plan.resized_crop ? plan.resized_crop->source_width : plan.width;
    const int source_height = plan.resized_crop ? plan.resized_crop->source_height : plan.height;
    const bool right = is_valid(plan) && allowed(in) && allowed(out) && in.width == source_width &&
                       in.height == source_height && out.width == plan.width && out.height == plan.height &&
                       in.channels == out.channels;
    for (const Engine& engine : fuzz::engines()) {
        try {
            engine.run(plan, in, out);
            fuzz::require(right, "what is not as it must be is refused");
        } catch (const Error& error) {
            fuzz::require(!right, "what is as it must be is computed", error.what());
            fuzz::require_error(error, {Status::invalid_argument, Status::bad_plan});
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider input(data, size);
    if (input.ConsumeIntegralInRange(0, 9) == 0) {
        garbage(input);
    } else {
        valid(input);
    }
    return 0;
}
