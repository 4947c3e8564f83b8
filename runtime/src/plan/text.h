#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <functional>
#include <string>
#include <string_view>

/// Pieces of one-line error messages.
namespace halmix::text {

/// The shortest decimal that reads back as the same float or double.
template <std::floating_point Number>
std::string number(Number value) {
    std::array<char, 32> digits{};
    return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr};
}

/// Anything as one line of printable ASCII of moderate length.
inline std::string one_line(std::string_view text) {
    constexpr std::size_t longest = 200;
    constexpr std::string_view hex = "0123456789abcdef";
    std::string line;
    for (const char c : text.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f) {
            line += c;
        } else {
            line += {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
        }
    }
    return text.size() > longest ? line + "..." : line;
}

inline std::string quoted(std::string_view text) { return std::string("'").append(one_line(text)).append("'"); }

/// The texts of some items one after another; `text` gives that of one.
template <typename Items, typename Text>
std::string joined(const Items& items, Text text, std::string_view separator = ", ") {
    std::string all;
    for (bool first = true; const auto& item : items) {
        if (!first) all += separator;
        all += std::invoke(text, item);
        first = false;
    }
    return all;
}

}  // namespace halmix::text
