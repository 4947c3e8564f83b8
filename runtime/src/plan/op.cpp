#include "halmix/op.h"

#include <array>
#include <cmath>
#include <string>

#include "halmix/error.h"
#include "plan/guard.h"
#include "plan/text.h"

namespace halmix {
namespace {

constexpr double max_shift = 2147483647;
constexpr double max_magnitude = 1000;

using enum ValueType;

constexpr std::array<OpInfo, op_count> table{{
    {Op::autocontrast, "autocontrast", none, 0, 0, "", "stretch each channel to the full range"},
    {Op::equalize, "equalize", none, 0, 0, "", "flatten each channel's histogram"},
    {Op::posterize, "posterize", integer, 0, 8, "bits", "keep only the highest bits"},
    {Op::rotate, "rotate", real, -360, 360, "degrees", "turn counter-clockwise about the centre"},
    {Op::solarize, "solarize", integer, 0, 256, "threshold", "invert levels from the threshold up; 256 inverts none"},
    {Op::shear_x, "shear_x", real, -max_magnitude, max_magnitude, "slope", "slant: move each row by slope times its y"},
    {Op::shear_y, "shear_y", real, -max_magnitude, max_magnitude, "slope",
     "slant: move each column by slope times its x"},
    {Op::translate_x, "translate_x", integer, -max_shift, max_shift, "pixels", "move to the left"},
    {Op::translate_y, "translate_y", integer, -max_shift, max_shift, "pixels", "move up"},
    {Op::color, "color", real, -max_magnitude, max_magnitude, "factor", "saturation: 0 is gray, 1 unchanged"},
    {Op::contrast, "contrast", real, -max_magnitude, max_magnitude, "factor", "contrast: 0 is flat, 1 unchanged"},
    {Op::brightness, "brightness", real, -max_magnitude, max_magnitude, "factor",
     "brightness: 0 is black, 1 unchanged"},
    {Op::sharpness, "sharpness", real, -max_magnitude, max_magnitude, "factor", "sharpness: 0 is smooth, 1 unchanged"},
}};

static_assert([] {
    for (std::size_t i = 0; i < op_count; ++i) {
        if (table[i].op != static_cast<Op>(i)) return false;
    }
    return true;
}());

std::string allowed_values(const OpInfo& row) {
    if (row.type == none) return "it takes no value, so allowed is 0";
    return std::string("allowed are ") + (row.type == integer ? "whole numbers " : "numbers ") + text::number(row.min) +
           ".." + text::number(row.max);
}

}  // namespace

std::span<const OpInfo, op_count> ops() noexcept { return table; }

const OpInfo& info(Op op) noexcept { return table[static_cast<std::size_t>(op)]; }

Op parse_op(std::string_view name) {
    return guarded([&] {
        for (const OpInfo& row : table) {
            if (row.name == name) return row.op;
        }
        throw Error(Status::invalid_argument,
                    text::quoted(name) + " is not an op; allowed are " + text::joined(table, &OpInfo::name));
    });
}

void validate(const OpCall& call) {
    return guarded([&] {
        const auto index = static_cast<std::size_t>(call.op);
        if (index >= op_count) {
            throw Error(Status::invalid_argument, "op number " + std::to_string(index) +
                                                      " does not exist; allowed are 0.." +
                                                      std::to_string(op_count - 1));
        }
        const OpInfo& row = table[index];
        const bool whole = std::trunc(call.value) == call.value;
        if (call.value >= row.min && call.value <= row.max && (whole || row.type == real)) return;
        throw Error(Status::invalid_argument,
                    text::number(call.value) + " for " + std::string(row.name) + "; " + allowed_values(row));
    });
}

}  // namespace halmix
