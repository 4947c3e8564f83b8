#include "gpu/resizes.h"

#include <algorithm>

#include "gpu/device.h"
#include "gpu/parameter_block.h"

namespace halmix {

namespace {

constexpr std::size_t first_launches = 2;  // of the first pass, each of which begins where a device allows it

ResizedCrop whole(const ImageSize& image) {
    return {.source_width = image.width, .source_height = image.height, .width = image.width, .height = image.height};
}

}  // namespace

Resizes::Needs Resizes::needs(std::size_t plans, const ImageSize& from, const ImageSize& to) {
    // A result has its first tap, and taps that reach 2 pixels to both sides, in pixels of the image that has fewer.
    auto table = [](int in, int out) { return 4 * std::size_t(std::max(in, out)) + 3 * std::size_t(out); };
    const std::size_t entries = table(from.width, to.width) + table(from.height, to.height);
    const std::size_t between =
        std::max(std::size_t(to.width) * from.height, std::size_t(from.width) * to.height) * to.channels;
    return {.between = plans * between + first_launches * device_alignment * to.channels,
            .results = plans * to.bytes(),
            .parameters = plans * (2 * sizeof(ResampleItem) + entries * sizeof(std::int32_t))};
}

std::size_t Resizes::most_plans(const ImageSize& from, const ImageSize& to) {
    const Needs none = needs(0, from, to), one = needs(1, from, to);
    constexpr std::size_t other_parameters = most_bytes / 2;
    return std::min((most_bytes - none.between) / (one.between - none.between),
                    (most_bytes - other_parameters) / one.parameters);
}

bool Resizes::are_in(std::span<const Plan* const> plans) {
    return std::ranges::any_of(plans, [](const Plan* plan) { return plan != nullptr && plan->resized_crop; });
}

void Resizes::find_crops(const Part& part) {
    crops_.clear();
    originals.clear();
    if (!are_in(part.plans)) return;
    for (std::size_t i = 0; i < part.plans.size(); i++) {
        const Plan* plan = part.plans[i];
        const ResizedCrop crop = plan != nullptr && plan->resized_crop ? *plan->resized_crop : whole(part.source);
        const std::size_t image = part.image_of(i);
        if (crops_.empty() || crops_.back().image != image || crops_.back().crop != crop) {
            crops_.push_back({image, crop, columns_first(crop, part.size.width, part.size.height), 0});
        }
        originals.push_back(static_cast<std::int32_t>(crops_.size() - 1));
    }
}

void Resizes::schedule(const Part& part) {
    items.clear();
    tables.clear();
    first_pass.clear();
    second_pass_.clear();
    between_bytes = 0;
    find_crops(part);
    images = crops_.size();
    for (const bool columns : {false, true}) add_crops(part, columns);
    items.insert(items.end(), second_pass_.begin(), second_pass_.end());
    for (std::int32_t& original : originals) original = crops_[original].place;
}

/// Adds both passes of the crops of which one along columns, or one along rows, is the first.
void Resizes::add_crops(const Part& part, bool columns) {
    const ImageSize &source = part.source, &size = part.size;
    ResampleLaunch launch{static_cast<int>(items.size()), 0, between_bytes, size};
    int& longest = columns ? launch.size.width : launch.size.height;
    longest = 0;
    for (const Crop& crop : crops_) {
        if (crop.columns_first == columns) longest = std::max(longest, columns ? crop.crop.width : crop.crop.height);
    }
    const std::size_t pixels = std::size_t(launch.size.width) * launch.size.height;
    for (Crop& crop : crops_) {
        if (crop.columns_first != columns) continue;
        const ResizedCrop& box = crop.crop;
        const std::size_t from =
            (crop.image * source.height + box.top) * source.width + static_cast<std::size_t>(box.left);
        const std::size_t between = between_bytes / size.channels + launch.count * pixels;
        ResampleItem along_rows = make_item(false, box.width, size.width, box.filter, box.mirror);
        ResampleItem along_columns = make_item(true, box.height, size.height, box.filter, false);
        ResampleItem &first = columns ? along_columns : along_rows, &second = columns ? along_rows : along_columns;
        first.from = static_cast<std::int32_t>(from);
        first.row = source.width;
        first.width = columns ? box.width : size.width;
        first.height = columns ? size.height : box.height;
        second.from = static_cast<std::int32_t>(between);
        second.row = launch.size.width;
        second.width = size.width;
        second.height = size.height;
        crop.place = static_cast<std::int32_t>(second_pass_.size());
        items.push_back(first);
        second_pass_.push_back(second);
        launch.count++;
    }
    if (launch.count == 0) return;
    first_pass.push_back(launch);
    between_bytes += round_up(launch.count * pixels, device_alignment) * size.channels;
}

/// With its table; of an axis of the box with `in` pixels and the plan's with `out`.
ResampleItem Resizes::make_item(bool along_columns, int in, int out, Filter filter, bool mirror) {
    ResampleItem item{.along_columns = along_columns ? 1 : 0, .table = static_cast<std::int32_t>(tables.size())};
    item.taps = find_weights(in, out, filter, mirror, work_, first_);
    tables.insert(tables.end(), first_.begin(), first_.end());
    tables.insert(tables.end(), work_.fixed.begin(), work_.fixed.end());
    return item;
}

}  // namespace halmix
