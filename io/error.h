#pragma once

#include <filesystem>
#include <string>

#include "halmix/io.h"

namespace halmix::io {

/// The path as it may stand in a message: control characters, which would break the line, become '?'.
[[nodiscard]] std::string printable(const std::filesystem::path& path);

}  // namespace halmix::io
