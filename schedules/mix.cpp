#include "schedules/mix.h"

#include "schedules/gpu.h"

namespace halmix {

using namespace Halide;

void schedule_mix(Func dst, Func combination, const RDom& k, const Target& target,
                  const ScheduleParameters& parameters) {
    constexpr int usual = 3;  // chains of Composer's default: as many as get code of their own
    // A few vectors of sums stay in registers while the chains pass.
    int block = parameters["mix_vectors"] * target.natural_vector_size<float>();
    Var x = dst.args()[0], xo("xo"), xi("xi");
    dst.split(x, xo, xi, block, TailStrategy::GuardWithIf).vectorize(xi);
    combination.compute_at(dst, xi);
    combination.update().specialize(k.x.extent() == usual).unroll(k, usual);
}

void schedule_batch_mix(Func dst, Func combination, const RDom& k, int channels, const ScheduleParameters& parameters) {
    Var thread("thread");
    std::vector<Var> at = dst.args();
    by_pixels(dst, at[0], at[1], at[2], at[3], thread, parameters);
    Var c = at[0];
    combination.bound(c, 0, channels).unroll(c).compute_at(dst, thread);
    combination.update().reorder(c, k).unroll(c);
}

}  // namespace halmix
