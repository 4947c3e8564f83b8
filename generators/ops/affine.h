#pragma once

#include "generators/ops/warp.h"

namespace halmix {

/// Byte `index` of a word, as an int.
inline Halide::Expr byte_of(const Halide::Expr& word, int index) {
    using namespace Halide;
    Expr half = cast<uint32_t>(index < 4 ? word : word >> 32);
    return cast<int>((half >> (8 * (index % 4))) & 255);
}

/// Pillow's AFFINE + BILINEAR with the matrix (p0 p1 p2, p3 p4 p5), which takes an output pixel's centre to the source.
/// The matrix is a rotation's: no element of p0 p1 p3 p4 is above 1.
///
/// Rows are cut into tiles. A tile's first coordinate is rounded to 24 binary places, and so are the distances from it,
/// which all tiles share; levels are interpolated in float32. Where the result is so close to a whole number that
/// Pillow's, in double, could truncate to another one, the pixel is computed again as Pillow does.
inline OpOutput affine(const OpInput& in) {
    using namespace Halide;
    const int tile = in.schedule["affine_tile"];
    constexpr int places = 24;  // of a coordinate, which float32 still holds; decides bytes, so no schedule chooses it
    const Expr unit = Expr(double(1 << places));
    // Coordinates are wrong by 2^-24 at most, which is 255 / 2^24 of a level for each axis, and all roundings of levels
    // in float32 together by 5 / 2^17.
    const Expr tolerance = Expr(1e-4f);
    Var c("c"), x("x"), y("y"), i("i"), t("t");
    Axis across{in.param(0), in.param(1), in.param(2), in.width},
        down{in.param(3), in.param(4), in.param(5), in.height};
    if (in.plain) {
        PerImage out = in.func("out");
        auto source = [&](const Expr& column, const Expr& row) { return in.image(c, column, row); };
        out(c, x, y) = exact_bilinear(across, down, x, y, source, in.fill(c));
        return {out, Role::warp};
    }

    // The source by bytes, its outermost pixels once more on every side, in rows of `pitch`.
    Var byte("byte");
    PerImage bytes = in.func("bytes");
    Expr row_bytes = in.width * in.channels, pitch = row_bytes + 2 * in.channels;
    auto index = [&](const Expr& x, const Expr& y) { return (y + 1) * pitch + (x + 1) * in.channels; };
    RDom inner(0, row_bytes, -1, in.height + 2, in.prefix + "inner"),
        edge(0, in.channels, -1, in.height + 2, in.prefix + "edge");
    bytes(byte) = undef<uint8_t>();
    bytes(index(0, inner.y) + inner.x) =
        in.image(inner.x % in.channels, inner.x / in.channels, clamp(inner.y, 0, in.height - 1));
    bytes(index(-1, edge.y) + edge.x) = bytes(index(0, edge.y) + edge.x);
    bytes(index(in.width, edge.y) + edge.x) = bytes(index(in.width - 1, edge.y) + edge.x);

    // Which pixels of a row lie inside. A coordinate only grows or only falls along a row, whatever the rounding; the
    // estimate of where it reaches a bound is wrong by one at most unless it hardly changes.
    auto hardly = [](const Axis& axis) { return axis.along_x != Expr(0.0) && abs(axis.along_x) < Expr(1e-9); };
    Expr awkward = hardly(across) || hardly(down);
    PerImage begin = in.func("begin"), end = in.func("end");
    auto turn = [&](const Axis& axis, const Expr& bound) {
        Expr rising = axis.along_x >= Expr(0.0);
        auto reached = [&](const Expr& pixel) { return (axis(pixel, y) >= bound) == rising; };
        Expr width = cast<double>(in.width);
        Expr estimate = (bound - (axis.along_y * centre(y) + axis.origin)) / axis.along_x - Expr(0.5);
        estimate = select(axis.along_x == Expr(0.0), select(reached(0), Expr(0.0), width), estimate);
        Expr pixel = cast<int>(ceil(clamp(estimate, Expr(0.0), width)));
        pixel =
            select(pixel > 0 && reached(pixel - 1), pixel - 1, pixel == in.width || reached(pixel), pixel, pixel + 1);
        return pixel;
    };
    auto first = [&](const Axis& axis) {
        return turn(axis, select(axis.along_x >= Expr(0.0), Expr(0.0), cast<double>(axis.extent)));
    };
    auto last = [&](const Axis& axis) {
        return turn(axis, select(axis.along_x >= Expr(0.0), cast<double>(axis.extent), Expr(0.0)));
    };
    begin(y) = unbounded(max(first(across), first(down)));
    end(y) = unbounded(min(last(across), last(down)));

    // Coordinates of pixels' centres, less a half: of each tile's first pixel, and of the others from there.
    PerImage corner = in.func("corner"), away = in.func("away");
    Expr column0 = across(t * tile, y) - Expr(0.5), row0 = down(t * tile, y) - Expr(0.5);
    auto fixed = [&](const Expr& value) { return cast<int>(round(value * unit)); };
    corner(y, t) = {unbounded(cast<int>(floor(column0))), fixed(column0 - floor(column0)),
                    unbounded(cast<int>(floor(row0))), fixed(row0 - floor(row0))};
    away(i) = {fixed(in.param(0) * cast<double>(i)), fixed(in.param(3) * cast<double>(i))};
    Expr column = corner(y, t)[1] + away(i)[0], row = corner(y, t)[3] + away(i)[1];

    PerImage place = in.func("place"), words = in.func("words");
    Expr near_column = clamp(corner(y, t)[0] + (column >> places), -1, in.width - 1);
    Expr near_row = clamp(corner(y, t)[2] + (row >> places), -1, in.height - 1);
    place(i, t, y) = unbounded(index(near_column, near_row));
    auto byte_at = [&](const Expr& place, int k) {
        return bytes(unsafe_promise_clamped(place, 0, (in.height + 2) * pitch) + k);
    };
    auto word = [&](const Expr& from) {
        std::vector<Expr> of;
        for (int k = 0; k < 8; k++) of.push_back(byte_at(from, k));
        return concat_bits(of);
    };
    words(i, t, y) = {word(place(i, t, y)), word(place(i, t, y) + pitch)};

    // What becomes of a pixel: its levels, and whether any of them is too close to call.
    auto fraction = [&](const Expr& coordinate) {
        return cast<float>(coordinate & ((1 << places) - 1)) * Expr(1.0f / (1 << places));
    };
    Expr dx = fraction(column), dy = fraction(row), risk = cast<bool>(false);
    // Four equal levels give that level, if they are the right ones: so close to a pixel they may be its others.
    auto between_pixels = [&](const Expr& coordinate) { return ((coordinate + 2) & ((1 << places) - 1)) >= 4; };
    Expr sure = between_pixels(column) && between_pixels(row);
    auto bits = [](const Expr& value) { return reinterpret<int32_t>(value); };
    std::vector<Expr> pixel;
    for (int k = 0; k < in.channels; k++) {
        auto slope_between = [&](const Expr& word) {
            return cast<float>(byte_of(word, k + in.channels) - byte_of(word, k));
        };
        Expr slope0 = slope_between(words(i, t, y)[0]), slope1 = slope_between(words(i, t, y)[1]);
        Expr first = cast<float>(byte_of(words(i, t, y)[0], k)) + slope0 * dx;
        Expr second = cast<float>(byte_of(words(i, t, y)[1], k)) + slope1 * dx;
        Expr slope = second - first, level = first + slope * dy;
        Expr above = cast<int>(level + tolerance), below = cast<int>(level - tolerance);
        Expr flat = (bits(slope0) | bits(slope1) | bits(slope)) == 0;
        pixel.push_back(cast<uint8_t>(above));
        risk = risk || (above != below && !(flat && sure));
    }
    pixel.push_back(cast<uint8_t>(risk));
    PerImage pixels = in.func("pixels"), risky = in.func("risky"), out = in.func("out");
    pixels(i, t, y) = Tuple(pixel);

    auto within = [&](const Expr& pixel) { return cast<uint8_t>(clamp(pixel - t * tile, 0, tile)); };
    Expr inside = cast<uint8_t>(i) >= within(begin(y)) && cast<uint8_t>(i) < within(end(y));
    std::vector<Expr> levels;
    for (int k = 0; k < in.channels; k++) levels.push_back(pixels(i, t, y)[k]);
    out(c, i, t, y) = select(inside, mux(c, levels), in.fill(c));

    RDom all(0, tile, in.prefix + "all"), again(0, tile, in.prefix + "again");
    risky(t, y) = cast<uint8_t>(awkward);
    risky(t, y) = max(risky(t, y), pixels(all, t, y)[in.channels]);
    again.where(risky(t, y) != 0);
    again.where(awkward || pixels(again, t, y)[in.channels] != 0);
    auto source = [&](const Expr& column, const Expr& row) { return byte_at(index(column, row) + c, 0); };
    out(c, again, t, y) = exact_bilinear(across, down, t * tile + again, y, source, in.fill(c));

    PerImage image = in.func("image");
    image(c, x, y) = out(c, x % tile, x / tile, y);
    return {image,
            Role::warp,
            {{bytes, Role::source, (in.height + 2) * pitch + 8},
             {begin, Role::line},
             {end, Role::line},
             {corner, Role::line},
             {away, Role::line},
             {place, Role::coordinate},
             {words, Role::gather},
             {pixels, Role::tile_pixels},
             {risky, Role::risk},
             {out, Role::tile}},
            tile};
}

}  // namespace halmix
