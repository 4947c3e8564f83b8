#pragma once

#include "generators/ops/filled_row.h"
#include "generators/ops/shear.h"

namespace halmix {

/// The affine warp (1, p0, 0, 0, 1, 0): rows stay rows, moved by p0 times their centre, so only x is interpolated.
inline OpOutput shear_x(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");
    Shear shear(in, in.width);
    auto source = [&](const Expr& column) { return in.image(c, column, y); };
    PerImage out = in.func("out");
    if (in.portable()) {
        out(c, x, y) = shear.exact_level(x, y, source, in.fill(c));
        return {out, Role::shear_x};
    }

    FilledRow row(in, y);
    Expr from = x * in.channels + c + clamp(shear.whole(y), -in.width - 1, in.width) * in.channels;
    Expr multiplier = shear.multiplier(y)[0], begin = from + select(Shear::begins_at_far(multiplier), in.channels, 0);
    out(c, x, y) = Shear::level(row.bytes(begin, y), row.bytes(from, y), row.bytes(from + in.channels, y),
                                Shear::factor(multiplier));

    RDom end(0, Shear::border_ends, in.prefix + "end");
    Expr border = shear.border_pixel(end, y);
    end.where(border >= 0 && border < in.width);
    border = clamp(border, 0, in.width - 1);
    out(c, border, y) = select(shear.inside(border, y), in.image(c, shear.edge(end), y), in.fill(c));

    update_in_groups(in.width, 1, in.schedule["shear_repair_group"], in.prefix + "again", [&](RDom repair) {
        repair.where(shear.in_doubt(y));
        out(c, repair.x, y) = shear.exact_level(repair.x, y, source, in.fill(c));
    });

    std::vector<Support> support = row.support(), of_lines = shear.support();
    support.insert(support.end(), of_lines.begin(), of_lines.end());
    return {out, Role::shear_x, support, {{Update::border}, {Update::repair}, {Update::rest}}};
}

}  // namespace halmix
