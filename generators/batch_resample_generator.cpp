#include "generators/packed.h"
#include "schedules/resample.h"

namespace {

using namespace Halide;
using namespace halmix;

/// One pass of a resize for some images of a batch, in the memory of a GPU, along rows or along columns: what
/// generators/resample_generator.cpp computes, with whole weights, since no GPU needs digits. Images have sizes of
/// their own; so pixels are numbered through, and an item says where its own begin.
class BatchResampleGenerator : public Generator<BatchResampleGenerator> {
 public:
    GeneratorParam<int> channels{"channels", 3};
    ScheduleGeneratorParams schedule_params;

    Input<Buffer<uint8_t, 2>> src{"src"};  ///< (channel, pixel), without gaps
    Input<Buffer<int32_t, 2>> items{
        "items"};  ///< (member, item), as ResampleItem of runtime/src/gpu/resizes.h has them
    Input<Buffer<int32_t, 1>> tables{"tables"};  ///< by result along the pass: the pixel of its first tap, then, tap by
                                                 ///< tap, the weight in units of 2^-22
    Input<int32_t> first{"first"};               ///< the launch's first item
    Output<Buffer<uint8_t, 4>> dst{"dst"};  ///< (channel, x, y, item), without gaps; anything beyond an item's size

    void generate() {
        Var c("c"), x("x"), y("y"), n("n");
        auto member = [&](int which) { return items(which, first + n); };
        const Expr from = member(0), row = member(1), width = member(2), height = member(3), along_columns = member(4),
                   table = member(5), taps = member(6);
        const Expr results = select(along_columns != 0, height, width), i = select(along_columns != 0, y, x);
        auto entry = [&](const Expr& which) {
            return tables(clamp(table + which * results + i, 0, tables.dim(0).extent() - 1));
        };
        const Expr begin = from + select(along_columns != 0, x + entry(0) * row, y * row + entry(0));
        const Expr step = select(along_columns != 0, row, 1);

        // That a shift drops what is below a half.
        constexpr int half = 1 << 21;
        tap = RDom(0, most_taps, "tap");
        tap.where(tap < select(x < width && y < height, taps, 0));
        // Where there are no pixels for taps that some results lack, their weight is 0.
        const Expr pixel = clamp(begin + tap * step, 0, src.dim(1).extent() - 1);
        sum(c, x, y, n) = half;
        sum(c, x, y, n) += cast<int32_t>(src(c, pixel)) * entry(1 + tap);
        dst(c, x, y, n) = saturating_cast<uint8_t>(sum(c, x, y, n) >> 22);
    }

    void schedule() {
        src.dim(0).set_bounds(0, channels).set_stride(1);
        src.dim(1).set_min(0).set_stride(channels);
        items.dim(0).set_bounds(0, 7).set_stride(1);
        items.dim(1).set_min(0).set_stride(7);
        tables.dim(0).set_min(0);
        set_packed(dst, channels);
        schedule_batch_resample(dst, sum, tap, channels, schedule_params.values(get_target()));
    }

 private:
    static constexpr int most_taps = 1 << 24;  // a loop ends with an item's own
    Func sum{"sum"};
    RDom tap;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(BatchResampleGenerator, batch_resample)
