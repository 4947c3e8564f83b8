#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "Halide.h"
#include "schedules/parameters.h"

namespace halmix {

/// How a Func reads what it is made from: all that a schedule may know about it, besides the names of its updates.
enum class Role {
    // images; rows are read from the first to the last
    pixels,   ///< pixels of the same row
    bytes,    ///< the same byte
    lookup,   ///< the same pixel, through a table; on targets with an extern stage for it, that stage
    stencil,  ///< pixels close by, in updates: groups of bytes of one row, and borders
    // what ops make them from
    reduction,  ///< the whole image, into one value that any order of pixels gives
    histogram,  ///< the whole image, into bins
    counts,     ///< (which, level, channel, ...): what the histogram after it adds up, for a part of the image
    extreme,    ///< a table, into one value per channel
    value,      ///< one value, or one per channel
    table,      ///< (level) or (level, channel)
    line,       ///< (i): what the pixels of a row, a column or a group of columns share
    source,     ///< (byte, y) or (byte): the image by rows, padded, as columns and warps read it
    companion,  ///< (byte, y): bytes beside those of the image; an extern stage
    partial,    ///< (byte, y): a part of a stencil that several of its pixels share

    // of one kind, which has a schedule of its own: an image, and what it is made from
    shift,  ///< groups of bytes of one row: of fill, then of the image

    shear_x,  ///< groups of bytes of one row: of fill, then of the image; then some bytes once more, and borders
    shear_x_doubtful,  ///< (byte, group, y): those of a row that are computed once more
    shear_y,           ///< strips of bytes, down the columns; then some bytes once more, and borders of each column
    shear_y_strip,     ///< (byte, strip): what the bytes of a strip have
    shear_y_doubt,     ///< (strip): whether one of its columns is in doubt
    shear_y_doubtful,  ///< (byte, row, strip): those of a strip that are computed once more
    shear_fractions,   ///< (line): what all differences of levels say of the line

    affine,  ///< pixels from anywhere; on CPUs an extern stage's
};

/// What an update of a Func is for, by which schedules know it.
struct Update {
    enum Name {
        body,    ///< the most of it, in vectors
        rest,    ///< what the vectors of the update before leave over
        border,  ///< a few elements at the ends
        repair,  ///< what is computed once more, exactly, in vectors
        fill,    ///< a group of bytes from outside of the image
        copy,    ///< a group of bytes of the image
    } name;
    Halide::Expr fast_path = {};  ///< a condition, if defined, under which it can be in vectors
};

/// The place among updates of the one of that name.
inline int index_of(Update::Name name, const std::vector<Update>& updates) {
    auto found = std::ranges::find(updates, name, &Update::name);
    if (found == updates.end()) throw Halide::CompileError("a schedule asks for an update that the op has not named");
    return static_cast<int>(found - updates.begin());
}

/// Updates over `width` x `height` elements: along rows in groups, for vectors, and then what these leave over, so that
/// no vector needs a mask.
template <typename Define>
std::vector<Update> update_in_groups(const Halide::Expr& width, const Halide::Expr& height, int group,
                                     const std::string& name, const Define& define) {
    Halide::Expr grouped = width / group * group;
    define(Halide::RDom(0, grouped, 0, height, name));
    define(Halide::RDom(grouped, width - grouped, 0, height, name + "_rest"));
    return {{Update::body}, {Update::rest}};
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
    PerImage param;                       ///< f64 (i): the parameters of this stage
    PerImage table;                       ///< u8 (level): the table of this stage
    PerImage fill;                        ///< u8 (channel)
    std::string prefix;                   ///< for names: Halide merges Funcs of one name silently
    std::string processor;                ///< the CPU, whose extern stages there are (runtime/src/cpu); empty: a GPU
    bool quick_shuffles = false;          ///< those of any bytes take as long as other instructions
    std::vector<Halide::Expr> item = {};  ///< the coordinate of an image in a batch, if there is one

    /// Each pixel by itself and exactly, as GPUs like it, without what makes CPUs quick.
    [[nodiscard]] bool portable() const { return processor.empty(); }

    /// The extern stage of that name for this processor.
    [[nodiscard]] std::string extern_stage(const std::string& name) const {
        return "halmix_" + name + "__" + processor;
    }

    /// A Func of this stage.
    [[nodiscard]] PerImage func(const std::string& name) const { return {Halide::Func(prefix + name), item}; }

    /// Updates over all pixels: see update_in_groups.
    template <typename Define>
    std::vector<Update> update_over_pixels(int group, const Define& define) const {
        if (!portable()) return update_in_groups(width, height, group, prefix + "all", define);
        define(Halide::RDom(0, width, 0, height, prefix + "all"));
        return {{Update::body}};
    }
};

/// A Func that supports an op's result, such as its histogram.
struct Support {
    Halide::Func func;
    Role role;
    std::vector<Update> updates = {};  ///< of a source or reduction: as those of OpOutput
    Halide::Expr extent = {};          ///< of its first dimension, from 0, where the op knows and Halide cannot
};

/// An op's result: a u8 image of the input's size, defined as the input is.
struct OpOutput {
    Halide::Func image;
    Role role;
    std::vector<Support> support = {};
    std::vector<Update> updates = {};  ///< of the image: a name for each, in the order of definition
    /// Conditions under which the result takes fewer operations, of which no two hold together.
    std::vector<Halide::Expr> fast_paths = {};
};

}  // namespace halmix
