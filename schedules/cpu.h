#pragma once

#include <vector>

#include "generators/stage.h"

namespace halmix {

/// Schedules a chain of ops whose result `dst` is, for one thread and images that stay in the caches.
void schedule_cpu(const std::vector<OpOutput>& stages, Halide::Func dst, Halide::Expr width, int channels, const Halide::Target& target);

}  // namespace halmix
