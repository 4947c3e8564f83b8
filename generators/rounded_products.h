#pragma once

#include "Halide.h"

namespace halmix {

/// Has every product of floats in a GPU's code rounded by itself. CUDA's compiler fuses one with the sum that follows,
/// strict_float or not, unless it is made by the function for it. To be called once all is scheduled.
void keep_products_rounded(Halide::Pipeline pipeline, const Halide::Target& target);

}  // namespace halmix
