#include "schedules/mix.h"

#include "schedules/gpu.h"

namespace halmix {

using namespace Halide;

namespace {

constexpr int usual_chains = 3;  // Composer's default: as many as get code of their own

}  // namespace

void schedule_mix(Func dst, Func combination, const RDom& k, const Target& target,
                  const ScheduleParameters& parameters) {
    // A few vectors of sums stay in registers while the chains pass.
    int block = parameters["mix_vectors"] * target.natural_vector_size<float>();
    Var x = dst.args()[0], xo("xo"), xi("xi");
    dst.split(x, xo, xi, block, TailStrategy::GuardWithIf).vectorize(xi);
    combination.compute_at(dst, xi);
    combination.update().specialize(k.x.extent() == usual_chains).unroll(k, usual_chains);
}

void schedule_batch_mix(Func dst, Func combination, const RDom& k, const ScheduleParameters& parameters) {
    std::vector<Var> at = dst.args();
    by_pixels(dst, at[0], at[1], at[2], at[3], parameters);
    combination.compute_at(dst, at[0]);
    // A kernel of its own, without loops.
    const Expr usual = k.x.extent() == usual_chains;
    combination.update().specialize(usual).unroll(k, usual_chains);
    dst.specialize(usual);
}

}  // namespace halmix
