#pragma once

#include "Halide.h"

namespace halmix {

/// The image that Halide's autoschedulers are told to expect. A generator that is given one leaves the schedule to it,
/// which is how bench/autoschedulers.py compares them with ours.
struct Estimate {
    static constexpr int width = 224, height = 224, pixels = width * height;
    static constexpr int chains = 3;  ///< of a mixture
    static constexpr int items = 64;  ///< images of a batch
};

}  // namespace halmix
