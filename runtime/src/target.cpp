#include "target.h"

#include <algorithm>
#include <cstdlib>

#include "catalogue.h"
#include "halmix/engine.h"
#include "halmix/error.h"

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

std::vector<TargetInfo> detect_targets() {
    std::vector<TargetInfo> found;
    for (const TargetRow& row : target_rows) {
        found.push_back({row.name, row.needs, has_features(row.needs), static_cast<int>(std::size(pipeline_rows))});
    }
    return found;
}

std::string join_names(bool only_available) {
    std::string names;
    for (const TargetInfo& target : targets()) {
        if (only_available && !target.available) continue;
        names += (names.empty() ? "" : ", ") + std::string(target.name);
    }
    return names.empty() ? "none" : names;
}

}  // namespace

std::vector<std::string_view> processor_features() {
    std::vector<std::string_view> features;
    for (const FeatureRow& feature : feature_rows) {
        if (feature.detect()) features.push_back(feature.name);
    }
    return features;
}

std::span<const TargetInfo> targets() {
    static const std::vector<TargetInfo> detected = detect_targets();
    return detected;
}

Choice choose_target(std::string_view name) {
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
    std::span<const TargetInfo> all = targets();
    if (name == "auto") {
        auto best = std::ranges::find_if(all, &TargetInfo::available);
        if (best == all.end()) {
            throw Error(Status::target_unavailable,
                        "target auto: this processor has none of the targets of this build: " + join_names(false));
        }
        return {static_cast<std::size_t>(best - all.begin()), "the best target this processor has"};
    }
    auto found = std::ranges::find(all, name, &TargetInfo::name);
    if (found == all.end()) {
        throw Error(Status::unknown_target,
                    asked + " \"" + std::string(name) + "\": unknown; this build has auto, " + join_names(false));
    }
    if (!found->available) {
        throw Error(Status::target_unavailable, asked + " " + std::string(name) +
                                                    ": this processor lacks it (it needs " + std::string(found->needs) +
                                                    "); it has " + join_names(true));
    }
    return {static_cast<std::size_t>(found - all.begin()), reason};
}

}  // namespace halmix
