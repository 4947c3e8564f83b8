#include "composer_draws.h"

#include <cmath>

namespace halmix::python {

namespace {

/// RandomState's uniform(low, high).
double uniform(BitGenerator& bits, double low, double high) {
    return low + (high - low) * bits.next_double(bits.state);
}

/// RandomState's randint(0, count), which choice() draws an element by: bits of a number below the next power of two,
/// until one is small enough.
std::uint32_t below(BitGenerator& bits, std::uint32_t count) {
    const std::uint32_t last = count - 1;
    if (last == 0) return 0;
    std::uint32_t mask = last;
    for (int shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
    std::uint32_t value = 0;
    do {
        value = bits.next_uint32(bits.state) & mask;
    } while (value > last);
    return value;
}

/// With Python's order of operations and its int(), which drops the fraction.
double draw_value(BitGenerator& bits, const OpChoice& choice, double severity, int width, int height) {
    auto level = [&] { return uniform(bits, 0.1, severity); };
    auto whole = [](double value) { return std::trunc(value); };
    auto signed_value = [&](double value) { return bits.next_double(bits.state) > 0.5 ? -value : value; };
    switch (choice.op) {
        case Op::autocontrast:
        case Op::equalize:
            return 0;
        case Op::posterize:
            return 4 - whole(level() * 4 / 10);
        case Op::rotate:
            return signed_value(whole(level() * 30 / 10));
        case Op::solarize:
            return 256 - whole(level() * 256 / 10);
        case Op::shear_x:
        case Op::shear_y:
            return signed_value(level() * 0.3 / 10);
        case Op::translate_x:
            return signed_value(whole(level() * (width / 3.0) / 10));
        case Op::translate_y:
            return signed_value(whole(level() * (height / 3.0) / 10));
        case Op::color:
        case Op::contrast:
        case Op::brightness:
        case Op::sharpness:
            break;
    }
    if (choice.law == FactorLaw::original) return level() * 1.8 / 10 + 0.1;
    const bool stronger = bits.next_double(bits.state) > 0.5;
    const double factor = stronger ? uniform(bits, 1, severity) : uniform(bits, 1 - (0.09 * severity), 1);
    return choice.op == Op::brightness && factor > 1 ? factor * 0.75 : factor;
}

}  // namespace

void draw_as_composer(const Policy& policy, BitGenerator& bits, Plan& plan) {
    for (Chain& chain : plan.chains) {
        const std::uint32_t depth = policy.depth > 0 ? policy.depth : 1 + below(bits, 3);
        for (std::uint32_t i = 0; i < depth; i++) {
            const OpChoice& choice = policy.ops[below(bits, static_cast<std::uint32_t>(policy.ops.size()))];
            chain.ops.push_back({choice.op, draw_value(bits, choice, policy.severity, plan.width, plan.height)});
        }
    }
}

}  // namespace halmix::python
