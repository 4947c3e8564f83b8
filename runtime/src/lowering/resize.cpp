#include "lowering/resize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace halmix {

namespace {

constexpr int weight_bits = 22;

double radius(Filter filter) { return filter == Filter::bicubic ? 2 : 1; }

double weight(Filter filter, double x) {
    x = std::abs(x);
    if (filter == Filter::bilinear) return x < 1 ? 1 - x : 0;
    const double near = ((1.5 * x - 2.5) * x) * x + 1, far = (((x - 5) * x + 8) * x - 4) * -0.5;
    return x < 1 ? near : x < 2 ? far : 0;
}

/// The pixel that begins nearest to a place; of places below 0 any that is below 1.
std::int32_t edge(double place) {
    return static_cast<std::int32_t>(place + 0.5);  // NOLINT(bugprone-incorrect-roundings): as Pillow has it
}

/// Weights of `t`-th taps, of results whose pixels have elements `first` to `end`, and their sums so far.
template <Filter filter>
void weigh(std::size_t results, double t, double inverse, const double* first, const double* end, const double* centre,
           double* weights, double* total) {
    for (std::size_t i = 0; i < results; i++) {
        const double pixel = t + first[i], w = weight(filter, (pixel - centre[i] + 0.5) * inverse);
        weights[i] = pixel < end[i] ? w : 0;
        total[i] += weights[i];
    }
}

}  // namespace

// All in double, in Pillow's order, several results at a time.
std::int32_t find_weights(int in, int out, Filter filter, bool mirror, Resize& work, std::vector<std::int32_t>& first) {
    const double scale = static_cast<double>(static_cast<float>(in)) / out;  // Pillow's boxes are float32
    const double stretch = std::max(scale, 1.0), support = radius(filter) * stretch, inverse = 1 / stretch;
    const auto results = static_cast<std::size_t>(out);
    for (std::vector<double>* values : {&work.centre, &work.first, &work.end, &work.total}) values->assign(results, 0);
    first.resize(results);
    std::int32_t most = 0;
    for (std::size_t i = 0; i < results; i++) {
        const double centre = (static_cast<double>(i) + 0.5) * scale;
        const std::int32_t begin = std::max(0, edge(centre - support)), end = std::min(in, edge(centre + support));
        work.centre[i] = centre;
        work.first[i] = first[i] = begin;
        work.end[i] = end;
        most = std::max(most, end - begin);
    }
    work.weights.resize(results * most);
    for (std::int32_t t = 0; t < most; t++) {
        (filter == Filter::bicubic ? weigh<Filter::bicubic>
                                   : weigh<Filter::bilinear>)(results, t, inverse, work.first.data(), work.end.data(),
                                                              work.centre.data(), work.weights.data() + t * results,
                                                              work.total.data());
    }
    for (double& total : work.total) total = total == 0 ? 1 : total;
    work.fixed.resize(results * most);
    constexpr double one = 1 << weight_bits;
    for (std::int32_t t = 0; t < most; t++) {
        const double *weights = work.weights.data() + t * results, *total = work.total.data();
        std::int32_t* fixed = work.fixed.data() + t * results;
        for (std::size_t i = 0; i < results; i++) {
            const double w = weights[i] / total[i] * one;
            fixed[i] = static_cast<std::int32_t>(w + (w < 0 ? -0.5 : 0.5));
        }
        if (mirror) std::reverse(fixed, fixed + results);
    }
    if (mirror) std::ranges::reverse(first);
    return most;
}

namespace {

/// Along one axis; a result has `elements` bytes.
void find_taps(int in, int out, Filter filter, bool mirror, int elements, const DotProduct& form, Resize& work,
               Taps& taps) {
    const std::int32_t most = find_weights(in, out, filter, mirror, work, taps.first);
    const auto results = static_cast<std::size_t>(out);
    taps.elements = out * elements;
    taps.dot_products = (most + form.taps - 1) / form.taps;
    work.fixed.resize(results * taps.dot_products * form.taps, 0);
    constexpr std::size_t readable = 16;  // words beyond, which vectors may read
    taps.digits.resize(results * elements * form.digits * taps.dot_products + readable);
    work.words.resize(results);
    const int bits = 32 / form.taps;
    const std::uint32_t mask = ~0U >> (32 - bits);
    std::uint32_t *to = taps.digits.data(), *words = work.words.data();
    for (int g = 0; g < taps.dot_products; g++) {
        for (int d = 0; d < form.digits; d++) {
            std::fill_n(words, results, 0);
            for (int t = 0; t < form.taps; t++) {
                std::int32_t* rest = work.fixed.data() + (g * form.taps + t) * results;
                for (std::size_t i = 0; i < results; i++) {
                    // A digit is a signed byte, the last one all that is left.
                    const std::int32_t value = d + 1 < form.digits ? static_cast<std::int8_t>(rest[i]) : rest[i];
                    words[i] |= (static_cast<std::uint32_t>(value) & mask) << (t * bits);
                    rest[i] = (rest[i] + 128) >> 8;
                }
            }
            for (std::size_t i = 0; i < results; i++) to = std::fill_n(to, elements, words[i]);
        }
    }
}

}  // namespace

bool columns_first(const ResizedCrop& crop, int width, int height) {
    const std::int64_t fewer_columns = std::int64_t{crop.width} - width,
                       fewer_rows = std::int64_t{crop.height} - height;
    return crop.order == PassOrder::pillow_13 && fewer_rows > 0 && fewer_rows > 2 * fewer_columns;
}

void find_taps(const ResizedCrop& crop, int width, int height, int channels, const DotProduct& form, Resize& resize) {
    find_taps(crop.width, width, crop.filter, crop.mirror, channels, form, resize, resize.rows);
    find_taps(crop.height, height, crop.filter, false, 1, form, resize, resize.columns);
}

}  // namespace halmix
