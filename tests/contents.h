#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "reference/image.h"

namespace halmix::reference {

/// Test images that are made, not stored: every byte is a pure integer function of its place and a seed, the same here
/// and in composer/contents.py. What the names promise holds for each channel of all but the smallest images.
enum class Content {
    constant,      ///< one level per channel
    ramp,          ///< all 256 levels in order, again and again, equal channels
    gradient,      ///< left to right, top to bottom and diagonal, one per channel
    noise,         ///< all levels alike
    smooth,        ///< half the gradient with some noise, away from black and white
    checkerboard,  ///< black and white
    two_levels,    ///< one below 128 and one above, per channel
    levels_0_25,   ///< autocontrast maps 25 to 254
    huge_bin,      ///< 5/8 of the bytes are at the highest level, 200
    saturated,     ///< a quarter black, a quarter white
    near_flat,     ///< three levels side by side
    stripes,       ///< two levels, in lines of one width and one direction
    text,          ///< dark characters on a light page, equal channels
};

struct ContentName {
    Content content;
    std::string_view name;
};

inline constexpr ContentName content_names[] = {
    {Content::constant, "constant"},
    {Content::ramp, "ramp"},
    {Content::gradient, "gradient"},
    {Content::noise, "noise"},
    {Content::smooth, "smooth"},
    {Content::checkerboard, "checkerboard"},
    {Content::two_levels, "two_levels"},
    {Content::levels_0_25, "levels_0_25"},
    {Content::huge_bin, "huge_bin"},
    {Content::saturated, "saturated"},
    {Content::near_flat, "near_flat"},
    {Content::stripes, "stripes"},
    {Content::text, "text"},
};

inline std::vector<Content> contents() {
    std::vector<Content> all;
    for (const ContentName& row : content_names) all.push_back(row.content);
    return all;
}

inline std::string_view name(Content content) { return content_names[static_cast<std::size_t>(content)].name; }

inline Content parse_content(std::string_view name) {
    for (const ContentName& row : content_names) {
        if (row.name == name) return row.content;
    }
    throw std::invalid_argument("no content of this name");
}

/// The finalizer of MurmurHash3: a bijection that mixes all bits.
inline std::uint32_t mix_bits(std::uint32_t h) {
    h = (h ^ (h >> 16)) * 0x85ebca6bU;
    h = (h ^ (h >> 13)) * 0xc2b2ae35U;
    return h ^ (h >> 16);
}

inline Image make(Content content, int width, int height, int channels, std::uint32_t seed = 1) {
    const std::uint32_t key = mix_bits(seed);
    return generate(width, height, channels, [&](int x, int y, int c) {
        const int pixel = y * width + x;
        const std::uint32_t noise = mix_bits(key + static_cast<std::uint32_t>(pixel * channels + c));
        const std::uint32_t channel_noise = mix_bits(~key - static_cast<std::uint32_t>(c));
        const int gradient = c == 0   ? x * 255 / std::max(width - 1, 1)
                             : c == 1 ? y * 255 / std::max(height - 1, 1)
                                      : 255 - (x + y) * 255 / std::max(width + height - 2, 1);
        const std::uint32_t dark = channel_noise % 128, light = 128 + (channel_noise >> 25);
        const int across = key / 16 % 3 == 0 ? x : key / 16 % 3 == 1 ? y : x + y;
        // A character is 3 by 5 dots of 2 by 2 pixels, and as much space as a dot takes on its right and below.
        const int column = x % 8 / 2, row = y % 12 / 2;
        const std::uint32_t dots = mix_bits(key + static_cast<std::uint32_t>(y / 12) * 4096 + x / 8);
        const bool ink = column < 3 && row < 5 && (dots >> (3 * row + column)) % 2 != 0;
        const auto level = [&]() -> std::uint32_t {
            switch (content) {
                case Content::constant:
                    return channel_noise >> 24;
                case Content::ramp:
                    return pixel % 256;
                case Content::gradient:
                    return gradient;
                case Content::noise:
                    return noise >> 24;
                case Content::smooth:
                    return 40 + gradient / 2 + (noise >> 29);
                case Content::checkerboard:
                    return (x + y) % 2 * 255;
                case Content::two_levels:
                    return noise % 2 == 0 ? dark : light;
                case Content::levels_0_25:
                    return pixel == 0 ? 0 : pixel == width * height - 1 ? 25 : noise % 26;
                case Content::huge_bin:
                    return noise % 8 < 5 ? 200 : (noise >> 8) % 200;
                case Content::saturated:
                    return noise % 4 == 0 ? 0 : noise % 4 == 1 ? 255 : noise >> 24;
                case Content::near_flat:
                    return (channel_noise >> 24) * 254 / 256 + noise % 3;
                case Content::stripes:
                    return across / static_cast<int>(1 + key % 5) % 2 == 0 ? dark : light;
                case Content::text:
                    return ink ? 20 : 245;
            }
            throw std::invalid_argument("no such content");
        };
        return static_cast<std::uint8_t>(level());
    });
}

}  // namespace halmix::reference
