// Generates what Halide's command line asks for (halmix_generator without arguments tells), or, with --parameters
// before such a command line, prints what may be tuned of that pipeline: the rows of schedules/parameters.h that it
// reads, with their values and all legal ones, as JSON.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "schedules/parameters.h"

namespace {

using namespace halmix;

/// What stands behind NAME= on a command line; empty if nothing does.
std::string value_of(std::string_view name, const std::vector<std::string>& arguments) {
    for (const std::string& argument : arguments) {
        if (argument.starts_with(std::string(name) + "=")) return argument.substr(name.size() + 1);
    }
    return {};
}

void print_parameters(const std::vector<std::string>& arguments) {
    const auto generator = std::ranges::find(arguments, "-g");
    if (generator == arguments.end()) throw std::invalid_argument("--parameters: of which generator, -g NAME?");
    const Halide::Target target(value_of("target", arguments));
    const auto made = Halide::Internal::GeneratorRegistry::create(generator[1], Halide::GeneratorContext(target));
    if (made == nullptr) throw std::invalid_argument("--parameters: there is no generator " + generator[1]);
    for (const std::string& argument : arguments) {
        const std::size_t equals = argument.find('=');
        const std::string name = argument.substr(0, equals);
        if (equals != std::string::npos && name != "target") {
            made->set_generatorparam_value(name, argument.substr(equals + 1));
        }
    }
    made->build_pipeline();

    ParameterValues values;
    for (std::size_t row = 0; row < parameter_count; row++) {
        const std::string given = value_of(schedule_table[row].name, arguments);
        values[row] = given.empty() ? schedule_table[row].value : std::stoi(given);
    }
    nlohmann::json rows = nlohmann::json::array();
    for (std::size_t row = 0; row < parameter_count; row++) {
        if (!ScheduleGeneratorParams::read[row]) continue;
        const ScheduleParameter& parameter = schedule_table[row];
        rows.push_back({{"name", parameter.name},
                        {"stage", parameter.stage},
                        {"meaning", parameter.meaning},
                        {"value", values[row]},
                        {"legal", legal_values(row, values, target)}});
    }
    std::cout << rows << '\n';
}

int generate(std::vector<std::string> arguments) {
    if (value_of("loop_optimizers", arguments) == "2") {  // a target's, which no generator can change
        for (std::string& argument : arguments) {
            if (argument.starts_with("target=")) argument += "-enable_llvm_loop_opt";
        }
    }
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    return Halide::Internal::generate_filter_main(static_cast<int>(pointers.size()), pointers.data());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || std::string_view(argv[1]) != "--parameters") return generate({argv, argv + argc});
    try {
        print_parameters({argv + 2, argv + argc});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "halmix_generator: %s\n", error.what());
        return 1;
    }
}
