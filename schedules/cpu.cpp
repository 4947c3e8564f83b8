#include "schedules/cpu.h"

#include <algorithm>
#include <optional>

#include "schedules/cpu_scheduler.h"

namespace halmix {

using namespace Halide;

namespace {

Func of_role(Role role, const OpOutput& stage) { return std::ranges::find(stage.support, role, &Support::role)->func; }

/// Schedules of the roles that no kind has for itself.
struct Scheduler : CpuScheduler {
    /// Where a stage reads the image before it, if it does so row by row and nowhere else.
    static std::optional<LoopLevel> reading(const OpOutput& stage) {
        Func image = stage.image;
        LoopLevel row_of_image(image, image.args()[2]);
        if (stage.role == Role::pixels || stage.role == Role::shift) return row_of_image;
        for (const Support& support : stage.support) {
            Func f = support.func;
            if (support.role != Role::source) continue;
            return f.dimensions() == 2 ? LoopLevel(f, f.args()[1]) : LoopLevel(f, f.rvars(0)[1]);
        }
        return std::nullopt;
    }

    /// A stage's result is computed as the next stage needs it, a row at a time in the first cache, where both allow
    /// that, or else as a whole.
    void place(const OpOutput& stage, const OpOutput& next) {
        Func image = stage.image;
        Role role = stage.role;
        bool by_rows = role != Role::lookup && role != Role::affine && role != Role::shear_y;
        std::optional<LoopLevel> row = reading(next);
        // All of it, or all of a row, which Halide cannot tell from how the next stage reads it.
        image.bound(image.args()[0], 0, channels).bound(image.args()[1], 0, width);
        if (role == Role::affine) image.bound(image.args()[2], 0, height);  // its extern stage makes all rows
        if (by_rows && row) {
            row_by_row(image, *row);
        } else {
            image.compute_root();
        }
    }

    /// Tables and what they are made of, before everything else.
    void whole_image(const Support& support) const {
        Func f = support.func;
        f.compute_root();
        if (support.role == Role::table) {
            f.vectorize(f.args()[0], floats, TailStrategy::RoundUp);
            for (int scan = 0; scan < f.num_update_definitions(); scan++) f.update(scan).unscheduled();
        } else if (support.role == Role::extreme) {
            f.bound(f.args()[0], 0, channels).update().atomic().vectorize(f.rvars(0)[0], floats);
        } else if (support.role == Role::reduction) {
            // Lanes of their own until the end.
            int body = index_of(Update::body, support.updates);
            RVar x = f.rvars(body)[0], xo("xo"), xi("xi");
            Var lane("lane"), byte("byte");
            f.update(index_of(Update::rest, support.updates)).unscheduled();
            int lanes = f.dimensions() == 0 ? byte_lanes("reduction_lanes") : byte_lanes("channel_reduction_lanes");
            f.update(body).split(x, xo, xi, lanes, TailStrategy::GuardWithIf);
            if (f.dimensions() == 0) {
                f.update(body).atomic().vectorize(xi);
            } else {
                Func partial = f.update(body).rfactor(xi, lane);
                partial.compute_root();
                Var c = f.args()[0];
                partial.bound(c, 0, channels).reorder_storage(c, lane).fuse(c, lane, byte).vectorize(byte);
                partial.update().reorder(c, lane).fuse(c, lane, byte).vectorize(byte);
            }
        }
    }

    static void companion(const Support& support) {
        Func f = support.func;
        f.compute_root().bound(f.args()[0], 0, support.extent);
    }

