#pragma once

#include "generators/stage.h"

namespace halmix {

/// The stage's image by rows of bytes, (byte, y), with the outermost pixels repeated as far as anyone reads: neighbours
/// need no test, and those of a row lie `channels` bytes apart.
inline Halide::Func bordered_bytes(const OpInput& in) {
    using namespace Halide;
    Var byte("byte"), y("y");
    Expr channel = byte % in.channels;
    Expr inner = clamp(likely(byte), channel, (in.width - 1) * in.channels + channel);
    Func bytes(in.prefix + "bytes");
    bytes(byte, y) = in.image(inner % in.channels, inner / in.channels, clamp(y, 0, in.height - 1));
    return bytes;
}

}  // namespace halmix
