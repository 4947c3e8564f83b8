#pragma once

#include "schedules/stage.h"

namespace halmix {

/// Pillow's Image.blend of two levels by p0, the share of the second: in float32, product and sum rounded by
/// themselves, truncated, clipped. Clipping changes nothing for shares in 0..1, for which Pillow leaves it out.
///
/// The result is the first level and a share of the difference. If p1 is not 0, 16-bit numbers give that share of all
/// differences exactly: p2 whole ones and, in units of 2^-16, p3 if the difference is not negative or else p4. p1 says
/// which of them are needed:
///   1  all
///   2  p3 is p4
///   3  and p2 is 1: what is left of the share goes to the second level
///   4  and p2 is 0: it goes to the first
class Blend {
 public:
    explicit Blend(const OpInput& in) : param(in.param), portable(in.portable()) {
        if (portable) return;
        for (int form : {4, 3, 2, 1}) cases.push_back(Halide::cast<int>(param(1)) == form);
    }

    /// When the result takes fewer operations than in floats.
    [[nodiscard]] const std::vector<Halide::Expr>& fast_paths() const { return cases; }

    /// For any share.
    [[nodiscard]] Halide::Expr in_floats(const Halide::Expr& from, const Halide::Expr& to) const {
        using namespace Halide;
        Expr difference = cast<int16_t>(to) - cast<int16_t>(from);
        Expr level = cast<float>(from) + cast<float>(param(0)) * cast<float>(difference);
        return saturating_cast<uint8_t>(cast<int>(level));
    }

    Halide::Expr operator()(const Halide::Expr& from, const Halide::Expr& to) const {
        using namespace Halide;
        Expr result = in_floats(from, to);
        if (portable) return result;

        Expr difference = cast<int16_t>(to) - cast<int16_t>(from);
        auto number = [&](int i) { return cast<int16_t>(param(i)); };
        auto share = [&](const Expr& units) { return mul_shift_right(difference, units, 16); };
        Expr wholes = cast<int16_t>(from) + difference * number(2);
        Expr levels[] = {cast<int16_t>(from) + share(number(3)), cast<int16_t>(to) + share(number(3)),
                         wholes + share(number(3)),
                         wholes + share(select(difference < cast<int16_t>(0), number(4), number(3)))};
        for (std::size_t i = std::size(levels); i-- > 0;) {
            result = select(cases[i], saturating_cast<uint8_t>(levels[i]), result);
        }
        return result;
    }

 private:
    PerImage param;
    bool portable;
    std::vector<Halide::Expr> cases;
};

}  // namespace halmix
