// What metadata say of the orientation. Whatever the bytes, it is none or 1 to 8; EXIF data say the same with
// "Exif\0\0" before them, as a PNG's chunk and as the text that ImageMagick makes of them, compressed or not; XMP the
// same alone and in a PNG.

#include <zlib.h>

#include "fuzz.h"
#include "io/orientation.h"
#include "io/png_metadata.h"

using namespace halmix;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes operator+(Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }

Bytes number(std::size_t value) {
    Bytes result;
    for (int shift = 24; shift >= 0; shift -= 8) result.push_back(static_cast<std::uint8_t>(value >> shift));
    return result;
}

/// What is found in a PNG that has nothing but this chunk.
int in_png(std::string_view name, const Bytes& data) {
    const Bytes named = bytes(name) + data;
    const Bytes png = bytes("\x89PNG\r\n\x1a\n") + number(data.size()) + named +
                      number(crc32(0, named.data(), static_cast<uInt>(named.size())));
    io::PngMetadata metadata;
    const int found = metadata.orientation(png);
    fuzz::require(found >= 1 && found <= 8, "an orientation is 1 to 8", name);
    return found;
}

Bytes compressed(const Bytes& data) {
    uLongf size = compressBound(data.size());
    Bytes result(size);
    compress2(result.data(), &size, data.data(), data.size(), 1);
    result.resize(size);
    return result;
}

Bytes hexadecimal(const Bytes& data) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "\nexif\n" + std::to_string(data.size()) + "\n";
    for (const std::uint8_t byte : data) text += {digits[byte / 16], digits[byte % 16]};
    return bytes(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace std::string_view_literals;
    const Bytes input(data, data + size);
    const Bytes profile = bytes("Raw profile type exif\0"sv), xmp = bytes("XML:com.adobe.xmp\0"sv);

    const std::optional<int> exif = io::exif_orientation(input);
    const int said = exif.value_or(1);
    fuzz::require(said >= 1 && said <= 8, "an orientation is 1 to 8");
    const Bytes prefix = bytes("Exif\0\0"sv);
    if (!std::ranges::equal(std::span(input).first(std::min(size, prefix.size())), prefix)) {
        fuzz::require(io::exif_orientation(prefix + input) == exif, "EXIF data may have a prefix");
    }
    fuzz::require(in_png("eXIf", input) == said, "eXIf is EXIF");
    fuzz::require(in_png("tEXt", profile + hexadecimal(input)) == said, "ImageMagick's text is EXIF");
    fuzz::require(in_png("zTXt", profile + Bytes{0} + compressed(hexadecimal(input))) == said, "it may be compressed");

    const int said_by_xmp = io::xmp_orientation(input);
    fuzz::require(said_by_xmp >= 1 && said_by_xmp <= 8, "an orientation is 1 to 8");
    fuzz::require(in_png("iTXt", xmp + Bytes{0, 0, 0, 0} + input) == said_by_xmp, "XMP may be in a PNG");
    fuzz::require(in_png("iTXt", xmp + Bytes{1, 0, 0, 0} + compressed(input)) == said_by_xmp, "it may be compressed");

    for (const char* name : {"tEXt", "zTXt", "iTXt"}) {
        in_png(name, profile + input);
        in_png(name, xmp + input);
    }
    return 0;
}
