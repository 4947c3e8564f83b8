#pragma once

#include "halmix/halmix.h"

namespace halmix::python {

/// NumPy's bit generators, as their capsule "BitGenerator" has them (numpy/random/bitgen.h).
struct BitGenerator {
    void* state;
    std::uint64_t (*next_uint64)(void*);
    std::uint32_t (*next_uint32)(void*);
    double (*next_double)(void*);
    std::uint64_t (*next_raw)(void*);
};

/// Draws ops and values into a plan, whose chains have their weights already, as Composer's augmix_image does: the same
/// numbers from the generator in the same order, for an image of the plan's size. All of the policy's choices are as
/// likely as each other, whatever their weights.
void draw_as_composer(const Policy& policy, BitGenerator& bits, Plan& plan);

}  // namespace halmix::python
