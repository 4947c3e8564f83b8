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

/// What each result along an axis is made of, from `in` pixels to `out`: `first`, the pixel of its first tap, and
/// work.fixed (result, tap), the weights in units of 2^-22. Returns how many taps results have at most; the weights of
/// those that some lack are 0.
std::int32_t find_weights(int in, int out, Filter filter, bool mirror, Resize& work, std::vector<std::int32_t>& first);

/// The taps of a resize of a crop to width x height pixels; reuses the memory.
void find_taps(const ResizedCrop& crop, int width, int height, int channels, const DotProduct& form, Resize& resize);

}  // namespace halmix
