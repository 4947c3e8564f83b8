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

}  // namespace halmix
