#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "generators/ops/warp.h"

namespace halmix {

/// Coordinates in fixed point: int32 with 24 binary places, as many as float32 holds of a fraction. The number of
/// places decides which pixels are repaired and that no others need it, so no schedule may choose it. It may choose the
/// tile:
///
/// A pixel's coordinate is the fraction of its tile's first pixel, 0 to 2^24 (to which a fraction just below 1 is
/// rounded), and how far pixel i < tile is from there, round(p i 2^24) with |p| <= 1. So it lies between
/// -(tile - 1) 2^24 and tile 2^24, to which between_pixels() adds 2. All fits while tile 2^24 + 2 < 2^31: in tiles of
/// up to 127 pixels. Turns by next to nothing, such as 2e-6 degrees, have p = 1 and get there.
///
/// How wrong a coordinate is does not depend on the tile, since the distance is one product and no sum of steps: two
/// roundings to 2^-25 are 2^-24. The doubles before them, ours and Pillow's, are rounded by less than 13 * 2^-53 of the
/// image's diagonal together, which is less than another 2^-24 for diagonals of up to 2^25 pixels.
struct FixedPoint {
    static constexpr int places = 24;
    static constexpr int unit = 1 << places;
    static constexpr int doubt = 2;  ///< from a pixel's centre, on whose other side the coordinate may be

    static_assert(std::int64_t{largest_affine_tile} * unit + doubt <= std::numeric_limits<std::int32_t>::max());
    static_assert(largest_affine_tile <= std::numeric_limits<std::uint8_t>::max());  // places in a tile are bytes

    static Halide::Expr rounded(const Halide::Expr& value) {
        return Halide::cast<int>(Halide::round(value * Halide::Expr(double(unit))));
    }
    static Halide::Expr whole(const Halide::Expr& coordinate) { return coordinate >> places; }
    static Halide::Expr fraction(const Halide::Expr& coordinate) {
        return Halide::cast<float>(coordinate & (unit - 1)) * Halide::Expr(1.0f / unit);
    }
    static Halide::Expr between_pixels(const Halide::Expr& coordinate) {
        return ((coordinate + doubt) & (unit - 1)) >= 2 * doubt;
    }
};

/// The source by bytes, its outermost pixels once more on every side.
struct BorderedSource {
    PerImage bytes;      ///< u8 (byte)
    Halide::Expr pitch;  ///< bytes of a row

    explicit BorderedSource(const OpInput& in)
        : bytes(in.func("bytes")), pitch(in.width * in.channels + 2 * in.channels), in(in) {
        using namespace Halide;
        Var byte("byte");
        RDom inner(0, in.width * in.channels, -1, in.height + 2, in.prefix + "inner"),
            edge(0, in.channels, -1, in.height + 2, in.prefix + "edge");
        bytes(byte) = undef<uint8_t>();
        bytes(place(0, inner.y) + inner.x) =
            in.image(inner.x % in.channels, inner.x / in.channels, clamp(inner.y, 0, in.height - 1));
        bytes(place(-1, edge.y) + edge.x) = bytes(place(0, edge.y) + edge.x);
        bytes(place(in.width, edge.y) + edge.x) = bytes(place(in.width - 1, edge.y) + edge.x);
    }

    /// The first byte of a pixel.
    [[nodiscard]] Halide::Expr place(const Halide::Expr& x, const Halide::Expr& y) const {
        return (y + 1) * pitch + (x + 1) * in.channels;
    }

    [[nodiscard]] Halide::Expr byte(const Halide::Expr& place, int further = 0) const {
        return bytes(Halide::unsafe_promise_clamped(place, 0, (in.height + 2) * pitch) + further);
    }

    /// Eight bytes: a pixel and its right neighbour, and what follows.
    [[nodiscard]] Halide::Expr word(const Halide::Expr& place) const {
        std::vector<Halide::Expr> all;
        for (int k = 0; k < 8; k++) all.push_back(byte(place, k));
        return Halide::concat_bits(all);
    }

    /// Byte `index` of a word, as an int.
    static Halide::Expr byte_of(const Halide::Expr& word, int index) {
        using namespace Halide;
        Expr half = cast<uint32_t>(index < 4 ? word : word >> 32);
        return cast<int>((half >> (8 * (index % 4))) & 255);
    }

    [[nodiscard]] Support support() const {
        return {bytes, Role::source, {{Update::body}, {Update::border}, {Update::border}}, (in.height + 2) * pitch + 8};
    }

 private:
    const OpInput& in;
};

/// Which pixels of a row lie inside the source. A coordinate only grows or only falls along a row, whatever the
/// rounding, so they are those from `begin` on and before `end`.
struct InsideExtent {
    PerImage begin, end;     ///< i32 (y)
    Halide::Expr uncertain;  ///< whether they may be wrong, so that all pixels must be repaired

