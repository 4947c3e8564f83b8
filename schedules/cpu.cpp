#include "schedules/cpu.h"

#include <optional>

namespace halmix {

using namespace Halide;

namespace {

/// What the schedules share. No loop is parallel: images are.
struct Scheduler {
    Expr width;
    int channels;
    int floats;  ///< lanes of a vector of float32
    int bytes;   ///< lanes of a vector of bytes
    const ScheduleParameters& parameters;

    /// Of so many half vectors of bytes.
    [[nodiscard]] int byte_lanes(ParameterName half_vectors) const { return parameters[half_vectors] * bytes / 2; }

    /// Of so many half vectors of float32.
    [[nodiscard]] int float_lanes(ParameterName half_vectors) const { return parameters[half_vectors] * floats / 2; }

    /// Where a stage reads the image before it, if it does so row by row and nowhere else.
    static std::optional<LoopLevel> reading(const ChainStage& stage) {
        Func image = stage.stored;
        LoopLevel row_of_image(image, image.args()[2]);
        if (stage.op.role == Role::pixels || stage.op.role == Role::copy) return row_of_image;
        for (const Support& support : stage.op.support) {
            Func f = support.func;
            if (support.role != Role::source) continue;
            return f.dimensions() == 2 ? LoopLevel(f, f.args()[1]) : LoopLevel(f, f.rvars(0)[1]);
        }
        return std::nullopt;
    }

    /// A row whenever a loop needs it, in the place of the one before.
    static void row_by_row(Func f, const LoopLevel& loop) {
        f.compute_at(loop).store_root().fold_storage(f.args().back(), 1);
    }

    /// A stage's result is computed as the next stage needs it, a row at a time in the first cache, where both allow
    /// that, or else as a whole.
    void place(const ChainStage& stage, const ChainStage& next) {
        Func image = stage.stored;
        Role role = stage.op.role;
        bool by_rows = role == Role::pixels || role == Role::bytes || role == Role::rows || role == Role::copy ||
                       role == Role::stencil || role == Role::warp;
        std::optional<LoopLevel> row = reading(next);
        // All of it, or all of a row, which Halide cannot tell from how the next stage reads it.
        image.bound(image.args()[0], 0, channels).bound(image.args()[1], 0, width);
        if (by_rows && row) {
            row_by_row(image, *row);
        } else {
            image.compute_root();
        }
    }

    /// Vectors along a dimension of `extent`: with code of its own for the special case, if there is one. The last
    /// vector is moved inwards; images too small for one go without.
    static void vectorize(Func image, const Var& along, const Expr& extent, int lanes, const Expr& special) {
        auto vectors = [&](auto stage) {
            stage.specialize(extent >= lanes).vectorize(along, lanes, TailStrategy::ShiftInwards);
        };
        if (special.defined()) vectors(image.specialize(special));
        vectors(image);
    }

    /// Pixels side by side, all channels of a pixel in one go.
    void by_pixels(Func image, const Expr& special) const {
        Var c = image.args()[0], x = image.args()[1], y = image.args()[2];
        image.bound(c, 0, channels).reorder(c, x, y).unroll(c);
        vectorize(image, x, width, byte_lanes("pixels_lanes"), special);
    }

    /// Bytes side by side, whatever channel they are of.
    void by_bytes(Func image, const Expr& special) const {
        Var c = image.args()[0], x = image.args()[1], byte("byte");
        image.bound(c, 0, channels).fuse(c, x, byte);
        vectorize(image, byte, width * channels, byte_lanes("bytes_lanes"), special);
    }

