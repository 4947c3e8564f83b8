// jpeglib.h needs these two first.
#include <cstddef>
#include <cstdio>
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "codec.h"
#include "orientation.h"

namespace halmix::io {
namespace {

/// A decoder of progressive files takes time for every scan, however short, and for every block in it: 500 scans of 179
/// megapixels took 21 s (AMD EPYC, November 2026). No real file comes near: 20 scans are many.
constexpr int max_scans = 500;
constexpr double max_scanned_pixels = 5e9;

/// Rows that are decoded before any of them is copied: reading what was written only just now stalls a processor. One
/// at a time, a window of 250 x 200 took 405 us instead of 310, and of 499 x 375 725 instead of 575 (500 x 375, 4:2:0,
/// AMD EPYC, November 2026).
constexpr int block = 16;

constexpr std::string_view exif_header("Exif\0\0", 6);
constexpr std::string_view xmp_header("http://ns.adobe.com/xap/1.0/\0", 29);

Escape& escape_of(j_common_ptr info) { return *static_cast<Escape*>(info->client_data); }

[[noreturn]] void fail(j_common_ptr info) {
    std::array<char, JMSG_LENGTH_MAX> message{};
    info->err->format_message(info, message.data());
    escape_of(info).fail(message.data());
}

/// A warning says that pixels are missing or guessed, except for two that are about a header's version number. Those
/// that are accepted, libjpeg counts; a file that ends too soon is none of them.
template <bool accept>
void on_message(j_common_ptr info, int level) {
    const int code = info->err->msg_code;
    if (level >= 0 || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM) return;
    if (!accept || code == JWRN_JPEG_EOF) fail(info);
    info->err->num_warnings++;
}

void on_progress(j_common_ptr info) {
    const jpeg_decompress_struct& picture = *reinterpret_cast<j_decompress_ptr>(info);
    const double pixels = static_cast<double>(picture.image_width) * picture.image_height;
    if (picture.input_scan_number > std::min<double>(max_scans, max_scanned_pixels / pixels)) {
        escape_of(info).fail("too many scans");
    }
}

/// A libjpeg object of either kind, with its error handling.
template <typename Info>
struct Codec {
    Info info{};
    jpeg_error_mgr errors{};
    Escape escape;

    Codec() {
        info.err = jpeg_std_error(&errors);
        info.client_data = &escape;
        errors.error_exit = fail;
        errors.emit_message = on_message<false>;
    }
    ~Codec() { jpeg_destroy(reinterpret_cast<j_common_ptr>(&info)); }
    Codec(const Codec&) = delete;
    Codec& operator=(const Codec&) = delete;
};

/// Collects what libjpeg writes.
struct Destination {
    jpeg_destination_mgr manager{};  // first, so that libjpeg's pointer to it is one to the whole
    std::vector<std::uint8_t> bytes;
    std::array<std::uint8_t, 1 << 14> buffer{};

    Destination() {
        manager.init_destination = [](j_compress_ptr info) { of(info).rewind(); };
        manager.empty_output_buffer = [](j_compress_ptr info) -> boolean {
            flush(info, of(info).buffer.size());
            return TRUE;
        };
        manager.term_destination = [](j_compress_ptr info) {
            flush(info, of(info).buffer.size() - of(info).manager.free_in_buffer);
        };
    }

 private:
    static Destination& of(j_compress_ptr info) { return *reinterpret_cast<Destination*>(info->dest); }

    static void flush(j_compress_ptr info, std::size_t size) {
        if (!append(of(info).bytes, of(info).buffer.data(), size)) {
            escape_of(reinterpret_cast<j_common_ptr>(info)).fail("out of memory");
        }
        of(info).rewind();
    }

    void rewind() {
        manager.next_output_byte = buffer.data();
        manager.free_in_buffer = buffer.size();
    }
};

/// From EXIF data, which continue in the next marker of that kind, and from the last XMP. `joined` is room for them.
int orientation_of(const jpeg_decompress_struct& info, std::vector<std::uint8_t>& joined) {
    std::span<const std::uint8_t> exif;
    std::span<const std::uint8_t> xmp;
    for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr; marker = marker->next) {
        const std::span<const std::uint8_t> bytes(marker->data, marker->data_length);
        const std::string_view text(reinterpret_cast<const char*>(marker->data), marker->data_length);
        if (text.starts_with(xmp_header)) xmp = bytes.subspan(xmp_header.size());
        if (!text.starts_with(exif_header)) continue;
        if (exif.empty()) {
            exif = bytes;
            continue;
        }
        if (exif.data() != joined.data()) joined.assign(exif.begin(), exif.end());
        joined.insert(joined.end(), bytes.begin() + exif_header.size(), bytes.end());
        exif = joined;
    }
    const std::optional<int> found = exif_orientation(exif);
    return found ? *found : xmp_orientation(xmp);
}

class JpegReader : public Reader {
 public:
    JpegReader() { progress_.progress_monitor = on_progress; }

