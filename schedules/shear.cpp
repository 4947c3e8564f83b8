#include <algorithm>

#include "schedules/cpu_scheduler.h"

namespace halmix {

using namespace Halide;

namespace {

/// Vectors of bytes side by side, of several rows in one go.
void strips(Stage update, const std::vector<RVar>& r) {
    update.never_partition_all().allow_race_conditions().vectorize(r[0]).unroll(r[1]);
}

/// Strip by strip, down the columns. Then bytes that are repaired, borders, and all of images that have no strips.
void schedule_shear_y(const CpuScheduler& cpu, const OpOutput& stage) {
    Func image = stage.image;
    Var c = image.args()[0], x = image.args()[1];
    for (int i = 0; i < image.num_update_definitions(); i++) {
        std::vector<RVar> r = image.rvars(i);
        Stage update = image.update(i).never_partition_all();
        switch (stage.updates[i].name) {
            case Update::body:
                strips(update, r);
                break;
            case Update::repair:
                update.allow_race_conditions().vectorize(r[0]);
                break;
            case Update::border:
                update.reorder(c, r[0], x).unroll(c);
                break;
            default:
                update.reorder(c, r[0], x).unroll(c);
                update.vectorize(r[0], cpu.float_lanes("shear_repair_lanes"), TailStrategy::GuardWithIf);
        }
    }
    const int group = cpu.parameters["shear_y_group"];
    auto repair = stage.updates.begin();
    for (const Support& support : stage.support) {
        Func f = support.func;
        if (support.role == Role::shear_y_strip) {
            f.compute_root().bound_extent(f.args()[0], group).vectorize(f.args()[0]);
        } else if (support.role == Role::shear_y_doubt) {
            f.compute_root().update().unscheduled();
        } else if (support.role == Role::shear_y_doubtful) {
            // A strip of it in the first cache, for the repair that reads it.
            repair =
                std::find_if(repair, stage.updates.end(), [](const Update& u) { return u.name == Update::repair; });
            const int reading = static_cast<int>(repair++ - stage.updates.begin());
            cpu.row_by_row(f, {image, image.rvars(reading)[3]});
            f.bound_extent(f.args()[0], group);
            for (int i = 0; i < f.num_update_definitions(); i++) strips(f.update(i), f.rvars(i));
        }
    }
}

/// Row by row, in groups of bytes. Then bytes that are repaired, rows without groups, and borders.
void schedule_shear_x(const CpuScheduler& cpu, const OpOutput& stage) {
    Func image = stage.image;
    Var c = image.args()[0], y = image.args()[2];
    for (int i = 0; i < image.num_update_definitions(); i++) {
        std::vector<RVar> r = image.rvars(i);
        const Update& named = stage.updates[i];
        Stage update = image.update(i).never_partition_all().allow_race_conditions();
        switch (named.name) {
            case Update::fill:
                update.specialize(named.fast_path).vectorize(r[0]);
                break;
            case Update::body:
            case Update::repair:
                update.vectorize(r[0]);
                break;
            case Update::border:
                update.reorder(c, r[0], y).unroll(c);
                break;
            default:
                break;
        }
    }
    for (const Support& support : stage.support) {
        if (support.role != Role::shear_x_doubtful) continue;
        Func f = support.func;
        cpu.row_by_row(f, {image, y});
        f.bound(f.args()[0], 0, support.extent);
        f.update().never_partition_all().vectorize(f.rvars(0)[0]);
    }
}

}  // namespace

void schedule_shear(const CpuScheduler& cpu, const OpOutput& stage) {
    for (const Support& support : stage.support) {
        if (support.role != Role::shear_fractions) continue;
        Func f = support.func;
        Var line = f.args()[0];
        RVar difference = f.rvars(0)[0];
        const int lanes = cpu.byte_lanes("shear_line_lanes");
        f.compute_root().vectorize(line, lanes, TailStrategy::RoundUp);
        f.update().reorder(difference, line).vectorize(line, lanes);
        f.update().unroll(difference, cpu.parameters["shear_line_unroll"]);
    }
    if (stage.role == Role::shear_x) {
        schedule_shear_x(cpu, stage);
    } else {
        schedule_shear_y(cpu, stage);
    }
}

}  // namespace halmix
