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

ScheduleParameters ScheduleGeneratorParams::values(const Halide::Target& target) const {
    std::array<int, parameter_count> values;
    for (std::size_t row = 0; row < parameter_count; row++) values[row] = params[row];
    ScheduleParameters schedule(values);
    LimitContext context{schedule, target.natural_vector_size<uint8_t>(), target.natural_vector_size<float>(),
                         threads_of_block(target)};
    auto check = [&](std::size_t row, const Limit& limit) {
        if (limit.holds == nullptr || limit.holds(values[row], context)) return;
        throw Halide::CompileError(std::string(schedule_table[row].name) + "=" + std::to_string(values[row]) +
                                   ": it must be " + limit.reason);
    };
    // All of them first, since other limits divide by values.
    for (std::size_t row = 0; row < parameter_count; row++) check(row, {at_least<1>, "at least 1"});
    for (std::size_t row = 0; row < parameter_count; row++) {
        for (const Limit& limit : schedule_table[row].limits) check(row, limit);
    }
    return schedule;
}

}  // namespace halmix