    Header open(const Source& source, const Acceptance& accept) override {
        name_ = source.name;
        note(Trouble::none);
        codec_.errors.msg_code = 0;
        codec_.errors.emit_message = accept.damaged ? on_message<true> : on_message<false>;
        jpeg_decompress_struct& info = codec_.info;
        call([&] {
            // All anew: a picture without tables of its own would otherwise be decoded with those of the one before.
            jpeg_destroy_decompress(&info);
            jpeg_create_decompress(&info);
            info.progress = &progress_;
            jpeg_mem_src(&info, source.bytes.data(), source.bytes.size());
            jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
            jpeg_read_header(&info, TRUE);
        });
        switch (info.jpeg_color_space) {
            case JCS_GRAYSCALE:
                info.out_color_space = JCS_GRAYSCALE;
                break;
            case JCS_YCbCr:
            case JCS_RGB:
                info.out_color_space = JCS_RGB;
                break;
            case JCS_CMYK:
            case JCS_YCCK:
                info.out_color_space = JCS_CMYK;  // which `Rows` converts
                break;
            default:
                throw Error(name_, "has " + std::to_string(info.num_components) + " channels of unknown meaning",
                            "convert it to gray or RGB", Trouble::unsupported);
        }
        return {info.image_width, info.image_height, info.out_color_space == JCS_GRAYSCALE ? 1 : 3,
                orientation_of(info, joined_exif_)};
    }

    void decode(const Window& window, int eighths, const Rows& rows) override {
        jpeg_decompress_struct& info = codec_.info;
        info.scale_num = static_cast<unsigned>(eighths);
        info.scale_denom = 8;
        call([&] { jpeg_start_decompress(&info); });
        if (trouble() == Trouble::damaged && lacks_coefficients())
            throw problem("coefficients are missing", Trouble::damaged);
        const bool exact = windows_are_exact();
        const int margin = exact ? leave_columns(window) : window.left;
        const int channels = info.out_color_components;
        const std::size_t row_bytes = std::size_t{info.output_width} * channels;
        const bool direct = static_cast<int>(info.output_width) == window.width && rows.direct(channels);

        std::uint8_t* const scratch = scratch_.of(row_bytes * block);
        std::array<JSAMPROW, block> kept{};
        for (int i = 0; i < block; ++i) kept[i] = scratch + i * row_bytes;
        if (exact) {
            call([&] { jpeg_skip_scanlines(&info, static_cast<JDIMENSION>(window.top)); });
        } else {
            for (int y = 0; y < window.top;) y += read(kept, std::min(block, window.top - y));
        }
        std::array<JSAMPROW, block> targets = kept;
        for (int y = 0; y < window.height;) {
            const int count = std::min(block, window.height - y);
            for (int i = 0; i < count && direct; ++i) targets[i] = rows.row(y + i);
            int done = 0;
            while (done < count) done += read(std::span(targets).subspan(done), count - done);
            for (int i = 0; i < count && !direct; ++i) {
                (void)rows.put(y + i, kept[i] + std::ptrdiff_t{margin} * channels, channels, false);
            }
            y += count;
        }
        if (info.output_scanline == info.output_height) call([&] { jpeg_finish_decompress(&info); });
        jpeg_abort_decompress(&info);  // gives the picture's memory back
    }

    [[nodiscard]] bool scales() const override { return true; }

 private:
    template <typename Step>
    void call(Step&& step) {
        if (codec_.escape.run(step)) {
            if (codec_.errors.num_warnings > 0) note(Trouble::damaged);
            return;
        }
        switch (codec_.errors.msg_code) {
            case JERR_OUT_OF_MEMORY:
                throw std::bad_alloc();
            case JERR_BAD_PRECISION:
                throw Error(name_, "is not a JPEG of 8 bits", "save it with 8 bits per channel", Trouble::unsupported);
            case JERR_SOF_UNSUPPORTED:
                throw problem(codec_.escape.message(), Trouble::unsupported);
            default:
                throw problem(codec_.escape.message(), Trouble::damaged);
        }
    }

