#pragma once

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "generators/kinds.h"

namespace halmix {

/// Stops unless the op has named each update of a Func whose schedule asks for them by name.
inline void check_names(const Halide::Func& f, const std::vector<Update>& updates) {
    if (f.num_update_definitions() == static_cast<int>(updates.size())) return;
    throw Halide::CompileError(f.name() + ": not all of its updates have a name");
}

/// Ops one after another, by their kinds, joined by '+'. `set_parameters(input, stage)` defines what each has for
/// itself.
template <typename SetParameters>
std::vector<OpOutput> compose(const std::string& sequence, OpInput input, const SetParameters& set_parameters) {
    using namespace Halide;
    std::vector<OpOutput> stages;
    std::istringstream names(sequence);
    for (std::string name; std::getline(names, name, '+');) {
        int stage = static_cast<int>(stages.size());
        input.prefix = name + std::to_string(stage) + "_";
        input.param = input.func("param");
        input.table = input.func("table");
        set_parameters(input, stage);
        stages.push_back(kinds.at(name)(input));
        const OpOutput& op = stages.back();
        check_names(op.image, op.updates);
        for (const Support& support : op.support) {
            if (support.role == Role::source || support.role == Role::reduction)
                check_names(support.func, support.updates);
        }
        input.image = {op.image, input.item};
        input.whole_image = op.image;
    }
    return stages;
}

}  // namespace halmix
