#include <string>

#include "generators/estimates.h"
#include "generators/mixture.h"
#include "schedules/mix.h"

namespace {

using namespace Halide;
using namespace halmix;

/// The mixture for one image. Rows are taken as bytes, so channels do not matter.
class MixGenerator : public Generator<MixGenerator> {
 public:
    GeneratorParam<std::string> rows{"rows", ""};  ///< the extern stage that mixes them, if not Halide
    ScheduleGeneratorParams schedule_params;

    Input<Buffer<uint8_t, 2>> original{"original"};  ///< (byte, y)
    Input<Buffer<uint8_t, 3>> chains{"chains"};      ///< (byte, y, chain)
    Input<Buffer<float, 1>> weights{"weights"};      ///< (chain)
    Input<float> mix{"mix"};
    Output<Buffer<uint8_t, 2>> dst{"dst"};  ///< (byte, y)

    void generate() {
        if (!rows.value().empty()) {
            Func(dst).define_extern(rows, {Func(original), Func(chains), Func(weights), mix, chains.dim(2).extent()},
                                    UInt(8), {x, y});
            return;
        }
        k = RDom(0, chains.dim(2).extent(), "k");
        Mixture mixture({x, y}, original(x, y), chains(x, y, k), weights(k), mix);
        combination = mixture.combination;
        dst(x, y) = mixture.level;
    }

    void schedule() {
        for (int d = 0; d < 2; d++) {
            Expr extent = dst.dim(d).extent();
            dst.dim(d).set_min(0);
            original.dim(d).set_min(0).set_extent(extent);
            chains.dim(d).set_min(0).set_extent(extent);
        }
        chains.dim(2).set_min(0);
        weights.dim(0).set_min(0).set_extent(chains.dim(2).extent());
        if (!rows.value().empty()) return;
        if (using_autoscheduler()) return set_estimates();
        schedule_mix(dst, combination, k, get_target(), schedule_params.values(get_target()));
    }

 private:
    Var x{"x"}, y{"y"};
    Func combination;
    RDom k;

    void set_estimates() {
        const Range row(0, 3 * Estimate::pixels);  // images without gaps are one
        original.set_estimates({row, {0, 1}});
        chains.set_estimates({row, {0, 1}, {0, Estimate::chains}});
        weights.set_estimates({{0, Estimate::chains}});
        mix.set_estimate(0.5f);
        dst.set_estimates({row, {0, 1}});
    }
};

}  // namespace

HALIDE_REGISTER_GENERATOR(MixGenerator, mix)
