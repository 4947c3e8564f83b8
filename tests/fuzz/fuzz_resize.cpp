// Crop, resize and mirror: every target gives the plain implementation's bytes, for any box, size, filter and order,
// and reads nothing outside the box's image.

#include "fuzz.h"
#include "reference/reference.h"

using namespace halmix;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider input(data, size);
    const int width = fuzz::draw_side(input), height = fuzz::draw_side(input), channels = input.ConsumeBool() ? 3 : 1;
    ResizedCrop crop{.source_width = width, .source_height = height};
    crop.left = input.ConsumeIntegralInRange(0, width - 1);
    crop.top = input.ConsumeIntegralInRange(0, height - 1);
    crop.width = input.ConsumeIntegralInRange(1, width - crop.left);
    crop.height = input.ConsumeIntegralInRange(1, height - crop.top);
    crop.filter = input.ConsumeBool() ? Filter::bicubic : Filter::bilinear;
    crop.order = input.ConsumeBool() ? PassOrder::horizontal_first : PassOrder::pillow_13;
    crop.mirror = input.ConsumeBool();
    Plan plan{.width = fuzz::draw_side(input),
              .height = fuzz::draw_side(input),
              .mix = input.ConsumeBool() ? 1.0F : 0.0F,
              .chains = {Chain{.weight = 1}},
              .resized_crop = crop};
    if (input.ConsumeBool()) plan.chains[0].ops.push_back(fuzz::draw_call(input));
    fuzz::require_round_trip(plan);

    const fuzz::Place in = fuzz::draw_place(input), out = fuzz::draw_place(input);
    const reference::Image source = fuzz::draw_image(input, width, height, channels);
    fuzz::require_same_everywhere(plan, source, reference::run(plan, source), in, out);
    return 0;
}
