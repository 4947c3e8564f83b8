#pragma once

#include <string>
#include <vector>

#include "schedules/stage.h"

namespace halmix {

inline Halide::Expr centre(const Halide::Expr& pixel) { return Halide::cast<double>(pixel) + Halide::Expr(0.5); }

/// An index to be stored, of which Halide is not to know bounds: it clamps each use of a stored index that it can
/// bound, which costs more than the use.
inline Halide::Expr hide_bounds(const Halide::Expr& index) {
    return Halide::reinterpret<int32_t>(Halide::cast<uint32_t>(index));
}

/// What lines have, (line), at which loops end: Halide would test each index else. Becomes part of the support.
inline PerImage end_of_loops(const OpInput& in, const std::string& name, const Halide::Var& line,
                             const Halide::Expr& value, std::vector<Support>& support) {
    PerImage f = in.func(name);
    f(line) = hide_bounds(value);
    support.push_back({f, Role::line});
    return f;
}

/// Whether a coordinate lies in a source of that extent, as Pillow compares.
inline Halide::Expr lies_inside(const Halide::Expr& coordinate, const Halide::Expr& extent) {
    return coordinate >= Halide::Expr(0.0) && coordinate < Halide::cast<double>(extent);
}

/// One coordinate of where Pillow's AFFINE takes the centre of an output pixel, in double as Pillow has it.
struct Axis {
    Halide::Expr along_x, along_y, origin;
    Halide::Expr extent;  ///< of the source

    [[nodiscard]] Halide::Expr operator()(const Halide::Expr& x, const Halide::Expr& y) const {
        return (along_x * centre(x) + along_y * centre(y)) + origin;
    }
};

/// The two source pixels on either side of a coordinate that is inside, and how far it is from the one to the other.
struct Neighbours {
    Halide::Expr near, far, fraction;

    Neighbours(const Halide::Expr& coordinate, const Halide::Expr& extent) {
        using namespace Halide;
        Expr place = coordinate - Expr(0.5), first = floor(place);
        near = clamp(cast<int>(first), 0, extent - 1);
        far = clamp(cast<int>(first) + 1, 0, extent - 1);
        fraction = place - first;
    }
};

/// Pillow's BILINEAR with the coordinates of two axes, in double; `source(x, y)` is the source's level.
template <typename Source>
Halide::Expr exact_bilinear(const Axis& across, const Axis& down, const Halide::Expr& x, const Halide::Expr& y,
                            const Source& source, const Halide::Expr& fill) {
    using namespace Halide;
    Expr column = across(x, y), row = down(x, y);
    Neighbours beside(column, across.extent), below(row, down.extent);
    auto between = [&](const Expr& at) {
        Expr near = cast<double>(source(beside.near, at)), far = cast<double>(source(beside.far, at));
        return near + (far - near) * beside.fraction;
    };
    Expr first = between(below.near), second = between(below.far);
    Expr level = first + (second - first) * below.fraction;
    return select(lies_inside(column, across.extent) && lies_inside(row, down.extent), cast<uint8_t>(cast<int>(level)),
                  fill);
}

}  // namespace halmix
