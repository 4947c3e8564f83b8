#pragma once

#include "generators/ops/warp.h"

namespace halmix {

/// The source by bytes, its outermost pixels once more on every side.
struct BorderedSource {
    PerImage bytes;       ///< u8 (byte)
    Halide::Expr pitch;   ///< bytes of a row
    Halide::Expr extent;  ///< all of them, and eight rows and 32 bytes that may be read, as a window begins anywhere

    explicit BorderedSource(const OpInput& in)
        : bytes(in.func("bytes")),
          pitch(in.width * in.channels + 2 * in.channels),
          extent((in.height + 2 + 8) * pitch + 32),
          in(in) {
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

    [[nodiscard]] Support support() const {
        return {bytes, Role::source, {{Update::body}, {Update::border}, {Update::border}}, extent};
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

/// Pillow's AFFINE + BILINEAR with the matrix (p0 p1 p2, p3 p4 p5), which takes an output pixel's centre to the source.
/// The matrix is a rotation's: no element of p0 p1 p3 p4 is above 1.
///
/// On CPUs an extern stage interpolates (runtime/src/cpu/warp.h), as only byte shuffles fetch pixels from anywhere
/// quickly. It is given the source with a border and which pixels lie inside, and repairs what its fixed point leaves
/// in doubt.
inline OpOutput affine(const OpInput& in) {
    using namespace Halide;
    Var c("c"), x("x"), y("y"), i("i");
    Axis across{in.param(0), in.param(1), in.param(2), in.width},
        down{in.param(3), in.param(4), in.param(5), in.height};
    PerImage out = in.func("out");
    if (in.portable()) {
        auto level = [&](const Expr& column, const Expr& row) { return in.image(c, column, row); };
        out(c, x, y) = exact_bilinear(across, down, x, y, level, in.fill(c));
        return {out, Role::affine};
    }

    BorderedSource source(in);
    InsideExtent inside(in, across, down);
    PerImage matrix = in.func("matrix");
    matrix(i) = in.param(i);
    Expr fill = cast<uint32_t>(0);
    for (int k = 0; k < in.channels; k++) fill = fill | cast<uint32_t>(in.fill(k)) << (8 * k);
    Func(out).define_extern(in.extern_stage("warp"),
                            {Func(source.bytes), Func(inside.begin), Func(inside.end), Func(matrix), source.extent,
                             source.pitch, fill, cast<bool>(inside.uncertain)},
                            UInt(8), {c, x, y});
    return {out,
            Role::affine,
            {source.support(), {inside.begin, Role::line}, {inside.end, Role::line}, {matrix, Role::value}}};
}

}  // namespace halmix
