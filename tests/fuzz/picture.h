// What the targets jpeg and png hold the decoder to.
#pragma once

#include <optional>
#include <random>

#include "fuzz.h"
#include "halmix/io.h"
#include "pictures.h"

namespace halmix::fuzz {

/// Enough for every case that depends on sizes, and little enough for thousands a second.
inline constexpr io::Acceptance usual{.max_pixels = 1 << 16};
inline constexpr io::Acceptance accepting{.max_pixels = 1 << 16, .unsupported = true, .damaged = true};

/// What a decoder makes of a picture: its pixels, or the problem with it.
struct Decoded {
    test::Pixels pixels{0, 0, 0};
    std::string problem;
    io::Trouble trouble = io::Trouble::none;

    friend bool operator==(const Decoded& a, const Decoded& b) {
        return a.problem == b.problem && a.pixels.width == b.pixels.width && a.pixels.bytes == b.pixels.bytes;
    }
};

/// The window that `choose` takes of the picture, if it has the size for it.
template <typename Choose>
Decoded decoded(io::Decoder& decoder, std::span<const std::byte> file, const Choose& choose,
                const io::Acceptance& accept) {
    Decoded result;
    try {
        const io::Picture picture = decoder.open(file, "picture", io::Orientation::upright, accept);
        const io::Window window = choose(picture);
        test::Pixels pixels(window.width, window.height, picture.channels);
        decoder.decode(window, pixels.view());
        result.pixels = std::move(pixels);
        result.trouble = decoder.trouble();
    } catch (const io::Error& error) {
        result.problem = error.what();
        result.trouble = error.trouble();
        require_one_line(result.problem);
        require(result.problem.starts_with("picture: ") && result.problem.find("; ") != std::string::npos,
                "an error says what is wrong, and what to do", result.problem);
    }
    return result;
}

inline io::Window whole(const io::Picture& picture) { return {0, 0, picture.width, picture.height}; }

/// A picture is refused with one line, or decoded: a window has the bytes of the whole, a lower resolution the size
/// that it says, and what a decoder saw before makes no difference, nor does this picture to the next one.
inline Decoded require_decoded_or_refused(std::span<const std::byte> file, const io::Acceptance& accept) {
    static const test::Bytes other = test::jpeg(test::picture(19, 17, 3), {});
    static const Decoded other_decoded = [] {
        io::Decoder decoder;
        return decoded(decoder, test::as_bytes(other), whole, usual);
    }();

    io::Decoder fresh;
    Decoded all = decoded(fresh, file, whole, accept);
    io::Decoder used;
    require(decoded(used, test::as_bytes(other), whole, accept) == other_decoded, "a known picture is decoded");
    require(decoded(used, file, whole, accept) == all, "a decoder forgets the picture before", all.problem);
    require(decoded(used, test::as_bytes(other), whole, accept) == other_decoded,
            "a decoder goes on after any picture");
    if (!all.problem.empty()) return all;

    std::minstd_rand random(static_cast<unsigned>(file.size()) + std::to_integer<unsigned>(file[file.size() / 2]));
    const auto up_to = [&](int most) { return static_cast<int>(random() % static_cast<unsigned>(most + 1)); };
    io::Window window{.left = up_to(all.pixels.width - 1), .top = up_to(all.pixels.height - 1)};
    window.width = 1 + up_to(all.pixels.width - window.left - 1);
    window.height = 1 + up_to(all.pixels.height - window.top - 1);
    const Decoded part = decoded(
        used, file, [&](const io::Picture&) { return window; }, accept);
    require(part.problem.empty(), "a window of a picture that is decoded is decoded", part.problem);
    require(part.pixels.bytes == all.pixels.window(window).bytes, "a window has the bytes of the whole");

    fresh.open(file, "picture", io::Orientation::upright, accept);
    const io::Reduction reduction = fresh.reduction(window, 1 + up_to(9), 1 + up_to(9));
    test::Pixels reduced(reduction.width, reduction.height, 3);
    fresh.decode(window, reduction, reduced.view());
    return all;
}

/// The same where more is accepted, which tells of what it has accepted, and changes no other picture.
inline void require_decoded_or_refused(const std::uint8_t* data, std::size_t size) {
    const auto file = std::as_bytes(std::span(data, size));
    const Decoded strict = require_decoded_or_refused(file, usual), all = require_decoded_or_refused(file, accepting);
    if (strict.problem.empty()) {
        require(strict.trouble == io::Trouble::none && all.trouble == io::Trouble::none,
                "no trouble with an intact picture");
        require(strict == all, "an intact picture is decoded as ever", all.problem);
    } else {
        require(all.trouble == strict.trouble || !all.problem.empty(), "what is accepted is told of", strict.problem);
    }
}

}  // namespace halmix::fuzz
