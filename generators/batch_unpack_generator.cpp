#include "generators/packed.h"
#include "schedules/gpu.h"

namespace {

using namespace Halide;
using namespace halmix;

/// Images of a batch from another layout, in the memory of a GPU.
class BatchUnpackGenerator : public Generator<BatchUnpackGenerator> {
 public:
    GeneratorParam<Layout> layout{"layout", Layout::u8_chw, layouts};
    GeneratorParam<int> channels{"channels", 3};
    ScheduleGeneratorParams schedule_params;

    Input<Buffer<uint8_t, 4>> src{"src"};   ///< (channel, x, y, image), without gaps
    Output<Buffer<uint8_t, 4>> dst{"dst"};  ///< (channel, x, y, image), without gaps, u8_hwc

    void generate() { dst(c, x, y, n) = src(c, x, y, n); }

    void schedule() {
        set_packed(dst, channels);
        set_packed(src, layout, channels, dst.dim(1).extent(), dst.dim(2).extent());
        by_pixels(Func(dst), c, x, y, n, schedule_params.values(get_target()));
    }

 private:
    Var c{"c"}, x{"x"}, y{"y"}, n{"n"};
};

}  // namespace

HALIDE_REGISTER_GENERATOR(BatchUnpackGenerator, batch_unpack)
