#include "schedules/gpu.h"

#include <algorithm>

namespace halmix {

using namespace Halide;

namespace {

constexpr int levels = 256;

constexpr int warp = 32;  // threads that load side by side

/// Has a block's threads share the pixels of an image, side by side along rows and each with a few rows at a time,
/// whose loads are under way together. Returns the variable of threads.
RVar share_pixels(Stage update, const std::vector<RVar>& pixel, int threads, int rows, const Target& target) {
    RVar column("column"), row("row"), x_thread("x_thread"), y_thread("y_thread"), some("some"), one("one"),
        thread("thread");
    if (target.has_feature(Target::OpenCL)) {
        // Pixels one after another: where some threads have no row at all, PoCL 3.1 reads beyond the image.
        update.fuse(pixel[0], pixel[1], one).split(one, some, thread, threads, TailStrategy::GuardWithIf);
        return thread;
    }
    update.split(pixel[0], column, x_thread, warp, TailStrategy::GuardWithIf)
        .split(pixel[1], row, y_thread, threads / warp, TailStrategy::GuardWithIf)
        .split(row, some, one, rows, TailStrategy::GuardWithIf)
        .reorder(one, column, some, x_thread, y_thread)
        .unroll(one)
        .fuse(x_thread, y_thread, thread);
    return thread;
}

/// What a stage needs to know of the whole image: one kernel, a block for each channel or image. The last of the
/// stage's tables and values is the kernel's result, the others stay in shared memory.
void whole_image(const std::vector<Support>& supports, const ScheduleParameters& parameters, const Target& target) {
    const int threads = parameters["gpu_reduction_threads"] * threads_of_block(target) / 4;
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
        RVar thread = share_pixels(f.update(), f.rvars(0), threads, parameters["gpu_rows"], target);
        if (support.role == Role::histogram) {
            f.update().atomic().gpu_threads(thread);
            continue;
        }
        // Of each thread, then of each column of threads, then of all.
        Var of_thread("of_thread"), of_column("of_column");
        RVar column("column"), member("member");
        Func threads_own = f.update().rfactor(thread, of_thread);
        f.update().split(thread, member, column, warp);
        Func columns_own = f.update().rfactor(column, of_column);
        threads_own.compute_at(inside).gpu_threads(of_thread).update().gpu_threads(of_thread);
        columns_own.compute_at(inside).gpu_threads(of_column).update().gpu_threads(of_column);
    }
}

bool of_whole_image(const OpOutput& stage) {
    return std::ranges::any_of(stage.support, [](const Support& support) {
        return support.role == Role::reduction || support.role == Role::histogram;
    });
}

bool by_pixel(const OpOutput& stage) {
    Role role = stage.role;
    return role == Role::pixels || role == Role::bytes || role == Role::lookup;
}

}  // namespace

Var by_pixels(Stage image, const Var& c, const Var& x, const Var& y, const VarOrRVar& item,
              const ScheduleParameters& parameters) {
    Var rows("rows"), x_thread("x_thread"), y_thread("y_thread"), one("one");
    image.reorder(c, x, y, item)
        .unroll(c)
        .split(y, rows, one, parameters["gpu_rows"], TailStrategy::GuardWithIf)
        .gpu_tile(x, rows, x_thread, y_thread, parameters["gpu_tile_width"], parameters["gpu_tile_height"],
                  TailStrategy::GuardWithIf)
        .reorder(c, one, x_thread, y_thread)  // side by side along rows
        .unroll(one)
        .gpu_blocks(item);
    return one;
}

void schedule_gpu(const std::vector<OpOutput>& stages, Func dst, const RVar& item, int channels,
                  const ScheduleParameters& parameters, const Target& target) {
    for (std::size_t i = 0; i < stages.size(); i++) {
        const OpOutput& stage = stages[i];
        if (of_whole_image(stage)) whole_image(stage.support, parameters, target);

        // What takes a pixel for a pixel is computed where the next stage reads it, and so is what a stage reads once.
        Func image = stage.image;
        bool last = i + 1 == stages.size();
        if (last || by_pixel(stage) || (by_pixel(stages[i + 1]) && !of_whole_image(stages[i + 1]))) continue;
        std::vector<Var> at = image.args();
        image.compute_root().bound(at[0], 0, channels);
        by_pixels(image, at[0], at[1], at[2], at[3], parameters);
    }
    std::vector<Var> at = dst.args();
    by_pixels(dst, at[0], at[1], at[2], at[3], parameters);
    // No two items have one place.
    by_pixels(dst.update().allow_race_conditions(), at[0], at[1], at[2], item, parameters);
}

}  // namespace halmix
