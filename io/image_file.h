#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "error.h"
#include "halmix/image.h"

/// JPEG and PNG files in and out. Every function may be called from many threads at once, throws `Error` and leaves
/// no half-written file behind.
namespace halmix::io {

/// Decoded pixels: gray (1 channel) or RGB (3), rows one after another.
struct Image {
    int width = 0;
    int height = 0;
    int channels = 0;
    std::vector<std::uint8_t> pixels;

    [[nodiscard]] ImageView view() const { return {pixels.data(), width, height, channels}; }
    [[nodiscard]] MutableImageView view() { return {pixels.data(), width, height, channels}; }
};

enum class Format : unsigned char { jpeg, png };

/// What a file name's extension says: .jpg and .jpeg, .png, in any case.
[[nodiscard]] std::optional<Format> format_of(const std::filesystem::path& path);

inline constexpr int default_quality = 95;

/// Reads an image; the content decides the format, not the name. The pixels are those of Pillow's decoder, byte for
/// byte, turned upright as the EXIF orientation says (JPEG's APP1, PNG's eXIf); all other metadata is dropped.
///
/// * JPEG: gray, YCbCr or RGB with 8 bits, baseline or progressive. CMYK, YCCK, 12-bit and lossless files are refused,
///   and so is a truncated or damaged file, even where a decoder could guess the missing part.
/// * PNG: gray, RGB or palette (which becomes RGB), with 1 to 8 bits, interlaced or not. 16-bit files are refused.
///   An alpha channel or transparent colour is dropped if every pixel is opaque; otherwise the file is refused.
/// * Images of more than 2^31 - 1 decoded bytes or 1,000,000 pixels a side are refused before memory is taken for them;
///   memory is touched only as rows arrive.
[[nodiscard]] Image read(const std::filesystem::path& path);

/// The same from memory; `name` stands for the path in error messages.
[[nodiscard]] Image decode(std::span<const std::uint8_t> bytes, const std::filesystem::path& name);

/// Encodes a gray or RGB image, without metadata. `quality`, 1..100, is for JPEG only: baseline, gray stays gray,
/// colour has full resolution (4:4:4) from quality 90 on and half below (4:2:0). `name` is for error messages.
[[nodiscard]] std::vector<std::uint8_t> encode(ImageView image, Format format, int quality,
                                               const std::filesystem::path& name);

/// Encodes into a file, which is replaced in one step (see AtomicFile).
void write(const std::filesystem::path& path, ImageView image, Format format, int quality = default_quality);

}  // namespace halmix::io
