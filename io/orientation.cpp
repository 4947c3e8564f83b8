#include "orientation.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace halmix::io {
namespace {

using namespace std::string_view_literals;

constexpr int upright = 1;

int checked(std::uint64_t orientation) {
    return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : upright;
}

/// An entry's type: how many bytes a value has, 0 for a type that there is not.
struct Type {
    int size = 0;
    bool whole = false;  ///< whether values are whole numbers
};
constexpr std::array<Type, 17> types{{{},
                                      {1, false},  // BYTE, which Pillow takes for text
                                      {1, false},  // ASCII
                                      {2, true},   // SHORT
                                      {4, true},   // LONG
                                      {8, false},  // RATIONAL
                                      {1, true},   // SBYTE
                                      {1, false},  // UNDEFINED
                                      {2, true},   // SSHORT
                                      {4, true},   // SLONG
                                      {8, false},  // SRATIONAL
                                      {4, false},  // FLOAT
                                      {8, false},  // DOUBLE
                                      {4, true},   // IFD
                                      {},
                                      {},
                                      {8, true}}};  // LONG8

/// Numbers of a TIFF file, whose bytes are in either order. What lies behind the end is 0.
class Tiff {
 public:
    explicit Tiff(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    [[nodiscard]] bool starts_with(std::string_view text) const {
        return bytes_.size() >= text.size() && std::equal(text.begin(), text.end(), bytes_.begin());
    }
    [[nodiscard]] std::uint64_t number(std::size_t at, std::size_t size) const {
        if (at + size > bytes_.size()) return 0;
        const bool little = bytes_[0] == 'I';
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < size; ++i) value = value << 8 | bytes_[at + (little ? size - 1 - i : i)];
        return value;
    }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }

 private:
    std::span<const std::uint8_t> bytes_;
};

}  // namespace

std::optional<int> exif_orientation(std::span<const std::uint8_t> exif) {
    constexpr std::uint64_t tag = 0x0112;
    constexpr std::string_view mark = "Exif\0\0"sv;
    for (int i = 0; i < 2 && Tiff(exif).starts_with(mark); ++i) exif = exif.subspan(mark.size());
    if (exif.empty()) return std::nullopt;
    const Tiff tiff(exif);
    // 42, which some programs write in the wrong order.
    constexpr std::array headers{"II*\0"sv, "II\0*"sv, "MM\0*"sv, "MM*\0"sv};
    const bool known = std::ranges::any_of(headers, [&](std::string_view header) { return tiff.starts_with(header); });
    if (!known || tiff.size() < 8) return upright;
    // The first list of entries: how many, then 12 bytes for each: tag, type, count, and the values or where they are.
    const std::size_t list = tiff.number(4, 4);
    const std::size_t count = tiff.number(list, 2);
    std::uint64_t elsewhere = 0;  // bytes of values
    for (std::size_t at = list + 2; at < list + 2 + count * 12 && at + 12 <= tiff.size(); at += 12) {
        const std::uint64_t number = tiff.number(at + 2, 2);
        const Type type = number < types.size() ? types.at(number) : Type{};
        const std::uint64_t size = tiff.number(at + 4, 4) * type.size;
        std::size_t value = at + 8;
        if (size > 4) {
            elsewhere += size;
            if (elsewhere > tiff.size()) continue;
            value = tiff.number(at + 8, 4);
            if (value + size > tiff.size()) return std::nullopt;  // Pillow reads no further
        }
        if (size == 0 || tiff.number(at, 2) != tag) continue;
        return type.whole ? checked(tiff.number(value, type.size)) : upright;
    }
    return std::nullopt;
}

int xmp_orientation(std::span<const std::uint8_t> xmp) {
    constexpr std::string_view name = "tiff:Orientation";
    std::string_view rest(reinterpret_cast<const char*>(xmp.data()), xmp.size());
    for (std::size_t at = rest.find(name); at != std::string_view::npos; at = rest.find(name)) {
        rest.remove_prefix(at + name.size());
        // As an attribute or as an element.
        const std::size_t before = rest.starts_with("=\"") ? 2 : rest.starts_with('>') ? 1 : rest.size();
        if (before < rest.size() && rest[before] >= '0' && rest[before] <= '9') return checked(rest[before] - '0');
    }
    return upright;
}

}  // namespace halmix::io
