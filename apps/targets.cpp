#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "options.h"

namespace halmix::command {
namespace {

using Json = nlohmann::ordered_json;

Json describe_targets() {
    Json list = Json::array();
    for (const TargetInfo& target : targets()) {
        list.push_back({{"name", target.name},
                        {"needs", target.needs},
                        {"available", target.available},
                        {"devices", target.devices},
                        {"problem", target.problem},
                        {"pipelines", target.pipelines}});
    }
    Json description{{"features", processor_features()}, {"targets", list}};
    try {
        const Engine engine;
        description["chosen"] = engine.target().name;
        description["reason"] = engine.reason();
    } catch (const Error& error) {  // HALMIX_TARGET asks for one that is not there
        description["chosen"] = nullptr;
        description["reason"] = error.what();
    }
    return description;
}

std::string as_table(const Json& description) {
    std::string text = "processor features:";
    for (const Json& feature : description["features"]) text += " " + feature.get<std::string>();
    text += "\n\n";
    const auto add_row = [&](const std::string& name, const std::string& here, const std::string& pipelines,
                             const std::string& needs) {
        std::array<char, 200> line{};
        std::snprintf(line.data(), line.size(), "%-14s%-11s%-11s%s\n", name.c_str(), here.c_str(), pipelines.c_str(),
                      needs.c_str());
        text += line.data();
    };
    add_row("target", "available", "pipelines", "needs");
    for (const Json& target : description["targets"]) {
        add_row(target["name"], target["available"].get<bool>() ? "yes" : "no",
                std::to_string(target["pipelines"].get<int>()), target["needs"]);
        for (std::size_t i = 0; i < target["devices"].size(); i++) {
            text += "  " + target["name"].get<std::string>() + ":" + std::to_string(i) + "  " +
                    target["devices"][i].get<std::string>() + "\n";
        }
        if (const std::string problem = target["problem"]; !problem.empty()) text += "  " + problem + "\n";
    }
    const Json& chosen = description["chosen"];
    return text + "\nchosen: " + (chosen.is_null() ? "none" : chosen.get<std::string>()) + " (" +
           description["reason"].get<std::string>() + ")\n";
}

}  // namespace

void add_targets(CLI::App& app, int& exit_code) {
    const auto json = std::make_shared<bool>(false);
    CLI::App& targets = *app.add_subcommand("targets", "Show where images can be computed, and what is chosen");
    targets.add_flag("--json", *json, "As JSON");
    targets.footer(
        "The best target this processor has is chosen, unless --target or HALMIX_TARGET names one.\n"
        "Example:\n"
        "  halmix targets --json\n");
    targets.callback([json, &exit_code] {
        const Json description = describe_targets();
        print(*json ? description.dump(2) + "\n" : as_table(description));
        exit_code = description["chosen"].is_null() ? exit_usage : exit_done;
    });
}

}  // namespace halmix::command
