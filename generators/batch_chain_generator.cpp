#include "generators/compose.h"
#include "generators/estimates.h"
#include "generators/packed.h"
#include "generators/rounded_products.h"
#include "schedules/gpu.h"

namespace {

using namespace Halide;
using namespace halmix;

/// A run of ops of given kinds on some images of a batch, each with parameters of its own, in the memory of a GPU. All
/// of one signature. An item is one image that a launch computes: `first` and the `count - 1` that follow.
class BatchChainGenerator : public Generator<BatchChainGenerator> {
 public:
    GeneratorParam<std::string> sequence{"sequence", "tone"};  ///< kinds, joined by '+'
    GeneratorParam<int> channels{"channels", 3};
    ScheduleGeneratorParams schedule_params;

    Input<Buffer<uint8_t, 4>> src{"src"};        ///< (channel, x, y, image), without gaps
    Input<Buffer<int32_t, 2>> places{"places"};  ///< (0, item): its image in src; (1, item): in dst
    Input<Buffer<uint32_t, 1>> fills{"fills"};   ///< (item): channel k in byte k
    Input<Buffer<double, 2>> params{"params"};   ///< (i, stage of an item); (0) of one with a table: which of tables
    Input<Buffer<uint8_t, 2>> tables{"tables"};  ///< (level, table)
    Input<int32_t> first{"first"};               ///< the launch's first item
    Input<int32_t> first_stage{"first_stage"};   ///< of that item; the stages of an item follow one another
    Input<int32_t> count{"count"};
    Output<Buffer<uint8_t, 4>> dst{"dst"};  ///< (channel, x, y, image); images that no item is for stay as they are

    void generate() {
        Var c("c"), x("x"), y("y"), i("i"), n("n");
        int length = 1;
        for (char letter : sequence.value()) length += letter == '+' ? 1 : 0;
        const ScheduleParameters parameters = schedule_params.values(get_target());
        OpInput input{parameters};
        input.item = {n};
        input.width = src.dim(1).extent();
        input.height = src.dim(2).extent();
        input.channels = channels;
        auto place = [&](int which, const Expr& item, const Expr& images) {
            return clamp(places(which, first + item), 0, images - 1);
        };
        input.image = {Func("batch_image"), input.item};
        input.image(c, x, y) = src(c, x, y, place(0, n, src.dim(3).extent()));
        input.fill = {Func("fill_color"), input.item};
        input.fill(c) = cast<uint8_t>(fills(first + n) >> cast<uint32_t>(8 * c));
        stages = compose(sequence, input, [&](const OpInput& in, int stage) {
            in.param(i) = params(i, first_stage + n * length + stage);
            Expr table = clamp(cast<int>(params(0, first_stage + n * length + stage)), 0, tables.dim(1).extent() - 1);
            in.table(i) = tables(clamp(i, 0, 255), table);
        });
        item = RDom(0, count, "item");
        dst(c, x, y, n) = undef<uint8_t>();
        dst(c, x, y, place(1, item, dst.dim(3).extent())) = stages.back().image(c, x, y, item);
    }

    void schedule() {
        set_packed(src, channels);
        set_packed(dst, channels);
        for (int d = 1; d < 3; d++) dst.dim(d).set_extent(src.dim(d).extent());
        places.dim(0).set_bounds(0, 2).set_stride(1);
        places.dim(1).set_min(0).set_stride(2);
        fills.dim(0).set_min(0);
        params.dim(0).set_bounds(0, 6).set_stride(1);
        params.dim(1).set_min(0).set_stride(6);
        tables.dim(0).set_bounds(0, 256).set_stride(1);
        tables.dim(1).set_min(0).set_stride(256);
        if (using_autoscheduler()) return set_estimates();
        schedule_gpu(stages, dst, item, channels, schedule_params.values(get_target()), get_target());
        keep_products_rounded(get_pipeline(), get_target());
    }

 private:
    std::vector<OpOutput> stages;
    RDom item;

    void set_estimates() {
        const Range items(0, Estimate::items), each(0, static_cast<int>(stages.size()) * Estimate::items);
        const Region images = {{0, channels}, {0, Estimate::width}, {0, Estimate::height}, items};
        src.set_estimates(images);
        dst.set_estimates(images);
        places.set_estimates({{0, 2}, items});
        fills.set_estimates({items});
        params.set_estimates({{0, 6}, each});
        tables.set_estimates({{0, 256}, each});
        first.set_estimate(0);
        first_stage.set_estimate(0);
        count.set_estimate(Estimate::items);
    }
};

}  // namespace

HALIDE_REGISTER_GENERATOR(BatchChainGenerator, batch_chain)
