#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "catalogue.h"
#include "halide/buffer.h"
#include "halmix/layout.h"
#include "halmix/plan.h"
#include "lowering/program.h"

namespace halmix {

/// Of a launch: blocks in one dimension.
constexpr std::size_t most_items = 65535;

/// The size of images, all the same.
struct ImageSize {
    int width, height, channels;

    [[nodiscard]] std::size_t bytes() const { return std::size_t(width) * height * channels; }

    [[nodiscard]] std::size_t bytes(Layout layout) const { return image_bytes(layout, width, height, channels); }

    /// `count` of them in a layout, by its elements.
    [[nodiscard]] Shape<4> shape(std::size_t count, Layout layout) const;
};

/// Some of a batch's plans, one after another, and the images that they are for.
struct Part {
    ImageSize source;    ///< of the images
    ImageSize size;      ///< that plans are for, of their results and all that is between
    std::size_t views;   ///< plans for each image
    std::size_t chains;  ///< of the batch's plan that has most
    std::size_t first;   ///< of the batch's plans
    std::span<const Plan* const> plans;

    /// Of the batch's images.
    [[nodiscard]] std::size_t first_image() const { return first / views; }
    [[nodiscard]] std::size_t images() const { return image_of(plans.size() - 1) + 1; }
    /// Which of the part's images a plan of it is for.
    [[nodiscard]] std::size_t image_of(std::size_t plan) const { return (first + plan) / views - first_image(); }

    /// Images between pipelines. With one for each plan more than it has chains there is always a free one.
    [[nodiscard]] std::size_t slots() const { return plans.size() * (chains + 1); }
};

/// A launch of a pipeline for `count` items from `first` on, the images of as many chains.
struct Launch {
    const PipelineRow* pipeline;
    bool from_originals;  ///< or from slots
    int first, first_stage, count;
};

/// How all chains of a part are computed, and what pipelines are told. Memory is kept for the next part.
class Launches {
 public:
    /// `originals`: by plan, which image it is for; if empty, that of the part.
    void schedule(const Part& part, std::span<const std::int32_t> originals);

    std::vector<Launch> in_order;

    // What launches read, those of all one after another.
    std::vector<std::int32_t> places;  ///< of an item: its original or its slot, and the slot for its result
    std::vector<std::uint32_t> fills;  ///< of an item
    std::vector<Params> params;        ///< of a stage of an item; one with a table has its number instead
    std::vector<Table> tables;

    // What the mix reads, (chains + 1) for each plan. Plans with fewer chains get some with a weight of 0, which
    // changes no sum.
    std::vector<std::int32_t> mix_places;  ///< a plan's original, its chains' slots
    std::vector<float> mix_weights;        ///< a plan's mix, its chains' weights

 private:
    /// A chain on its way.
    struct Path {
        Program program;
        std::uint32_t fill = 0;
        std::int32_t place = 0;  ///< where its image is: its original before the first step, then a slot
    };
    /// A path by its number, and a pipeline for it.
    using Item = std::pair<const PipelineRow*, std::size_t>;
    using Items = std::span<const Item>;

    /// The first ones, with the same pipeline.
    static Items first_group(Items sorted);

    void lower_all(const Part& part, std::span<const std::int32_t> originals);
    void fuse(const ImageSize& size);
    bool add_step(std::size_t step);
    std::size_t add_launch(std::size_t step, Items group);
    void add_stages(const Program& program, std::size_t step);
    void add_mix(const Part& part, std::span<const std::int32_t> originals);

    std::vector<Path> paths_;
    std::size_t path_count_ = 0;
    std::vector<std::int32_t> free_, read_;  ///< slots
    std::vector<Item> items_;
    std::vector<Items> groups_;
};

}  // namespace halmix
