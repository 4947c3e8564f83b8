#include "image_file.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <limits>
#include <string>

#include "codec.h"
#include "file.h"

namespace halmix::io {
namespace fs = std::filesystem;

std::optional<Format> format_of(const fs::path& path) {
    std::string extension = path.extension().string();
    std::ranges::transform(extension, extension.begin(), [](unsigned char c) { return std::tolower(c); });
    if (extension == ".jpg" || extension == ".jpeg") return Format::jpeg;
    if (extension == ".png") return Format::png;
    return std::nullopt;
}

Image decode(std::span<const std::uint8_t> bytes, const fs::path& name, std::int64_t max_pixels) {
    Decoder decoder;
    const Picture picture = decoder.open(std::as_bytes(bytes), name.native(), Orientation::upright, max_pixels);
    Image image{picture.width, picture.height, picture.channels, {}};
    with_memory(name,
                [&] { image.pixels.resize(image_bytes(Layout::u8_hwc, image.width, image.height, image.channels)); });
    decoder.decode({0, 0, image.width, image.height}, image.view());
    return image;
}

Image read(const fs::path& path, std::int64_t max_pixels) {
    constexpr std::size_t max_size = std::numeric_limits<std::int32_t>::max();
    const auto accept = [&](std::span<const std::uint8_t> start) { (void)detect(start, path.native()); };
    return decode(with_memory(path, [&] { return read_bytes(path, max_size, accept); }), path, max_pixels);
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
