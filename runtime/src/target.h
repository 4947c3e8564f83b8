#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "halmix/batch.h"
#include "halmix/engine.h"

namespace halmix {

/// A target as the dispatcher chose it.
struct Choice {
    bool gpu;
    std::size_t index;   ///< into gpu_rows or cpu_rows
    std::string device;  ///< of a GPU, as open_device takes it
    std::string reason;
};

/// What is to be said of a CPU target.
TargetInfo describe_cpu(std::size_t index);
/// What is to be said of a GPU target but for its devices.
TargetInfo describe_gpu(std::size_t index);

/// Finds the target that `name` asks for, as Engine documents it.
Choice choose_target(std::string_view name, Memory data);

}  // namespace halmix
