#include "cpu/luminance.h"

namespace halmix::luminance {

namespace {

int luminance(const std::uint8_t* pixel) {
    return (19595 * pixel[0] + 38470 * pixel[1] + 7471 * pixel[2] + (1 << 15)) >> 16;
}

}  // namespace

void scalar(const std::uint8_t* in, std::uint8_t* out, std::size_t count) {
    for (std::size_t i = 0; i < 3 * count; i += 3) {
        out[i] = out[i + 1] = out[i + 2] = static_cast<std::uint8_t>(luminance(in + i));
    }
}

std::uint32_t scalar_total(const std::uint8_t* in, std::size_t count) {
    std::uint32_t total = 0;
    for (std::size_t i = 0; i < 3 * count; i += 3) total += luminance(in + i);
    return total;
}

}  // namespace halmix::luminance