    /// Tables and what they are made of, before everything else.
    void whole_image(const Support& support) const {
        Func f = support.func;
        f.compute_root();
        if (support.role == Role::table) {
            f.vectorize(f.args()[0], floats, TailStrategy::RoundUp);
            for (int scan = 0; scan < f.num_update_definitions(); scan++) f.update(scan).unscheduled();
        } else if (support.role == Role::histogram) {
            Var c = f.args()[1];
            RVar x = f.rvars(0)[0], y = f.rvars(0)[1];
            f.bound(c, 0, channels).update().reorder(c, x, y).unroll(c);
        } else if (support.role == Role::extreme) {
            f.bound(f.args()[0], 0, channels).update().atomic().vectorize(f.rvars(0)[0], floats);
        } else if (support.role == Role::reduction) {
            // Lanes of their own until the end.
            RVar x = f.rvars(0)[0], xo("xo"), xi("xi");
            Var lane("lane"), byte("byte");
            f.update(1).unscheduled();
            int lanes = f.dimensions() == 0 ? byte_lanes("reduction_lanes") : byte_lanes("channel_reduction_lanes");
            f.update().split(x, xo, xi, lanes, TailStrategy::GuardWithIf);
            if (f.dimensions() == 0) {
                f.update().atomic().vectorize(xi);
            } else {
                Func partial = f.update().rfactor(xi, lane);
                partial.compute_root();
                Var c = f.args()[0];
                partial.bound(c, 0, channels).reorder_storage(c, lane).fuse(c, lane, byte).vectorize(byte);
                partial.update().reorder(c, lane).fuse(c, lane, byte).vectorize(byte);
            }
        }
    }

    void source(const Support& support) const {
        Func f = support.func;
        f.compute_root();
        if (support.extent.defined()) f.bound(f.args()[0], 0, support.extent);
        // The bytes of a row go to different places, which Halide cannot see where rows lie one after another.
        f.update(0).allow_race_conditions().vectorize(f.rvars(0)[0], byte_lanes("source_lanes"),
                                                      TailStrategy::GuardWithIf);
        for (int border = 1; border < f.num_update_definitions(); border++) f.update(border).unscheduled();
    }

    void stencil(const ChainStage& stage) const {
        Func image = stage.stored;
        by_bytes(image, stage.op.special);
        image.update().reorder(image.args()[0], image.rvars(0)[0], image.args()[2]).unroll(image.args()[0]);
        for (const Support& support : stage.op.support) {
            if (support.role != Role::partial) continue;
            Func f = support.func;
            row_by_row(f, {image, image.args()[2]});
            f.vectorize(f.args()[0], byte_lanes("bytes_lanes"), TailStrategy::RoundUp);
        }
    }

    /// A row in the first cache, and vectors of bytes from there.
    void rows(const ChainStage& stage) const {
        Func image = stage.stored;
        Var c = image.args()[0], y = image.args()[2];
        by_bytes(image, stage.op.special);
        again(image, y);
        for (const Support& support : stage.op.support) {
            if (support.role != Role::row) continue;
            Func f = support.func;
            row_by_row(f, {image, y});
            f.vectorize(f.args()[0], byte_lanes("bytes_lanes"), TailStrategy::RoundUp);
            f.update().vectorize(f.rvars(0)[0], byte_lanes("bytes_lanes"), TailStrategy::GuardWithIf);
        }
    }

    /// Groups of bytes, if a row has one and if what is copied of it has.
    void copy(const ChainStage& stage) const {
        Func image = stage.stored;
        Expr has_group[] = {width * channels >= stage.op.window, stage.op.special};
        for (int i = 0; i < 2; i++) {
            RVar byte = image.rvars(i)[0];
            Stage update = image.update(i).never_partition_all().allow_race_conditions();
            update.specialize(has_group[i]).vectorize(byte);
        }
    }

    /// Bytes in windows, and the image from these; borders and columns that are computed again.
    void columns(const ChainStage& stage) const {
        Func image = stage.stored;
        by_bytes(image, stage.op.special);
        again(image, image.args()[1]);
        for (const Support& support : stage.op.support) {
            if (support.role != Role::windows) continue;
            Func f = support.func;
            row_by_row(f, {image, image.args()[2]});
            f.vectorize(f.args()[0], stage.op.window, TailStrategy::RoundUp);
        }
    }

    /// What is computed again of an image's lines: two pixels, whole lines in vectors along them, what these leave
    /// over.
    void again(Func image, const Var& line) const {
        Var c = image.args()[0];
        for (int i = 0; i < image.num_update_definitions(); i++) {
            RVar along = image.rvars(i)[0];
            Stage update = image.update(i).reorder(c, along, line).unroll(c);
            if (i == 1) {
                update.vectorize(along, float_lanes("shear_repair_lanes"), TailStrategy::GuardWithIf);
            } else {
                update.never_partition_all();
            }
        }
    }

