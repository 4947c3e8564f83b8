#pragma once

#include <string>
#include <vector>

#include "Halide.h"
#include "schedules/parameters.h"

namespace halmix {

/// How a Func reads what it is made from: all that a schedule may know about it.
enum class Role {
    // images; rows are read from the first to the last
    pixels,   ///< pixels of the same row
    bytes,    ///< the same byte
    lookup,   ///< the same pixel, through a table; on targets with an extern stage for it, that stage
    stencil,  ///< pixels close by
    rows,     ///< pixels of one row, side by side; then two of each row and some rows once more
    copy,     ///< groups of bytes of one row: of fill, then of the image
    columns,  ///< pixels of one column, one after another; then two of each column and some columns once more
    warp,     ///< pixels from anywhere, by tiles
    // what ops make them from
    reduction,  ///< the whole image, into one value that any order of pixels gives
    histogram,  ///< the whole image, into bins
    extreme,    ///< a table, into one value per channel
    value,      ///< one value, or one per channel
    table,      ///< (level) or (level, channel)
    line,       ///< (i): what the pixels of a row, a column or a group of columns share
    row,        ///< (byte, y): the image by rows, padded, each read by one row of `rows`
    source,     ///< (byte, y) or (byte): the image by rows, padded, as stencils, columns and warps read it
    windows,    ///< (byte, y): the result of `columns` by rows, padded
    partial,    ///< (byte, y): a part of a stencil that several of its pixels share
    // of a warp, by tiles of pixels (i) that lie side by side
    coordinate,   ///< (i, tile, y): where a pixel comes from, the same for its channels
    gather,       ///< (i, tile, y): what a pixel takes from the source
    tile_pixels,  ///< (i, tile, y): what comes of it
    risk,         ///< (tile, y): whether some of its pixels must be computed once more
    tile,         ///< (channel, i, tile, y): the result, of which some pixels are computed once more
};

/// Updates over `width` x `height` elements: along rows in groups, for vectors, and then what these leave over, so that
/// no vector needs a mask.
template <typename Update>
void update_in_groups(const Halide::Expr& width, const Halide::Expr& height, int group, const std::string& name,
                      const Update& update) {
    Halide::Expr grouped = width / group * group;
    update(Halide::RDom(0, grouped, 0, height, name));
    update(Halide::RDom(grouped, width - grouped, 0, height, name + "_rest"));
}

/// A Func that has a value for each image of a batch, in pipelines that have batches. Ops write its other arguments
/// only, and mean the image at hand.
class PerImage {
 public:
    PerImage() = default;
    PerImage(Halide::Func func, std::vector<Halide::Expr> image) : func(std::move(func)), image(std::move(image)) {}

    template <typename... Args>
    Halide::FuncRef operator()(const Args&... args) const {
        std::vector<Halide::Expr> all = {Halide::Expr(args)...};
        all.insert(all.end(), image.begin(), image.end());
        return func(all);
    }

    operator Halide::Func() const { return func; }
    [[nodiscard]] int dimensions() const { return func.dimensions() - static_cast<int>(image.size()); }

 private:
    Halide::Func func;
    std::vector<Halide::Expr> image;  ///< which one: one coordinate, or none
};

/// What an op is given. Coordinates are (channel, x, y) throughout.
struct OpInput {
    const ScheduleParameters& schedule;  ///< for the few that decide of what stages an op is made
    PerImage image;  ///< u8, defined for 0 <= x < width, 0 <= y < height only: ops clamp what they read
    Halide::ExternFuncArgument whole_image;  ///< the same, for extern stages
    Halide::Expr width, height;
    int channels;
    PerImage param;      ///< f64 (i): the parameters of this stage
    PerImage table;      ///< u8 (level): the table of this stage
    PerImage fill;       ///< u8 (channel)
    std::string prefix;  ///< for names: Halide merges Funcs of one name silently
    std::string lookup;  ///< the extern stage that looks up tables on this target; empty if Halide is to
    std::vector<Halide::Expr> item = {};  ///< the coordinate of an image in a batch, if there is one
    bool plain = false;  ///< each pixel by itself and exactly, as GPUs like it, without what makes CPUs quick

    /// A Func of this stage.
    [[nodiscard]] PerImage func(const std::string& name) const { return {Halide::Func(prefix + name), item}; }

    /// Updates over all pixels: see update_in_groups.
    template <typename Update>
    void update_over_pixels(int group, const Update& update) const {
        if (plain) {
            update(Halide::RDom(0, width, 0, height, prefix + "all"));
        } else {
            update_in_groups(width, height, group, prefix + "all", update);
        }
    }
};

/// A Func that supports an op's result, such as its histogram.
struct Support {
    Halide::Func func;
    Role role;
    Halide::Expr extent = {};  ///< of its first dimension, from 0, where the op knows and Halide cannot
};

/// An op's result: a u8 image of the input's size, defined as the input is.
struct OpOutput {
    Halide::Func image;
    Role role;
    std::vector<Support> support = {};
    int window = 0;  ///< bytes of a group, for `copy`, or that read the same few rows, for `columns`; pixels of a tile
    Halide::Expr special = {};  ///< a condition, if defined, under which the result takes fewer operations
};

/// An op in its place in a chain: `stored` is its result as an interleaved image in memory.
struct ChainStage {
    OpOutput op;
    Halide::Func stored;
};

}  // namespace halmix
