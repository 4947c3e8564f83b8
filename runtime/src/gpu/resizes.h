#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gpu/launches.h"
#include "halmix/plan.h"
#include "lowering/resize.h"

namespace halmix {

/// A pass over one image. Places are numbers of pixels.
struct ResampleItem {
    std::int32_t from = 0;               ///< where the source's first pixel lies
    std::int32_t row = 0;                ///< from a row of the source to the next
    std::int32_t width = 0, height = 0;  ///< of the result
    std::int32_t along_columns = 0;      ///< 1, or 0 for a pass along rows
    std::int32_t table = 0;              ///< where its table begins: first taps, weights
    std::int32_t taps = 0;               ///< of a result
};

/// A launch of a pass: items from `first` on, whose results lie one after another from byte `to` on.
struct ResampleLaunch {
    int first, count;
    std::size_t to;
    ImageSize size;  ///< of the largest result
};

/// How the resized crops of a part are computed, and what pipelines are told. Memory is kept for the next part.
///
/// Where one plan has a crop each has one, if only all of its image: so plans find their images in one place. Plans
/// side by side with the same crop of the same image, as views of a sample have them, share its result.
class Resizes {
 public:
    /// Bytes of the device's memory that so many plans take at most.
    struct Needs {
        std::size_t between, results, parameters;
    };
    static Needs needs(std::size_t plans, const ImageSize& from, const ImageSize& to);
    /// Plans of whose resizes pipelines can index all arrays.
    static std::size_t most_plans(const ImageSize& from, const ImageSize& to);

    /// Whether plans have any.
    static bool are_in(std::span<const Plan* const> plans);

    /// Without crops, plans are for the part's images as they are, and nothing is computed.
    void schedule(const Part& part);

    std::vector<ResampleItem> items;   ///< of the first pass, then of the second
    std::vector<std::int32_t> tables;  ///< of all items one after another
    /// Crops whose rows are passed along first, and those whose columns are, since their results have other sizes.
    std::vector<ResampleLaunch> first_pass;
    std::size_t between_bytes = 0;        ///< that the first pass makes
    std::size_t images = 0;               ///< that the second pass makes
    std::vector<std::int32_t> originals;  ///< by plan: which of those is its own

 private:
    /// A crop of an image of the part, to be computed once.
    struct Crop {
        std::size_t image;
        ResizedCrop crop;
        bool columns_first;
        std::int32_t place;  ///< of its result
    };

    void find_crops(const Part& part);
    void add_crops(const Part& part, bool columns);
    ResampleItem make_item(bool along_columns, int in, int out, Filter filter, bool mirror);

    std::vector<Crop> crops_;
    Resize work_;
    std::vector<std::int32_t> first_;
    std::vector<ResampleItem> second_pass_;
};

}  // namespace halmix
