// Pictures in memory, whole and by windows. What a whole picture's bytes are is compared with Pillow in
// cli/test_cli.py, windows with Pillow's crops in readme/test_readme.py.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "allocations.h"
#include "catch.h"
#include "halmix/io.h"
#include "pictures.h"

using namespace halmix;
using namespace halmix::test;

namespace {

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

/// The message, which starts with the name.
std::string message_of(const auto& call) {
    const std::string line = test::message_of<io::Error>(call);
    CHECK(line.starts_with("picture: "));
    return line;
}

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
                Pixels expected(whole.width, whole.height, channels_of(kind));
                decoder.decode({0, 0, width, height}, whole, expected.view());
                for (int i = 0; i < 12; ++i) {
                    const io::Window window = random_window(width, height);
                    const int left = window.left * eighths / 8;
                    const int top = window.top * eighths / 8;
                    const int right = ((window.left + window.width) * eighths + 7) / 8;
                    const int bottom = ((window.top + window.height) * eighths + 7) / 8;
                    CAPTURE(width, height, eighths, window.left, window.top, window.width, window.height);
                    Pixels result(right - left, bottom - top, channels_of(kind));
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

TEST_CASE("a picture of too many pixels is refused", "[decoder]") {
    io::Decoder decoder;
    for (const Bytes& bytes : {jpeg(picture(30, 20, 3), {}), png(30, 20, {"", PNG_COLOR_TYPE_GRAY})}) {
        const auto open = [&](std::int64_t most) {
            return decoder.open(as_bytes(bytes), "picture", io::Orientation::upright, {.max_pixels = most});
        };
        CHECK(open(600).width == 30);
        Pixels out(8, 8, 3);
        for (const std::int64_t most : {599, 0, -1}) {
            const std::string line = message_of([&] { (void)open(most); });
            CHECK(contains(line, "is 30 x 20 pixels, more than the " + std::to_string(most) + " that are allowed"));
            CHECK(contains(message_of([&] { decoder.decode({0, 0, 8, 8}, out.view()); }), "is not open"));
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
