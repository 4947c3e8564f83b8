#pragma once

#include <cstdint>
#include <span>

namespace halmix::io {

/// The orientation, 1..8, that EXIF data say, which are TIFF; 1 if they say none.
[[nodiscard]] int exif_orientation(std::span<const std::uint8_t> tiff);

}  // namespace halmix::io
