#pragma once

#include "Halide.h"
#include "schedules/parameters.h"

namespace halmix {

/// Schedules a conversion (channel, x, y) between layouts for one thread.
void schedule_convert(Halide::Func dst, const Halide::Expr& width, const Halide::Target& target,
                      const ScheduleParameters& parameters);

}  // namespace halmix
