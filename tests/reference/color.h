#pragma once

#include "reference/blend.h"
#include "reference/image.h"
#include "reference/luminance.h"

namespace halmix::reference {

inline Image color(const Image& in, double factor) {
    return enhance(in, factor, [&](int x, int y, int) { return luminance(in, x, y); });
}

}  // namespace halmix::reference
