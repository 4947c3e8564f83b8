#include "schedules/cpu_scheduler.h"

namespace halmix {

using namespace Halide;

/// Coordinates, loads and arithmetic each in a loop of their own over a tile, which stays in registers and the first
/// cache: vectors for the first and last, plain loads between. Then the few pixels that are repaired.
void schedule_affine(const CpuScheduler& cpu, const ChainStage& stage) {
    int tile = cpu.parameters["affine_tile"];
    Func stored = stage.stored;
    Var c = stored.args()[0], x = stored.args()[1], y = stored.args()[2], xo("xo"), xi("xi");
    stored.bound(c, 0, cpu.channels).split(x, xo, xi, tile, TailStrategy::GuardWithIf).reorder(c, xi, xo, y);
    stored.unroll(c).vectorize(xi);

    for (const Support& support : stage.op.support) {
        Func f = support.func;
        auto in_cache = [&](const Var& i) {
            f.compute_at(stored, xo).bound_storage(i, tile).store_in(MemoryType::Stack);
        };
        switch (support.role) {
            case Role::affine_coordinate:
                in_cache(f.args()[0]);
                f.vectorize(f.args()[0], cpu.float_lanes("affine_coordinate_lanes"), TailStrategy::RoundUp);
                break;
            case Role::affine_pixels:
                in_cache(f.args()[0]);
                f.vectorize(f.args()[0], cpu.float_lanes("affine_pixel_lanes"), TailStrategy::RoundUp);
                break;
            case Role::affine_gather:
                in_cache(f.args()[0]);
                f.unroll(f.args()[0], cpu.parameters["affine_gather_unroll"], TailStrategy::RoundUp);
                break;
            case Role::affine_doubt:
                f.compute_at(stored, xo).store_in(MemoryType::Stack);
                f.update().atomic().vectorize(f.rvars(0)[0]);
                break;
            case Role::affine_tile: {
                Var fc = f.args()[0], i = f.args()[1], t = f.args()[2], fy = f.args()[3];
                in_cache(i);
                f.bound(fc, 0, cpu.channels).reorder(fc, i, t, fy).reorder_storage(i, fc, t, fy);
                f.unroll(fc).vectorize(i);
                f.update().reorder(fc, f.rvars(0)[0], t, fy).unroll(fc);
                break;
            }
            default:
                break;
        }
    }
}

}  // namespace halmix
