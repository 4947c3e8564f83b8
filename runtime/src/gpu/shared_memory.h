#pragma once

#include <regex>
#include <string>

namespace halmix {

/// PTX whose addresses in shared memory are `bytes` higher.
inline std::string move_shared_memory(const std::string& ptx, int bytes) {
    static const std::regex address(R"((\.shared\.[^\]\n]*)\])");
    return std::regex_replace(ptx, address, "$1+" + std::to_string(bytes) + "]");
}

}  // namespace halmix
