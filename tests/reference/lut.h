#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "reference/image.h"

namespace halmix::reference {

/// The result for each of the 256 levels.
using Table = std::array<std::uint8_t, 256>;

/// How many bytes of each level one channel has.
using Histogram = std::array<std::int64_t, 256>;

inline std::uint8_t clip8(std::int64_t value) {
    return static_cast<std::uint8_t>(std::clamp<std::int64_t>(value, 0, 255));
}

/// The table whose entry i is f(i), clipped to 0..255.
template <typename F>
Table tabulate(F f) {
    Table table;
    for (int i = 0; i < 256; ++i) table[i] = clip8(f(i));
    return table;
}

inline Table identity_table() {
    return tabulate([](int i) { return i; });
}

inline Histogram histogram(const Image& in, int c) {
    Histogram counts{};
    for (std::size_t i = c; i < in.pixels.size(); i += in.channels) ++counts[in.pixels[i]];
    return counts;
}

/// One table for all channels.
inline Image apply_table(const Image& in, const Table& table) {
    return generate(in, [&](int x, int y, int c) { return table[in.at(x, y, c)]; });
}

/// A table for each channel, made from its histogram.
template <typename F>
Image apply_tables(const Image& in, F table_of) {
    std::vector<Table> tables;
    for (int c = 0; c < in.channels; ++c) tables.push_back(table_of(histogram(in, c)));
    return generate(in, [&](int x, int y, int c) { return tables[c][in.at(x, y, c)]; });
}

}  // namespace halmix::reference
