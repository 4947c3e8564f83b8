#pragma once

#include <cstdint>
#include <vector>

#include "halmix/layout.h"

namespace halmix {

/// The layout, of which a gray image has but one for levels.
constexpr Layout effective(Layout layout, int channels) {
    return channels == 1 && layout == Layout::u8_chw ? Layout::u8_hwc : layout;
}

/// What each level becomes, (level, channel), as the element's bits; the same on every target since it is made here.
std::vector<std::uint8_t> make_elements(Layout layout, const Normalization& normalization, int channels);

}  // namespace halmix
