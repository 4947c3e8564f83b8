#include "schedules/convert.h"

namespace halmix {

using namespace Halide;

void schedule_convert(Func dst, const Expr& width, const Target& target, const ScheduleParameters& parameters) {
    // Loads and stores of whole vectors, between which pixels are taken apart or put together. The last vector is moved
    // inwards; images too small for one go without.
    int lanes = parameters["convert_lanes"] * target.natural_vector_size<uint8_t>() / 2;
    Var c = dst.args()[0], x = dst.args()[1], y = dst.args()[2];
    dst.never_partition_all().reorder(c, x, y).unroll(c);
    dst.specialize(width >= lanes).vectorize(x, lanes, TailStrategy::ShiftInwards);
}

}  // namespace halmix
