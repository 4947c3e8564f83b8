#include "checks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

#include "gpu/driver.h"
#include "halmix/error.h"

namespace halmix {

void refuse(std::string_view name, const std::string& problem) {
    throw Error(Status::invalid_argument, std::string(name).append(": ").append(problem));
}

namespace {

constexpr std::array<std::string_view, layout_count> layout_names = {"u8_hwc", "u8_chw", "u8_rgbx", "f16_chw",
                                                                     "f32_chw"};

std::string size_text(int width, int height, int channels) {
    return std::to_string(width) + "x" + std::to_string(height) + "x" + std::to_string(channels);
}

std::string_view name_of(Layout layout) { return layout_names[static_cast<std::size_t>(layout)]; }

void check_layout(std::string_view name, Layout layout, int channels, bool result) {
    if (static_cast<std::size_t>(layout) >= layout_count) {
        refuse(name, "layout " + std::to_string(static_cast<int>(layout)) + " does not exist");
    }
    if (layout == Layout::u8_rgbx && channels != 3) refuse(name, "layout u8_rgbx has 3 channels, not 1");
    if (!result && element_bytes(layout) != 1) {
        refuse(name, std::string("layout ").append(name_of(layout)).append(" is for results only"));
    }
}

/// Whether rows or planes that are `distance` bytes apart and have `bytes` share none.
bool separate(std::int64_t distance, std::int64_t bytes) { return std::abs(distance) >= bytes; }

void check_strides(std::string_view name, const ImageView& image) {
    const std::int64_t row = row_bytes(image.layout, image.width, image.channels);
    const std::int64_t planes = has_planes(image.layout) ? image.channels : 1;
    const std::int64_t stride = image.stride, plane = planes > 1 ? image.plane : 0;
    const std::int64_t element = element_bytes(image.layout);
    // Pipelines index in 31 bits, their own padded copies too.
    constexpr std::int64_t limit = std::numeric_limits<std::int32_t>::max();
    constexpr std::int64_t row_padding = 512, rows_of_padding = 12;
    const bool huge =
        stride < -limit * element || stride > limit * element || plane < -limit * element || plane > limit * element;
    const std::int64_t down = huge ? 0 : (image.height - 1) * std::abs(stride);
    const std::int64_t deep = huge ? 0 : (planes - 1) * std::abs(plane);
    if (!huge && !separate(stride, row) && image.height > 1) {
        refuse(name, "stride " + std::to_string(stride) + "; a row has " + std::to_string(row) + " bytes");
    }
    if (!huge && planes > 1 && !separate(plane, down + row) &&
        !(separate(plane, row) && separate(stride, deep + row))) {
        refuse(name, "planes " + std::to_string(plane) + " bytes apart overlap");
    }
    if (!huge && (stride % element != 0 || plane % element != 0 ||
                  reinterpret_cast<std::uintptr_t>(image.data) % static_cast<std::uintptr_t>(element) != 0)) {
        refuse(name, "data and strides of " + std::string(name_of(image.layout)) + " must be multiples of " +
                         std::to_string(element) + " bytes");
    }
    const std::int64_t bytes = std::int64_t{image.width} * image.channels;
    if (huge || (down + deep + row) / element > limit ||
        (image.height + rows_of_padding) * (bytes + row_padding) > limit) {
        refuse(name, "size " + size_text(image.width, image.height, image.channels) + " with stride " +
                         std::to_string(stride) +
                         " is too large; (height + 12) * (width * channels + 512) and the elements from first to last "
                         "may be at most 2^31 - 1");
    }
}

void check_image(std::string_view name, const ImageView& image, bool result) {
    if (image.data == nullptr) refuse(name, "its data is null");
    if (image.channels != 1 && image.channels != 3) {
        refuse(name, std::to_string(image.channels) + " channels; allowed are 1 (gray) and 3 (RGB)");
    }
    if (image.width < 1 || image.height < 1) {
        refuse(name, "size " + size_text(image.width, image.height, image.channels) + "; it needs at least one pixel");
    }
    check_layout(name, image.layout, image.channels, result);
    check_strides(name, image);
}

std::string_view name_of(Memory memory) {
    const Driver* driver = find_driver(memory);
    return driver == nullptr ? "host" : driver->name;
}

}  // namespace

void check_normalization(const Normalization& normalization) {
    for (std::size_t channel = 0; channel < normalization.mean.size(); channel++) {
        const float mean = normalization.mean[channel], deviation = normalization.std[channel];
        if (std::isfinite(mean) && std::isfinite(deviation) && deviation != 0) continue;
        refuse("normalization", "channel " + std::to_string(channel) + ": mean " + std::to_string(mean) + ", std " +
                                    std::to_string(deviation) + "; both must be finite, and std not 0");
    }
}

void check_images(const ImageView& in, const MutableImageView& out) {
    check_image("input image", in, false);
    check_image("output image", out, true);
    if (in.channels != out.channels) {
        refuse("output image", "size " + size_text(out.width, out.height, out.channels) + "; the input's is " +
                                   size_text(in.width, in.height, in.channels));
    }
}

void check_sizes(const Plan* plan, const ImageView& in, const MutableImageView& out) {
    const bool resized = plan != nullptr && plan->resized_crop;
    if (!resized && (in.width != out.width || in.height != out.height)) {
        refuse("output image", "size " + size_text(out.width, out.height, out.channels) + "; the input's is " +
                                   size_text(in.width, in.height, in.channels));
    }
    if (plan == nullptr) return;
    validate(*plan);
    auto expect = [](int width, int height, const char* what, const ImageView& image) {
        if (width == image.width && height == image.height) return;
        throw Error(Status::bad_plan, "plan: it is for " + std::string(what) + " of " + std::to_string(width) + "x" +
                                          std::to_string(height) + " pixels; this one has " +
                                          std::to_string(image.width) + "x" + std::to_string(image.height));
    };
    if (resized) {
        expect(plan->resized_crop->source_width, plan->resized_crop->source_height, "a source", in);
        expect(plan->width, plan->height, "a result", out);
    } else {
        expect(plan->width, plan->height, "an image", in);
    }
}

void check_ops(std::span<const OpCall> ops) {
    for (const OpCall& call : ops) validate(call);
    if (ops.size() > max_depth) {
        refuse("ops", std::to_string(ops.size()) + " of them; at most " + std::to_string(max_depth) + " make a chain");
    }
}

void check_task(const Task& task, const Normalization& normalization) {
    check_images(task.in, task.out);
    check_normalization(normalization);
    check_sizes(task.plan, task.in, task.out);
}

void check_tasks(std::span<const Task> tasks, const Normalization& normalization) {
    for (std::size_t i = 0; i < tasks.size(); i++) {
        try {
            check_task(tasks[i], normalization);
        } catch (const Error& error) {
            throw Error(error.status(), "task " + std::to_string(i) + ": " + error.what());
        }
    }
}

void check_batch(std::span<const Plan> plans, const Batch& in, const MutableBatch& out,
                 const Normalization& normalization, Memory of_target, std::string_view target) {
    auto check_memory = [&](const char* name, const void* data, Memory memory) {
        if (data == nullptr) refuse(name, "its data is null");
        if (memory != Memory::host && memory != of_target) {
            std::string problem = "its memory is ";
            problem.append(name_of(memory)).append("; target ").append(target).append(" takes host");
            if (of_target != Memory::host) problem.append(" and ").append(name_of(of_target));
            refuse(name, problem);
        }
    };
    if (in.count < 1 || plans.size() % in.count != 0) {
        refuse("input batch", std::to_string(in.count) + " images for " + std::to_string(plans.size()) +
                                  " plans; each image has as many plans as the others");
    }
    if (out.count < 0 || plans.size() != static_cast<std::size_t>(out.count)) {
        refuse("output batch", std::to_string(out.count) + " images for " + std::to_string(plans.size()) + " plans");
    }
    if (plans.empty()) return;
    check_memory("input batch", in.data, in.memory);
    check_memory("output batch", out.data, out.memory);
    alignas(4) std::uint8_t somewhere = 0;  // device pointers are none to look at
    const ImageView from(&somewhere, in.width, in.height, in.channels, in.layout);
    const MutableImageView to(&somewhere, out.width, out.height, out.channels, out.layout);
    check_images(from, to);
    check_normalization(normalization);
    auto begins = [](const void* data) { return reinterpret_cast<std::uintptr_t>(data); };
    if (begins(out.data) % static_cast<std::uintptr_t>(element_bytes(out.layout)) != 0) {
        refuse("output batch", "its data must lie at a multiple of the elements' size");
    }
    std::size_t in_bytes = in.count * image_bytes(in.layout, in.width, in.height, in.channels);
    std::size_t out_bytes = plans.size() * image_bytes(out.layout, out.width, out.height, out.channels);
    bool disjoint = begins(in.data) + in_bytes <= begins(out.data) || begins(out.data) + out_bytes <= begins(in.data);
    const Driver* driver = find_driver(in.memory);
    const bool addresses = driver == nullptr || driver->addresses;
    if (in.memory == out.memory && (addresses ? !disjoint : in.data == out.data)) {
        refuse("output batch", "it overlaps the input");
    }
    for (const Plan& plan : plans) check_sizes(&plan, from, to);
}

}  // namespace halmix
