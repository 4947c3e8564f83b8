#pragma once

#include <cstdint>
#include <vector>

#include "catalogue.h"
#include "halmix/plan.h"

namespace halmix {

/// Which pixels each result of a pass is made of, and with what weights, as generators/resample_generator.cpp takes
/// them.
struct Taps {
    std::vector<std::int32_t> first;    ///< by result
    std::vector<std::uint32_t> digits;  ///< (result's element, digit, dot product): a digit of each of its taps
    int elements = 0, dot_products = 0;
};

/// The two passes of a resize, and memory to find them with.
struct Resize {
    Taps rows, columns;
    std::vector<double> centre, first, end, total, weights;
    std::vector<std::int32_t> fixed;
    std::vector<std::uint32_t> words;
};

/// Whether columns are passed along first, before rows.
bool columns_first(const ResizedCrop& crop, int width, int height);

/// The taps of a resize of a crop to width x height pixels; reuses the memory.
void find_taps(const ResizedCrop& crop, int width, int height, int channels, const DotProduct& form, Resize& resize);

}  // namespace halmix
