#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "catalogue.h"
#include "halmix/op.h"
#include "halmix/plan.h"

namespace halmix {

/// The parameters of a stage, in the order the kind's algorithm (generators/ops) numbers them.
using Params = std::array<double, 6>;
/// The table of a tone stage.
using Table = std::array<std::uint8_t, 256>;

/// One pipeline to run, on the stages from `first_stage` on.
struct Step {
    const PipelineRow* pipeline;
    int first_stage;
};

/// Which pipelines compute a chain, and with what. Params and tables are contiguous so that a run of stages can be
/// handed to a pipeline as it is. Tables of other kinds than tone hold anything: filling them took as long as the rest.
struct Program {
    std::vector<Kind> kinds;
    std::vector<Params> params;
    std::vector<Table> tables;
    std::vector<Step> steps;
};

/// The chains that are computed for a plan: none for a clean view, whose plan is null or has a mix of 0.
std::span<const Chain> chains_of(const Plan* plan);

/// What a program is to run on. GPUs have fewer sequences, and something to run for a chain that changes nothing.
enum class Processor : unsigned char { cpu, gpu };

/// The one pipeline that computes all stages of a program, or null if the catalogue has none.
const PipelineRow* find_whole(const Program& program, int channels, Processor processor);

/// Lowers a chain for images of a size: leaves out ops that change nothing, folds runs of table ops into one, and
/// covers the rest with as few pipelines of the catalogue as possible, or on a GPU with one for each stage. Reuses the
/// program's memory.
void lower(std::span<const OpCall> ops, int width, int height, int channels, Processor processor, Program& program);

}  // namespace halmix
