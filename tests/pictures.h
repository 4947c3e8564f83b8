// Pictures of noise and waves as JPEG and PNG of every kind there is, for tests.
#pragma once

// jpeglib.h needs these two first.
#include <cstddef>
#include <cstdio>
// clang-format off
#include <jpeglib.h>
#include <png.h>
// clang-format on

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "catch.h"
#include "halmix/io.h"

namespace halmix::test {

using Bytes = std::vector<std::uint8_t>;

/// HALMIX_TEST_SEED replays a failure.
inline unsigned seed() {
    const char* text = std::getenv("HALMIX_TEST_SEED");
    return text != nullptr ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : 1;
}

inline std::mt19937 random_number(seed());
inline int below(int n) { return static_cast<int>(random_number() % static_cast<unsigned>(n)); }

struct Pixels {
    int width = 0;
    int height = 0;
    int channels = 0;
    Bytes bytes;

    Pixels(int width, int height, int channels)
        : width(width), height(height), channels(channels), bytes(std::size_t(width) * height * channels) {}

    MutableImageView view() { return {bytes.data(), width, height, channels}; }
    [[nodiscard]] std::uint8_t* at(int x, int y) { return &bytes[(std::size_t(y) * width + x) * channels]; }
    [[nodiscard]] Pixels window(const io::Window& window) {
        Pixels result(window.width, window.height, channels);
        for (int y = 0; y < window.height; ++y) {
            std::copy_n(at(window.left, window.top + y), std::ptrdiff_t{window.width} * channels, result.at(0, y));
        }
        return result;
    }
};

/// Slopes, waves and some noise, so that each coefficient has something to do.
inline Pixels picture(int width, int height, int channels) {
    Pixels result(width, height, channels);
    const int phase = below(100);
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            for (int c = 0; c < channels; ++c) {
                const double wave = 60 * std::sin(x * 0.1 * (c + 1) + phase) + 50 * std::cos(y * 0.07 + c);
                result.at(x, y)[c] = static_cast<std::uint8_t>(128 + wave + below(17) - 8);
            }
        }
    }
    return result;
}

/// How a JPEG is written. `sampling` has the components' factors, horizontal and vertical.
struct JpegKind {
    std::string name{};
    std::array<std::array<int, 2>, 4> sampling{{{1, 1}, {1, 1}, {1, 1}, {1, 1}}};
    int channels = 3;   ///< 1: gray, 3: YCbCr, 4: CMYK
    bool ycck = false;  ///< CMYK is stored as YCCK
    bool progressive = false;
    bool arithmetic = false;
    int restart = 0;              ///< blocks between restart markers
    int scans = 0;                ///< the file ends after so many, and lacks the coefficients of others
    bool without_tables = false;  ///< without those that a decoder cannot do without
};

/// The channels of the picture that is decoded.
inline int channels_of(const JpegKind& kind) { return kind.channels == 1 ? 1 : 3; }

inline Bytes jpeg(Pixels pixels, const JpegKind& kind, int quality = 85) {
    // What the first and second scan bring: the mean of each block, then five more coefficients of the first channel.
    const std::array<jpeg_scan_info, 2> few{{{pixels.channels, {0, 1, 2, 3}, 0, 0, 0, 0}, {1, {0}, 1, 5, 0, 2}}};

    jpeg_compress_struct info;
    jpeg_error_mgr errors;
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    unsigned char* memory = nullptr;
    unsigned long size = 0;
    jpeg_mem_dest(&info, &memory, &size);
    info.image_width = pixels.width;
    info.image_height = pixels.height;
    info.input_components = pixels.channels;
    info.in_color_space = pixels.channels == 1 ? JCS_GRAYSCALE : pixels.channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&info);
    if (kind.ycck) jpeg_set_colorspace(&info, JCS_YCCK);
    jpeg_set_quality(&info, quality, TRUE);
    for (int i = 0; i < pixels.channels; ++i) {
        info.comp_info[i].h_samp_factor = kind.sampling.at(i)[0];
        info.comp_info[i].v_samp_factor = kind.sampling.at(i)[1];
    }
    if (kind.progressive) jpeg_simple_progression(&info);
    if (kind.scans > 0) {
        info.scan_info = few.data();
        info.num_scans = kind.scans;
    }
    info.arith_code = kind.arithmetic;
    info.restart_interval = kind.restart;
    if (kind.without_tables) jpeg_suppress_tables(&info, TRUE);
    jpeg_start_compress(&info, kind.without_tables ? FALSE : TRUE);
    for (int y = 0; y < pixels.height; ++y) {
        JSAMPROW row = pixels.at(0, y);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    Bytes bytes(memory, memory + size);
    std::free(memory);
    jpeg_destroy_compress(&info);
    return bytes;
}

