#pragma once

#include "generators/ops/blend.h"
#include "generators/ops/luminance.h"

namespace halmix {

/// Blends with the pixel's luminance. Where it takes time to take pixels apart, an extern stage writes their luminance
/// to each of their bytes, and blending takes bytes as they lie.
inline OpOutput color(const OpInput& in) {
    Halide::Var c("c"), x("x"), y("y"), byte("byte");
    PerImage out = in.func("out");
    Blend blend(in);
    if (in.portable() || in.quick_shuffles) {
        out(c, x, y) = blend(luminance(in, x, y), in.image(c, x, y));
        return {.image = out, .role = Role::pixels, .fast_paths = blend.fast_paths()};
    }
    PerImage gray = in.func("gray");
    Halide::Func(gray).define_extern(in.extern_stage("luminance"), {in.whole_image}, Halide::UInt(8), {byte, y});
    out(c, x, y) = blend(gray(3 * x + c, y), in.image(c, x, y));
    return {.image = out,
            .role = Role::bytes,
            .support = {{gray, Role::companion, {}, 3 * in.width}},
            .fast_paths = blend.fast_paths()};
}

}  // namespace halmix
