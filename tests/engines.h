#pragma once

#include <vector>

#include "catalogue.h"
#include "halmix/halmix.h"

namespace halmix::test {

/// One engine for each target this machine has.
inline std::vector<Engine> available_engines() {
    std::vector<Engine> engines;
    for (const TargetInfo& target : targets()) {
        if (target.available) engines.emplace_back(target.name);
    }
    return engines;
}

/// Those whose target is a GPU's, or those whose is a CPU's.
inline std::vector<Engine> available_engines(bool gpu) {
    std::vector<Engine> engines = available_engines();
    std::erase_if(engines, [&](const Engine& engine) { return engine.target().devices.empty() == gpu; });
    return engines;
}

/// The CPU target that needs least. Unlike targets(), it loads no driver.
inline std::string_view least_cpu() { return cpu_rows.back().name; }

}  // namespace halmix::test
