#include "cpu/warp.h"

#include "cpu/warp_place.h"

namespace halmix::warp {

namespace {

template <int channels>
void all(const Warp& warp) {
    for (std::int32_t y = 0; y < warp.height; y++) {
        for (std::int32_t x = warp.begin[y]; x < warp.end[y]; x++) exact_pixel<channels>(warp, x, y);
    }
}

}  // namespace

void exact(const Warp& warp) { all<1>(warp); }
void exact_rgb(const Warp& warp) { all<3>(warp); }

}  // namespace halmix::warp
