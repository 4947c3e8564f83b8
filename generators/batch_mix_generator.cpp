#include "generators/layout.h"
#include "generators/mixture.h"
#include "generators/packed.h"
#include "generators/rounded_products.h"
#include "schedules/mix.h"

namespace {

using namespace Halide;
using namespace halmix;

/// The mixture for each image of a batch, in the memory of a GPU: as levels, or through a table of what each level
/// becomes.
class BatchMixGenerator : public Generator<BatchMixGenerator> {
 public:
    GeneratorParam<int> channels{"channels", 3};
    GeneratorParam<Layout> layout{"layout", Layout::u8_hwc, layouts};  ///< of the result
    ScheduleGeneratorParams schedule_params;

    Input<Buffer<uint8_t, 4>> originals{"originals"};  ///< (channel, x, y, image), without gaps
    Input<Buffer<uint8_t, 4>> chains{"chains"};        ///< (channel, x, y, image), without gaps
    Input<Buffer<int32_t, 2>> places{"places"};   ///< (0, item): its original; (1 + k, item): its chain k in chains
    Input<Buffer<float, 2>> weights{"weights"};   ///< (0, item): share of the combination; (1 + k, item): of chain k
    Input<Buffer<void, 2>> elements{"elements"};  ///< (level, channel): what each level becomes, as bits
    Output<Buffer<void, 4>> dst{"dst"};           ///< (channel, x, y, item), without gaps, as bits

    void configure() {
        Type bits = UInt(element_of(layout).bits());
        elements.set_type(bits);
        dst.set_type(bits);
    }

    void generate() {
        k = RDom(1, places.dim(0).extent() - 1, "k");
        auto level_in = [&](const auto& images, const Expr& row) {
            return images(c, x, y, clamp(places(row, n), 0, images.dim(3).extent() - 1));
        };
        Mixture mixture({c, x, y, n}, level_in(originals, 0), level_in(chains, k), weights(k, n), weights(0, n));
        combination = mixture.combination;
        Func level("level");
        level(c, x, y, n) = mixture.level;
        if (element_of(layout).bits() != 8) {
            dst(c, x, y, n) = elements(cast<int>(level(c, x, y, n)), c);
        } else {
            dst(c, x, y, n) =
                pixel_element([&](const Expr& channel) { return level(channel, x, y, n); }, c, layout, channels);
        }
    }

    void schedule() {
        set_packed(originals, channels);
        set_packed(chains, channels);
        Expr width = chains.dim(1).extent(), height = chains.dim(2).extent(), rows = places.dim(0).extent();
        for (int d = 0; d < 3; d++) originals.dim(d).set_extent(chains.dim(d).extent());
        set_packed(dst, layout, channels, width, height);
        places.dim(0).set_min(0).set_stride(1);
        places.dim(1).set_min(0).set_stride(rows);
        weights.dim(0).set_bounds(0, rows).set_stride(1);
        weights.dim(1).set_min(0).set_stride(rows);
        elements.dim(0).set_bounds(0, 256).set_stride(1);
        elements.dim(1).set_bounds(0, channels).set_stride(256);
        schedule_batch_mix(dst, combination, k, schedule_params.values(get_target()));
        keep_products_rounded(get_pipeline(), get_target());
    }

 private:
    Var c{"c"}, x{"x"}, y{"y"}, n{"n"};
    Func combination;
    RDom k;
};

}  // namespace

HALIDE_REGISTER_GENERATOR(BatchMixGenerator, batch_mix)
