#include "gpu/driver.h"

#include <algorithm>
#include <array>

namespace halmix {

namespace {

constexpr std::array drivers = {&cuda_driver, &opencl_driver};  // in the order of DeviceApi

}  // namespace

const Driver& driver(DeviceApi api) { return *drivers[static_cast<std::size_t>(api)]; }

const Driver* find_driver(Memory memory) {
    const auto* found = std::ranges::find(drivers, memory, &Driver::memory);
    return found == drivers.end() ? nullptr : *found;
}

}  // namespace halmix
