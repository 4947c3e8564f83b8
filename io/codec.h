#pragma once

/// What the codecs share. Private to io/.

#include <array>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <vector>

#include "error.h"
#include "halmix/image.h"
#include "rows.h"

namespace halmix::io {

/// A picture's bytes, and what it is called in messages.
struct Source {
    std::span<const std::uint8_t> bytes;
    std::string_view name;
};

/// What a header says of the pixels as they are stored.
struct Header {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    int channels = 0;     ///< 1 or 3
    int orientation = 1;  ///< EXIF's, 1..8
};

/// Memory that is kept, and grows to the most that was asked for. Its pages are not touched before they are used.
class Scratch {
 public:
    [[nodiscard]] std::uint8_t* of(std::size_t size) {
        if (size > size_) {
            size_ = 0;
            memory_.reset();
            memory_ = std::make_unique_for_overwrite<std::uint8_t[]>(size);
            size_ = size;
        }
        return memory_.get();
    }

 private:
    std::unique_ptr<std::uint8_t[]> memory_;
    std::size_t size_ = 0;
};

/// Reads pictures of one format, one after another. `open` reads a header; then `decode` may be called once, and reads
/// the pixels. Both throw Error, or std::bad_alloc; after that, the next call is `open`. What they accept of a picture
/// that is not as it should be, they note.
class Reader {
 public:
    Reader() = default;
    virtual ~Reader() = default;
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    [[nodiscard]] virtual Header open(const Source& source, const Acceptance& accept) = 0;

    /// Puts a window into `rows`. The window counts the pixels of the stored picture at a resolution of `eighths`.
    virtual void decode(const Window& window, int eighths, const Rows& rows) = 0;

    /// Whether `decode` takes other `eighths` than 8.
    [[nodiscard]] virtual bool scales() const = 0;

    /// What was accepted of the picture since it was opened.
    [[nodiscard]] Trouble trouble() const { return trouble_; }

 protected:
    void note(Trouble trouble) { trouble_ = trouble; }

 private:
    Trouble trouble_ = Trouble::none;
};

[[nodiscard]] std::unique_ptr<Reader> jpeg_reader();
[[nodiscard]] std::unique_ptr<Reader> png_reader();
[[nodiscard]] std::vector<std::uint8_t> encode_jpeg(ImageView image, int quality, const std::filesystem::path& name);
[[nodiscard]] std::vector<std::uint8_t> encode_png(ImageView image, const std::filesystem::path& name);

/// Runs `call`; running out of memory becomes an Error about `name`.
template <typename Name, typename Call>
auto with_memory(const Name& name, Call&& call) {
    try {
        return call();
    } catch (const std::bad_alloc&) {
        throw Error(name, "needs more memory than there is", "use fewer threads or a smaller image");
    }
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