inline std::vector<JpegKind> jpeg_kinds() {
    using Sampling = std::array<std::array<int, 2>, 4>;
    static const std::map<std::string, Sampling> samplings{
        {"4:4:4", {{{1, 1}, {1, 1}, {1, 1}}}}, {"4:2:2", {{{2, 1}, {1, 1}, {1, 1}}}},
        {"4:2:0", {{{2, 2}, {1, 1}, {1, 1}}}}, {"4:4:0", {{{1, 2}, {1, 1}, {1, 1}}}},
        {"4:1:1", {{{4, 1}, {1, 1}, {1, 1}}}}, {"4:1:0", {{{4, 2}, {1, 1}, {1, 1}}}},
        {"odd", {{{2, 2}, {1, 1}, {2, 1}}}},   {"colours finer", {{{1, 1}, {2, 2}, {2, 1}}}},
        {"thirds", {{{3, 1}, {1, 1}, {1, 1}}}}};
    static const std::map<std::string, Sampling> inks{{"CMYK", {{{1, 1}, {1, 1}, {1, 1}, {1, 1}}}},
                                                      {"CMYK, cyan finer", {{{2, 2}, {1, 1}, {1, 1}, {1, 1}}}},
                                                      {"YCCK", {{{1, 1}, {1, 1}, {1, 1}, {1, 1}}}},
                                                      {"YCCK 4:2:0", {{{2, 2}, {1, 1}, {1, 1}, {2, 2}}}},
                                                      {"YCCK, coarse black", {{{2, 1}, {1, 2}, {2, 2}, {1, 1}}}}};
    const std::vector<JpegKind> codings{{.name = "baseline"},
                                        {.name = "restart markers", .restart = 3},
                                        {.name = "progressive", .progressive = true},
                                        {.name = "arithmetic", .arithmetic = true},
                                        {.name = "arithmetic, progressive", .progressive = true, .arithmetic = true},
                                        {.name = "means only", .progressive = true, .scans = 1},
                                        {.name = "few coefficients", .progressive = true, .scans = 2}};
    std::vector<JpegKind> kinds;
    for (JpegKind kind : codings) {
        const std::string coding = kind.name;
        for (const auto& [name, sampling] : samplings) {
            kind.name = name + ", " + coding;
            kind.sampling = sampling;
            kinds.push_back(kind);
        }
        kind.channels = 4;
        for (const auto& [name, sampling] : inks) {
            kind.name = name + ", " + coding;
            kind.ycck = name.starts_with("YCCK");
            kind.sampling = sampling;
            kinds.push_back(kind);
        }
        kind.ycck = false;
        kind.channels = 1;
        for (const int factor : {1, 2}) {
            kind.name = "gray " + std::to_string(factor) + ", " + coding;
            kind.sampling = {{{factor, factor}, {1, 1}, {1, 1}}};
            kinds.push_back(kind);
        }
    }
    return kinds;
}

/// How a PNG is written: of noise, but that alpha and what may be transparent are opaque.
struct PngKind {
    std::string name;
    int type;
    int bits = 8;
    bool interlaced = false;
    bool transparent_colour = false;  ///< there is one, though no pixel has it
};