    [[nodiscard]] Error problem(std::string_view message, Trouble trouble) const {
        return {name_, "is damaged or not a usual JPEG: " + std::string(message), "replace it with an intact copy",
                trouble};
    }

    /// Reads up to `count` rows; returns how many.
    int read(std::span<JSAMPROW> rows, int count) {
        JDIMENSION done = 0;
        call([&] { done = jpeg_read_scanlines(&codec_.info, rows.data(), static_cast<JDIMENSION>(count)); });
        return static_cast<int>(done);
    }

    /// Whether libjpeg computes a window as it does the whole picture, at this scale; tests look at version 2.1.5. It
    /// does not where it makes up for coefficients that a progressive file lacks, nor for colours at a quarter of the
    /// width if they are scaled, too.
    [[nodiscard]] bool windows_are_exact() const {
        const jpeg_decompress_struct& info = codec_.info;
        return !(info.max_h_samp_factor > 2 && info.scale_num != info.scale_denom) && !lacks_coefficients();
    }

    /// Whether this is a progressive picture that lacks coefficients, which libjpeg makes up for.
    [[nodiscard]] bool lacks_coefficients() const {
        const jpeg_decompress_struct& info = codec_.info;
        if (info.coef_bits == nullptr) return false;
        constexpr int smoothed = 10;  // coefficients that this looks at
        return std::any_of(info.coef_bits, info.coef_bits + info.num_components, [&](const auto& missing_bits) {
            return std::any_of(missing_bits, missing_bits + smoothed, [](int bits) { return bits != 0; });
        });
    }

    /// Has libjpeg leave out columns beside the window; returns how many are left on its left side.
    ///
    /// Upsampling reads a sample on either side, which libjpeg takes for the picture's edge where columns are left out,
    /// and with fewer than two samples it uses another filter. So there are two samples more on either side.
    int leave_columns(const Window& window) {
        jpeg_decompress_struct& info = codec_.info;
        const int more = 2 * info.max_h_samp_factor;
        const int left = std::max(window.left - more, 0);
        const int right = std::min(window.left + window.width + more, static_cast<int>(info.output_width));
        auto first = static_cast<JDIMENSION>(left);
        auto width = static_cast<JDIMENSION>(right - left);
        call([&] { jpeg_crop_scanline(&info, &first, &width); });
        return window.left - static_cast<int>(first);
    }

    Codec<jpeg_decompress_struct> codec_;
    jpeg_progress_mgr progress_{};
    std::string_view name_;
    std::vector<std::uint8_t> joined_exif_;
    Scratch scratch_;
};

}  // namespace

std::unique_ptr<Reader> jpeg_reader() { return std::make_unique<JpegReader>(); }

std::vector<std::uint8_t> encode_jpeg(ImageView image, int quality, const std::filesystem::path& name) {
    Destination destination;
    Codec<jpeg_compress_struct> codec;
    jpeg_compress_struct& info = codec.info;
    const auto call = [&](auto&& step) {
        if (codec.escape.run(step)) return;
        throw Error(name, "cannot be written as JPEG: " + std::string(codec.escape.message()), "write it as PNG");
    };

    call([&] {
        jpeg_create_compress(&info);
        info.dest = &destination.manager;
        info.image_width = static_cast<JDIMENSION>(image.width);
        info.image_height = static_cast<JDIMENSION>(image.height);
        info.input_components = image.channels;
        info.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
        jpeg_set_defaults(&info);
        jpeg_set_quality(&info, quality, TRUE);
        const int chroma_step = image.channels == 1 || quality >= 90 ? 1 : 2;
        info.comp_info[0].h_samp_factor = chroma_step;
        info.comp_info[0].v_samp_factor = chroma_step;
        jpeg_start_compress(&info, TRUE);
    });
    for (int y = 0; y < image.height; ++y) {
        auto* row = const_cast<JSAMPROW>(image.row(y));  // libjpeg only reads it
        call([&] { jpeg_write_scanlines(&info, &row, 1); });
    }
    call([&] { jpeg_finish_compress(&info); });
    return std::move(destination.bytes);
}

}  // namespace halmix::io
