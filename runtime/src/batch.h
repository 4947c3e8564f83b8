#pragma once

#include <span>

#include "cpu/cpu_engine.h"
#include "halmix/batch.h"
#include "workspace.h"

namespace halmix {

/// Runs tasks on a CPU as `options` say, in this thread or by a runner. They have been checked.
void run_tasks(const CpuEngine& engine, std::span<const Task> tasks, const Options& options, Workspace::State& state);

}  // namespace halmix
