#include "schedules/parameters.h"

namespace halmix {

bool power_of_two(int value, const LimitContext&) { return (value & (value - 1)) == 0; }

bool whole_reductions(int group, const LimitContext& context) {
    return group % (context.schedule["reduction_lanes"] * context.bytes / 2) == 0;
}

bool whole_channel_reductions(int group, const LimitContext& context) {
    return group % (context.schedule["channel_reduction_lanes"] * context.bytes / 2) == 0;
}

bool whole_shear_repairs(int group, const LimitContext& context) {
    return group % (context.schedule["shear_repair_lanes"] * context.floats / 2) == 0;
}

bool tile_fits_block(int, const LimitContext& context) {
    return context.schedule["gpu_tile_width"] * context.schedule["gpu_tile_height"] <= context.block;
}

int threads_of_block(const Halide::Target& target) { return target.has_feature(Halide::Target::OpenCL) ? 256 : 1024; }

std::string find_illegal(const ParameterValues& values, const Halide::Target& target) {
    const ScheduleParameters schedule(values);
    const LimitContext context{schedule, target.natural_vector_size<uint8_t>(), target.natural_vector_size<float>(),
                               threads_of_block(target)};
    std::string illegal;
    auto check = [&](std::size_t row, const Limit& limit) {
        if (!illegal.empty() || limit.holds == nullptr || limit.holds(values[row], context)) return;
        illegal =
            std::string(schedule_table[row].name) + "=" + std::to_string(values[row]) + ": it must be " + limit.reason;
    };
    // All of them first, since other limits divide by values.
    constexpr Limit all = {[](int value, const LimitContext&) { return value >= 1 && value <= largest_parameter; },
                           "from 1 to 1024"};
    for (std::size_t row = 0; row < parameter_count; row++) check(row, all);
    for (std::size_t row = 0; row < parameter_count; row++) {
        for (const Limit& limit : schedule_table[row].limits) check(row, limit);
    }
    return illegal;
}

std::vector<int> legal_values(std::size_t row, ParameterValues values, const Halide::Target& target) {
    std::vector<int> legal;
    for (int value = 1; value <= largest_parameter; value++) {
        values[row] = value;
        if (find_illegal(values, target).empty()) legal.push_back(value);
    }
    return legal;
}

ScheduleParameters ScheduleGeneratorParams::values(const Halide::Target& target) const {
    ParameterValues values;
    for (std::size_t row = 0; row < parameter_count; row++) values[row] = params[row];
    if (std::string illegal = find_illegal(values, target); !illegal.empty()) throw Halide::CompileError(illegal);
    // By what compiles the pipeline; that of OpenCL is the driver's.
    if (!target.has_feature(Halide::Target::OpenCL)) read.set(ParameterName("loop_optimizers").row);
    return ScheduleParameters(values, &read);
}

}  // namespace halmix
