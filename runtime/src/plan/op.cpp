#include "halmix/op.h"

#include <array>
#include <string>
#include <string_view>

#include "halmix/error.h"
#include "plan/guard.h"
#include "plan/text.h"

namespace halmix {
namespace {

constexpr double far = 2147483647;  // of pixels
constexpr double most = 1000;       // of slopes and factors

using enum ValueType;

constexpr auto table = std::to_array<OpInfo>({
    {Op::autocontrast, "autocontrast", none, 0, 0, {}, "", "stretch each channel to the full range"},
    {Op::equalize, "equalize", none, 0, 0, {}, "", "flatten each channel's histogram"},
    {Op::posterize, "posterize", integer, 0, 8, {3, 6, 0, 1}, "bits", "keep only the highest bits"},
    {Op::rotate, "rotate", real, -360, 360, {9, -27, 180, 90.5}, "degrees", "turn counter-clockwise about the centre"},
    {Op::solarize, "solarize", integer, 0, 256, {77, 219, 0, 255}, "threshold", "invert levels from the threshold up"},
    {Op::shear_x, "shear_x", real, -most, most, {0.09, -0.3, 0.1, most}, "slope", "slant: move rows by slope * y"},
    {Op::shear_y, "shear_y", real, -most, most, {0.09, -0.3, 0.1, -most}, "slope", "slant: move columns by slope * x"},
    {Op::translate_x, "translate_x", integer, -far, far, {2, -3, 19, far}, "pixels", "move to the left"},
    {Op::translate_y, "translate_y", integer, -far, far, {1, -3, 19, -far}, "pixels", "move up"},
    {Op::color, "color", real, -most, most, {0.41, 2.2, 0, -3}, "factor", "saturation: 0 is gray, 1 unchanged"},
    {Op::contrast, "contrast", real, -most, most, {0.37, 2.9, 0, -1.5}, "factor", "contrast: 0 is flat, 1 unchanged"},
    {Op::brightness, "brightness", real, -most, most, {0.61, 1.73, 0, -1}, "factor", "light: 0 is black, 1 unchanged"},
    {Op::sharpness, "sharpness", real, -most, most, {0.3, 2.6, 0, -2}, "factor", "sharpness: 0 is smooth, 1 unchanged"},
});

static_assert([] {
    for (std::size_t i = 0; i < table.size(); ++i) {
        if (table[i].op != static_cast<Op>(i)) return false;
    }
    return true;
}());

/// Whether an op has a name: compilers write others as numbers, "(halmix::Op)13".
template <Op op>
constexpr bool is_named() {
    return std::string_view(__PRETTY_FUNCTION__).find("(halmix::Op)") == std::string_view::npos;
}
static_assert(!is_named<static_cast<Op>(table.size())>(), "an op has no row");

std::string allowed_values(const OpInfo& row) {
    if (row.type == none) return "it takes no value, so allowed is 0";
    return std::string("allowed are ") + (row.type == integer ? "whole numbers " : "numbers ") + text::number(row.min) +
           ".." + text::number(row.max);
}

}  // namespace

std::span<const OpInfo> ops() noexcept { return table; }

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
        if (index >= table.size()) {
            throw Error(Status::invalid_argument, "op number " + std::to_string(index) +
                                                      " does not exist; allowed are 0.." +
                                                      std::to_string(table.size() - 1));
        }
        const OpInfo& row = table[index];
        if (call.value >= row.min && call.value <= row.max) {  // an int's limits include these
            const bool whole = static_cast<int>(call.value) == call.value;
            if (whole || row.type == real) return;
        }
        throw Error(Status::invalid_argument,
                    text::number(call.value) + " for " + std::string(row.name) + "; " + allowed_values(row));
    });
}

}  // namespace halmix
