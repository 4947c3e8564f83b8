#include "schedules/cpu.h"

namespace halmix {

using namespace Halide;

namespace {

/// Pixels side by side, all channels of a pixel in one go. The last vector of a row is moved inwards; rows shorter than
/// a vector go pixel by pixel.
void vectorize_pixels(Func image, Expr width, int channels, int lanes) {
    Var c = image.args()[0], x = image.args()[1], y = image.args()[2];
    image.bound(c, 0, channels).reorder(c, x, y).unroll(c);
    image.specialize(width >= lanes).vectorize(x, lanes, TailStrategy::ShiftInwards);
}

void schedule_support(const Support& support, Expr width, int channels, int lanes) {
    Func f = support.func;
    switch (support.role) {
        case Role::table:
            f.compute_root();
            return;
        case Role::histogram: {
            f.compute_root();
            Var c = f.args()[1];
            RVar x = f.rvars(0)[0], y = f.rvars(0)[1];
            f.bound(c, 0, channels).update().reorder(c, x, y).unroll(c);
            return;
        }
        case Role::reduction: {
            f.compute_root();
            RVar x = f.rvars(0)[0], xo("xo"), xi("xi");
            Var lane("lane"), byte("byte");
            int pixels = 4 * lanes;
            Func partial = f.update().split(x, xo, xi, pixels, TailStrategy::GuardWithIf).rfactor(xi, lane);
            partial.compute_root();
            if (f.dimensions() == 1) {
                Var c = f.args()[0];
                partial.bound(c, 0, channels).reorder_storage(c, lane).fuse(c, lane, byte).vectorize(byte);
                partial.update().reorder(c, lane).fuse(c, lane, byte).vectorize(byte);
            } else {
                partial.vectorize(lane, lanes);
                partial.update().vectorize(lane, pixels);
            }
            return;
        }
        default:
            return;
    }
}

}  // namespace

void schedule_cpu(const std::vector<OpOutput>& stages, Func dst, Expr width, int channels, const Target& target) {
    int lanes = target.natural_vector_size<float>();
    for (const OpOutput& stage : stages) {
        for (const Support& support : stage.support) schedule_support(support, width, channels, lanes);
    }
    // dst repeats the last image, which is therefore inlined.
    const OpOutput& last = stages.back();
    Var c = dst.args()[0], x = dst.args()[1], y = dst.args()[2], byte("byte");
    if (last.role == Role::lookup) {
    } else if (last.role == Role::stencil) {
        int bytes = 4 * lanes;
        dst.bound(c, 0, channels).fuse(c, x, byte);
        dst.specialize(width * channels >= bytes).vectorize(byte, bytes, TailStrategy::ShiftInwards);
        for (const Support& s : last.support) {
            Func f = s.func;
            if (s.role == Role::source) f.compute_root();
            if (s.role == Role::partial) f.compute_at(dst, y);
            f.vectorize(f.args()[0], bytes, TailStrategy::RoundUp);
        }
    } else if (last.role == Role::warp && !last.support.empty() && last.support[0].role == Role::source) {
        Var xo("xo"), xi("xi");
        int chunk = 64;
        dst.bound(c, 0, channels).reorder(c, x, y).unroll(c);
        dst.split(x, xo, xi, chunk, TailStrategy::GuardWithIf).vectorize(xi, chunk);
        Func image = last.image;
        Var ic = image.args()[0], ix = image.args()[1], iy = image.args()[2];
        image.compute_at(dst, xo).bound(ic, 0, channels).reorder(ic, ix, iy).unroll(ic).reorder_storage(ix, ic, iy);
        image.vectorize(ix, lanes, TailStrategy::RoundUp).bound_storage(ix, chunk).store_in(MemoryType::Stack);
        for (const Support& s : last.support) {
            Func f = s.func;
            if (s.role == Role::source) {
                f.compute_root().vectorize(f.args()[0], 4 * lanes, TailStrategy::RoundUp);
            } else if (s.role == Role::coordinate) {
                f.compute_at(dst, xo).vectorize(f.args()[0], lanes, TailStrategy::RoundUp).bound_storage(f.args()[0], chunk).store_in(MemoryType::Stack);
            } else if (s.role == Role::gather) {
                f.compute_at(dst, xo).unroll(f.args()[0], 4, TailStrategy::RoundUp).bound_storage(f.args()[0], chunk).store_in(MemoryType::Stack);
            }
        }
    } else {
        vectorize_pixels(dst, width, channels, lanes);
    }
}

}  // namespace halmix
