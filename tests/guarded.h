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

/// An image between inaccessible pages, with rows any distance apart. Bytes between rows hold a pattern.
class GuardedImage {
 public:
    GuardedImage(const reference::Image& image, Guard guard, int gap, bool bottom_up) : like_(image) {
        std::size_t row = std::size_t(image.width) * image.channels, pitch = row + gap;
        std::size_t size = (image.height - 1) * pitch + row, page = sysconf(_SC_PAGESIZE);
        std::size_t inner = (size + page - 1) / page * page;
        mapped_ = inner + 2 * page;
        pages_ = static_cast<std::uint8_t*>(
            mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (pages_ == MAP_FAILED) throw std::bad_alloc();
        mprotect(pages_, page, PROT_NONE);
        mprotect(pages_ + page + inner, page, PROT_NONE);
        std::uint8_t* first = pages_ + page + (guard == Guard::after ? inner - size : 0);
        std::memset(first, pattern, size);
        auto stride = static_cast<std::ptrdiff_t>(pitch);
        view_ = bottom_up ? MutableImageView(first + (image.height - 1) * pitch, image.width, image.height,
                                             image.channels, -stride)
                          : MutableImageView(first, image.width, image.height, image.channels, stride);
        for (int y = 0; y < image.height; y++) std::memcpy(view_.row(y), &image.pixels[y * row], row);
    }
    GuardedImage(const GuardedImage&) = delete;
    GuardedImage& operator=(const GuardedImage&) = delete;
    ~GuardedImage() { munmap(pages_, mapped_); }

    [[nodiscard]] const MutableImageView& view() const { return view_; }

    [[nodiscard]] reference::Image pixels() const {
        return reference::generate(like_, [&](int x, int y, int c) { return view_.row(y)[x * view_.channels + c]; });
    }

    [[nodiscard]] bool gaps_untouched() const {
        std::ptrdiff_t row = std::ptrdiff_t{view_.width} * view_.channels, pitch = std::abs(view_.stride);
        const std::uint8_t* first = view_.stride < 0 ? view_.row(view_.height - 1) : view_.data;
        for (int y = 0; y + 1 < view_.height; y++) {
            for (std::ptrdiff_t i = row; i < pitch; i++) {
                if (first[y * pitch + i] != pattern) return false;
            }
        }
        return true;
    }

 private:
    static constexpr std::uint8_t pattern = 0xA5;
    reference::Image like_;
    std::uint8_t* pages_;
    std::size_t mapped_;
    MutableImageView view_;
};

}  // namespace halmix::test
