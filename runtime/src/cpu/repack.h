#pragma once

#include <cstddef>
#include <cstdint>

/// Pixels of three bytes from those of four, and back, by instruction set. Like lookup.h, for files that are compiled
/// for more than plain x86-64.
namespace halmix::repack {

/// Makes `count` pixels: drops the fourth byte of each, or adds one, 255.
using Function = void (*)(const std::uint8_t* in, std::uint8_t* out, std::size_t count);

void ssse3_rgbx_to_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count);
void ssse3_rgb_to_rgbx(const std::uint8_t* in, std::uint8_t* out, std::size_t count);

void avx512_rgbx_to_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count);
void avx512_rgb_to_rgbx(const std::uint8_t* in, std::uint8_t* out, std::size_t count);

}  // namespace halmix::repack
