#pragma once

#include "generators/stage.h"

namespace halmix {

/// The stage's image by rows of bytes, (byte, y), in which neighbours are `channels` bytes apart. The outermost pixels
/// repeat once on every side; further out there are bytes that may be read, and mean nothing.
inline Halide::Func padded_bytes(const OpInput& in) {
    using namespace Halide;
    Var byte("byte"), y("y");
    Expr row = clamp(y, 0, in.height - 1), row_bytes = in.width * in.channels;
    RDom inner(0, row_bytes, in.prefix + "inner"), channel(0, in.channels, in.prefix + "channel");
    Func bytes(in.prefix + "bytes");
    bytes(byte, y) = undef<uint8_t>();
    bytes(inner, y) = in.image(inner % in.channels, inner / in.channels, row);
    bytes(channel - in.channels, y) = in.image(channel, 0, row);
    bytes(row_bytes + channel, y) = in.image(channel, in.width - 1, row);
    return bytes;
}

}  // namespace halmix
