#include "cpu/lookup.h"

namespace halmix::lookup {

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

}  // namespace halmix::lookup
