#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "error.h"
#include "halmix/image.h"

/// JPEG and PNG files in and out. Every function may be called from many threads at once, throws `Error` and leaves
/// no half-written file behind.
namespace halmix::io {

/// Leaves elements of a vector as they are until they are written: no page of memory is touched for their sake.
template <typename T>
struct Untouched : std::allocator<T> {
    template <typename U>
    void construct(U* place) noexcept {
        ::new (static_cast<void*>(place)) U;
    }
    template <typename U, typename... Arguments>
    void construct(U* place, Arguments&&... arguments) {
        ::new (static_cast<void*>(place)) U(std::forward<Arguments>(arguments)...);
    }
};

/// Decoded pixels: gray (1 channel) or RGB (3), rows one after another.
struct Image {
    int width = 0;
    int height = 0;
    int channels = 0;
    std::vector<std::uint8_t, Untouched<std::uint8_t>> pixels;
    Trouble trouble = Trouble::none;  ///< what was accepted of a picture that was read

    [[nodiscard]] ImageView view() const { return {pixels.data(), width, height, channels}; }
    [[nodiscard]] MutableImageView view() { return {pixels.data(), width, height, channels}; }
};

enum class Format : unsigned char { jpeg, png };

/// What a file name's extension says: .jpg and .jpeg, .png, in any case.
[[nodiscard]] std::optional<Format> format_of(const std::filesystem::path& path);

inline constexpr int default_quality = 95;

/// Reads an image; the content decides the format, not the name. The pixels are those of Pillow's decoder, byte for
/// byte, turned upright as the EXIF orientation says; all other metadata is dropped. Which pictures are read and which
/// are refused, halmix/io.h tells.
[[nodiscard]] Image read(const std::filesystem::path& path, const Acceptance& accept = {});

/// What the header of an image says that `read` would read.
[[nodiscard]] Picture read_header(const std::filesystem::path& path, const Acceptance& accept = {});

/// The format that a file's first bytes, up to 16 of them, tell; throws Error if it is neither.
[[nodiscard]] Format detect(std::span<const std::uint8_t> bytes, std::string_view name);

/// The same from memory; `name` stands for the path in error messages.
[[nodiscard]] Image decode(std::span<const std::uint8_t> bytes, const std::filesystem::path& name,
                           const Acceptance& accept = {});

/// Encodes a gray or RGB image, without metadata. `quality`, 1..100, is for JPEG only: baseline, gray stays gray,
/// colour has full resolution (4:4:4) from quality 90 on and half below (4:2:0). `name` is for error messages.
[[nodiscard]] std::vector<std::uint8_t> encode(ImageView image, Format format, int quality,
                                               const std::filesystem::path& name);

/// Encodes into a file, which is replaced in one step (see AtomicFile).
void write(const std::filesystem::path& path, ImageView image, Format format, int quality = default_quality);

}  // namespace halmix::io
