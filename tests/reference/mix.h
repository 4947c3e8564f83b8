#pragma once

#include <cstdint>
#include <vector>

#include "reference/image.h"

namespace halmix::reference {

/// (1 - mix) * image + mix * sum over k of weights[k] * chains[k], as in Composer: float32, every product and sum
/// rounded by itself, truncated. To be compiled without contraction of products and sums.
inline Image mix(const Image& image, const std::vector<Image>& chains, const std::vector<float>& weights, float mix) {
    return generate(image, [&](int x, int y, int c) {
        float combination = 0;
        for (std::size_t k = 0; k < chains.size(); ++k) {
            const float product = weights[k] * static_cast<float>(chains[k].at(x, y, c));
            combination += product;
        }
        const float clean = (1.0F - mix) * static_cast<float>(image.at(x, y, c));
        const float augmented = mix * combination;
        return static_cast<std::uint8_t>(clean + augmented);
    });
}

}  // namespace halmix::reference
