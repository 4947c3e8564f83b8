#pragma once

/// What the two codecs share. Private to io/.

#include <array>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <new>
#include <span>
#include <string_view>
#include <vector>

#include "image_file.h"

namespace halmix::io {

[[nodiscard]] Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::filesystem::path& name);
[[nodiscard]] Image decode_png(std::span<const std::uint8_t> bytes, const std::filesystem::path& name);
[[nodiscard]] std::vector<std::uint8_t> encode_jpeg(ImageView image, int quality, const std::filesystem::path& name);
[[nodiscard]] std::vector<std::uint8_t> encode_png(ImageView image, const std::filesystem::path& name);

/// An image of this size with memory reserved but not yet touched; throws Error if that is more than can be handled.
[[nodiscard]] Image reserve_image(std::uint32_t width, std::uint32_t height, int channels, int decoded_channels,
                                  const std::filesystem::path& name);

/// Appends a row to `image.pixels` and returns it.
[[nodiscard]] inline std::uint8_t* grow_row(std::vector<std::uint8_t>& pixels, std::size_t row_bytes) {
    pixels.resize(pixels.size() + row_bytes);
    return pixels.data() + (pixels.size() - row_bytes);
}

/// A way out of C libraries whose error handlers must not return. Exceptions may not pass through C code, and longjmp
/// may not pass over destructors, so each call into the library is a lambda of its own that owns nothing.
class Escape {
 public:
    /// Runs `call`; false if it ended in `fail`, with `message()` telling why. No object with a destructor may live in
    /// `call` or in a handler that calls `fail`.
    template <typename Call>
    [[nodiscard]] bool run(Call&& call) {
        if (setjmp(jump_) != 0) return false;
        call();
        return true;
    }

    [[noreturn]] void fail(const char* message) {
        std::snprintf(message_.data(), message_.size(), "%s", message);
        std::longjmp(jump_, 1);
    }

    [[nodiscard]] std::string_view message() const { return message_.data(); }

 private:
    std::jmp_buf jump_{};
    std::array<char, 256> message_{};
};

/// Appends; false, not an exception, if there is no memory.
[[nodiscard]] inline bool append(std::vector<std::uint8_t>& bytes, const std::uint8_t* data,
                                 std::size_t size) noexcept {
    try {
        bytes.insert(bytes.end(), data, data + size);
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

}  // namespace halmix::io
