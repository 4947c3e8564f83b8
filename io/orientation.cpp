#include "orientation.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace halmix::io {
namespace {

/// Numbers of a TIFF file, whose bytes are in either order. What lies behind the end is 0.
class Tiff {
 public:
    explicit Tiff(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    [[nodiscard]] bool starts_with(std::string_view text) const {
        return bytes_.size() >= text.size() && std::equal(text.begin(), text.end(), bytes_.begin());
    }
    [[nodiscard]] std::uint32_t two(std::size_t at) const { return number(at, 2); }
    [[nodiscard]] std::uint32_t four(std::size_t at) const { return number(at, 4); }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }

 private:
    [[nodiscard]] std::uint32_t number(std::size_t at, std::size_t size) const {
        if (at + size > bytes_.size()) return 0;
        const bool little = bytes_[0] == 'I';
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < size; ++i) value = value << 8 | bytes_[at + (little ? size - 1 - i : i)];
        return value;
    }

    std::span<const std::uint8_t> bytes_;
};

}  // namespace

int exif_orientation(std::span<const std::uint8_t> bytes) {
    constexpr std::uint32_t tag = 0x0112;
    constexpr std::uint32_t format = 3;  // whole numbers of two bytes
    const Tiff tiff(bytes);
    if (!tiff.starts_with("II") && !tiff.starts_with("MM")) return 1;
    if (tiff.two(2) != 42) return 1;
    // The first list of entries: how many, then 12 bytes for each: tag, format, count, and the value or where it is.
    const std::size_t list = tiff.four(4);
    const std::size_t count = tiff.two(list);
    for (std::size_t at = list + 2; at < list + 2 + count * 12 && at + 12 <= tiff.size(); at += 12) {
        if (tiff.two(at) != tag) continue;
        const std::size_t bytes_of_values = std::size_t{tiff.four(at + 4)} * 2;
        const std::size_t value = bytes_of_values > 4 ? tiff.four(at + 8) : at + 8;
        if (tiff.two(at + 2) != format || bytes_of_values == 0 || value + bytes_of_values > tiff.size()) continue;
        const auto orientation = static_cast<int>(tiff.two(value));
        return orientation >= 1 && orientation <= 8 ? orientation : 1;
    }
    return 1;
}

}  // namespace halmix::io
