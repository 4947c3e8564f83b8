#pragma once

#include <cstdint>
#include <optional>
#include <span>

/// What metadata say of a picture's orientation, as Pillow's ImageOps.exif_transpose reads them: 1, upright, for what
/// is none of 1..8.
namespace halmix::io {

/// What EXIF data say, which are TIFF, with or without "Exif\0\0" before it; none if they have no entry about it.
[[nodiscard]] std::optional<int> exif_orientation(std::span<const std::uint8_t> exif);

/// What XMP says; it counts where EXIF data say nothing.
[[nodiscard]] int xmp_orientation(std::span<const std::uint8_t> xmp);

}  // namespace halmix::io