    /// Counts side by side, one channel after another, and their sums; then pixels one by one.
    void histogram(Func f, Func counts) const {
        Var c = f.args()[1], counts_c = counts.args()[2];
        std::vector<RVar> sum = f.rvars(0), pixel = f.rvars(1), group = counts.rvars(0);
        f.compute_root().bound(c, 0, channels);
        f.update(0).reorder(sum[0], c, sum[1], sum[2]).vectorize(sum[0], floats);
        f.update(1).reorder(c, pixel[0], pixel[1]).unroll(c);
        // A channel's counts are 4 KiB. Those of equal levels in all channels, as gray pixels have, would be at
        // addresses that the processor takes for the same at first, so that one store waits for another.
        constexpr int levels = 256, apart = 8;
        counts.compute_at(f, sum[1]).bound(counts_c, 0, channels).vectorize(counts.args()[0]);
        counts.align_storage(counts.args()[1], levels + apart);
        counts.update().reorder(group[0], counts_c, group[1], group[2]).unroll(group[0]).unroll(counts_c);
    }

    void source(const Support& support) const {
        Func f = support.func;
        f.compute_root();
        if (support.extent.defined()) f.bound(f.args()[0], 0, support.extent);
        for (int i = 0; i < f.num_update_definitions(); i++) {
            if (support.updates[i].name == Update::border) {
                f.update(i).unscheduled();
                continue;
            }
            // The bytes of a row go to different places, which Halide cannot see where rows lie one after another.
            Stage rows = f.update(i).allow_race_conditions();
            rows.vectorize(f.rvars(i)[0], byte_lanes("source_lanes"), TailStrategy::GuardWithIf);
        }
    }

    void stencil(const OpOutput& stage) const {
        Func image = stage.image;
        Var c = image.args()[0], y = image.args()[2];
        for (int i = 0; i < image.num_update_definitions(); i++) {
            Stage update = image.update(i).never_partition_all().allow_race_conditions();
            const Update& named = stage.updates[i];
            if (named.name == Update::border) {
                update.reorder(c, image.rvars(i)[0], y).unroll(c);
                continue;
            }
            auto vectors = [&](Stage of) { of.specialize(named.fast_path).vectorize(image.rvars(i)[0]); };
            if (named.name == Update::body) {
                for (const Expr& fast_path : stage.fast_paths) vectors(update.specialize(fast_path));
            }
            vectors(update);
        }
        for (const Support& support : stage.support) {
            if (support.role != Role::partial) continue;
            Func f = support.func;
            row_by_row(f, {image, y});
            vectorize(f, f.args()[0], support.extent, byte_lanes("bytes_lanes"), {});
        }
    }

    void line(Func f) const {
        Var i = f.args()[0];
        f.compute_root().vectorize(i, float_lanes("line_lanes"), TailStrategy::RoundUp);
    }
};

}  // namespace

void schedule_cpu(const std::vector<OpOutput>& stages, const Expr& width, const Expr& height, int channels,
                  const Target& target, const ScheduleParameters& parameters) {
    Scheduler schedule{{width, height, channels, target.natural_vector_size<float>(),
                        target.natural_vector_size<uint8_t>(), parameters}};
    for (std::size_t i = 0; i + 1 < stages.size(); i++) schedule.place(stages[i], stages[i + 1]);
    for (const OpOutput& stage : stages) {
        Func(stage.image).never_partition_all();
        for (const Support& support : stage.support) {
            switch (support.role) {
                case Role::reduction:
                case Role::extreme:
                case Role::value:
                case Role::table:
                    schedule.whole_image(support);
                    break;
                case Role::histogram:
                    schedule.histogram(support.func, of_role(Role::counts, stage));
                    break;
                case Role::line:
                    schedule.line(support.func);
                    break;
                case Role::source:
                    schedule.source(support);
                    break;
                case Role::companion:
                    schedule.companion(support);
                    break;
                default:
                    break;
            }
        }
        switch (stage.role) {
            case Role::stencil:
                schedule.stencil(stage);
                break;
            case Role::bytes:
                schedule.by_bytes(stage.image, stage.fast_paths);
                break;
            case Role::pixels:
                schedule.by_pixels(stage.image, stage.fast_paths);
                break;
            case Role::shift:
                schedule_shift(schedule, stage);
                break;
            case Role::shear_x:
            case Role::shear_y:
                schedule_shear(schedule, stage);
                break;
            default:  // an extern stage's
                break;
        }
    }
}

}  // namespace halmix
