#pragma once

#include "generators/stage.h"

namespace halmix {

/// Posterize, solarize, brightness and any run of them: one table, made with the plan, for all channels.
inline OpOutput tone(const OpInput& in) {
    Halide::Var c("c"), x("x"), y("y");
    Halide::Func out(in.prefix + "out");
    out(c, x, y) = in.table(Halide::cast<int>(in.image(c, x, y)));
    return {out, Role::lookup};
}

}  // namespace halmix
