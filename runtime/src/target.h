#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace halmix {

/// A target as the dispatcher chose it.
struct Choice {
    std::size_t target;  ///< index into target_rows
    std::string reason;
};

/// Finds the target that `name` asks for, as Engine documents it.
Choice choose_target(std::string_view name);

}  // namespace halmix
