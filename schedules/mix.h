#pragma once

#include "Halide.h"
#include "schedules/parameters.h"

namespace halmix {

/// Schedules a mixture (byte, y) for one thread: `combination` is its sum over the chains `k`.
void schedule_mix(Halide::Func dst, Halide::Func combination, const Halide::RDom& k, const Halide::Target& target,
                  const ScheduleParameters& parameters);

/// Schedules mixtures (channel, x, y, item) for a GPU.
void schedule_batch_mix(Halide::Func dst, Halide::Func combination, const Halide::RDom& k,
                        const ScheduleParameters& parameters);

}  // namespace halmix
