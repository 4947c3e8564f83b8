#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace halmix::reference {

/// 8-bit pixels, row by row, channels interleaved, no bytes between rows.
struct Image {
    int width = 0;
    int height = 0;
    int channels = 0;
    std::vector<std::uint8_t> pixels;

    [[nodiscard]] std::size_t index(int x, int y, int c) const {
        return (static_cast<std::size_t>(y) * width + x) * channels + c;
    }
    [[nodiscard]] std::uint8_t at(int x, int y, int c) const { return pixels[index(x, y, c)]; }

    friend bool operator==(const Image&, const Image&) = default;
};

/// The image whose byte (x, y, c) is f(x, y, c).
template <typename F>
Image generate(int width, int height, int channels, F f) {
    Image out{width, height, channels, {}};
    out.pixels.reserve(static_cast<std::size_t>(width) * height * channels);
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            for (int c = 0; c < channels; ++c) out.pixels.push_back(f(x, y, c));
        }
    }
    return out;
}

/// As above, of the size of `like`.
template <typename F>
Image generate(const Image& like, F f) {
    return generate(like.width, like.height, like.channels, f);
}

}  // namespace halmix::reference
