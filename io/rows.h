#pragma once

#include <cstddef>
#include <cstdint>

#include "halmix/io.h"

namespace halmix::io {

/// A picture's size, stored or turned upright.
struct Size {
    int width = 0;
    int height = 0;
};

/// The size, turned upright from the orientation that EXIF says, or back.
[[nodiscard]] Size turned(Size size, int orientation);

/// Where an upright picture's window lies in the stored picture of this size.
[[nodiscard]] Window stored_window(const Window& window, Size stored, int orientation);

/// Where a stored picture's window lies in the upright picture; `stored` is the stored one's size.
[[nodiscard]] Window upright_window(const Window& window, Size stored, int orientation);

/// Where the rows of a stored window go: into a view of the upright one, whose channels may be other ones.
class Rows {
 public:
    Rows(MutableImageView out, int orientation);

    /// Whether a decoder of these channels, without alpha, may write rows of the window where they belong: to `row`.
    [[nodiscard]] bool direct(int channels) const { return channels == channels_ && column_step_ == channels; }
    [[nodiscard]] std::uint8_t* row(int y) const { return first_ + y * row_step_; }

    /// Puts row `y` of the window, which is decoded to pixels of `channels` (1: gray, 3: RGB, 4: CMYK as JPEG files
    /// have it) and, behind them, alpha if there is any. False if a pixel is not opaque.
    [[nodiscard]] bool put(int y, const std::uint8_t* pixels, int channels, bool alpha) const;

 private:
    std::uint8_t* first_;         ///< where the stored window's first pixel goes
    std::ptrdiff_t column_step_;  ///< from a pixel of a stored row to the next
    std::ptrdiff_t row_step_;
    int width_;  ///< of the stored window
    int channels_;
};

}  // namespace halmix::io
