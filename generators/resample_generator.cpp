#include <string>
#include <vector>

#include "Halide.h"
#include "schedules/parameters.h"
#include "schedules/resample.h"

namespace {

using namespace Halide;
using namespace halmix;

/// One pass of a resize, as Pillow computes it: a result is the sum of some bytes of a row or of a column, each times a
/// weight that is a multiple of 2^-22, rounded to a byte.
///
/// Weights come in digits so small that one instruction multiplies several bytes and adds up (DotProduct):
/// weight * 2^22 = digit 0 + 2^8 * digit 1 + 2^16 * digit 2.
class ResampleGenerator : public Generator<ResampleGenerator> {
 public:
    GeneratorParam<int> channels{"channels", 3};  ///< of a row's pixels; 0: along columns, whatever the pixels
    GeneratorParam<int> taps{"taps", 2}, digit_count{"digit_count", 2};  ///< of a DotProduct
    GeneratorParam<std::string> rows{"rows", ""};  ///< the extern stage that is the pass along rows
    ScheduleGeneratorParams schedule_params;

    Input<Buffer<uint8_t, 2>> src{"src"};      ///< (byte, y)
    Input<Buffer<int32_t, 1>> first{"first"};  ///< (result): the pixel that its first weight is for
    Input<Buffer<void, 4>> digits{"digits"};   ///< (tap, result, digit, dot product); along rows a result is a byte
    Output<Buffer<uint8_t, 2>> dst{"dst"};     ///< (byte, y)

    void configure() { digits.set_type(dot_product().digit()); }

    void generate() {
        const DotProduct dot = dot_product();
        if (channels != 0) {
            Func(dst).define_extern(rows,
                                    {Func(src), Func(first), Func(digits), src.dim(0).extent(), first.dim(0).extent(),
                                     dot.taps, dot.digits, digits.dim(3).extent()},
                                    UInt(8), {i, y});
            return;
        }
        byte(t, i, g, y) = src(i, clamp(first(y) + g * dot.taps + t, 0, src.dim(1).extent() - 1));
        // That a shift drops what is below a half.
        constexpr int half = 1 << 21;
        tap = RDom({{0, dot.taps}, {0, digits.dim(3).extent()}}, "tap");
        const Expr level = cast<int32_t>(cast(dot.byte(), byte(tap.x, i, tap.y, y)));
        std::vector<Expr> none(dot.digits, 0), added;
        none[0] = half;
        sums(i, y) = Tuple(none);
        for (int d = 0; d < dot.digits; d++) {
            added.push_back(sums(i, y)[d] + level * cast<int32_t>(digits(tap.x, y, d, tap.y)));
        }
        sums(i, y) = Tuple(added);
        Expr sum = sums(i, y)[0];
        for (int d = 1; d < dot.digits; d++) sum += sums(i, y)[d] << (8 * d);
        dst(i, y) = saturating_cast<uint8_t>(sum >> 22);
    }

    void schedule() {
        const DotProduct dot = dot_product();
        src.dim(0).set_min(0);
        dst.dim(0).set_min(0);
        first.dim(0).set_min(0);
        digits.dim(0).set_bounds(0, dot.taps).set_stride(1);
        digits.dim(1).set_min(0).set_stride(dot.taps);
        digits.dim(2).set_bounds(0, dot.digits);
        digits.dim(3).set_min(0);
        if (channels != 0) return;
        src.dim(0).set_extent(dst.dim(0).extent());
        src.dim(1).set_min(0);
        schedule_resample(dst, {sums, byte, tap, dot}, get_target());
    }

 private:
    Var t{"t"}, i{"i"}, g{"g"}, y{"y"};
    Func byte{"byte"}, sums{"sums"};
    RDom tap;

    DotProduct dot_product() { return {taps, digit_count}; }
};

}  // namespace

HALIDE_REGISTER_GENERATOR(ResampleGenerator, resample)
