#pragma once

#include <vector>

#include "schedules/stage.h"

namespace halmix {

/// Schedules a chain, whose result is the last stage's, for one thread and images that stay in the caches.
void schedule_cpu(const std::vector<OpOutput>& stages, const Halide::Expr& width, const Halide::Expr& height,
                  int channels, const Halide::Target& target, const ScheduleParameters& parameters);

}  // namespace halmix
