#pragma once

#include <optional>
#include <string>

/// Counters of energy in joules; only the difference between two readings means something.
namespace halmix::command {

/// What all processors of this machine have used, with all that runs on them, as RAPL tells it. None where the kernel
/// does not have it, or not for this user.
[[nodiscard]] std::optional<double> processor_energy();

/// What an NVIDIA GPU has used, as its driver tells it. `device` is as Engine::target().devices has it; none unless
/// the driver knows exactly one GPU of this name.
[[nodiscard]] std::optional<double> gpu_energy(const std::string& device);

}  // namespace halmix::command
