#include "target.h"

#include <algorithm>
#include <cstdlib>

#include "catalogue.h"
#include "gpu/driver.h"
#include "halmix/engine.h"
#include "halmix/error.h"
#include "plan/guard.h"
#include "plan/text.h"

namespace halmix {

namespace {

bool has_features(std::string_view needs) {
    std::vector<std::string_view> features = processor_features();
    while (!needs.empty()) {
        std::size_t end = std::min(needs.find(' '), needs.size());
        if (std::ranges::find(features, needs.substr(0, end)) == features.end()) return false;
        needs.remove_prefix(std::min(end + 1, needs.size()));
    }
    return true;
}

std::string join(const std::string& names, std::string_view name) {
    return names + (names.empty() ? "" : ", ") + std::string(name);
}

/// All targets, but of CPU targets only those this machine has if asked for.
std::string join_names(bool only_available) {
    std::string names;
    for (const CpuRow& row : cpu_rows) {
        if (!only_available || has_features(row.needs)) names = join(names, row.name);
    }
    if (!only_available) {
        for (const GpuRow& row : gpu_rows) names = join(names, row.name);
    }
    return names.empty() ? "none" : names;
}

}  // namespace

std::vector<std::string_view> processor_features() {
    return guarded([&] {
        std::vector<std::string_view> features;
        for (const FeatureRow& feature : feature_rows) {
            if (feature.detect()) features.push_back(feature.name);
        }
        return features;
    });
}

TargetInfo describe_cpu(std::size_t index) {
    const CpuRow& row = cpu_rows[index];
    bool available = has_features(row.needs);
    auto count =
        std::ranges::count_if(pipeline_rows, [&](const PipelineRow& row) { return row.functions[index] != nullptr; });
    TargetInfo info{row.name, row.needs, available, static_cast<int>(count)};
    if (!available) info.problem = "this processor lacks it (it needs " + std::string(row.needs) + ")";
    return info;
}

TargetInfo describe_gpu(std::size_t index) {
    auto count = std::ranges::count_if(pipeline_rows,
                                       [&](const PipelineRow& row) { return row.batch_functions[index] != nullptr; });
    return {gpu_row(index).name, gpu_row(index).needs, false, static_cast<int>(count)};
}

std::vector<TargetInfo> targets() {
    return guarded([] {
        std::vector<TargetInfo> all;
        for (std::size_t i = 0; i < cpu_rows.size(); i++) all.push_back(describe_cpu(i));
        for (std::size_t i = 0; i < gpu_rows.size(); i++) {
            TargetInfo& info = all.emplace_back(describe_gpu(i));
            FoundDevices devices = driver(gpu_row(i).api).find();
            info.available = !devices.found.empty();
            for (FoundDevice& device : devices.found) info.devices.push_back(std::move(device.name));
            info.problem = std::move(devices.problem);
        }
        return all;
    });
}

Choice choose_target(std::string_view name, Memory data) {
    std::string asked = "target";
    std::string reason = "asked for";
    if (name == "auto") {
        const char* forced = std::getenv("HALMIX_TARGET");
        if (forced != nullptr && *forced != '\0') {
            name = forced;
            asked = "target in HALMIX_TARGET";
            reason = "HALMIX_TARGET asks for it";
        }
    }
    if (const Driver* driver = find_driver(data); name == "auto" && driver != nullptr) {
        name = driver->name;
        reason = "it is where the data is";
    }
    if (name == "auto") {
        for (std::size_t i = 0; i < cpu_rows.size(); i++) {
            if (has_features(cpu_rows[i].needs)) return {false, i, "", "the best CPU target this processor has"};
        }
        throw Error(Status::target_unavailable,
                    "target auto: this processor has none of the targets of this build: " + join_names(false));
    }
    auto cpu = std::ranges::find(cpu_rows, name, &CpuRow::name);
    if (cpu != cpu_rows.end()) {
        TargetInfo info = describe_cpu(cpu - cpu_rows.begin());
        if (!info.available) {
            throw Error(Status::target_unavailable,
                        asked + " " + std::string(name) + ": " + info.problem + "; it has " + join_names(true));
        }
        return {false, static_cast<std::size_t>(cpu - cpu_rows.begin()), "", reason};
    }
    std::size_t colon = std::min(name.find(':'), name.size());
    auto gpu = std::ranges::find(gpu_rows, name.substr(0, colon), &GpuRow::name);
    if (gpu == gpu_rows.end()) {
        throw Error(Status::unknown_target,
                    asked + " \"" + text::one_line(name) + "\": unknown; this build has auto, " + join_names(false));
    }
    return {true, static_cast<std::size_t>(gpu - gpu_rows.begin()),
            std::string(name.substr(std::min(colon + 1, name.size()))), reason};
}

}  // namespace halmix
