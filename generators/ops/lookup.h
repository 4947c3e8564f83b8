#pragma once

#include <vector>

#include "schedules/stage.h"

namespace halmix {

/// The image through a table (level) for all channels, or (level, channel).
inline OpOutput look_up(const OpInput& in, const PerImage& table, std::vector<Support> support) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");
    PerImage out = in.func("out");
    if (!in.portable()) {
        Func(out).define_extern(in.extern_stage("lookup"), {in.whole_image, Func(table)}, UInt(8), {c, x, y});
    } else if (table.dimensions() == 2) {
        out(c, x, y) = table(cast<int>(in.image(c, x, y)), c);
    } else {
        out(c, x, y) = table(cast<int>(in.image(c, x, y)));
    }
    return {out, Role::lookup, std::move(support)};
}

}  // namespace halmix