inline Bytes png(int width, int height, const PngKind& kind, std::uint8_t alpha = 255) {
    Bytes bytes;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    png_infop info = png_create_info_struct(png);
    const auto put = [](png_structp to, png_bytep data, std::size_t size) {
        auto& all = *static_cast<Bytes*>(png_get_io_ptr(to));
        all.insert(all.end(), data, data + size);
    };
    png_set_write_fn(png, &bytes, put, nullptr);
    png_set_IHDR(png, info, width, height, kind.bits, kind.type, kind.interlaced ? PNG_INTERLACE_ADAM7 : 0, 0, 0);
    std::array<png_color, 256> palette{};
    for (auto& colour : palette) {
        colour = {static_cast<png_byte>(below(256)), static_cast<png_byte>(below(256)),
                  static_cast<png_byte>(below(256))};
    }
    if (kind.type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette.data(), 1 << kind.bits);
    if (kind.transparent_colour) {
        png_color_16 colour{0, 2, 2, 2, 2};
        std::array<png_byte, 3> opaque{255, 255, 255};
        png_set_tRNS(png, info, opaque.data(), kind.type == PNG_COLOR_TYPE_PALETTE ? 3 : 0, &colour);
    }
    const std::size_t row_bytes = png_get_rowbytes(png, info);
    Bytes pixels(row_bytes * height);
    std::ranges::generate(pixels, [] { return static_cast<std::uint8_t>(below(256)); });
    if (kind.transparent_colour) std::ranges::for_each(pixels, [](std::uint8_t& level) { level |= 1; });
    if ((kind.type & PNG_COLOR_MASK_ALPHA) != 0) {
        const std::size_t step = kind.type == PNG_COLOR_TYPE_GRAY_ALPHA ? 2 : 4;
        for (std::size_t i = step - 1; i < pixels.size(); i += step) pixels[i] = 255;
        pixels[row_bytes - 1] = alpha;  // of the upper right corner
    }
    std::vector<png_bytep> rows(height);
    for (int y = 0; y < height; ++y) rows[y] = &pixels[y * row_bytes];
    png_set_rows(png, info, rows.data());
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
    png_destroy_write_struct(&png, &info);
    return bytes;
}

inline std::vector<PngKind> png_kinds() {
    std::vector<PngKind> kinds;
    for (const bool interlaced : {false, true}) {
        for (const int bits : {1, 2, 4, 8}) {
            kinds.push_back({"gray", PNG_COLOR_TYPE_GRAY, bits, interlaced});
            kinds.push_back({"palette", PNG_COLOR_TYPE_PALETTE, bits, interlaced});
        }
        kinds.push_back({"RGB", PNG_COLOR_TYPE_RGB, 8, interlaced});
        kinds.push_back({"gray and alpha", PNG_COLOR_TYPE_GRAY_ALPHA, 8, interlaced});
        kinds.push_back({"RGB and alpha", PNG_COLOR_TYPE_RGB_ALPHA, 8, interlaced});
        kinds.push_back({"palette, transparent colour", PNG_COLOR_TYPE_PALETTE, 8, interlaced, true});
        kinds.push_back({"RGB, transparent colour", PNG_COLOR_TYPE_RGB, 8, interlaced, true});
    }
    return kinds;
}

/// The bytes with an EXIF orientation.
inline Bytes tagged(Bytes jpeg, int orientation) {
    const Bytes segment{0xff, 0xe1, 0,    34,   'E',  'x',  'i', 'f', 0, 0,
                        'M',  'M',  0,    42,   0,    0,    0,   8,   0, 1,
                        0x01, 0x12, 0x00, 0x03, 0x00, 0x00, 0,   1,   0, static_cast<std::uint8_t>(orientation),
                        0,    0,    0,    0,    0,    0};
    jpeg.insert(jpeg.begin() + 2, segment.begin(), segment.end());
    return jpeg;
}

inline auto as_bytes(const Bytes& bytes) { return std::as_bytes(std::span(bytes)); }

inline Pixels decoded(io::Decoder& decoder, const Bytes& bytes) {
    const io::Picture picture = decoder.open(as_bytes(bytes));
    Pixels pixels(picture.width, picture.height, picture.channels);
    decoder.decode({0, 0, picture.width, picture.height}, pixels.view());
    return pixels;
}

/// What a call throws says, which is one line with a remedy.
template <typename Exception>
std::string message_of(const auto& call) {
    try {
        call();
    } catch (const Exception& error) {
        const std::string line = error.what();
        CHECK(line.find('\n') == std::string::npos);
        CHECK(line.find("; ") != std::string::npos);
        return line;
    }
    FAIL("no error");
    return {};
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace halmix::test
