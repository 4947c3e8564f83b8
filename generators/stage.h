#pragma once

#include <string>
#include <vector>

#include "Halide.h"

namespace halmix {

/// How a Func reads its producers: all that a schedule may know about it.
enum class Role {
    pointwise,  ///< the same pixel
    stencil,    ///< a few pixels around it
    warp,       ///< pixels wherever the parameters say
    lookup,     ///< the same pixel, through a table, in an extern stage or pointwise
    reduction,  ///< the whole image, into one value that any order of pixels gives
    histogram,  ///< the whole image, into bins
    table,      ///< a few hundred values made from reductions
    source,     ///< the stage's image with a border, as stencils and warps read it
    partial,    ///< a part of a stencil that several of its pixels share
    coordinate, ///< of one output pixel (x, y), the same for its channels
    gather,     ///< what an output pixel (x, y) takes from the source, from wherever the coordinates say
};

/// What an op is given. Coordinates are (channel, x, y) throughout.
struct OpInput {
    Halide::Func image;  ///< u8, defined for 0 <= x < width, 0 <= y < height only: ops clamp what they read
    Halide::ExternFuncArgument whole_image;  ///< the same, for extern stages
    Halide::Expr width, height;
    int channels;
    Halide::Func param;  ///< f64 (i): the parameters of this stage
    Halide::Func table;  ///< u8 (level): the table of this stage
    Halide::Func fill;   ///< u8 (channel)
    std::string prefix;  ///< for names: Halide merges Funcs of one name silently
    std::string lookup;  ///< the extern stage that looks up tables on this target; empty if Halide is to
};

/// A Func that supports an op's result, such as its histogram.
struct Support {
    Halide::Func func;
    Role role;
};

/// An op's result: a u8 image of the input's size, defined as the input is.
struct OpOutput {
    Halide::Func image;
    Role role;
    std::vector<Support> support = {};  ///< producers before consumers
};

}  // namespace halmix