    void line(Func f) const {
        Var i = f.args()[0];
        int lanes = f.has_update_definition() ? byte_lanes("shear_line_lanes") : float_lanes("line_lanes");
        f.compute_root().vectorize(i, lanes, TailStrategy::RoundUp);
        if (f.has_update_definition())
            f.update()
                .reorder(f.rvars(0)[0], i)
                .vectorize(i, lanes)
                .unroll(f.rvars(0)[0], parameters["shear_line_unroll"]);
    }

    /// Coordinates, loads and arithmetic each in a loop of their own over a tile, which stays in registers and the
    /// first cache: vectors for the first and last, plain loads between. Then the few pixels that are computed once
    /// more.
    void warp(const ChainStage& stage) const {
        int pixels = stage.op.window;
        Func stored = stage.stored;
        Var c = stored.args()[0], x = stored.args()[1], y = stored.args()[2], xo("xo"), xi("xi");
        stored.bound(c, 0, channels).split(x, xo, xi, pixels, TailStrategy::GuardWithIf).reorder(c, xi, xo, y);
        stored.unroll(c).vectorize(xi);

        for (const Support& support : stage.op.support) {
            Func f = support.func;
            auto in_cache = [&](const Var& i) {
                f.compute_at(stored, xo).bound_storage(i, pixels).store_in(MemoryType::Stack);
            };
            switch (support.role) {
                case Role::coordinate:
                    in_cache(f.args()[0]);
                    f.vectorize(f.args()[0], float_lanes("affine_coordinate_lanes"), TailStrategy::RoundUp);
                    break;
                case Role::tile_pixels:
                    in_cache(f.args()[0]);
                    f.vectorize(f.args()[0], float_lanes("affine_pixel_lanes"), TailStrategy::RoundUp);
                    break;
                case Role::gather:
                    in_cache(f.args()[0]);
                    f.unroll(f.args()[0], parameters["affine_gather_unroll"], TailStrategy::RoundUp);
                    break;
                case Role::risk:
                    f.compute_at(stored, xo).store_in(MemoryType::Stack);
                    f.update().atomic().vectorize(f.rvars(0)[0]);
                    break;
                case Role::tile: {
                    Var fc = f.args()[0], i = f.args()[1], t = f.args()[2], fy = f.args()[3];
                    in_cache(i);
                    f.bound(fc, 0, channels).reorder(fc, i, t, fy).reorder_storage(i, fc, t, fy);
                    f.unroll(fc).vectorize(i);
                    f.update().reorder(fc, f.rvars(0)[0], t, fy).unroll(fc);
                    break;
                }
                default:
                    break;
            }
        }
    }
};

}  // namespace

void schedule_cpu(const std::vector<ChainStage>& stages, const Expr& width, int channels, const Target& target,
                  const ScheduleParameters& parameters) {
    Scheduler schedule{width, channels, target.natural_vector_size<float>(), target.natural_vector_size<uint8_t>(),
                       parameters};
    for (std::size_t i = 0; i + 1 < stages.size(); i++) schedule.place(stages[i], stages[i + 1]);
    for (const ChainStage& stage : stages) {
        Func(stage.stored).never_partition_all();
        for (const Support& support : stage.op.support) {
            switch (support.role) {
                case Role::reduction:
                case Role::histogram:
                case Role::extreme:
                case Role::value:
                case Role::table:
                    schedule.whole_image(support);
                    break;
                case Role::line:
                    schedule.line(support.func);
                    break;
                case Role::source:
                    schedule.source(support);
                    break;
                default:
                    break;
            }
        }
        switch (stage.op.role) {
            case Role::stencil:
                schedule.stencil(stage);
                break;
            case Role::warp:
                schedule.warp(stage);
                break;
            case Role::rows:
                schedule.rows(stage);
                break;
            case Role::copy:
                schedule.copy(stage);
                break;
            case Role::columns:
                schedule.columns(stage);
                break;
            case Role::bytes:
                schedule.by_bytes(stage.stored, stage.op.special);
                break;
            case Role::pixels:
                schedule.by_pixels(stage.stored, stage.op.special);
                break;
            default:  // an extern stage
                break;
        }
    }
}

}  // namespace halmix
