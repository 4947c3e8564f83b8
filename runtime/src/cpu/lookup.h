#pragma once

#include <cstddef>
#include <cstdint>

/// Lookups of bytes in tables of 256, by instruction set. Files that are compiled for more than plain x86-64 include
/// nothing but this and intrinsics: an inline function compiled there could be linked in place of the plain one.
namespace halmix::lookup {

/// Looks up `count` bytes in one table.
using Function = void (*)(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* table);
/// Looks up `count` pixels of three bytes, each byte in its channel's table; the tables lie one after another.
using RgbFunction = Function;

void scalar(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* table);
void scalar_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* tables);

void avx2(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* table);
void avx2_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* tables);

void avx512(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* table);
void avx512_rgb(const std::uint8_t* in, std::uint8_t* out, std::size_t count, const std::uint8_t* tables);

}  // namespace halmix::lookup
