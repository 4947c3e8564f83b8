#pragma once

#include <string_view>
#include <vector>

#include "halmix/op.h"

namespace halmix::command {

/// The ops of --ops, such as "rotate=-12,equalize". Throws UsageError, or Error(invalid_argument) for names and values
/// that the library does not allow; each is one line.
[[nodiscard]] std::vector<OpCall> parse_chain(std::string_view list);

}  // namespace halmix::command
