#pragma once

#include "schedules/stage.h"

namespace halmix {

/// What the schedules for CPUs share. No loop is parallel: images are.
struct CpuScheduler {
    Halide::Expr width, height;
    int channels;
    int floats;  ///< lanes of a vector of float32
    int bytes;   ///< lanes of a vector of bytes
    const ScheduleParameters& parameters;

    /// Of so many half vectors of bytes.
    [[nodiscard]] int byte_lanes(ParameterName half_vectors) const { return parameters[half_vectors] * bytes / 2; }

    /// Of so many half vectors of float32.
    [[nodiscard]] int float_lanes(ParameterName half_vectors) const { return parameters[half_vectors] * floats / 2; }

    /// A row whenever a loop needs it, in the place of the one before.
    static void row_by_row(Halide::Func f, const Halide::LoopLevel& loop) {
        f.compute_at(loop).store_root().fold_storage(f.args().back(), 1);
    }

    /// Vectors along a dimension of `extent`: with code of its own for each fast path. The last vector
    /// is moved inwards; images too small for one go without.
    static void vectorize(Halide::Func image, const Halide::Var& along, const Halide::Expr& extent, int lanes,
                          const std::vector<Halide::Expr>& fast_paths) {
        auto vectors = [&](auto stage) {
            stage.specialize(extent >= lanes).vectorize(along, lanes, Halide::TailStrategy::ShiftInwards);
        };
        for (const Halide::Expr& fast_path : fast_paths) vectors(image.specialize(fast_path));
        vectors(image);
    }

    /// Pixels side by side, all channels of a pixel in one go.
    void by_pixels(Halide::Func image, const std::vector<Halide::Expr>& fast_paths) const {
        Halide::Var c = image.args()[0], x = image.args()[1], y = image.args()[2];
        image.bound(c, 0, channels).reorder(c, x, y).unroll(c);
        vectorize(image, x, width, byte_lanes("pixels_lanes"), fast_paths);
    }

    /// Bytes side by side, whatever channel they are of.
    void by_bytes(Halide::Func image, const std::vector<Halide::Expr>& fast_paths) const {
        Halide::Var c = image.args()[0], x = image.args()[1], byte("byte");
        image.bound(c, 0, channels).fuse(c, x, byte);
        vectorize(image, byte, width * channels, byte_lanes("bytes_lanes"), fast_paths);
    }
};

/// Kinds with a schedule of their own: their stages have roles that no other's have.
void schedule_shear(const CpuScheduler& cpu, const OpOutput& stage);  ///< shear_x and shear_y
void schedule_shift(const CpuScheduler& cpu, const OpOutput& stage);

}  // namespace halmix
