#pragma once

#include <cstdint>
#include <span>

#include "image_file.h"

namespace halmix::io {

/// The orientation, 1..8, that an EXIF block says: "Exif", two zero bytes, then TIFF. 1 if it says none.
[[nodiscard]] int exif_orientation(std::span<const std::uint8_t> exif);

/// The image turned upright: what a picture stored with this EXIF orientation is meant to look like.
[[nodiscard]] Image upright(Image image, int orientation);

}  // namespace halmix::io
