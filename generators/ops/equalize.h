#pragma once

#include "generators/ops/lookup.h"

namespace halmix {

/// How many pixels of each channel have a level.
///
/// On CPUs each level has several counts side by side, for pixels that follow one another: equal neighbours, as in flat
/// areas, do not wait for each other, and counts of levels close to each other share cache lines. They have 16 bits, so
/// that all of a channel's stay in the first cache, and are added up before one could overflow. What pixels are left
/// over, or all where they are too few to pay for that, is counted one by one.
struct Histogram {
    static constexpr int beside = 8;      ///< counts of a level
    static constexpr int most = 65535;    ///< pixels that one of them counts
    static constexpr int too_few = 8192;  ///< pixels

    PerImage histogram;  ///< u32 (level, channel): a gray image may have 2^31 - 1 pixels
    PerImage counts;     ///< u16 (which, level, channel, block of columns, block of rows); none if portable
    bool portable;

    explicit Histogram(const OpInput& in) : histogram(in.func("histogram")), portable(in.portable()) {
        using namespace Halide;
        Var c("c"), level("level"), k("k"), column("column"), row("row");
        histogram(level, c) = cast<uint32_t>(0);
        auto count = [&](const RDom& r) { histogram(cast<int>(in.image(c, r.x, r.y)), c) += cast<uint32_t>(1); };
        if (portable) {
            count(RDom(0, in.width, 0, in.height, in.prefix + "all"));
            return;
        }

        Expr groups = select(in.width * in.height < too_few, 0, in.width / beside);
        Expr across = clamp(groups, 1, most), down = most / across;
        counts = in.func("counts");
        counts(k, level, c, column, row) = cast<uint16_t>(0);
        RDom g(0, beside, 0, across, 0, down, in.prefix + "groups");
        Expr group = column * most + g.y, y = row * down + g.z;
        g.where(group < groups);
        g.where(y < in.height);
        Expr pixel = unsafe_promise_clamped(group * beside + g.x, 0, in.width - 1);
        counts(g.x, cast<int>(in.image(c, pixel, unsafe_promise_clamped(y, 0, in.height - 1))), c, column, row) +=
            cast<uint16_t>(1);

        RDom b(0, 256, 0, (groups + most - 1) / most, 0, (in.height + down - 1) / down, in.prefix + "blocks");
        Expr sum = cast<uint32_t>(0);
        for (int i = 0; i < beside; i++) sum += cast<uint32_t>(counts(i, b.x, c, b.y, b.z));
        histogram(b.x, c) += sum;
        count(RDom(groups * beside, in.width - groups * beside, 0, in.height, in.prefix + "rest"));
    }

    [[nodiscard]] std::vector<Support> support() const {
        if (portable) return {{histogram, Role::histogram}};
        return {{counts, Role::counts}, {histogram, Role::histogram}};
    }
};

/// Spreads each channel's levels by its histogram, in Pillow's integer form with the exclusive cumulative sum.
inline OpOutput equalize(const OpInput& in) {
    using namespace Halide;
    Var c("c"), level("level");

    const Histogram counted(in);
    const PerImage& histogram = counted.histogram;

    PerImage below = in.func("below"), top = in.func("top"), step = in.func("step"), spread = in.func("spread");
    RDom levels(0, 256, in.prefix + "levels"), rising(1, 255, in.prefix + "rising");
    below(level, c) = cast<uint32_t>(0);
    below(rising, c) = below(rising - 1, c) + histogram(rising - 1, c);
    top(c) = 0;
    top(c) = max(top(c), select(histogram(levels, c) != 0, levels, 0));

    // A single nonempty bin gives step 0 as well. The quotient in float32, below 512 for levels that occur, is wrong by
    // one at most.
    Expr total = cast<uint32_t>(in.width) * cast<uint32_t>(in.height);
    step(c) = (total - histogram(clamp(top(c), 0, 255), c)) / cast<uint32_t>(255);
    Expr dividend = step(c) / 2 + below(level, c);
    Expr estimate = cast<uint32_t>(min(cast<float>(dividend) * (1.0f / cast<float>(step(c))), 512.0f));
    Expr rest = cast<int>(dividend - estimate * step(c));
    Expr quotient = cast<int>(estimate) + select(rest < 0, -1, rest >= cast<int>(step(c)), 1, 0);
    spread(level, c) = cast<uint8_t>(select(step(c) == 0, level, min(quotient, 255)));

    std::vector<Support> support = counted.support();
    support.insert(support.end(),
                   {{below, Role::table}, {top, Role::extreme}, {step, Role::value}, {spread, Role::table}});
    return look_up(in, spread, support);
}

}  // namespace halmix
