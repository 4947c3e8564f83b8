#include "energy.h"

#include <dlfcn.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

namespace halmix::command {
namespace {

namespace fs = std::filesystem;

/// NVIDIA's management library, which comes with the driver.
class Nvml {
 public:
    Nvml() : library_(::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
        unsigned count = 0;
        if (!call("nvmlInit_v2") || !call("nvmlDeviceGetCount_v2", &count)) return;
        for (unsigned i = 0; i < count; ++i) {
            void* handle = nullptr;
            std::array<char, 96> name{};
            if (!call("nvmlDeviceGetHandleByIndex_v2", i, &handle)) continue;
            if (!call("nvmlDeviceGetName", handle, name.data(), static_cast<unsigned>(name.size()))) continue;
            gpus_.emplace_back(name.data(), handle);
        }
    }

    [[nodiscard]] std::optional<double> energy(const std::string& device) const {
        void* handle = nullptr;
        for (const auto& [name, candidate] : gpus_) {
            if (!device.ends_with(name + ")")) continue;
            if (handle != nullptr) return {};
            handle = candidate;
        }
        unsigned long long millijoules = 0;
        if (handle == nullptr || !call("nvmlDeviceGetTotalEnergyConsumption", handle, &millijoules)) return {};
        return static_cast<double>(millijoules) / 1e3;
    }

 private:
    /// Whether there is such a function and it succeeds.
    template <typename... Arguments>
    [[nodiscard]] bool call(const char* name, Arguments... arguments) const {
        if (library_ == nullptr) return false;
        const auto function = reinterpret_cast<int (*)(Arguments...)>(::dlsym(library_, name));
        return function != nullptr && function(arguments...) == 0;
    }

    void* library_;
    std::vector<std::pair<std::string, void*>> gpus_;  ///< names and handles
};

}  // namespace

std::optional<double> processor_energy() {
    std::error_code error;
    double sum = 0;
    bool any = false;
    for (const fs::directory_entry& zone : fs::directory_iterator("/sys/class/powercap", error)) {
        // Others are parts of these, or the same by another way.
        if (!zone.path().filename().string().starts_with("intel-rapl:")) continue;
        std::string name;
        std::ifstream(zone.path() / "name") >> name;
        if (!name.starts_with("package")) continue;
        double microjoules = 0;
        if (!(std::ifstream(zone.path() / "energy_uj") >> microjoules)) return {};
        sum += microjoules / 1e6;
        any = true;
    }
    return any ? std::optional(sum) : std::nullopt;
}

std::optional<double> gpu_energy(const std::string& device) {
    static const Nvml nvml;
    return nvml.energy(device);
}

}  // namespace halmix::command
