#pragma once

#include <cstdint>
#include <vector>

#include "halmix/layout.h"

namespace halmix {

/// What each level becomes, (level, channel), as the element's bits; the same on every target since it is made here.
std::vector<std::uint8_t> make_elements(Layout layout, const Normalization& normalization, int channels);

}  // namespace halmix
