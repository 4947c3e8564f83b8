#include "schedules/resample.h"

#include "schedules/gpu.h"

namespace halmix {

using namespace Halide;

void schedule_resample(Func dst, ResampleStages stages, const Target& target) {
    auto& [sums, byte, tap, dot] = stages;
    // Sums of a tile, of several vectors that share digits, stay in registers.
    const int lanes = target.natural_vector_size<int32_t>(), tile = 4 * lanes;
    Var i = dst.args()[0], y = dst.args()[1], io("io"), ii("ii");
    dst.never_partition_all();
    dst.specialize(dst.output_buffer().dim(0).extent() >= tile)
        .split(i, io, ii, tile, TailStrategy::ShiftInwards)
        .vectorize(ii);
    // What is too small for a tile, byte by byte.
    dst.split(i, io, ii, 1);

    Var so("so"), si("si");
    sums.compute_at(dst, io).split(i, so, si, lanes, TailStrategy::GuardWithIf).vectorize(si).unroll(so).unroll(y);
    sums.update().split(i, so, si, lanes, TailStrategy::GuardWithIf).reorder(tap.x, si, so, y, tap.y);
    sums.update().atomic().vectorize(tap.x).vectorize(si).unroll(so).unroll(y);

    Var t = byte.args()[0], bi = byte.args()[1];
    byte.bound(t, 0, dot.taps);
    byte.compute_at(sums, tap.y).unroll(t).vectorize(bi, tile, TailStrategy::GuardWithIf);
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
