#include "schedules/gpu.h"

#include <algorithm>

namespace halmix {

using namespace Halide;

namespace {

constexpr int levels = 256;

/// What a stage needs to know of the whole image: one kernel, a block for each channel or image. The last of the
/// stage's tables and values is the kernel's result, the others stay in shared memory.
void whole_image(const std::vector<Support>& supports, int lanes) {
    Func result = supports.back().func;
    bool is_table = supports.back().role == Role::table;
    std::vector<Var> blocks = result.args();
    result.compute_root();
    if (is_table) {
        result.bound(blocks[0], 0, levels).gpu_threads(blocks[0]);
        blocks.erase(blocks.begin());
    }
    for (const Var& block : blocks) result.gpu_blocks(block);
    LoopLevel inside(result, blocks.front());

    for (const Support& support : supports) {
        Func f = support.func;
        if (f.name() == result.name()) continue;
        f.compute_at(inside);
        if (support.role == Role::table || support.role == Role::histogram) f.gpu_threads(f.args()[0]);
        if (support.role != Role::reduction && support.role != Role::histogram) {
            // Sums and extremes of a table, by one thread.
            for (int scan = 0; scan < f.num_update_definitions(); scan++) f.update(scan).unscheduled();
            continue;
        }
        RVar pixel("pixel"), round("round"), lane("lane");
        std::vector<RVar> all = f.rvars(0);
        f.update().fuse(all[0], all[1], pixel).split(pixel, round, lane, lanes, TailStrategy::GuardWithIf);
        if (support.role == Role::histogram) {
            f.update().atomic().gpu_threads(lane);
        } else {
            Var thread("thread");
            Func partial = f.update().rfactor(lane, thread);
            partial.compute_at(inside).gpu_threads(thread);
            partial.update().gpu_threads(thread);
        }
    }
}

bool of_whole_image(const ChainStage& stage) {
    return std::ranges::any_of(stage.op.support, [](const Support& support) {
        return support.role == Role::reduction || support.role == Role::histogram;
    });
}

bool by_pixel(const ChainStage& stage) {
    Role role = stage.op.role;
    return role == Role::pixels || role == Role::bytes || role == Role::lookup;
}

}  // namespace

void by_pixels(Stage image, const Var& c, const Var& x, const Var& y, const VarOrRVar& item, const Var& thread,
               const ScheduleParameters& parameters) {
    Var row("row");
    image.reorder(c, x, y, item).unroll(c);
    image
        .gpu_tile(x, y, thread, row, parameters["gpu_tile_width"], parameters["gpu_tile_height"],
                  TailStrategy::GuardWithIf)
        .gpu_blocks(item);
}

void schedule_gpu(const std::vector<ChainStage>& stages, Func dst, const RVar& item, int channels,
                  const ScheduleParameters& parameters) {
    Var thread("thread");
    for (std::size_t i = 0; i < stages.size(); i++) {
        const ChainStage& stage = stages[i];
        if (of_whole_image(stage)) whole_image(stage.op.support, parameters["gpu_lanes"]);

        // What takes a pixel for a pixel is computed where the next stage reads it, and so is what a stage reads once.
        Func image = stage.stored;
        bool last = i + 1 == stages.size();
        if (last || by_pixel(stage) || (by_pixel(stages[i + 1]) && !of_whole_image(stages[i + 1]))) continue;
        std::vector<Var> at = image.args();
        image.compute_root().bound(at[0], 0, channels);
        by_pixels(image, at[0], at[1], at[2], at[3], thread, parameters);
    }
    std::vector<Var> at = dst.args();
    by_pixels(dst, at[0], at[1], at[2], at[3], thread, parameters);
    // No two items have one place.
    by_pixels(dst.update().allow_race_conditions(), at[0], at[1], at[2], item, thread, parameters);
}

}  // namespace halmix
