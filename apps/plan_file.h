#pragma once

#include <string>

#include "halmix/halmix.h"
#include "io/image_file.h"

namespace halmix::command {

/// The plan in a file; throws with the line to show.
[[nodiscard]] Plan read_plan(const std::string& path);

/// Throws io::Error about the image's file unless the image has the size that the plan is for.
void check_size(const Plan& plan, const std::string& plan_path, const io::Image& image, const std::string& image_path);

}  // namespace halmix::command
