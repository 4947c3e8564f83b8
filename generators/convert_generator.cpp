#include "generators/layout.h"
#include "schedules/convert.h"

namespace {

using namespace Halide;
using namespace halmix;

/// An image in another layout.
class ConvertGenerator : public Generator<ConvertGenerator> {
 public:
    GeneratorParam<Layout> from{"from", Layout::u8_hwc, layouts};
    GeneratorParam<Layout> to{"to", Layout::f32_chw, layouts};
    GeneratorParam<int> channels{"channels", 3};
    GeneratorParam<std::string> repack{"repack", ""};  ///< the extern stage from and to RGBX; empty if Halide is to
    ScheduleGeneratorParams schedule_params;

    Input<Buffer<uint8_t, 3>> src{"src"};                    ///< (channel, x, y)
    Input<Buffer<float, 2>> normalization{"normalization"};  ///< (0, channel): mean; (1, channel): std
    Output<Buffer<void, 3>> dst{"dst"};                      ///< (channel, x, y)

    void configure() { dst.set_type(element_of(to)); }

    void generate() {
        if (by_extern_stage()) {
            Func(dst).define_extern(repack, {Func(src)}, UInt(8), {c, x, y});
            return;
        }
        dst(c, x, y) = pixel_element(
            [&](const Expr& channel) {
                return element(src(channel, x, y), normalization(0, channel), normalization(1, channel), to);
            },
            c, to, channels);
    }

    void schedule() {
        set_layout(src, from, channels);
        set_layout(dst, to, channels);
        for (int d = 1; d < 3; d++) src.dim(d).set_extent(dst.dim(d).extent());
        normalization.dim(0).set_bounds(0, 2).set_stride(1);
        normalization.dim(1).set_bounds(0, channels).set_stride(2);
        if (!by_extern_stage()) {
            schedule_convert(dst, dst.dim(1).extent(), get_target(), schedule_params.values(get_target()));
        }
    }

 private:
    Var c{"c"}, x{"x"}, y{"y"};

    bool by_extern_stage() { return !repack.value().empty() && (from == Layout::u8_rgbx || to == Layout::u8_rgbx); }
};

}  // namespace

HALIDE_REGISTER_GENERATOR(ConvertGenerator, convert)
