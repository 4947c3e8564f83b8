#include "schedules/cpu_scheduler.h"

namespace halmix {

using namespace Halide;

namespace {

/// What is computed again of an image's lines, by single pixels but for the vectors of a repair.
void updates_of_lines(const CpuScheduler& cpu, const ChainStage& stage, const Var& line) {
    Func image = stage.stored;
    Var c = image.args()[0];
    for (int i = 0; i < image.num_update_definitions(); i++) {
        RVar along = image.rvars(i)[0];
        Stage update = image.update(i).reorder(c, along, line).unroll(c);
        if (stage.op.updates[i].name == Update::repair) {
            update.vectorize(along, cpu.float_lanes("shear_repair_lanes"), TailStrategy::GuardWithIf);
        } else {
            update.never_partition_all();
        }
    }
}

}  // namespace

/// Bytes side by side from a row in the first cache: one that shear_x moves, or one that shear_y has put together.
/// Then borders, and lines that are repaired.
void schedule_shear(const CpuScheduler& cpu, const ChainStage& stage) {
    Func image = stage.stored;
    Var x = image.args()[1], y = image.args()[2];
    cpu.by_bytes(image, stage.op.fast_paths);
    updates_of_lines(cpu, stage, stage.op.role == Role::shear_x ? y : x);
    for (const Support& support : stage.op.support) {
        Func f = support.func;
        Var i = f.args()[0];
        if (support.role == Role::shear_x_row) {
            cpu.row_by_row(f, {image, y});
            f.vectorize(i, cpu.byte_lanes("bytes_lanes"), TailStrategy::RoundUp);
            f.update().vectorize(f.rvars(0)[0], cpu.byte_lanes("bytes_lanes"), TailStrategy::GuardWithIf);
        } else if (support.role == Role::shear_y_row) {
            cpu.row_by_row(f, {image, y});
            f.vectorize(i, cpu.parameters["shear_y_group"], TailStrategy::RoundUp);
        } else if (support.role == Role::shear_fractions) {
            int lanes = cpu.byte_lanes("shear_line_lanes");
            f.compute_root().vectorize(i, lanes, TailStrategy::RoundUp);
            RVar difference = f.rvars(0)[0];
            f.update().reorder(difference, i).vectorize(i, lanes);
            f.update().unroll(difference, cpu.parameters["shear_line_unroll"]);
        }
    }
}

}  // namespace halmix
