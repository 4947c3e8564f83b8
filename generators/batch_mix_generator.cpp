#include "generators/mixture.h"
#include "generators/packed.h"
#include "generators/rounded_products.h"
#include "schedules/gpu.h"

namespace {

using namespace Halide;
using namespace halmix;

/// The mixture for each image of a batch, in the memory of a GPU: as levels, or through a table of what each level
/// becomes.
class BatchMixGenerator : public Generator<BatchMixGenerator> {
 public:
    GeneratorParam<int> channels{"channels", 3};
    GeneratorParam<Type> element{"element",
                                 UInt(8)};  ///< of the result: levels if of 8 bits, else bits from `elements`

    Input<Buffer<uint8_t, 4>> originals{"originals"};  ///< (channel, x, y, image), without gaps
    Input<Buffer<uint8_t, 4>> chains{"chains"};        ///< (channel, x, y, image), without gaps
    Input<Buffer<int32_t, 2>> places{"places"};   ///< (0, item): its original; (1 + k, item): its chain k in chains
    Input<Buffer<float, 2>> weights{"weights"};   ///< (0, item): share of the combination; (1 + k, item): of chain k
    Input<Buffer<void, 2>> elements{"elements"};  ///< (level, channel)
    Output<Buffer<void, 4>> dst{"dst"};           ///< (channel, x, y, item), HWC if levels, else CHW

    void configure() {
        elements.set_type(element);
        dst.set_type(element);
    }

    void generate() {
        k = RDom(1, places.dim(0).extent() - 1, "k");
        auto level_in = [&](const auto& images, const Expr& row) {
            return images(c, x, y, clamp(places(row, n), 0, images.dim(3).extent() - 1));
        };
        Mixture mixture({c, x, y, n}, level_in(originals, 0), level_in(chains, k), weights(k, n), weights(0, n));
        combination = mixture.combination;
        dst(c, x, y, n) = has_levels() ? mixture.level : elements(cast<int>(mixture.level), c);
    }

    void schedule() {
        set_packed(originals, channels);
        set_packed(chains, channels);
        Expr width = chains.dim(1).extent(), height = chains.dim(2).extent(), rows = places.dim(0).extent();
        for (int d = 0; d < 3; d++) {
            Expr extent = chains.dim(d).extent();
            originals.dim(d).set_extent(extent);
            dst.dim(d).set_bounds(0, extent);
        }
        dst.dim(0).set_stride(has_levels() ? 1 : width * height);
        dst.dim(1).set_stride(has_levels() ? Expr(channels) : 1);
        dst.dim(2).set_stride(has_levels() ? width * channels : width);
        dst.dim(3).set_min(0).set_stride(width * height * channels);
        places.dim(0).set_min(0).set_stride(1);
        places.dim(1).set_min(0).set_stride(rows);
        weights.dim(0).set_bounds(0, rows).set_stride(1);
        weights.dim(1).set_min(0).set_stride(rows);
        elements.dim(0).set_bounds(0, 256).set_stride(1);
        elements.dim(1).set_bounds(0, channels).set_stride(256);
        Var thread("thread");
        Func image = dst;
        by_pixels(image, c, x, y, n, thread);
        combination.bound(c, 0, channels).unroll(c).compute_at(image, thread);
        combination.update().reorder(c, k).unroll(c);
        keep_products_rounded(get_pipeline(), get_target());
    }

 private:
    Var c{"c"}, x{"x"}, y{"y"}, n{"n"};
    Func combination;
    RDom k;

    [[nodiscard]] bool has_levels() const { return static_cast<Type>(element).bits() == 8; }
};

}  // namespace

HALIDE_REGISTER_GENERATOR(BatchMixGenerator, batch_mix)
