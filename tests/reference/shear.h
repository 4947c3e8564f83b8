#pragma once

#include "reference/affine.h"
#include "reference/image.h"

namespace halmix::reference {

inline Image shear_x(const Image& in, double slope, const Fill& fill) {
    return affine(in, {1, slope, 0, 0, 1, 0}, fill);
}

inline Image shear_y(const Image& in, double slope, const Fill& fill) {
    return affine(in, {1, 0, 0, slope, 1, 0}, fill);
}

}  // namespace halmix::reference
