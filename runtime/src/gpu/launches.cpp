#include "gpu/launches.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace halmix {

namespace {

std::uint32_t pack_fill(const Fill& fill) { return fill[0] | fill[1] << 8 | fill[2] << 16; }

std::int32_t original_of(std::size_t plan, const Part& part, std::span<const std::int32_t> originals) {
    return originals.empty() ? static_cast<std::int32_t>(part.image_of(plan)) : originals[plan];
}

}  // namespace

Shape<4> ImageSize::shape(std::size_t count, Layout layout) const {
    const int elements = pixel_elements(layout, channels), beside = has_planes(layout) ? 1 : elements;
    const std::ptrdiff_t row = std::ptrdiff_t{width} * beside, plane = row * height;
    return {dimension(elements, has_planes(layout) ? plane : 1), dimension(width, beside), dimension(height, row),
            dimension(static_cast<std::ptrdiff_t>(count), plane * elements / beside)};
}

void Launches::schedule(const Part& part, std::span<const std::int32_t> originals) {
    in_order.clear();
    places.clear();
    fills.clear();
    params.clear();
    tables.clear();
    lower_all(part, originals);
    fuse(part.size);
    free_.resize(part.slots());
    std::iota(free_.rbegin(), free_.rend(), 0);
    for (std::size_t step = 0; add_step(step);) step++;
    if (tables.empty()) tables.emplace_back();  // an array has at least one element
    add_mix(part, originals);
}

void Launches::lower_all(const Part& part, std::span<const std::int32_t> originals) {
    path_count_ = 0;
    for (std::size_t i = 0; i < part.plans.size(); i++) {
        for (const Chain& chain : chains_of(part.plans[i])) {
            if (path_count_ == paths_.size()) paths_.emplace_back();
            Path& path = paths_[path_count_++];
            path.fill = pack_fill(part.plans[i]->fill);
            path.place = original_of(i, part, originals);
            lower(chain.ops, part.size.width, part.size.height, part.size.channels, Processor::gpu, path.program);
        }
    }
}

Launches::Items Launches::first_group(Items sorted) {
    auto end = std::ranges::find_if(sorted, [&](const Item& item) { return item.first != sorted[0].first; });
    return {sorted.begin(), end};
}

/// Has all chains of a sequence pass through one pipeline if there is one and it saves more than it costs: it saves the
/// writing and reading of their images once, and costs launches of its own.
void Launches::fuse(const ImageSize& size) {
    // What a GPU reads and writes in the time of a launch: some 4 us at some 3 TB/s.
    constexpr std::size_t bytes_of_a_launch = std::size_t{12} << 20;
    constexpr std::size_t most_sequences = 4;  // so that all launches stay few, whatever the plans
    items_.clear();
    for (std::size_t i = 0; i < path_count_; i++) {
        const PipelineRow* whole = find_whole(paths_[i].program, size.channels, Processor::gpu);
        if (whole != nullptr && paths_[i].program.steps.size() > 1) items_.emplace_back(whole, i);
    }
    std::ranges::sort(items_);
    groups_.clear();
    for (Items rest = items_; !rest.empty(); rest = rest.subspan(first_group(rest).size())) {
        const Items group = first_group(rest);
        if (2 * group.size() * size.bytes() >= bytes_of_a_launch) groups_.push_back(group);
    }
    std::ranges::sort(groups_, std::greater(), &Items::size);
    if (groups_.size() > most_sequences) groups_.resize(most_sequences);
    for (const Items& group : groups_) {
        for (const auto& [whole, path] : group) paths_[path].program.steps = {{whole, 0}};
    }
}

/// Adds launches for this step of all chains: all whose pipeline is the same together. Returns false if there are none.
bool Launches::add_step(std::size_t step) {
    items_.clear();
    for (std::size_t i = 0; i < path_count_; i++) {
        const std::vector<Step>& steps = paths_[i].program.steps;
        if (steps.size() > step) items_.emplace_back(steps[step].pipeline, i);
    }
    std::ranges::sort(items_);
    for (Items rest = items_; !rest.empty();) rest = rest.subspan(add_launch(step, first_group(rest)));
    return !items_.empty();
}

/// Adds a launch for as many items of the group as there are free slots for, and returns their number. A slot is free
/// again once the launch has read it.
std::size_t Launches::add_launch(std::size_t step, Items group) {
    group = group.first(std::min({group.size(), free_.size(), most_items}));
    in_order.push_back({group[0].first, step == 0, static_cast<int>(fills.size()), static_cast<int>(params.size()),
                        static_cast<int>(group.size())});
    read_.clear();
    for (const Item& item : group) {
        Path& path = paths_[item.second];
        const std::int32_t slot = free_.back();
        free_.pop_back();
        if (step != 0) read_.push_back(path.place);
        places.insert(places.end(), {path.place, slot});
        fills.push_back(path.fill);
        add_stages(path.program, step);
        path.place = slot;
    }
    free_.insert(free_.end(), read_.begin(), read_.end());
    return group.size();
}

void Launches::add_stages(const Program& program, std::size_t step) {
    const std::size_t first = program.steps[step].first_stage;
    const std::size_t end =
        step + 1 < program.steps.size() ? program.steps[step + 1].first_stage : program.kinds.size();
    for (std::size_t stage = first; stage < end; stage++) {
        if (program.kinds[stage] == Kind::tone) {
            params.push_back({static_cast<double>(tables.size())});
            tables.push_back(program.tables[stage]);
        } else {
            params.push_back(program.params[stage]);
        }
    }
}

void Launches::add_mix(const Part& part, std::span<const std::int32_t> originals) {
    mix_places.clear();
    mix_weights.clear();
    const Path* path = paths_.data();
    for (std::size_t i = 0; i < part.plans.size(); i++) {
        const std::span<const Chain> chains = chains_of(part.plans[i]);
        mix_places.push_back(original_of(i, part, originals));
        mix_weights.push_back(chains.empty() ? 0 : part.plans[i]->mix);
        for (const Chain& chain : chains) {
            mix_places.push_back((path++)->place);
            mix_weights.push_back(chain.weight);
        }
        mix_places.resize((i + 1) * (part.chains + 1));
        mix_weights.resize((i + 1) * (part.chains + 1));
    }
}

}  // namespace halmix
