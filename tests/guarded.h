#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "halmix/image.h"
#include "reference/image.h"

namespace halmix::test {

/// Where an image lies in its pages: a byte read or written on that side of it ends the process.
enum class Guard { before, after };

/// Memory between inaccessible pages, filled with a pattern.
class GuardedBytes {
 public:
    static constexpr std::uint8_t pattern = 0xA5;

    GuardedBytes(std::size_t size, Guard guard) : size_(size) {
        std::size_t page = sysconf(_SC_PAGESIZE), inner = (size + page - 1) / page * page;
        mapped_ = inner + 2 * page;
        pages_ = static_cast<std::uint8_t*>(
            mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (pages_ == MAP_FAILED) throw std::bad_alloc();
        mprotect(pages_, page, PROT_NONE);
        mprotect(pages_ + page + inner, page, PROT_NONE);
        data_ = pages_ + page + (guard == Guard::after ? inner - size : 0);
        std::memset(data_, pattern, size);
    }
    GuardedBytes(const GuardedBytes&) = delete;
    GuardedBytes& operator=(const GuardedBytes&) = delete;
    ~GuardedBytes() { munmap(pages_, mapped_); }

    [[nodiscard]] std::uint8_t* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return size_; }

 private:
    std::size_t size_, mapped_;
    std::uint8_t* pages_;
    std::uint8_t* data_;
};

/// An image between inaccessible pages, with rows any distance apart. Bytes between rows hold a pattern.
class GuardedImage {
 public:
    GuardedImage(const reference::Image& image, Guard guard, int gap, bool bottom_up)
        : like_(image), memory_(bytes(image, gap), guard) {
        std::size_t row = std::size_t(image.width) * image.channels, pitch = row + gap;
        std::uint8_t* first = memory_.data();
        auto stride = static_cast<std::ptrdiff_t>(pitch);
        view_ = bottom_up ? MutableImageView(first + (image.height - 1) * pitch, image.width, image.height,
                                             image.channels, -stride)
                          : MutableImageView(first, image.width, image.height, image.channels, stride);
        for (int y = 0; y < image.height; y++) std::memcpy(view_.row(y), &image.pixels[y * row], row);
    }

    [[nodiscard]] const MutableImageView& view() const { return view_; }

    [[nodiscard]] reference::Image pixels() const {
        return reference::generate(like_, [&](int x, int y, int c) { return view_.row(y)[x * view_.channels + c]; });
    }

    [[nodiscard]] bool gaps_untouched() const {
        std::ptrdiff_t row = std::ptrdiff_t{view_.width} * view_.channels, pitch = std::abs(view_.stride);
        const std::uint8_t* first = view_.stride < 0 ? view_.row(view_.height - 1) : view_.data;
        for (int y = 0; y + 1 < view_.height; y++) {
            for (std::ptrdiff_t i = row; i < pitch; i++) {
                if (first[y * pitch + i] != GuardedBytes::pattern) return false;
            }
        }
        return true;
    }

 private:
    static std::size_t bytes(const reference::Image& image, int gap) {
        std::size_t row = std::size_t(image.width) * image.channels;
        return (image.height - 1) * (row + gap) + row;
    }

    reference::Image like_;
    GuardedBytes memory_;
    MutableImageView view_;
};

}  // namespace halmix::test
