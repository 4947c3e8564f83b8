#pragma once

#include <vector>

#include "Halide.h"

namespace halmix {

/// Composer's mixture of an image and its augmented chains: all in float32, each product and sum rounded by itself, the
/// chains summed in order, the result truncated.
struct Mixture {
    Halide::Func combination{"combination"};  ///< f32, with the dimensions of the level
    Halide::Expr level;                       ///< u8

    /// Of the image's level `original` and those of its chains, `chain` with its `weight` for each `k`.
    Mixture(const std::vector<Halide::Var>& at, const Halide::Expr& original, const Halide::Expr& chain,
            const Halide::Expr& weight, const Halide::Expr& mix) {
        using namespace Halide;
        combination(at) = 0.0f;
        combination(at) += weight * cast<float>(chain);
        Expr mixed = (1.0f - mix) * cast<float>(original) + mix * combination(at);
        level = cast<uint8_t>(cast<int>(mixed));
    }
};

}  // namespace halmix
