// Table lookups, which Halide would make one byte at a time on x86: an extern stage of the pipelines, one function per
// CPU target.

#include "cpu/lookup.h"

#include <HalideRuntime.h>

#include <utility>

namespace halmix {

namespace lookup {

void scalar(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* table) {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < count; i++) out[i] = table[in[i]];
}

void scalar_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* tables) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 3 * count; i += 3) {
        out[i] = tables[in[i]];
        out[i + 1] = tables[256 + in[i + 1]];
        out[i + 2] = tables[512 + in[i + 2]];
    }
}

}  // namespace lookup

namespace {

/// The extern stage: out(c, x, y) = table(image(c, x, y)) or table(image(c, x, y), c), on interleaved images.
int look_up_image(halide_buffer_t* image, halide_buffer_t* table, halide_buffer_t* out, lookup::Function look_up,
                  lookup::RgbFunction look_up_rgb) {
    if (image->is_bounds_query() || table->is_bounds_query()) {
        if (image->is_bounds_query()) {
            for (int d = 0; d < 3; d++) {
                image->dim[d].min = out->dim[d].min;
                image->dim[d].extent = out->dim[d].extent;
            }
        }
        if (table->is_bounds_query()) {
            table->dim[0].min = 0;
            table->dim[0].extent = 256;
            if (table->dimensions == 2) {
                table->dim[1].min = out->dim[0].min;
                table->dim[1].extent = out->dim[0].extent;
            }
        }
        return 0;
    }
    int channels = out->dim[0].extent;
    std::size_t width = out->dim[1].extent, rows = out->dim[2].extent;
    bool by_channel = table->dimensions == 2 && channels == 3;
    int first[3] = {out->dim[0].min, out->dim[1].min, out->dim[2].min};
    const std::uint8_t* from = image->address_of(first);
    std::uint8_t* to = out->address_of(first);
    // Without gaps all rows are one.
    std::int64_t row = std::int64_t(width) * channels;
    if (image->dim[2].stride == row && out->dim[2].stride == row) width *= std::exchange(rows, 1);
    for (std::size_t y = 0; y < rows; y++) {
        if (by_channel) {
            look_up_rgb(from, to, width, table->host);
        } else {
            look_up(from, to, width * channels, table->host);
        }
        from += image->dim[2].stride;
        to += out->dim[2].stride;
    }
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

}  // extern "C"
