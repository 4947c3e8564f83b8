#pragma once

#include "schedules/stage.h"

namespace halmix {

/// The fill colour by bytes, (byte), whatever channel they are of.
inline PerImage fill_by_bytes(const OpInput& in) {
    Halide::Var byte("byte");
    PerImage fill = in.func("fill");
    fill(byte) = in.fill(byte % in.channels);
    return fill;
}

/// Rows of bytes with fill on both sides, as far as they are read: what lies outside comes out as fill by itself.
struct FilledRow {
    PerImage fill;   ///< u8 (byte)
    PerImage bytes;  ///< u8 (byte, y): row `row` of the stage's image, or fill if the image has no such row

    FilledRow(const OpInput& in, const Halide::Expr& row) : fill(fill_by_bytes(in)), bytes(in.func("bytes")) {
        using namespace Halide;
        Var byte("byte"), y("y");
        RDom inner(0, in.width * in.channels, in.prefix + "inner");
        inner.where(row >= 0 && row < in.height);
        bytes(byte, y) = fill(byte);
        bytes(inner, y) = in.image(inner % in.channels, inner / in.channels, clamp(row, 0, in.height - 1));
    }

    [[nodiscard]] std::vector<Support> support() const { return {{fill, Role::line}, {bytes, Role::shear_x_row}}; }
};

}  // namespace halmix