    InsideExtent(const OpInput& in, const Axis& across, const Axis& down)
        : begin(in.func("begin")), end(in.func("end")), uncertain(hardly_changes(across) || hardly_changes(down)) {
        using namespace Halide;
        Var y("y");
        auto bound = [](const Axis& axis, bool first) {
            Expr low = Expr(0.0), high = cast<double>(axis.extent), rising = axis.along_x >= Expr(0.0);
            return first ? select(rising, low, high) : select(rising, high, low);
        };
        auto reaches = [&](const Axis& axis, bool first) { return crossing(axis, y, bound(axis, first), in.width); };
        begin(y) = hide_bounds(max(reaches(across, true), reaches(down, true)));
        end(y) = hide_bounds(min(reaches(across, false), reaches(down, false)));
    }

 private:
    static Halide::Expr hardly_changes(const Axis& axis) {
        using namespace Halide;
        return axis.along_x != Expr(0.0) && abs(axis.along_x) < Expr(1e-9);
    }

    /// The first pixel of a row from which a coordinate is on the other side of a bound, or `width`. The estimate is
    /// wrong by one at most, unless the coordinate hardly changes.
    static Halide::Expr crossing(const Axis& axis, const Halide::Expr& y, const Halide::Expr& bound,
                                 const Halide::Expr& width) {
        using namespace Halide;
        Expr rising = axis.along_x >= Expr(0.0), none = cast<double>(width);
        auto reached = [&](const Expr& pixel) { return (axis(pixel, y) >= bound) == rising; };
        Expr estimate = (bound - (axis.along_y * centre(y) + axis.origin)) / axis.along_x - Expr(0.5);
        estimate = select(axis.along_x == Expr(0.0), select(reached(0), Expr(0.0), none), estimate);
        Expr pixel = cast<int>(ceil(clamp(estimate, Expr(0.0), none)));
        return select(pixel > 0 && reached(pixel - 1), pixel - 1, pixel == width || reached(pixel), pixel, pixel + 1);
    }
};

/// Where the pixels of a tile, their centres less a half, come from: of each tile's first pixel, and from there.
struct TileCoordinates {
    PerImage corner;  ///< (y, tile): whole column and fraction of a column, whole row and fraction of a row
    PerImage away;    ///< (i): columns and rows from the corner

    TileCoordinates(const OpInput& in, const Axis& across, const Axis& down, int tile)
        : corner(in.func("corner")), away(in.func("away")) {
        using namespace Halide;
        Var y("y"), t("t"), i("i");
        Expr column = across(t * tile, y) - Expr(0.5), row = down(t * tile, y) - Expr(0.5);
        corner(y, t) = {hide_bounds(cast<int>(floor(column))), FixedPoint::rounded(column - floor(column)),
                        hide_bounds(cast<int>(floor(row))), FixedPoint::rounded(row - floor(row))};
        away(i) = {FixedPoint::rounded(across.along_x * cast<double>(i)),
                   FixedPoint::rounded(down.along_x * cast<double>(i))};
    }

    /// A pixel's column (0) or row (1) in the source, in fixed point from the whole one of its tile.
    [[nodiscard]] Halide::Expr along(int axis, const Halide::Expr& i, const Halide::Expr& t,
                                     const Halide::Expr& y) const {
        return corner(y, t)[2 * axis + 1] + away(i)[axis];
    }

