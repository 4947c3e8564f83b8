#pragma once

#include "generators/ops/moved_rows.h"
#include "generators/ops/warp.h"

namespace halmix {

/// The affine warp (1, p0, 0, 0, 1, 0): rows stay rows, moved by p0 times their centre, so only x is interpolated.
///
/// All pixels of a row take neighbours the same number of pixels away. Where rounding makes Pillow take the next pair,
/// its fraction is 0 and this one's is 1, which gives the same level.
///
/// Their fraction is the same too but for rounding, so that the level between two neighbours, A + D f, is a function of
/// their difference D. Where all of D f for D = 1 .. 255 keep away from whole numbers by more than any rounding, float32
/// truncates to the same level as Pillow's double. Rows for which that does not hold are computed again in double.
inline OpOutput shear_x(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y");
    Func offset(in.prefix + "offset"), whole(in.prefix + "whole"), begin(in.prefix + "begin"), end(in.prefix + "end");
    offset(y) = in.param(0) * centre(y);
    // Beyond the image on either side it does not matter how far.
    Expr size = cast<double>(in.width + 1);
    whole(y) = unbounded(cast<int>(floor(clamp(offset(y), -size, size))));

    // The first column whose centre Pillow maps to `bound` or above; the estimate is wrong by one at most.
    auto from = [&](const Expr& column) { return centre(column) + offset(y); };
    auto first_above = [&](const Expr& bound) {
        Expr estimate = clamp((bound - offset(y)) - Expr(0.5), Expr(0.0), cast<double>(in.width));
        Expr column = cast<int>(ceil(estimate));
        return select(from(column - 1) >= bound, column - 1, from(column) >= bound, column, column + 1);
    };
    begin(y) = unbounded(first_above(Expr(0.0)));
    end(y) = unbounded(first_above(cast<double>(in.width)));

    MovedRows rows(in, y, whole(y));
    Expr byte = x * in.channels + c;
    Expr inside = byte >= begin(y) * in.channels && byte < end(y) * in.channels;
    auto level = [&](int neighbour) { return cast<int>(rows.level(byte, neighbour)); };
    Func fraction(in.prefix + "fraction"), out(in.prefix + "out");
    fraction(y) = cast<float>(offset(y) - cast<double>(whole(y)));
    Expr between = cast<float>(level(0)) + cast<float>(level(1) - level(0)) * fraction(y);
    out(c, x, y) = select(inside, cast<uint8_t>(cast<int>(between)), rows.fill_level(byte));

    // The distances of D f from whole numbers, in units of 2^-32, of which unsigned products keep just that.
    // Roundings: of f 255 / 2^25, of product and sum 2^-17 each, of Pillow's fractions 255 width / 2^52.
    Func risk(in.prefix + "risk"), step(in.prefix + "step");
    Expr margin = cast<uint32_t>((1 << 17) + in.width / 4096 + 256);
    RDom difference(1, 255, in.prefix + "difference");
    Expr exact_fraction = clamp(offset(y) - cast<double>(whole(y)), Expr(0.0), Expr(1.0));
    step(y) = cast<uint32_t>(cast<int64_t>(exact_fraction * Expr(4294967296.0)));
    risk(y) = Expr(uint32_t(0xFFFFFFFF));
    risk(y) = min(risk(y), cast<uint32_t>(difference) * step(y) + margin);

    RDom again(0, in.width, in.prefix + "again");
    again.where(risk(y) <= 2 * margin);
    Expr column = again + whole(y);
    auto exact_level = [&](const Expr& at) { return cast<double>(in.image(c, clamp(at, 0, in.width - 1), y)); };
    Expr near = exact_level(column), far = exact_level(column + 1);
    Expr exact = near + (far - near) * ((from(again) - Expr(0.5)) - cast<double>(column));
    out(c, again, y) = select(again >= begin(y) && again < end(y),
                              cast<uint8_t>(cast<int>(clamp(exact, Expr(0.0), Expr(255.0)))), in.fill(c));

    return {out,
            Role::rows,
            {{offset, Role::row},
             {whole, Role::row},
             {begin, Role::row},
             {end, Role::row},
             {fraction, Role::row},
             {step, Role::row},
             {risk, Role::row},
             {rows.bytes, Role::source},
             {rows.fill, Role::table}}};
}

}  // namespace halmix
