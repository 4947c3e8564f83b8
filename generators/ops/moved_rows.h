#pragma once

#include "generators/ops/padded_bytes.h"

namespace halmix {

/// Rows of bytes that come from rows of the source, moved by whole pixels.
///
/// A row is cut into windows. Where a window begins in the source is clamped as a whole, so that loads are dense and
/// stay within the padding; a window that this displaces has no byte inside the image.
struct MovedRows {
    static constexpr int window = 96;  ///< bytes; divides rows of the usual sizes

    MovedRows(const OpInput& in, const Halide::Expr& row, const Halide::Expr& pixels)
        : bytes(padded_bytes(in)),
          fill(in.prefix + "fill"),
          row(row),
          moved_by(pixels * in.channels),
          row_bytes(in.width * in.channels),
          channels(in.channels) {
        Halide::Var i("i");
        fill(i) = in.fill(i % in.channels);
    }

    /// The source's byte for a byte of the result, or the one that many pixels to the right of it.
    [[nodiscard]] Halide::Expr level(const Halide::Expr& byte, int neighbour = 0) const {
        using namespace Halide;
        Expr begin = clamp(byte / window * window + moved_by, -window - channels, row_bytes + channels);
        return bytes(begin + byte % window + neighbour * channels, row);
    }

    [[nodiscard]] Halide::Expr fill_level(const Halide::Expr& byte) const {
        return fill(byte / window * window % channels + byte % window);
    }

    Halide::Func bytes, fill;

 private:
    Halide::Expr row, moved_by, row_bytes;
    int channels;
};

}  // namespace halmix
