// jpeglib.h needs these two first.
#include <cstddef>
#include <cstdio>
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <array>
#include <string>

#include "codec.h"
#include "orientation.h"

namespace halmix::io {
namespace {

/// A decoder of progressive files takes time for every scan, however short; no real file comes near this.
constexpr int max_scans = 500;

constexpr std::array<std::uint8_t, 6> exif_header{'E', 'x', 'i', 'f', 0, 0};

Escape& escape_of(j_common_ptr info) { return *static_cast<Escape*>(info->client_data); }

[[noreturn]] void fail(j_common_ptr info) {
    std::array<char, JMSG_LENGTH_MAX> message{};
    info->err->format_message(info, message.data());
    escape_of(info).fail(message.data());
}

/// A warning says that pixels are missing or guessed, except for two that are about a header's version number.
void on_message(j_common_ptr info, int level) {
    const int code = info->err->msg_code;
    if (level < 0 && code != JWRN_JFIF_MAJOR && code != JWRN_ADOBE_XFORM) fail(info);
}

void on_progress(j_common_ptr info) {
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > max_scans) {
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
        errors.emit_message = on_message;
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

int orientation_of(const jpeg_decompress_struct& info) {
    for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr; marker = marker->next) {
        const std::span bytes(marker->data, marker->data_length);
        if (bytes.size() > exif_header.size() && std::ranges::equal(bytes.first<6>(), exif_header)) {
            return exif_orientation(bytes);
        }
    }
    return 1;
}

}  // namespace

Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::filesystem::path& name) {
    Codec<jpeg_decompress_struct> codec;
    jpeg_decompress_struct& info = codec.info;
    const auto call = [&](auto&& step) {
        if (codec.escape.run(step)) return;
        if (codec.errors.msg_code == JERR_BAD_PRECISION) {
            throw Error(name, "is not a JPEG of 8 bits", "save it with 8 bits per channel");
        }
        if (codec.errors.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
        throw Error(name, "is damaged or not a usual JPEG: " + std::string(codec.escape.message()),
                    "replace it with an intact copy");
    };

    jpeg_progress_mgr progress{};
    progress.progress_monitor = on_progress;
    call([&] {
        jpeg_create_decompress(&info);
        info.progress = &progress;
        jpeg_mem_src(&info, bytes.data(), bytes.size());
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
            throw Error(name, "is a CMYK image", "convert it to RGB");
        default:
            throw Error(name, "has " + std::to_string(info.num_components) + " channels of unknown meaning",
                        "convert it to gray or RGB");
    }

    const int channels = info.out_color_space == JCS_GRAYSCALE ? 1 : 3;
    Image image = reserve_image(info.image_width, info.image_height, channels, channels, name);
    const int orientation = orientation_of(info);  // now, for libjpeg forgets the markers when it has finished
    call([&] { jpeg_start_decompress(&info); });
    while (info.output_scanline < info.output_height) {
        JSAMPROW row = grow_row(image.pixels, std::size_t{info.image_width} * channels);
        call([&] { jpeg_read_scanlines(&info, &row, 1); });
    }
    call([&] { jpeg_finish_decompress(&info); });
    return upright(std::move(image), orientation);
}

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
