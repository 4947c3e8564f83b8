// The extern stages of pipelines: byte shuffles, which Halide would do one byte at a time on x86, or by many more of
// them. What they shuffle is in lookup.h, luminance.h, mix.h, repack.h, resample.h and warp.h; here are the images
// around it.

#include <HalideRuntime.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <utility>

#include "cpu/lookup.h"
#include "cpu/luminance.h"
#include "cpu/mix.h"
#include "cpu/repack.h"
#include "cpu/resample.h"
#include "cpu/warp.h"
#include "halmix/plan.h"

namespace halmix {

namespace {

/// Of images (channel, x, y), with pixels one after another: the stage reads as many pixels as it makes, `channels` of
/// each.
void ask_for_pixels(halide_buffer_t* image, const halide_buffer_t* out, int first_channel, int channels) {
    image->dim[0].min = first_channel;
    image->dim[0].extent = channels;
    for (int d = 1; d < 3; d++) {
        image->dim[d].min = out->dim[d].min;
        image->dim[d].extent = out->dim[d].extent;
    }
}

/// Calls `step(from, to, pixels)` for each row, or once where there are no gaps between them.
template <typename Step>
void by_rows(const halide_buffer_t* image, const halide_buffer_t* out, const Step& step) {
    const int first[3] = {out->dim[0].min, out->dim[1].min, out->dim[2].min};
    const std::uint8_t* from = image->address_of(first);
    std::uint8_t* to = out->address_of(first);
    std::size_t width = out->dim[1].extent, rows = out->dim[2].extent;
    auto without_gaps = [=](const halide_buffer_t* buffer) {
        return buffer->dim[2].stride == std::int64_t(width) * buffer->dim[1].stride;
    };
    if (without_gaps(image) && without_gaps(out)) width *= std::exchange(rows, 1);
    for (std::size_t y = 0; y < rows; y++) {
        step(from, to, width);
        from += image->dim[2].stride;
        to += out->dim[2].stride;
    }
}

/// out(c, x, y) = table(image(c, x, y)) or table(image(c, x, y), c).
int look_up_image(halide_buffer_t* image, halide_buffer_t* table, halide_buffer_t* out, lookup::Function look_up,
                  lookup::RgbFunction look_up_rgb) {
    const int channels = out->dim[0].extent;
    if (image->is_bounds_query() || table->is_bounds_query()) {
        if (image->is_bounds_query()) ask_for_pixels(image, out, out->dim[0].min, channels);
        if (table->is_bounds_query()) {
            table->dim[0].min = 0;
            table->dim[0].extent = 256;
            if (table->dimensions == 2) {
                table->dim[1].min = out->dim[0].min;
                table->dim[1].extent = channels;
            }
        }
        return 0;
    }
    const bool by_channel = table->dimensions == 2 && channels == 3;
    by_rows(image, out, [&](const std::uint8_t* from, std::uint8_t* to, std::size_t width) {
        if (by_channel) {
            look_up_rgb(from, to, width, table->host);
        } else {
            look_up(from, to, width * channels, table->host);
        }
    });
    return 0;
}

/// out(c, x, y) = image(c, x, y), of which one has three channels and the other four.
int repack_image(halide_buffer_t* image, halide_buffer_t* out, repack::Function to_rgb, repack::Function to_rgbx) {
    const bool adds = out->dim[0].extent == 4;
    if (image->is_bounds_query()) {
        ask_for_pixels(image, out, 0, adds ? 3 : 4);
    } else {
        by_rows(image, out, adds ? to_rgbx : to_rgb);
    }
    return 0;
}

void ask_for_all(halide_buffer_t* buffer, std::initializer_list<int> extents) {
    halide_dimension_t* dim = buffer->dim;
    for (const int extent : extents) {
        dim->min = 0;
        dim->extent = extent;
        dim++;
    }
}

/// out(3 x + c, y) = the luminance of the pixel (x, y) of the image, of whole pixels.
int luminance_of_image(halide_buffer_t* image, halide_buffer_t* out, luminance::Function luminance) {
    const halide_dimension_t &bytes = out->dim[0], &rows = out->dim[1];
    const int x = bytes.min / 3, pixels = bytes.extent / 3;
    if (image->is_bounds_query() || out->is_bounds_query()) {
        if (!image->is_bounds_query()) return 0;
        ask_for_all(image, {3, pixels, rows.extent});
        image->dim[1].min = x;
        image->dim[2].min = rows.min;
        return 0;
    }
    for (int y = rows.min; y < rows.min + rows.extent; y++) {
        const int from[3] = {0, x, y}, to[2] = {bytes.min, y};
        luminance(image->address_of(from), out->address_of(to), pixels);
    }
    return 0;
}

/// out() = the sum of the luminances of the image, which has width * height pixels.
int total_of_image(halide_buffer_t* image, int width, int height, halide_buffer_t* out, luminance::Total total) {
    if (image->is_bounds_query() || out->is_bounds_query()) {
        if (image->is_bounds_query()) ask_for_all(image, {3, width, height});
        return 0;
    }
    std::uint64_t sum = 0;
    by_rows(image, image, [&](const std::uint8_t* from, std::uint8_t*, std::size_t pixels) {
        for (std::size_t i = 0; i < pixels; i += luminance::most_at_once) {
            sum += total(from + 3 * i, std::min(pixels - i, luminance::most_at_once));
        }
    });
    *reinterpret_cast<std::uint64_t*>(out->host) = sum;
    return 0;
}

/// The pass of a resize along rows; extents are those that generators/resample_generator.cpp passes.
int resample_rows(halide_buffer_t* image, halide_buffer_t* first, halide_buffer_t* digits, int from_bytes, int pixels,
                  int taps, int digit_count, int dot_products, halide_buffer_t* out, resample::Function resample) {
    const halide_dimension_t &bytes = out->dim[0], &rows = out->dim[1];
    if (image->is_bounds_query() || first->is_bounds_query() || digits->is_bounds_query()) {
        if (image->is_bounds_query()) {
            ask_for_all(image, {from_bytes});
            image->dim[1].min = rows.min;
            image->dim[1].extent = rows.extent;
        }
        if (first->is_bounds_query()) ask_for_all(first, {pixels});
        if (digits->is_bounds_query()) ask_for_all(digits, {taps, bytes.extent, digit_count, dot_products});
        return 0;
    }
    const int corner[2] = {0, rows.min};
    resample({.from = image->address_of(corner),
              .from_stride = image->dim[1].stride,
              .from_bytes = from_bytes,
              .to = out->address_of(corner),
              .to_stride = rows.stride,
              .to_bytes = bytes.extent,
              .first = reinterpret_cast<const std::int32_t*>(first->host),
              .digits = digits->host,
              .channels = bytes.extent / pixels,
              .dot_products = dot_products,
              .count = rows.extent});
    return 0;
}

/// Everything that a call of a warp is made of, in the order that generators/ops/affine.h passes it in.
#define HALMIX_WARP_ARGUMENTS                                                                         \
    halide_buffer_t *source, halide_buffer_t *begins, halide_buffer_t *ends, halide_buffer_t *matrix, \
        int source_bytes, int pitch, std::uint32_t fill, bool uncertain, halide_buffer_t *out
#define HALMIX_WARP_VALUES source, begins, ends, matrix, source_bytes, pitch, fill, uncertain, out

/// A rotation. All of it is made at once.
int warp_image(HALMIX_WARP_ARGUMENTS, warp::Function gray, warp::Function rgb) {
    const int channels = out->dim[0].extent, width = out->dim[1].extent, height = out->dim[2].extent;
    if (source->is_bounds_query() || begins->is_bounds_query() || ends->is_bounds_query() ||
        matrix->is_bounds_query()) {
        if (source->is_bounds_query()) ask_for_all(source, {source_bytes});
        if (begins->is_bounds_query()) ask_for_all(begins, {height});
        if (ends->is_bounds_query()) ask_for_all(ends, {height});
        if (matrix->is_bounds_query()) ask_for_all(matrix, {6});
        return 0;
    }
    const int corner[3] = {0, 0, 0};
    const warp::Warp warp{.source = source->host + pitch + channels,
                          .pitch = pitch,
                          .to = out->address_of(corner),
                          .to_stride = out->dim[2].stride,
                          .matrix = reinterpret_cast<const double*>(matrix->host),
                          .begin = reinterpret_cast<const std::int32_t*>(begins->host),
                          .end = reinterpret_cast<const std::int32_t*>(ends->host),
                          .width = width,
                          .height = height};
    if (uncertain) {
        (channels == 1 ? warp::exact : warp::exact_rgb)(warp);
    } else {
        (channels == 1 ? gray : rgb)(warp);
    }
    const std::array<std::uint8_t, 3> levels = {static_cast<std::uint8_t>(fill), static_cast<std::uint8_t>(fill >> 8),
                                                static_cast<std::uint8_t>(fill >> 16)};
    const bool one_level = channels == 1 || (levels[0] == levels[1] && levels[0] == levels[2]);
    for (int y = 0; y < height; y++) {
        const auto fill_pixels = [&](int from, int to) {
            std::uint8_t* const first = warp.to + y * warp.to_stride + std::ptrdiff_t{from} * channels;
            const std::ptrdiff_t bytes = std::ptrdiff_t{to - from} * channels;
            if (one_level) {
                std::memset(first, levels[0], bytes);
            } else {
                for (std::ptrdiff_t i = 0; i < bytes; i++) first[i] = levels[i % 3];
            }
        };
        const int begin = std::min(warp.begin[y], width), end = std::max(begin, warp.end[y]);
        fill_pixels(0, begin);
        fill_pixels(end, width);
    }
    return 0;
}

static_assert(mix::most_chains >= max_width);

/// The mixture of an image and its chains, rows of bytes.
int mix_rows(halide_buffer_t* original, halide_buffer_t* chains, halide_buffer_t* weights, float share, int chain_count,
             halide_buffer_t* out, mix::Function function) {
    const halide_dimension_t &bytes = out->dim[0], &rows = out->dim[1];
    if (original->is_bounds_query() || chains->is_bounds_query() || weights->is_bounds_query()) {
        if (original->is_bounds_query()) ask_for_all(original, {bytes.extent, rows.extent});
        if (chains->is_bounds_query()) ask_for_all(chains, {bytes.extent, rows.extent, chain_count});
        if (weights->is_bounds_query()) ask_for_all(weights, {chain_count});
        return 0;
    }
    function({.original = original->host,
              .original_stride = original->dim[1].stride,
              .chains = chains->host,
              .chain_stride = chains->dim[1].stride,
              .chain_bytes = chains->dim[2].stride,
              .to = out->host,
              .to_stride = rows.stride,
              .bytes = bytes.extent,
              .count = rows.extent,
              .weights = reinterpret_cast<const float*>(weights->host),
              .chain_count = chain_count,
              .mix = share});
    return 0;
}

}  // namespace

}  // namespace halmix

