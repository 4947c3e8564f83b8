#include "png_metadata.h"

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>

#include "orientation.h"

namespace halmix::io {
namespace {

using Bytes = std::span<const std::uint8_t>;

/// The most that a text may unpack to; Pillow refuses a picture with a larger one.
constexpr std::size_t max_text = 1 << 20;

/// Big-endian.
std::uint32_t number_at(Bytes bytes, std::size_t at) {
    return std::uint32_t{bytes[at]} << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
}

std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// What comes behind the next byte `end`; nothing if there is none.
Bytes behind(Bytes bytes, char end) {
    const std::size_t at = text_of(bytes).find(end);
    return at == std::string_view::npos ? Bytes{} : bytes.subspan(at + 1);
}

struct Chunk {
    std::string_view name;
    Bytes data;

    /// Whether it is a text with this keyword, behind which a zero byte stands.
    [[nodiscard]] bool has(std::string_view keyword) const {
        return (name == "tEXt" || name == "zTXt" || name == "iTXt") && data.size() > keyword.size() &&
               text_of(data).starts_with(keyword) && data[keyword.size()] == 0;
    }
};

/// The text of a chunk that has a keyword; nothing if it cannot be unpacked.
Bytes text(const Chunk& chunk, Scratch& scratch) {
    Bytes data = behind(chunk.data, '\0');
    if (chunk.name == "tEXt") return data;
    // Whether it is compressed, where it need not be, and how; of iTXt then the language and the keyword in it.
    bool compressed = true;
    if (chunk.name == "iTXt") {
        if (data.empty()) return {};
        compressed = data[0] != 0;
        data = data.subspan(1);
    }
    if (data.empty() || (compressed && data[0] != 0)) return {};
    data = data.subspan(1);
    if (chunk.name == "iTXt") data = behind(behind(data, '\0'), '\0');
    if (!compressed) return data;
    std::uint8_t* const out = scratch.of(max_text);
    uLongf size = max_text;
    return uncompress(out, &size, data.data(), data.size()) == Z_OK ? Bytes(out, size) : Bytes{};
}

/// The bytes that ImageMagick writes as text: three lines, the last of which is their number, then two hexadecimal
/// digits for each. Nothing if it is not that.
Bytes profile(Bytes text, Scratch& scratch) {
    for (int line = 0; line < 3; ++line) text = behind(text, '\n');
    std::uint8_t* const out = scratch.of(text.size() / 2 + 1);
    std::size_t digits = 0;
    for (const std::uint8_t c : text) {
        constexpr std::string_view hexadecimal = "0123456789abcdefABCDEF";
        if (std::string_view(" \t\n\v\f\r").find(static_cast<char>(c)) != std::string_view::npos) continue;
        std::size_t digit = hexadecimal.find(static_cast<char>(c));
        if (digit == std::string_view::npos) return {};
        if (digit >= 16) digit -= 6;
        std::uint8_t& byte = out[digits / 2];
        byte = static_cast<std::uint8_t>(digits % 2 == 0 ? digit << 4 : byte | digit);
        ++digits;
    }
    return {out, digits / 2};
}

}  // namespace

int PngMetadata::orientation(Bytes png) {
    constexpr std::size_t around = 12;  // size and name before a chunk's data, the checksum behind
    std::optional<Chunk> exif;
    std::optional<Chunk> raw_profile;
    std::optional<Chunk> xmp;
    Bytes rest = png.subspan(std::min<std::size_t>(png.size(), 8));
    while (rest.size() >= around) {
        const std::size_t size = number_at(rest, 0);
        if (size > rest.size() - around) break;
        const Chunk chunk{text_of(rest.subspan(4, 4)), rest.subspan(8, size)};
        if (chunk.name == "IEND") break;
        // Of several the last one counts, as with Pillow.
        std::optional<Chunk>* const place = chunk.name == "eXIf"                 ? &exif
                                            : chunk.has("Raw profile type exif") ? &raw_profile
                                            : chunk.has("XML:com.adobe.xmp")     ? &xmp
                                                                                 : nullptr;
        if (place != nullptr && crc32(0, rest.data() + 4, static_cast<uInt>(size + 4)) == number_at(rest, size + 8)) {
            *place = chunk;
        }
        rest = rest.subspan(size + around);
    }
    std::optional<int> found;
    if (exif) {
        found = exif_orientation(exif->data);
    } else if (raw_profile) {
        found = exif_orientation(profile(text(*raw_profile, unpacked_), bytes_));
    }
    if (found) return *found;
    return xmp ? xmp_orientation(text(*xmp, unpacked_)) : 1;
}

}  // namespace halmix::io
