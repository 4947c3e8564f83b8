#pragma once

#include "generators/stage.h"

namespace halmix {

/// The stage's image by rows of bytes, (byte, y), in which neighbours are `channels` bytes apart. Beyond the image on
/// every side there are bytes that may be read, and mean nothing.
inline Halide::Func padded_bytes(const OpInput& in) {
    using namespace Halide;
    Var byte("byte"), y("y");
    Expr inner = clamp(likely(byte), 0, in.width * in.channels - 1);
    Func bytes(in.prefix + "bytes");
    bytes(byte, y) = in.image(inner % in.channels, inner / in.channels, clamp(y, 0, in.height - 1));
    return bytes;
}

}  // namespace halmix
