#include <algorithm>

#include "generators/compose.h"
#include "generators/estimates.h"
#include "schedules/cpu.h"

namespace {

using namespace Halide;
using namespace halmix;

/// A run of ops of given kinds as one pipeline. Every chain pipeline has this signature, so that one function pointer
/// type holds them all.
class ChainGenerator : public Generator<ChainGenerator> {
 public:
    GeneratorParam<std::string> sequence{"sequence", "affine+equalize"};  ///< kinds, joined by '+'
    GeneratorParam<int> channels{"channels", 3};
    GeneratorParam<std::string> processor{"processor", ""};  ///< whose extern stages there are, see OpInput
    ScheduleGeneratorParams schedule_params;

    Input<Buffer<uint8_t, 3>> src{"src"};        ///< (channel, x, y), interleaved, any row stride
    Input<Buffer<double, 2>> params{"params"};   ///< (i, stage)
    Input<Buffer<uint8_t, 2>> tables{"tables"};  ///< (level, stage)
    Input<uint32_t> fill{"fill"};                ///< channel k in byte k
    Output<Buffer<uint8_t, 3>> dst{"dst"};       ///< as src, and of its size

    void generate() {
        Var c("c"), i("i");
        const ScheduleParameters parameters = schedule_params.values(get_target());
        OpInput input{parameters};
        input.image = {src, {}};
        input.whole_image = src;
        input.width = src.dim(1).extent();
        input.height = src.dim(2).extent();
        input.channels = channels;
        input.processor = processor;
        input.quick_shuffles = get_target().has_feature(Target::AVX512_Cannonlake);
        input.fill = {Func("fill_color"), {}};
        input.fill(c) = cast<uint8_t>(fill >> cast<uint32_t>(8 * c));
        stages = compose(sequence, input, [&](const OpInput& in, int stage) {
            in.param(i) = params(i, stage);
            in.table(i) = tables(clamp(i, 0, 255), stage);
        });
        dst = stages.back().image;
    }

    void schedule() {
        for (int d = 0; d < 3; d++) {
            dst.dim(d).set_min(0).set_extent(src.dim(d).extent());
            src.dim(d).set_min(0);
        }
        src.dim(0).set_stride(1).set_extent(channels);
        src.dim(1).set_stride(channels);
        dst.dim(0).set_stride(1);
        dst.dim(1).set_stride(channels);
        int count = static_cast<int>(stages.size());
        params.dim(0).set_bounds(0, 6).set_stride(1);
        params.dim(1).set_bounds(0, count).set_stride(6);
        tables.dim(0).set_bounds(0, 256).set_stride(1);
        tables.dim(1).set_bounds(0, count).set_stride(256);
        if (using_autoscheduler()) return set_estimates(count);
        schedule_cpu(stages, src.dim(1).extent(), src.dim(2).extent(), channels, get_target(),
                     schedule_params.values(get_target()));
    }

 private:
    std::vector<OpOutput> stages;

    void set_estimates(int count) {
        // Engines take images whose pixels have no neighbours as one long row.
        const bool flat = std::ranges::all_of(stages, [](const OpOutput& stage) {
            return stage.role == Role::lookup || stage.role == Role::bytes || stage.role == Role::pixels;
        });
        const Region image = {
            {0, channels}, {0, flat ? Estimate::pixels : Estimate::width}, {0, flat ? 1 : Estimate::height}};
        src.set_estimates(image);
        dst.set_estimates(image);
        params.set_estimates({{0, 6}, {0, count}});
        tables.set_estimates({{0, 256}, {0, count}});
        fill.set_estimate(0);
    }
};

}  // namespace

HALIDE_REGISTER_GENERATOR(ChainGenerator, chain)
