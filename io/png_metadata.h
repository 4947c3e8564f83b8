#pragma once

#include <cstdint>
#include <span>

#include "codec.h"

namespace halmix::io {

/// What a PNG's metadata say of its orientation, 1..8; 1 if they say none. They are looked for in the file itself,
/// since libpng would unpack all that there are, and since they may come behind the pixels.
class PngMetadata {
 public:
    [[nodiscard]] int orientation(std::span<const std::uint8_t> png);

 private:
    Scratch unpacked_;
    Scratch bytes_;
};

}  // namespace halmix::io
