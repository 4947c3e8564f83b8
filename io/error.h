#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace halmix::io {

/// A file that cannot be read or written. `what()` is always one line: `PATH: what is wrong; what to do`.
class Error : public std::runtime_error {
 public:
    Error(const std::filesystem::path& path, std::string_view problem, std::string_view remedy);

    /// From a failed system call: `problem` is such as "cannot be read", the reason and the remedy follow from `errno`.
    [[nodiscard]] static Error system(const std::filesystem::path& path, std::string_view problem, int error_number);
};

/// The path as it may stand in a message: control characters, which would break the line, become '?'.
[[nodiscard]] std::string printable(const std::filesystem::path& path);

}  // namespace halmix::io
