// Pictures in memory, whole and by windows. What a whole picture's bytes are is compared with Pillow in
// cli/test_cli.py, windows with Pillow's crops in readme/test_readme.py.

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
#include <cstdlib>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "allocations.h"
#include "catch.h"
#include "halmix/io.h"

namespace {

using namespace halmix;
using Bytes = std::vector<std::uint8_t>;

/// HALMIX_TEST_SEED replays a failure.
unsigned seed() {
    const char* text = std::getenv("HALMIX_TEST_SEED");
    return text != nullptr ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : 1;
}

std::mt19937 random_number(seed());
int below(int n) { return static_cast<int>(random_number() % static_cast<unsigned>(n)); }

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
Pixels picture(int width, int height, int channels) {
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
    std::array<std::array<int, 2>, 3> sampling{{{1, 1}, {1, 1}, {1, 1}}};
    int channels = 3;
    bool progressive = false;
    bool arithmetic = false;
    int restart = 0;              ///< blocks between restart markers
    int scans = 0;                ///< the file ends after so many, and lacks the coefficients of others
    bool without_tables = false;  ///< without those that a decoder cannot do without
};

Bytes jpeg(Pixels pixels, const JpegKind& kind, int quality = 85) {
    // What the first and second scan bring: the mean of each block, then five more coefficients of the first channel.
    static const std::array<jpeg_scan_info, 2> few{{{3, {0, 1, 2}, 0, 0, 0, 0}, {1, {0}, 1, 5, 0, 2}}};
    static const std::array<jpeg_scan_info, 2> few_gray{{{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 5, 0, 2}}};

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
    info.in_color_space = pixels.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    for (int i = 0; i < pixels.channels; ++i) {
        info.comp_info[i].h_samp_factor = kind.sampling.at(i)[0];
        info.comp_info[i].v_samp_factor = kind.sampling.at(i)[1];
    }
    if (kind.progressive) jpeg_simple_progression(&info);
    if (kind.scans > 0) {
        info.scan_info = (pixels.channels == 3 ? few : few_gray).data();
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

std::vector<JpegKind> jpeg_kinds() {
    using Sampling = std::array<std::array<int, 2>, 3>;
    static const std::map<std::string, Sampling> samplings{
        {"4:4:4", {{{1, 1}, {1, 1}, {1, 1}}}}, {"4:2:2", {{{2, 1}, {1, 1}, {1, 1}}}},
        {"4:2:0", {{{2, 2}, {1, 1}, {1, 1}}}}, {"4:4:0", {{{1, 2}, {1, 1}, {1, 1}}}},
        {"4:1:1", {{{4, 1}, {1, 1}, {1, 1}}}}, {"4:1:0", {{{4, 2}, {1, 1}, {1, 1}}}},
        {"odd", {{{2, 2}, {1, 1}, {2, 1}}}},   {"colours finer", {{{1, 1}, {2, 2}, {2, 1}}}},
        {"thirds", {{{3, 1}, {1, 1}, {1, 1}}}}};
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

Bytes png(int width, int height, const PngKind& kind, std::uint8_t alpha = 255) {
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

std::vector<PngKind> png_kinds() {
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
Bytes tagged(Bytes jpeg, int orientation) {
    const Bytes segment{0xff, 0xe1, 0,    34,   'E',  'x',  'i', 'f', 0, 0,
                        'M',  'M',  0,    42,   0,    0,    0,   8,   0, 1,
                        0x01, 0x12, 0x00, 0x03, 0x00, 0x00, 0,   1,   0, static_cast<std::uint8_t>(orientation),
                        0,    0,    0,    0,    0,    0};
    jpeg.insert(jpeg.begin() + 2, segment.begin(), segment.end());
    return jpeg;
}

auto as_bytes(const Bytes& bytes) { return std::as_bytes(std::span(bytes)); }

Pixels decoded(io::Decoder& decoder, const Bytes& bytes) {
    const io::Picture picture = decoder.open(as_bytes(bytes));
    Pixels pixels(picture.width, picture.height, picture.channels);
    decoder.decode({0, 0, picture.width, picture.height}, pixels.view());
    return pixels;
}

io::Window random_window(int width, int height) {
    const auto part = [](int size) {
        const int count = 1 + below(below(3) == 0 ? std::min(size, 5) : size);
        const std::array places{0, size - count, below(size - count + 1), below(size - count + 1)};
        return std::pair(places.at(below(4)), count);
    };
    const auto [left, w] = part(width);
    const auto [top, h] = part(height);
    return {left, top, w, h};
}

int random_side() { return 1 + below(below(4) == 0 ? 20 : 150); }

/// The message, which is one line that starts with the name.
std::string message_of(const auto& call) {
    try {
        call();
    } catch (const io::Error& error) {
        const std::string line = error.what();
        CHECK(line.starts_with("picture: "));
        CHECK(line.find('\n') == std::string::npos);
        CHECK(line.find("; ") != std::string::npos);
        return line;
    }
    FAIL("no error");
    return {};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a window of a JPEG has the bytes of the whole", "[decoder]") {
    INFO("HALMIX_TEST_SEED=" << seed());
    io::Decoder decoder;
    for (const JpegKind& kind : jpeg_kinds()) {
        CAPTURE(kind.name);
        for (int round = 0; round < 12; ++round) {
            const int width = random_side();
            const int height = random_side();
            const Bytes bytes = jpeg(picture(width, height, kind.channels), kind, 50 + below(50));
            (void)decoder.open(as_bytes(bytes));
            for (const int eighths : {8, 4, 2, 1}) {
                io::Reduction whole{eighths, (width * eighths + 7) / 8, (height * eighths + 7) / 8};
                Pixels expected(whole.width, whole.height, kind.channels);
                decoder.decode({0, 0, width, height}, whole, expected.view());
                for (int i = 0; i < 12; ++i) {
                    const io::Window window = random_window(width, height);
                    const int left = window.left * eighths / 8;
                    const int top = window.top * eighths / 8;
                    const int right = ((window.left + window.width) * eighths + 7) / 8;
                    const int bottom = ((window.top + window.height) * eighths + 7) / 8;
                    CAPTURE(width, height, eighths, window.left, window.top, window.width, window.height);
                    Pixels result(right - left, bottom - top, kind.channels);
                    decoder.decode(window, {eighths, result.width, result.height}, result.view());
                    REQUIRE(result.bytes == expected.window({left, top, result.width, result.height}).bytes);
                }
            }
        }
    }
}

TEST_CASE("a window of a PNG has the bytes of the whole", "[decoder]") {
    INFO("HALMIX_TEST_SEED=" << seed());
    io::Decoder decoder;
    for (const PngKind& kind : png_kinds()) {
        CAPTURE(kind.name, kind.bits, kind.interlaced);
        for (int round = 0; round < 12; ++round) {
            const int width = random_side();
            const int height = random_side();
            const Bytes bytes = png(width, height, kind);
            Pixels expected = decoded(decoder, bytes);
            REQUIRE(expected.channels == (kind.name.starts_with("gray") ? 1 : 3));
            for (int i = 0; i < 12; ++i) {
                const io::Window window = random_window(width, height);
                CAPTURE(width, height, window.left, window.top, window.width, window.height);
                Pixels result(window.width, window.height, expected.channels);
                decoder.decode(window, result.view());
                REQUIRE(result.bytes == expected.window(window).bytes);
            }
        }
    }
}

TEST_CASE("a window of a picture that is turned", "[decoder]") {
    INFO("HALMIX_TEST_SEED=" << seed());
    io::Decoder decoder;
    for (int orientation = 1; orientation <= 8; ++orientation) {
        for (const int channels : {1, 3}) {
            const int width = 40 + below(60);
            const int height = 40 + below(60);
            const JpegKind kind{.sampling = {{{2, 2}, {1, 1}, {1, 1}}}, .channels = channels};
            const Bytes bytes = tagged(jpeg(picture(width, height, channels), kind), orientation);
            Pixels upright = decoded(decoder, bytes);
            for (int i = 0; i < 12; ++i) {
                const io::Window window = random_window(upright.width, upright.height);
                CAPTURE(orientation, width, height, window.left, window.top, window.width, window.height);
                Pixels result(window.width, window.height, channels);
                decoder.decode(window, result.view());
                REQUIRE(result.bytes == upright.window(window).bytes);

                // At a lower resolution the window lies in what is decoded as it does in the whole.
                const io::Reduction part = decoder.reduction(window, window.width / 4, window.height / 4);
                const io::Reduction whole =
                    decoder.reduction({0, 0, upright.width, upright.height}, upright.width / 4, upright.height / 4);
                REQUIRE(whole.eighths == 2);
                if (part.eighths != 2) continue;
                Pixels all(whole.width, whole.height, channels);
                decoder.decode({0, 0, upright.width, upright.height}, whole, all.view());
                Pixels reduced(part.width, part.height, channels);
                decoder.decode(window, part, reduced.view());
                const int left = static_cast<int>(std::lround(whole.left + window.left / 4.0 - part.left));
                const int top = static_cast<int>(std::lround(whole.top + window.top / 4.0 - part.top));
                CHECK(part.right - part.left == window.width / 4.0);
                CHECK(part.bottom - part.top == window.height / 4.0);
                REQUIRE(reduced.bytes == all.window({left, top, part.width, part.height}).bytes);
            }
            const io::Picture stored = decoder.open(as_bytes(bytes), "picture", io::Orientation::stored);
            CHECK(stored.width == width);
            CHECK(stored.height == height);
        }
    }
}

TEST_CASE("channels are converted", "[decoder]") {
    io::Decoder decoder;
    for (const int channels : {1, 3}) {
        const Bytes pixels_of_png = png(31, 17, {"", channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB_ALPHA});
        for (const Bytes& bytes : {jpeg(picture(31, 17, channels), {.channels = channels}), pixels_of_png}) {
            Pixels own = decoded(decoder, bytes);
            Pixels other(31, 17, 4 - channels);
            decoder.decode({0, 0, 31, 17}, other.view());
            for (int y = 0; y < 17; ++y) {
                for (int x = 0; x < 31; ++x) {
                    const std::uint8_t* from = own.at(x, y);
                    const std::uint8_t* to = other.at(x, y);
                    if (channels == 1) {
                        REQUIRE((to[0] == *from && to[1] == *from && to[2] == *from));
                    } else {
                        REQUIRE(*to == (from[0] * 19595 + from[1] * 38470 + from[2] * 7471 + 0x8000) / 65536);
                    }
                }
            }
        }
    }
}

TEST_CASE("any stride can be decoded into", "[decoder]") {
    io::Decoder decoder;
    for (const Bytes& bytes : {jpeg(picture(50, 40, 3), {}), png(50, 40, {"", PNG_COLOR_TYPE_RGB}),
                               png(50, 40, {"", PNG_COLOR_TYPE_RGB, 8, true})}) {
        Pixels whole = decoded(decoder, bytes);
        for (const io::Window window : {io::Window{0, 0, 50, 40}, io::Window{7, 5, 20, 30}, io::Window{0, 9, 50, 11}}) {
            const int stride = window.width * 3 + 7;
            Bytes memory(static_cast<std::size_t>(stride) * window.height, 99);
            Bytes expected = memory;
            Pixels part = whole.window(window);
            for (int y = 0; y < window.height; ++y) {
                const int from_below = window.height - 1 - y;
                std::copy_n(part.at(0, y), window.width * 3, &expected[static_cast<std::size_t>(from_below) * stride]);
            }
            std::uint8_t* last = &memory[static_cast<std::size_t>(window.height - 1) * stride];
            decoder.decode(window, {last, window.width, window.height, 3, -stride});
            CHECK(memory == expected);
        }
    }
}

TEST_CASE("the lowest resolution that is enough", "[decoder]") {
    io::Decoder decoder;
    (void)decoder.open(as_bytes(jpeg(picture(1000, 600, 3), {})));
    const auto eighths = [&](const io::Window& window, int width, int height) {
        return decoder.reduction(window, width, height).eighths;
    };
    CHECK(eighths({0, 0, 1000, 600}, 224, 224) == 4);
    CHECK(eighths({0, 0, 1000, 600}, 125, 75) == 1);
    CHECK(eighths({0, 0, 1000, 600}, 126, 75) == 2);
    CHECK(eighths({0, 0, 1000, 600}, 125, 76) == 2);
    CHECK(eighths({0, 0, 1000, 600}, 500, 300) == 4);
    CHECK(eighths({0, 0, 1000, 600}, 501, 300) == 8);
    CHECK(eighths({0, 0, 1000, 600}, 2000, 2000) == 8);
    const io::Reduction part = decoder.reduction({5, 8, 110, 113}, 50, 50);
    CHECK(part.eighths == 4);
    CHECK(part.width == 56);  // pixels 2..57 of the reduced picture for 2.5..57.5
    CHECK(part.left == 0.5);
    CHECK(part.right == 55.5);
    CHECK(part.height == 57);
    CHECK(part.top == 0);
    CHECK(part.bottom == 56.5);
    (void)decoder.open(as_bytes(png(1000, 600, {"", PNG_COLOR_TYPE_RGB})));
    CHECK(eighths({0, 0, 1000, 600}, 1, 1) == 8);
}

TEST_CASE("what is asked for is checked", "[decoder]") {
    io::Decoder decoder;
    Pixels out(8, 8, 3);
    CHECK(contains(message_of([&] { decoder.decode({0, 0, 8, 8}, out.view()); }), "is not open"));
    CHECK(contains(message_of([&] { (void)decoder.open({}); }), "is empty"));
    CHECK(contains(message_of([&] { decoder.decode({0, 0, 8, 8}, out.view()); }), "is not open"));

    const Bytes bytes = jpeg(picture(20, 10, 3), {});
    (void)decoder.open(as_bytes(bytes));
    const int most = std::numeric_limits<int>::max();
    const int least = std::numeric_limits<int>::min();
    for (const io::Window window :
         {io::Window{13, 0, 8, 8}, io::Window{0, 3, 8, 8}, io::Window{-1, 0, 8, 8}, io::Window{0, -1, 8, 8},
          io::Window{0, 0, 0, 8}, io::Window{0, 0, 8, 0}, io::Window{most, most, 8, 8}, io::Window{least, least, 8, 8},
          io::Window{0, 0, most, most}, io::Window{0, 0, least, least}, io::Window{8, 8, most, most}}) {
        CHECK(contains(message_of([&] { decoder.decode(window, out.view()); }), "is not inside"));
        CHECK(contains(message_of([&] { (void)decoder.reduction(window, 8, 8); }), "is not inside"));
    }
    for (const MutableImageView& view :
         {MutableImageView{out.bytes.data(), 7, 8, 3}, MutableImageView{out.bytes.data(), 8, 7, 3},
          MutableImageView{out.bytes.data(), 8, 8, 2}, MutableImageView{nullptr, 8, 8, 3},
          MutableImageView{out.bytes.data(), 8, 8, 3, Layout::u8_chw}}) {
        CHECK(contains(message_of([&] { decoder.decode({0, 0, 8, 8}, view); }), "the view"));
    }
    for (const int eighths : {0, 3, 9, -8}) {
        CHECK(contains(message_of([&] { decoder.decode({0, 0, 8, 8}, {eighths, 8, 8}, out.view()); }), "eighths"));
    }
    decoder.decode({0, 0, 8, 8}, out.view());  // none of this has harmed the picture
}

TEST_CASE("a picture has nothing of the one before", "[decoder]") {
    io::Decoder decoder;
    const Pixels pixels = picture(30, 20, 3);
    (void)decoded(decoder, jpeg(pixels, {}, 20));
    const Bytes without = jpeg(pixels, {.without_tables = true}, 20);
    CHECK(contains(message_of([&] { (void)decoded(decoder, without); }), "Quantization table 0x00 was not defined"));
}

TEST_CASE("a picture that is damaged below the window gives the window", "[decoder]") {
    io::Decoder decoder;
    const std::array whole{jpeg(picture(64, 200, 3), {}), png(64, 200, {"", PNG_COLOR_TYPE_RGB})};
    for (const Bytes& bytes : whole) {
        Pixels expected = decoded(decoder, bytes).window({5, 10, 40, 20});
        const Bytes half(bytes.begin(), bytes.begin() + std::ssize(bytes) / 2);
        (void)decoder.open(as_bytes(half));
        Pixels result(40, 20, 3);
        decoder.decode({5, 10, 40, 20}, result.view());
        CHECK(result.bytes == expected.bytes);
        (void)message_of([&] { decoder.decode({5, 180, 40, 20}, result.view()); });
        decoder.decode({5, 10, 40, 20}, result.view());
        CHECK(result.bytes == expected.bytes);
    }
    const Bytes without_end(whole[0].begin(), whole[0].end() - 2);
    CHECK(contains(message_of([&] { (void)decoded(decoder, without_end); }), "Premature end"));
}

TEST_CASE("only pixels of the window need to be opaque", "[decoder]") {
    io::Decoder decoder;
    for (const bool interlaced : {false, true}) {
        const Bytes bytes = png(30, 20, {"", PNG_COLOR_TYPE_RGB_ALPHA, 8, interlaced}, 254);
        CHECK(contains(message_of([&] { (void)decoded(decoder, bytes); }), "transparent"));
        Pixels result(29, 20, 3);
        decoder.decode({0, 0, 29, 20}, result.view());
        CHECK(contains(message_of([&] { decoder.decode({1, 0, 29, 20}, result.view()); }), "transparent"));
    }
}

TEST_CASE("no part and no change of a picture is taken for something else", "[decoder]") {
    INFO("HALMIX_TEST_SEED=" << seed());
    io::Decoder decoder;
    const JpegKind half{.sampling = {{{2, 2}, {1, 1}, {1, 1}}}};
    const JpegKind steps{.sampling = half.sampling, .progressive = true};
    const JpegKind sums{.sampling = half.sampling, .arithmetic = true};
    const std::array valid{
        jpeg(picture(37, 43, 3), half),        jpeg(picture(37, 43, 3), steps),
        jpeg(picture(37, 43, 3), sums),        jpeg(picture(37, 43, 1), {.channels = 1, .restart = 2}),
        png(23, 19, {"", PNG_COLOR_TYPE_RGB}), png(23, 19, {"", PNG_COLOR_TYPE_PALETTE, 4, true, true})};
    std::vector<Pixels> expected;
    for (const Bytes& bytes : valid) expected.push_back(decoded(decoder, bytes));

    int pictures = 0;
    int errors = 0;
    /// Whole and by windows: a picture or an error, and the next picture is right.
    const auto attempt = [&](const Bytes& bytes) {
        try {
            const io::Picture picture = decoder.open(as_bytes(bytes));
            if (std::int64_t{picture.width} * picture.height > 1'000'000) return;
            for (int i = 0; i < 3; ++i) {
                const io::Window window = i == 0 ? io::Window{0, 0, picture.width, picture.height}
                                                 : random_window(picture.width, picture.height);
                const io::Reduction reduction =
                    decoder.reduction(window, i == 2 ? 1 : window.width, i == 2 ? 1 : window.height);
                Pixels result(reduction.width, reduction.height, picture.channels);
                decoder.decode(window, reduction, result.view());
            }
            ++pictures;
        } catch (const io::Error& error) {
            REQUIRE(std::string(error.what()).find('\n') == std::string::npos);
            ++errors;
        }
    };
    for (std::size_t i = 0; i < valid.size(); ++i) {
        for (std::size_t size = 0; size < valid[i].size(); ++size) {
            // In memory of its own, so that a sanitizer sees what is read behind it.
            const Bytes part(valid[i].begin(), valid[i].begin() + static_cast<std::ptrdiff_t>(size));
            (void)message_of([&] { (void)decoded(decoder, part); });
            attempt(part);
            if (size % 100 == 0) REQUIRE(decoded(decoder, valid[i]).bytes == expected[i].bytes);
        }
    }
    pictures = errors = 0;
    for (int round = 0; round < 6000; ++round) {
        Bytes bytes = valid.at(round % valid.size());
        const int reach = round % 2 == 0 ? std::min<int>(700, std::ssize(bytes)) : std::ssize(bytes);
        for (int changes = 1 + below(4); changes > 0; --changes) bytes[below(reach)] = below(256);
        attempt(bytes);
        if (round % 100 == 0) {
            const std::size_t next = below(valid.size());
            REQUIRE(decoded(decoder, valid.at(next)).bytes == expected.at(next).bytes);
        }
    }
    CHECK(pictures > 60);
    CHECK(errors > 600);
}

TEST_CASE("nothing is allocated for a picture once one as large was there", "[decoder]") {
    io::Decoder decoder;
    std::vector<Bytes> pictures;
    for (const JpegKind& kind : jpeg_kinds()) pictures.push_back(jpeg(picture(120, 90, kind.channels), kind));
    for (const PngKind& kind : png_kinds()) pictures.push_back(png(120, 90, kind));
    pictures.push_back(tagged(pictures.front(), 6));
    Pixels result(50, 50, 3);
    const auto all = [&] {
        for (const Bytes& bytes : pictures) {
            (void)decoder.open(as_bytes(bytes), "a name that is longer than those that strings keep in themselves");
            decoder.decode({20, 30, 50, 50}, result.view());
            decoder.decode({0, 0, 50, 50}, result.view());
        }
    };
    all();
    const long before = allocations;
    all();
    CHECK(allocations == before);
}
