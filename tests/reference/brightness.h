#pragma once

#include "reference/blend.h"
#include "reference/image.h"

namespace halmix::reference {

inline Image brightness(const Image& in, double factor) {
    return enhance(in, factor, [](int, int, int) { return 0; });
}

}  // namespace halmix::reference
