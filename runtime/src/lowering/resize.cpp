#include "lowering/resize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace halmix {

namespace {

double radius(Filter filter) { return filter == Filter::bicubic ? 2 : 1; }

double weight(Filter filter, double x) {
    x = std::abs(x);
    if (filter == Filter::bilinear) return x < 1 ? 1 - x : 0;
    const double near = ((1.5 * x - 2.5) * x) * x + 1, far = (((x - 5) * x + 8) * x - 4) * -0.5;
    return x < 1 ? near : x < 2 ? far : 0;
}

/// A word of taps, of digit `d`: 8 bits each, the last digit with what is left.
std::uint32_t word_of(const std::int32_t* weights, std::ptrdiff_t step, int d, const DotProduct& form) {
    const int bits = 32 / form.taps;
    std::uint32_t word = 0;
    for (int t = 0; t < form.taps; t++) {
        std::int32_t rest = weights[t * step];
        std::int32_t low = static_cast<std::int8_t>(rest);
        for (int k = 0; k < d; k++) {
            rest = (rest - low) >> 8;
            low = static_cast<std::int8_t>(rest);
        }
        const auto digit = static_cast<std::uint32_t>(d + 1 < form.digits ? low : rest);
        word |= (digit & (~0U >> (32 - bits))) << (t * bits);
    }
    return word;
}

/// Along one axis, from `in` pixels to `out`, which have `elements` bytes each. All in double, in Pillow's order.
void find_taps(int in, int out, Filter filter, bool mirror, int elements, const DotProduct& form, Resize& work,
               Taps& taps) {
    const double scale = static_cast<double>(static_cast<float>(in)) / out;  // Pillow's boxes are float32
    const double stretch = std::max(scale, 1.0), support = radius(filter) * stretch, inverse = 1 / stretch;
    const auto results = static_cast<std::size_t>(out);
    work.centre.resize(results);
    work.count.resize(results);
    taps.first.resize(results);
    std::int32_t most = 0;
    for (std::size_t i = 0; i < results; i++) {
        work.centre[i] = (static_cast<double>(i) + 0.5) * scale;
        taps.first[i] = std::max(0, static_cast<std::int32_t>(work.centre[i] - support + 0.5));
        work.count[i] = std::min(in, static_cast<std::int32_t>(work.centre[i] + support + 0.5)) - taps.first[i];
        most = std::max(most, work.count[i]);
    }

    // By taps first: the compiler then computes several results at a time.
    work.weights.resize(results * most);
    work.total.assign(results, 0);
    for (std::int32_t t = 0; t < most; t++) {
        double* weights = work.weights.data() + t * results;
        for (std::size_t i = 0; i < results; i++) {
            const double w = weight(filter, (t + taps.first[i] - work.centre[i] + 0.5) * inverse);
            weights[i] = t < work.count[i] ? w : 0;
            work.total[i] += weights[i];
        }
    }
    for (double& total : work.total) total = total == 0 ? 1 : total;

    taps.elements = out * elements;
    taps.dot_products = (most + form.taps - 1) / form.taps;
    std::vector<std::int32_t>& fixed = work.fixed;
    fixed.assign(results * taps.dot_products * form.taps, 0);
    constexpr double one = 1 << 22;
    for (std::int32_t t = 0; t < most; t++) {
        for (std::size_t i = 0; i < results; i++) {
            const double w = work.weights[t * results + i] / work.total[i];
            fixed[t * results + i] = static_cast<std::int32_t>(w * one + (w < 0 ? -0.5 : 0.5));
        }
    }

    const std::size_t words = results * elements;
    constexpr std::size_t readable = 16;  // words that vectors may read beyond
    taps.digits.resize(words * form.digits * taps.dot_products + readable);
    std::uint32_t* to = taps.digits.data();
    for (int g = 0; g < taps.dot_products; g++) {
        for (int d = 0; d < form.digits; d++) {
            for (std::size_t k = 0; k < results; k++) {
                const std::size_t i = mirror ? results - 1 - k : k;
                const std::uint32_t word = word_of(fixed.data() + g * form.taps * results + i, out, d, form);
                to = std::fill_n(to, elements, word);
            }
        }
    }
    if (mirror) std::reverse(taps.first.begin(), taps.first.end());
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
