#include "orientation.h"

#include <libexif/exif-data.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <utility>

namespace halmix::io {
namespace {

struct DataDeleter {
    void operator()(ExifData* data) const { exif_data_unref(data); }
};

/// Where the upright picture's pixels are found in the stored one: the stored column and row count along the upright
/// x and y, or along y and x if the axes are swapped, from the far end if they are reversed.
struct Turn {
    bool swap_axes;
    bool reverse_columns;
    bool reverse_rows;
};

constexpr std::array<Turn, 8> turns{{
    {false, false, false},  // 1: upright
    {false, true, false},   // 2: mirrored left to right
    {false, true, true},    // 3: turned by 180 degrees
    {false, false, true},   // 4: mirrored top to bottom
    {true, false, false},   // 5: transposed
    {true, false, true},    // 6: to be turned clockwise
    {true, true, true},     // 7: transposed along the other diagonal
    {true, true, false},    // 8: to be turned counter-clockwise
}};

}  // namespace

int exif_orientation(std::span<const std::uint8_t> exif) {
    const std::unique_ptr<ExifData, DataDeleter> data(exif_data_new());
    if (!data) return 1;
    // As it stands in the file: no repairs, which could change or add entries.
    exif_data_unset_option(data.get(), EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
    exif_data_load_data(data.get(), exif.data(), static_cast<unsigned>(exif.size()));
    const ExifEntry* const entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
    if (entry == nullptr || entry->format != EXIF_FORMAT_SHORT || entry->size < 2) return 1;
    const int orientation = exif_get_short(entry->data, exif_data_get_byte_order(data.get()));
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

Image upright(Image image, int orientation) {
    if (orientation == 1) return image;
    const Turn turn = turns.at(static_cast<std::size_t>(orientation - 1));
    const std::ptrdiff_t channels = image.channels;
    const std::ptrdiff_t row = image.width * channels;
    const std::ptrdiff_t column_step = turn.reverse_columns ? -channels : channels;
    const std::ptrdiff_t row_step = turn.reverse_rows ? -row : row;
    const std::ptrdiff_t first =
        (turn.reverse_columns ? row - channels : 0) + (turn.reverse_rows ? (image.height - 1) * row : 0);
    const auto [x_step, y_step] = turn.swap_axes ? std::pair(row_step, column_step) : std::pair(column_step, row_step);

    Image result{image.width, image.height, image.channels, {}};
    if (turn.swap_axes) std::swap(result.width, result.height);
    result.pixels.resize(image.pixels.size());
    std::uint8_t* out = result.pixels.data();
    for (std::ptrdiff_t y = 0; y < result.height; ++y) {
        for (std::ptrdiff_t x = 0; x < result.width; ++x) {
            out = std::copy_n(image.pixels.data() + first + x * x_step + y * y_step, channels, out);
        }
    }
    return result;
}

}  // namespace halmix::io
