#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string_view>

#include "halmix/export.h"
#include "halmix/image.h"

/// Pictures from the bytes of JPEG and PNG files: the library halmix_io, beside the core, which knows no files.
namespace halmix::io {

/// What stands between a picture's file and its pixels.
enum class Trouble : unsigned char {
    none,
    unsupported,  ///< a kind of picture or file that is not read, however whole it is
    damaged,      ///< data that are missing or cannot be right
};

/// A picture or file that cannot be read or written. `what()` is always one line: `NAME: what is wrong; what to do`.
class HALMIX_API Error : public std::runtime_error {
 public:
    Error(const std::filesystem::path& name, std::string_view problem, std::string_view remedy,
          Trouble trouble = Trouble::none);

    /// What a picture is refused for; `none` for all other errors.
    [[nodiscard]] Trouble trouble() const noexcept { return trouble_; }

    /// From a failed system call: `problem` is such as "cannot be read", the reason and the remedy follow from `errno`.
    [[nodiscard]] static Error system(const std::filesystem::path& path, std::string_view problem, int error_number);

 private:
    Trouble trouble_;
};

/// The most pixels that a picture may have, unless a caller allows another number: above as many Pillow raises its
/// DecompressionBombError. A few bytes can claim any size, and memory and time grow with it.
inline constexpr std::int64_t default_max_pixels = 178'956'970;

/// Which pictures are read.
struct Acceptance {
    std::int64_t max_pixels = default_max_pixels;  ///< width times height; more are refused, unsupported
    /// PNG with transparent pixels too, whose alpha is dropped as Pillow's convert("RGB") does it, and with 16 bits a
    /// channel, of which the higher 8 are taken: as Pillow does it for colours. Gray ones it would cut off at 255.
    bool unsupported = false;
    /// JPEG too whose data libjpeg warns of, if it guesses as Pillow's does: not where the file ends too soon, which
    /// Pillow refuses, nor where a progressive picture lacks coefficients, which versions of libjpeg-turbo make up for
    /// differently. Damaged PNG is refused.
    bool damaged = false;
};

/// What a picture's header says.
struct Picture {
    int width = 0;     ///< in pixels, 1..1,000,000
    int height = 0;    ///< in pixels, 1..1,000,000
    int channels = 0;  ///< 1 (gray) or 3 (RGB)
};

/// A rectangle of whole pixels; `left` and `top` count from 0 at the picture's upper left corner.
struct Window {
    int left = 0;
    int top = 0;
    int width = 0;
    int height = 0;
};

/// Which way up a picture is whose EXIF data, or else XMP, say an orientation.
enum class Orientation : unsigned char {
    upright,  ///< as they say it is meant to be seen: Pillow's ImageOps.exif_transpose
    stored,   ///< as its pixels are stored: what Pillow's Image.open(file).convert("RGB") gives
};

/// A window decoded at a lower resolution: see Decoder::reduction.
struct Reduction {
    int eighths = 8;  ///< the scale: 1, 2, 4 or 8 eighths of the picture's resolution
    int width = 0;    ///< of what is decoded, in pixels
    int height = 0;
    /// Where the window lies in what is decoded, in its pixels: edges that need not be whole. It covers
    /// left..right x top..bottom, which is all of it but for less than a pixel on each side.
    double left = 0;
    double top = 0;
    double right = 0;
    double bottom = 0;
};

/// Decodes JPEG and PNG pictures in memory, one after another, whole or a window of each.
///
///     halmix::io::Decoder decoder;  // one for each thread
///     const halmix::io::Picture picture = decoder.open(bytes, "cat.jpg");
///     std::vector<std::uint8_t> pixels(3 * 224 * 224);
///     decoder.decode({10, 20, 224, 224}, {pixels.data(), 224, 224, 3});
///
/// **Bytes.** Those of Pillow's decoder on libjpeg-turbo: a window has, byte for byte, what a decoded picture has in
/// its place.
///
/// * JPEG: gray, YCbCr, RGB, CMYK or YCCK with 8 bits, baseline, progressive or arithmetic-coded. CMYK and YCCK become
///   RGB as Pillow's convert("RGB") makes it, without a colour profile and with inverted inks, whether or not a file
///   says that it is Adobe's. 12-bit and lossless pictures are refused.
/// * PNG: gray, RGB or palette (which becomes RGB), with 1 to 8 bits, interlaced or not. An alpha channel or
/// transparent
///   colour is dropped if every pixel of the window is opaque. Other transparency, and 16 bits, are refused unless an
///   Acceptance has them converted.
/// * More than its `max_pixels` are refused, and in any case more than 2^31 - 1 decoded bytes or 1,000,000 pixels a
///   side. No memory is taken on a header's word but for progressive JPEG and interlaced PNG, and there it is touched
///   only as pixels arrive.
///
/// **What a window saves.** Pixels beside and above it are not computed, what is stored below it is not read. So a
/// picture that is damaged below the window gives the window; each window that reaches the bottom row checks the whole
/// file. Damaged and truncated data are an Error, also where a decoder could guess the missing part, unless an
/// Acceptance says otherwise. Interlaced PNG and progressive JPEG are read whole.
///
/// **Memory.** A decoder keeps what it worked with for the next picture: a row, or all of the largest interlaced PNG.
/// Nothing of its own is allocated for a picture once it has seen one as large. libjpeg and libpng have memory of
/// theirs, which they take and give back for each picture by malloc and free: about ten blocks.
///
/// **Threads, forks.** A decoder serves one thread at a time; several share nothing, and there is no lock. Whichever
/// thread destroys it does not matter. A child process may go on with its copy.
///
/// **Errors.** All are Error, memory that is lacking too. A decoder goes on with the next picture after any of them.
class HALMIX_API Decoder {
 public:
    Decoder();
    ~Decoder();
    Decoder(Decoder&&) noexcept;
    Decoder& operator=(Decoder&&) noexcept;

    /// Reads the header of a picture. `bytes` and `name`, which stands for the picture in messages, stay the caller's
    /// and must live as long as this picture is decoded.
    Picture open(std::span<const std::byte> bytes, std::string_view name = "picture",
                 Orientation orientation = Orientation::upright, const Acceptance& accept = {});

    /// What was accepted of the opened picture so far, its header and the windows that were decoded; `none` if there is
    /// nothing the matter with it.
    [[nodiscard]] Trouble trouble() const;

    /// Decodes a window of the opened picture into `out`, as often as you like. The window lies in the picture; `out`
    /// has its size, u8_hwc, any stride. `out.channels` may be other than the picture's, as with Pillow's convert: 3
    /// for a gray picture, whose levels are repeated, or 1 for one of colours, with L's weights. After an Error what
    /// `out` holds is undefined.
    void decode(const Window& window, MutableImageView out);

    /// How a window is decoded that will be resized to `width` x `height` pixels anyway: at the lowest resolution at
    /// which it still has at least as many in both directions. A JPEG's blocks of 8 x 8 pixels then become 4 x 4,
    /// 2 x 2 or 1 x 1, which takes less time. PNG, and what is to be enlarged, is decoded at 8 eighths: the exact
    /// pixels.
    [[nodiscard]] Reduction reduction(const Window& window, int width, int height) const;

    /// Decodes a window at the scale of `reduction(window, ...)`, into an `out` of the size that it says. This is not
    /// what resizing the exact pixels gives: after a resize from the box that `reduction` tells, levels differ by about
    /// 1 on average and by up to 27; docs/decoding.md has figures.
    void decode(const Window& window, const Reduction& reduction, MutableImageView out);

 private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace halmix::io
