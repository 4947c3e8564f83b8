#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "halmix/batch.h"
#include "halmix/op.h"
#include "halmix/plan.h"

/// What Engine's arguments must be. All throw Error(invalid_argument), or Error(bad_plan) for plans, and say what is
/// allowed.
namespace halmix {

/// Throws Error(invalid_argument) about an argument.
[[noreturn]] void refuse(std::string_view name, const std::string& problem);

/// Each by itself, and that both have as many channels.
void check_images(const ImageView& in, const MutableImageView& out);
/// That the images have the sizes that a plan is for; of a null one, the same.
void check_sizes(const Plan* plan, const ImageView& in, const MutableImageView& out);
void check_ops(std::span<const OpCall> ops);
void check_normalization(const Normalization& normalization);
void check_task(const Task& task, const Normalization& normalization);
/// Names the task in what it throws.
void check_tasks(std::span<const Task> tasks, const Normalization& normalization);
/// `of_target` is the memory that the target has beside the host's.
void check_batch(std::span<const Plan> plans, const Batch& in, const MutableBatch& out,
                 const Normalization& normalization, Memory of_target, std::string_view target);

}  // namespace halmix
