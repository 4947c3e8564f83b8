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

namespace {

std::vector<std::uint8_t> read_picture(const fs::path& path) {
    constexpr std::size_t max_size = std::numeric_limits<std::int32_t>::max();
    const auto check = [&](std::span<const std::uint8_t> start) { (void)detect(start, path.native()); };
    return with_memory(path, [&] { return read_bytes(path, max_size, check); });
}

}  // namespace

std::optional<Format> format_of(const fs::path& path) {
    std::string extension = path.extension().string();
    std::ranges::transform(extension, extension.begin(), [](unsigned char c) { return std::tolower(c); });
    if (extension == ".jpg" || extension == ".jpeg") return Format::jpeg;
    if (extension == ".png") return Format::png;
    return std::nullopt;
}

Image decode(std::span<const std::uint8_t> bytes, const fs::path& name, const Acceptance& accept) {
    Decoder decoder;
    const Picture picture = decoder.open(std::as_bytes(bytes), name.native(), Orientation::upright, accept);
    Image image{picture.width, picture.height, picture.channels, {}};
    with_memory(name,
                [&] { image.pixels.resize(image_bytes(Layout::u8_hwc, image.width, image.height, image.channels)); });
    decoder.decode({0, 0, image.width, image.height}, image.view());
    image.trouble = decoder.trouble();
    return image;
}

Picture read_header(const fs::path& path, const Acceptance& accept) {
    const std::vector<std::uint8_t> bytes = read_picture(path);
    return Decoder().open(std::as_bytes(std::span(bytes)), path.native(), Orientation::upright, accept);
}

Image read(const fs::path& path, const Acceptance& accept) { return decode(read_picture(path), path, accept); }

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
