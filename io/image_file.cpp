#include "image_file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <limits>
#include <new>
#include <string>

#include "codec.h"
#include "file.h"

namespace halmix::io {
namespace {

namespace fs = std::filesystem;

struct Signature {
    Format format;
    std::string_view bytes;
};

constexpr std::array signatures{
    Signature{Format::jpeg, "\xff\xd8\xff"},
    Signature{Format::png, "\x89PNG\r\n\x1a\n"},
};

Format detect(std::span<const std::uint8_t> bytes, const fs::path& name) {
    if (bytes.empty()) throw Error(name, "is empty", "use a JPEG or PNG file");
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto* const found =
        std::ranges::find_if(signatures, [&](const Signature& s) { return text.starts_with(s.bytes); });
    if (found == signatures.end()) throw Error(name, "is not a JPEG or PNG image", "convert it to JPEG or PNG");
    return found->format;
}

/// Runs `call`; running out of memory becomes an Error about `name`.
template <typename Call>
auto with_memory(const fs::path& name, Call&& call) {
    try {
        return call();
    } catch (const std::bad_alloc&) {
        throw Error(name, "needs more memory than there is", "use fewer threads or a smaller image");
    }
}

}  // namespace

std::optional<Format> format_of(const fs::path& path) {
    std::string extension = path.extension().string();
    std::ranges::transform(extension, extension.begin(), [](unsigned char c) { return std::tolower(c); });
    if (extension == ".jpg" || extension == ".jpeg") return Format::jpeg;
    if (extension == ".png") return Format::png;
    return std::nullopt;
}

Image reserve_image(std::uint32_t width, std::uint32_t height, int channels, int decoded_channels,
                    const fs::path& name) {
    constexpr std::uint32_t max_side = 1'000'000;
    constexpr std::uint64_t max_bytes = std::numeric_limits<std::int32_t>::max();
    if (width > max_side || height > max_side || std::uint64_t{width} * height * channels > max_bytes) {
        throw Error(name,
                    "is " + std::to_string(width) + " x " + std::to_string(height) + " pixels of " +
                        std::to_string(channels) + (channels == 1 ? " byte" : " bytes") +
                        ", more than 2^31 - 1 bytes or 1,000,000 pixels a side",
                    "scale it down or cut it up");
    }
    Image image{static_cast<int>(width), static_cast<int>(height), channels, {}};
    image.pixels.reserve(std::size_t{width} * height * decoded_channels);
    return image;
}

Image decode(std::span<const std::uint8_t> bytes, const fs::path& name) {
    const Format format = detect(bytes, name);
    return with_memory(name,
                       [&] { return format == Format::jpeg ? decode_jpeg(bytes, name) : decode_png(bytes, name); });
}

Image read(const fs::path& path) {
    constexpr std::size_t max_size = std::numeric_limits<std::int32_t>::max();
    const auto accept = [&](std::span<const std::uint8_t> start) { (void)detect(start, path); };
    return decode(with_memory(path, [&] { return read_bytes(path, max_size, accept); }), path);
}

std::vector<std::uint8_t> encode(ImageView image, Format format, int quality, const fs::path& name) {
    return with_memory(
        name, [&] { return format == Format::jpeg ? encode_jpeg(image, quality, name) : encode_png(image, name); });
}

void write(const fs::path& path, ImageView image, Format format, int quality) {
    const std::vector<std::uint8_t> bytes = encode(image, format, quality, path);
    AtomicFile file(path);
    file.write(bytes);
    file.commit();
}

}  // namespace halmix::io