    /// The whole one of a pixel itself.
    [[nodiscard]] Halide::Expr whole(int axis, const Halide::Expr& i, const Halide::Expr& t,
                                     const Halide::Expr& y) const {
        return corner(y, t)[2 * axis] + FixedPoint::whole(along(axis, i, t, y));
    }
};

/// The levels between four pixels, each with its right neighbour in a word, in float32; and, last, whether one of them
/// is too close to a whole number to be sure of.
inline std::vector<Halide::Expr> interpolate(const Halide::Expr& above, const Halide::Expr& below,
                                             const Halide::Expr& column, const Halide::Expr& row, int channels) {
    using namespace Halide;
    // A coordinate wrong by 2^-23 is 255 / 2^23 of a level for each axis, all roundings in float32 together 5 / 2^17.
    constexpr float tolerance = 1e-4f;
    static_assert(tolerance > 2 * 255.0 * 2 / FixedPoint::unit + 5.0 / (1 << 17));
    auto bits = [](const Expr& value) { return reinterpret<int32_t>(value); };
    auto level_of = [&](const Expr& word, int k) { return BorderedSource::byte_of(word, k); };
    auto slope_of = [&](const Expr& word, int k) {
        return cast<float>(level_of(word, k + channels) - level_of(word, k));
    };
    Expr dx = FixedPoint::fraction(column), dy = FixedPoint::fraction(row), unsure = cast<bool>(false);
    // Four equal levels give that level, if they are the right ones: so close to a pixel they may be its others.
    Expr neighbours_sure = FixedPoint::between_pixels(column) && FixedPoint::between_pixels(row);
    std::vector<Expr> pixel;
    for (int k = 0; k < channels; k++) {
        Expr slope_above = slope_of(above, k), slope_below = slope_of(below, k);
        Expr first = cast<float>(level_of(above, k)) + slope_above * dx;
        Expr second = cast<float>(level_of(below, k)) + slope_below * dx;
        Expr slope = second - first, level = first + slope * dy;
        Expr highest = cast<int>(level + Expr(tolerance)), lowest = cast<int>(level - Expr(tolerance));
        Expr flat = (bits(slope_above) | bits(slope_below) | bits(slope)) == 0;
        pixel.push_back(cast<uint8_t>(highest));
        unsure = unsure || (highest != lowest && !(flat && neighbours_sure));
    }
    pixel.push_back(cast<uint8_t>(unsure));
    return pixel;
}

/// Pillow's AFFINE + BILINEAR with the matrix (p0 p1 p2, p3 p4 p5), which takes an output pixel's centre to the source.
/// The matrix is a rotation's: no element of p0 p1 p3 p4 is above 1.
///
/// Rows are cut into tiles. A tile's first coordinate is rounded to 24 binary places, and so are the distances from it,
/// which all tiles share; levels are interpolated in float32. Where the result is so close to a whole number that
/// Pillow's, in double, could truncate to another one, the pixel is repaired: computed again as Pillow does.
inline OpOutput affine(const OpInput& in) {
    using namespace Halide;
    const int tile = in.schedule["affine_tile"];
    Var c("c"), x("x"), y("y"), i("i"), t("t");
    Axis across{in.param(0), in.param(1), in.param(2), in.width},
        down{in.param(3), in.param(4), in.param(5), in.height};
    if (in.portable) {
        PerImage out = in.func("out");
        auto level = [&](const Expr& column, const Expr& row) { return in.image(c, column, row); };
        out(c, x, y) = exact_bilinear(across, down, x, y, level, in.fill(c));
        return {out, Role::affine};
    }

    BorderedSource source(in);
    InsideExtent inside(in, across, down);
    TileCoordinates coordinates(in, across, down, tile);

    PerImage place = in.func("place"), words = in.func("words"), pixels = in.func("pixels"), out = in.func("out");
    place(i, t, y) = hide_bounds(source.place(clamp(coordinates.whole(0, i, t, y), -1, in.width - 1),
                                              clamp(coordinates.whole(1, i, t, y), -1, in.height - 1)));
    words(i, t, y) = {source.word(place(i, t, y)), source.word(place(i, t, y) + source.pitch)};
    pixels(i, t, y) = Tuple(interpolate(words(i, t, y)[0], words(i, t, y)[1], coordinates.along(0, i, t, y),
                                        coordinates.along(1, i, t, y), in.channels));

    auto in_tile = [&](const Expr& pixel) { return cast<uint8_t>(clamp(pixel - t * tile, 0, tile)); };
    Expr is_inside = cast<uint8_t>(i) >= in_tile(inside.begin(y)) && cast<uint8_t>(i) < in_tile(inside.end(y));
    std::vector<Expr> levels;
    for (int k = 0; k < in.channels; k++) levels.push_back(pixels(i, t, y)[k]);
    out(c, i, t, y) = select(is_inside, mux(c, levels), in.fill(c));

    PerImage repairs = in.func("risky");
    RDom all(0, tile, in.prefix + "all"), repair(0, tile, in.prefix + "again");
    repairs(t, y) = cast<uint8_t>(inside.uncertain);
    repairs(t, y) = max(repairs(t, y), pixels(all, t, y)[in.channels]);
    repair.where(repairs(t, y) != 0);
    repair.where(inside.uncertain || pixels(repair, t, y)[in.channels] != 0);
    auto level = [&](const Expr& column, const Expr& row) { return source.byte(source.place(column, row) + c); };
    out(c, repair, t, y) = exact_bilinear(across, down, t * tile + repair, y, level, in.fill(c));

    PerImage image = in.func("image");
    image(c, x, y) = out(c, x % tile, x / tile, y);
    return {image,
            Role::affine,
            {source.support(),
             {inside.begin, Role::line},
             {inside.end, Role::line},
             {coordinates.corner, Role::line},
             {coordinates.away, Role::line},
             {place, Role::affine_coordinate},
             {words, Role::affine_gather},
             {pixels, Role::affine_pixels},
             {repairs, Role::affine_doubt},
             {out, Role::affine_tile}}};
}

}  // namespace halmix
