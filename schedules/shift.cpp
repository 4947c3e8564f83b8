#include "schedules/cpu_scheduler.h"

namespace halmix {

using namespace Halide;

/// A vector for each group of bytes, filled or copied, if there are enough for a whole one.
void schedule_shift(const CpuScheduler&, const OpOutput& stage) {
    Func image = stage.image;
    for (int i = 0; i < image.num_update_definitions(); i++) {
        Stage update = image.update(i).never_partition_all().allow_race_conditions();
        update.specialize(stage.updates[i].fast_path).vectorize(image.rvars(i)[0]);
    }
}

}  // namespace halmix
