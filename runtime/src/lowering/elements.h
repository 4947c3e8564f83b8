#pragma once

#include <cstdint>
#include <vector>

#include "halmix/batch.h"

namespace halmix {

/// Bytes of an element of a result.
int element_bytes(Format format);

/// What each level becomes, (level, channel), as the element's bits; the same on every target since it is made here.
std::vector<std::uint8_t> make_elements(Format format, const Normalization& normalization, int channels);

}  // namespace halmix
