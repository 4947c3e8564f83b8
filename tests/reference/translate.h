#pragma once

#include "reference/affine.h"
#include "reference/image.h"

namespace halmix::reference {

inline Image translate_x(const Image& in, double pixels, const Fill& fill) {
    return affine(in, {1, 0, pixels, 0, 1, 0}, fill);
}

inline Image translate_y(const Image& in, double pixels, const Fill& fill) {
    return affine(in, {1, 0, 0, 0, 1, pixels}, fill);
}

}  // namespace halmix::reference
