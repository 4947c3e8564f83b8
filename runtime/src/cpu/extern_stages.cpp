// The extern stages of pipelines: byte shuffles, which Halide would do one byte at a time on x86, or by many more of
// them. What they shuffle is in lookup.h, repack.h and resample.h; here are the images around it.

#include <HalideRuntime.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "cpu/lookup.h"
#include "cpu/repack.h"
#include "cpu/resample.h"

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

}  // namespace

}  // namespace halmix

extern "C" {

int halmix_lookup__cpu_avx512(halide_buffer_t* image, halide_buffer_t* table, halide_buffer_t* out) {
    return halmix::look_up_image(image, table, out, halmix::lookup::avx512, halmix::lookup::avx512_rgb);
}

int halmix_lookup__cpu_avx2(halide_buffer_t* image, halide_buffer_t* table, halide_buffer_t* out) {
    return halmix::look_up_image(image, table, out, halmix::lookup::avx2, halmix::lookup::avx2_rgb);
}

int halmix_lookup__cpu_sse41(halide_buffer_t* image, halide_buffer_t* table, halide_buffer_t* out) {
    return halmix::look_up_image(image, table, out, halmix::lookup::scalar, halmix::lookup::scalar_rgb);
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
