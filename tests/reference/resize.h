#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "halmix/plan.h"
#include "reference/image.h"

namespace halmix::reference {

/// The input pixels that make up a pixel of the output, and their weights in units of 2^-22.
struct Taps {
    int first = 0;
    std::vector<int> weights;
};

inline constexpr int weight_bits = 22;

/// How far a filter reaches to either side, in pixels.
inline double radius(Filter filter) { return filter == Filter::bicubic ? 2 : 1; }

inline double weight(Filter filter, double x) {
    x = std::abs(x);
    if (filter == Filter::bilinear) return x < 1 ? 1 - x : 0;
    if (x < 1) return ((1.5 * x - 2.5) * x) * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

/// For each pixel along an axis that a resize takes from `in` pixels to `out`. In doubles, every product and sum
/// rounded by itself. The weights of a pixel need not sum to 2^22.
inline std::vector<Taps> taps(int in, int out, Filter filter) {
    const double scale = static_cast<double>(static_cast<float>(in)) / out;  // Pillow's boxes are float32
    const double stretch = std::max(scale, 1.0);
    const double support = radius(filter) * stretch;
    const double inverse = 1 / stretch;
    std::vector<Taps> all;
    for (int i = 0; i < out; ++i) {
        const double centre = (i + 0.5) * scale;
        const int first = std::max(0, static_cast<int>(centre - support + 0.5));
        const int end = std::min(in, static_cast<int>(centre + support + 0.5));
        std::vector<double> weights;
        double total = 0;
        for (int t = 0; t < end - first; ++t) {
            weights.push_back(weight(filter, (t + first - centre + 0.5) * inverse));
            total += weights.back();
        }
        Taps pixel{first, {}};
        for (double w : weights) {
            if (total != 0) w /= total;
            pixel.weights.push_back(static_cast<int>(w * (1 << weight_bits) + (w < 0 ? -0.5 : 0.5)));
        }
        all.push_back(pixel);
    }
    return all;
}

/// The byte for some input bytes; at(k) is that of pixel k.
template <typename At>
std::uint8_t weighted(const Taps& taps, At at) {
    std::int64_t sum = 1 << (weight_bits - 1);
    for (int t = 0; t < static_cast<int>(taps.weights.size()); ++t) {
        sum += std::int64_t{taps.weights[t]} * at(taps.first + t);
    }
    return static_cast<std::uint8_t>(std::clamp<std::int64_t>(sum >> weight_bits, 0, 255));
}

inline Image resize_rows(const Image& in, int width, Filter filter) {
    const std::vector<Taps> columns = taps(in.width, width, filter);
    return generate(width, in.height, in.channels,
                    [&](int x, int y, int c) { return weighted(columns[x], [&](int k) { return in.at(k, y, c); }); });
}

inline Image resize_columns(const Image& in, int height, Filter filter) {
    const std::vector<Taps> rows = taps(in.height, height, filter);
    return generate(in.width, height, in.channels,
                    [&](int x, int y, int c) { return weighted(rows[y], [&](int k) { return in.at(x, k, c); }); });
}

/// Two passes with bytes in between. A pass that leaves the size as it is changes nothing.
inline Image resize(const Image& in, int width, int height, Filter filter, PassOrder order) {
    const std::int64_t fewer_columns = std::int64_t{in.width} - width, fewer_rows = std::int64_t{in.height} - height;
    if (order == PassOrder::pillow_13 && fewer_rows > 0 && fewer_rows > 2 * fewer_columns) {
        return resize_rows(resize_columns(in, height, filter), width, filter);
    }
    return resize_columns(resize_rows(in, width, filter), height, filter);
}

inline Image crop(const Image& in, int left, int top, int width, int height) {
    return generate(width, height, in.channels, [&](int x, int y, int c) { return in.at(left + x, top + y, c); });
}

inline Image mirror(const Image& in) {
    return generate(in, [&](int x, int y, int c) { return in.at(in.width - 1 - x, y, c); });
}

/// Of `in`, which is the crop's source, to width x height.
inline Image resized_crop(const ResizedCrop& box, int width, int height, const Image& in) {
    const Image part = crop(in, box.left, box.top, box.width, box.height);
    const Image resized = resize(part, width, height, box.filter, box.order);
    return box.mirror ? mirror(resized) : resized;
}

}  // namespace halmix::reference
