#pragma once

#include <vector>

#include "schedules/stage.h"

namespace halmix {

/// Pixels in blocks of threads: each has all channels of one pixel in each of a few rows, whose loads are under way
/// together. Returns the variable of those rows.
Halide::Var by_pixels(Halide::Stage image, const Halide::Var& c, const Halide::Var& x, const Halide::Var& y,
                      const Halide::VarOrRVar& item, const ScheduleParameters& parameters);

/// Schedules a chain over a batch: the only update of `dst` has the last stage's result for each `item`.
void schedule_gpu(const std::vector<OpOutput>& stages, Halide::Func dst, const Halide::RVar& item, int channels,
                  const ScheduleParameters& parameters, const Halide::Target& target);

}  // namespace halmix