extern "C" {

int halmix_warp__cpu_avx512(HALMIX_WARP_ARGUMENTS) {
    return halmix::warp_image(HALMIX_WARP_VALUES, halmix::warp::avx2, halmix::warp::avx512_rgb);
}

int halmix_warp__cpu_avx2(HALMIX_WARP_ARGUMENTS) {
    return halmix::warp_image(HALMIX_WARP_VALUES, halmix::warp::avx2, halmix::warp::avx2_rgb);
}

int halmix_warp__cpu_sse41(HALMIX_WARP_ARGUMENTS) {
    return halmix::warp_image(HALMIX_WARP_VALUES, halmix::warp::sse41, halmix::warp::sse41_rgb);
}

int halmix_lookup__cpu_avx512(halide_buffer_t* image, halide_buffer_t* table, halide_buffer_t* out) {
    return halmix::look_up_image(image, table, out, halmix::lookup::avx512, halmix::lookup::avx512_rgb);
}

int halmix_lookup__cpu_avx2(halide_buffer_t* image, halide_buffer_t* table, halide_buffer_t* out) {
    return halmix::look_up_image(image, table, out, halmix::lookup::avx2, halmix::lookup::avx2_rgb);
}

int halmix_lookup__cpu_sse41(halide_buffer_t* image, halide_buffer_t* table, halide_buffer_t* out) {
    return halmix::look_up_image(image, table, out, halmix::lookup::scalar, halmix::lookup::scalar_rgb);
}

int halmix_mix_rows__cpu_avx512(halide_buffer_t* original, halide_buffer_t* chains, halide_buffer_t* weights, float mix,
                                int chain_count, halide_buffer_t* out) {
    return halmix::mix_rows(original, chains, weights, mix, chain_count, out, halmix::mix::avx512);
}

int halmix_mix_rows__cpu_avx2(halide_buffer_t* original, halide_buffer_t* chains, halide_buffer_t* weights, float mix,
                              int chain_count, halide_buffer_t* out) {
    return halmix::mix_rows(original, chains, weights, mix, chain_count, out, halmix::mix::avx2);
}

int halmix_luminance_total__cpu_avx512(halide_buffer_t* image, int width, int height, halide_buffer_t* out) {
    return halmix::total_of_image(image, width, height, out, halmix::luminance::avx512_total);
}

int halmix_luminance__cpu_avx2(halide_buffer_t* image, halide_buffer_t* out) {
    return halmix::luminance_of_image(image, out, halmix::luminance::avx2);
}

int halmix_luminance_total__cpu_avx2(halide_buffer_t* image, int width, int height, halide_buffer_t* out) {
    return halmix::total_of_image(image, width, height, out, halmix::luminance::avx2_total);
}

int halmix_luminance__cpu_sse41(halide_buffer_t* image, halide_buffer_t* out) {
    return halmix::luminance_of_image(image, out, halmix::luminance::ssse3);
}

int halmix_luminance_total__cpu_sse41(halide_buffer_t* image, int width, int height, halide_buffer_t* out) {
    return halmix::total_of_image(image, width, height, out, halmix::luminance::ssse3_total);
}

int halmix_repack__cpu_avx512(halide_buffer_t* image, halide_buffer_t* out) {
    return halmix::repack_image(image, out, halmix::repack::avx512_rgbx_to_rgb, halmix::repack::avx512_rgb_to_rgbx);
}

// Longer vectors than 16 bytes, in which no byte passes to the other half, would gain nothing.
int halmix_repack__cpu_avx2(halide_buffer_t* image, halide_buffer_t* out) {
    return halmix::repack_image(image, out, halmix::repack::ssse3_rgbx_to_rgb, halmix::repack::ssse3_rgb_to_rgbx);
}

int halmix_repack__cpu_sse41(halide_buffer_t* image, halide_buffer_t* out) {
    return halmix::repack_image(image, out, halmix::repack::ssse3_rgbx_to_rgb, halmix::repack::ssse3_rgb_to_rgbx);
}

int halmix_resample_rows__cpu_avx512(halide_buffer_t* image, halide_buffer_t* first, halide_buffer_t* digits,
                                     int from_bytes, int pixels, int taps, int digit_count, int dot_products,
                                     halide_buffer_t* out) {
    return halmix::resample_rows(image, first, digits, from_bytes, pixels, taps, digit_count, dot_products, out,
                                 halmix::resample::avx512);
}

int halmix_resample_rows__cpu_avx2(halide_buffer_t* image, halide_buffer_t* first, halide_buffer_t* digits,
                                   int from_bytes, int pixels, int taps, int digit_count, int dot_products,
                                   halide_buffer_t* out) {
    return halmix::resample_rows(image, first, digits, from_bytes, pixels, taps, digit_count, dot_products, out,
                                 halmix::resample::avx2);
}

int halmix_resample_rows__cpu_sse41(halide_buffer_t* image, halide_buffer_t* first, halide_buffer_t* digits,
                                    int from_bytes, int pixels, int taps, int digit_count, int dot_products,
                                    halide_buffer_t* out) {
    return halmix::resample_rows(image, first, digits, from_bytes, pixels, taps, digit_count, dot_products, out,
                                 halmix::resample::sse41);
}

}  // extern "C"
