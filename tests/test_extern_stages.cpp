// What is written for instruction sets, by itself: each form beside the plain one, between inaccessible pages.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "catch.h"
#include "cpu/warp.h"
#include "guarded.h"
#include "reference/rotate.h"

using namespace halmix;
using test::Guard;
using test::GuardedBytes;

namespace {

struct Form {
    std::string name;
    int channels;
    warp::Function run;
    bool available;
};

const std::array forms = {
    Form{"sse41", 1, warp::sse41, __builtin_cpu_supports("sse4.1") != 0},
    Form{"sse41", 3, warp::sse41_rgb, __builtin_cpu_supports("sse4.1") != 0},
    Form{"avx2", 1, warp::avx2, __builtin_cpu_supports("avx2") != 0},
    Form{"avx2", 3, warp::avx2_rgb, __builtin_cpu_supports("avx2") != 0},
    Form{"avx512", 3, warp::avx512_rgb,
         __builtin_cpu_supports("avx512vbmi") != 0 && __builtin_cpu_supports("avx512vnni") != 0},
};

/// A rotation of an image with a border, and the pixels that lie inside.
struct Rotation {
    int width, height, channels;
    reference::Matrix matrix;
    std::vector<std::int32_t> begin, end;

    Rotation(int width, int height, int channels, double degrees)
        : width(width),
          height(height),
          channels(channels),
          matrix(reference::rotation_matrix(reference::reduced_degrees(degrees), width, height)),
          begin(height),
          end(height) {
        for (int row = 0; row < height; row++) {
            const auto inside = [&](int column) {
                const double at_x = matrix[0] * (column + 0.5) + matrix[1] * (row + 0.5) + matrix[2];
                const double at_y = matrix[3] * (column + 0.5) + matrix[4] * (row + 0.5) + matrix[5];
                return at_x >= 0 && at_x < width && at_y >= 0 && at_y < height;
            };
            while (begin[row] < width && !inside(begin[row])) begin[row]++;
            end[row] = begin[row];
            while (end[row] < width && inside(end[row])) end[row]++;
        }
    }
};

using Level = std::uint8_t (*)(std::mt19937& random, int x, int y, int c);

constexpr std::array<Level, 5> contents = {
    [](std::mt19937& random, int, int, int) { return static_cast<std::uint8_t>(random()); },
    [](std::mt19937&, int x, int y, int c) { return static_cast<std::uint8_t>(5 * x + 3 * y + 40 * c); },
    [](std::mt19937& random, int, int, int) { return static_cast<std::uint8_t>(random() % 2 * 255); },
    [](std::mt19937& random, int, int, int) { return static_cast<std::uint8_t>(random() & 0xC0); },
    [](std::mt19937&, int, int, int c) { return static_cast<std::uint8_t>(255 - 100 * c); },
};

/// Levels of the image with its border, and no more bytes around than generators/ops/affine.h has.
void fill(const GuardedBytes& source, const Rotation& rotation, Level level) {
    std::mt19937 random(rotation.width * 1000 + rotation.height);
    const int channels = rotation.channels, width = rotation.width, height = rotation.height;
    const int pitch = (width + 2) * channels;
    const auto at = [&](int x, int y) { return source.data() + (y + 1) * pitch + (x + 1) * channels; };
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            for (int c = 0; c < channels; c++) at(x, y)[c] = level(random, x, y, c);
        }
        std::memcpy(at(-1, y), at(0, y), channels);
        std::memcpy(at(width, y), at(width - 1, y), channels);
    }
    std::memcpy(at(-1, -1), at(-1, 0), pitch);
    std::memcpy(at(-1, height), at(-1, height - 1), pitch);
}

std::size_t source_bytes(const Rotation& rotation) {
    return std::size_t(rotation.height + 2 + 8) * (rotation.width + 2) * rotation.channels + 32;
}

/// The result, of which pixels outside and bytes between rows are as they were.
std::vector<std::uint8_t> run(const Rotation& rotation, const GuardedBytes& source, Guard guard, warp::Function form) {
    const int channels = rotation.channels, row = rotation.width * channels, stride = row + 5;
    const std::ptrdiff_t pitch = (rotation.width + 2) * channels;
    const GuardedBytes result(std::size_t(rotation.height - 1) * stride + row, guard);
    form(warp::Warp{.source = source.data() + pitch + channels,
                    .pitch = pitch,
                    .to = result.data(),
                    .to_stride = stride,
                    .matrix = rotation.matrix.data(),
                    .begin = rotation.begin.data(),
                    .end = rotation.end.data(),
                    .width = rotation.width,
                    .height = rotation.height});
    return {result.data(), result.data() + result.size()};
}

void compare(int width, int height, double degrees, Guard guard) {
    for (const int channels : {1, 3}) {
        const Rotation rotation(width, height, channels, degrees);
        const GuardedBytes source(source_bytes(rotation), guard);
        for (std::size_t i = 0; i < contents.size(); i++) {
            fill(source, rotation, contents[i]);
            const auto expected = run(rotation, source, guard, channels == 1 ? warp::exact : warp::exact_rgb);
            for (const Form& form : forms) {
                if (form.channels != channels || !form.available) continue;
                INFO(form.name << ", " << channels << " channels, " << width << " x " << height << ", " << degrees
                               << " degrees, contents " << i);
                REQUIRE(run(rotation, source, guard, form.run) == expected);
            }
        }
    }
}

}  // namespace

TEST_CASE("rotations by all angles") {
    for (double degrees = -180; degrees <= 360; degrees += 0.75) compare(37, 29, degrees, Guard::after);
}

TEST_CASE("rotations of all sizes") {
    for (int size = 1; size <= 40; size++) {
        for (const double degrees : {3.0, -8.0, 21.0, 50.0, -100.0, 90.0, 180.0}) {
            compare(size, 41 - size, degrees, Guard::before);
            compare(size, 70, degrees, Guard::after);
            compare(220 + size, size % 7 + 1, degrees, Guard::after);  // some more than is counted from one place
        }
    }
}

TEST_CASE("rotations whose levels come close to integers") {
    // By next to nothing; by angles with a rational sine and cosine.
    for (const double degrees : {1e-13, 2e-6, 1e-5, 3e-4, 0.01, 89.99999, 30.0, 45.0, 60.0})
        compare(65, 48, degrees, Guard::after);
    for (const auto& [opposite, adjacent] : {std::pair{3, 4}, {5, 12}, {8, 15}, {7, 24}, {20, 21}}) {
        const double degrees = std::atan2(opposite, adjacent) * 180 / std::numbers::pi;
        for (const int quarter : {0, 90, 180, 270}) compare(65, 48, degrees + quarter, Guard::after);
    }
}
