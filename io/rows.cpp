#include "rows.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

namespace halmix::io {
namespace {

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

const Turn& turn_of(int orientation) { return turns.at(static_cast<std::size_t>(orientation - 1)); }

/// Pixels of `from` channels into ones of `to`, as Pillow's convert has it. Four channels are the inks of CMYK as JPEG
/// files have them, inverted: the light that each lets through.
template <int from, int to>
void convert(const std::uint8_t* in, std::uint8_t* out) {
    if constexpr (from == 4) {
        std::array<std::uint8_t, 3> rgb{};
        for (int c = 0; c < 3; ++c) {
            const int product = in[c] * in[3] + 128;
            rgb[c] = static_cast<std::uint8_t>((product + (product >> 8)) >> 8);  // divided by 255 and rounded
        }
        convert<3, to>(rgb.data(), out);
    } else if constexpr (from == 3 && to == 1) {
        *out = static_cast<std::uint8_t>((in[0] * 19595 + in[1] * 38470 + in[2] * 7471 + 0x8000) >> 16);
    } else {
        for (int c = 0; c < to; ++c) out[c] = in[from == to ? c : 0];
    }
}

template <int from, int to>
bool put_row(const std::uint8_t* in, int width, bool alpha, std::uint8_t* out, std::ptrdiff_t step) {
    std::uint8_t least = 255;
    const int in_step = from + (alpha ? 1 : 0);
    for (int x = 0; x < width; ++x, in += in_step, out += step) {
        if (alpha) least = std::min(least, in[from]);
        convert<from, to>(in, out);
    }
    return least == 255;
}

}  // namespace

Size turned(Size size, int orientation) {
    return turn_of(orientation).swap_axes ? Size{size.height, size.width} : size;
}

Window stored_window(const Window& window, Size stored, int orientation) {
    const Turn& turn = turn_of(orientation);
    Window result = window;
    if (turn.swap_axes) result = {window.top, window.left, window.height, window.width};
    if (turn.reverse_columns) result.left = stored.width - result.left - result.width;
    if (turn.reverse_rows) result.top = stored.height - result.top - result.height;
    return result;
}

Window upright_window(const Window& window, Size stored, int orientation) {
    const Turn& turn = turn_of(orientation);
    Window result = window;
    if (turn.reverse_columns) result.left = stored.width - result.left - result.width;
    if (turn.reverse_rows) result.top = stored.height - result.top - result.height;
    if (turn.swap_axes) result = {result.top, result.left, result.height, result.width};
    return result;
}

Rows::Rows(MutableImageView out, int orientation)
    : first_(out.data), column_step_(out.channels), row_step_(out.stride), channels_(out.channels) {
    const Turn& turn = turn_of(orientation);
    const Size size = turned({out.width, out.height}, orientation);
    width_ = size.width;
    if (turn.swap_axes) std::swap(column_step_, row_step_);
    if (turn.reverse_columns) {
        first_ += (size.width - 1) * column_step_;
        column_step_ = -column_step_;
    }
    if (turn.reverse_rows) {
        first_ += (size.height - 1) * row_step_;
        row_step_ = -row_step_;
    }
}

bool Rows::put(int y, const std::uint8_t* pixels, int channels, bool alpha) const {
    std::uint8_t* const out = row(y);
    if (direct(channels) && !alpha) {
        std::memcpy(out, pixels, static_cast<std::size_t>(width_) * channels);
        return true;
    }
    const auto put = [&]<int to>(std::integral_constant<int, to>) {
        const auto from = channels == 1 ? put_row<1, to> : channels == 3 ? put_row<3, to> : put_row<4, to>;
        return from(pixels, width_, alpha, out, column_step_);
    };
    return channels_ == 1 ? put(std::integral_constant<int, 1>()) : put(std::integral_constant<int, 3>());
}

}  // namespace halmix::io
