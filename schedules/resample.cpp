#include "schedules/resample.h"

#include "schedules/gpu.h"

namespace halmix {

using namespace Halide;

void schedule_resample(Func dst, ResampleStages stages, const Target& target) {
    auto& [sums, byte, tap, dot, along_rows] = stages;
    // Sums of a tile stay in registers. Along columns a tile is several vectors, which share digits; along rows it is
    // several rows, which share vectors of digits.
    const int lanes = target.natural_vector_size<int32_t>();
    const int across = along_rows ? lanes : 4 * lanes, down = along_rows ? 4 : 1;
    const Expr width = dst.output_buffer().dim(0).extent(), height = dst.output_buffer().dim(1).extent();
    Var i = dst.args()[0], y = dst.args()[1], io("io"), ii("ii"), yo("yo"), yi("yi");
    dst.never_partition_all();
    auto tiles = [&](Stage stage, int across, int down) {
        stage.split(i, io, ii, across, TailStrategy::ShiftInwards).split(y, yo, yi, down, TailStrategy::ShiftInwards);
        stage.reorder(ii, yi, io, yo).vectorize(ii).unroll(yi);
    };
    tiles(dst.specialize(width >= across && height >= down), across, down);
    // What is too small for a tile, byte by byte.
    dst.split(i, io, ii, 1).split(y, yo, yi, 1).reorder(ii, yi, io, yo);

    Var so("so"), si("si");
    sums.compute_at(dst, io).split(i, so, si, lanes, TailStrategy::GuardWithIf).vectorize(si).unroll(so).unroll(y);
    sums.update().split(i, so, si, lanes, TailStrategy::GuardWithIf).reorder(tap.x, si, so, y, tap.y);
    sums.update().atomic().vectorize(tap.x).vectorize(si).unroll(so).unroll(y);

    Var t = byte.args()[0], bi = byte.args()[1];
    byte.bound(t, 0, dot.taps);
    if (along_rows) {
        byte.compute_at(dst, yo);
    } else {
        byte.compute_at(sums, tap.y).unroll(t).vectorize(bi, 4 * lanes, TailStrategy::GuardWithIf);
    }
}

void schedule_batch_resample(Func dst, Func sum, const RDom& tap, int channels, const ScheduleParameters& parameters) {
    std::vector<Var> at = dst.args();
    const Var pixel = by_pixels(dst, at[0], at[1], at[2], at[3], parameters);
    // The channels of a pixel share its weights.
    const Var c = sum.args()[0];
    sum.compute_at(dst, pixel).bound_extent(c, channels).unroll(c);
    sum.update().reorder(c, tap).unroll(c);
}

}  // namespace halmix
