#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/mix.h"

/// What the mixtures of all instruction sets share. Each file that includes this has functions of its own, compiled for
/// its processor.
namespace halmix::mix {

// NOLINTBEGIN(misc-definitions-in-headers): inline functions of one file could be linked in place of the other's
namespace {

/// Where a block's bytes of each image lie: the original's, and the chains'. Where there are fewer, the last one's again.
struct Block {
    const std::uint8_t* image[taps];
};

struct Row {
    const std::uint8_t *original, *chains;
    std::uint8_t* to;
};

/// Rows by blocks of Form::block bytes. A Form mixes a block in integers (`quick`, which says whether all levels are
/// sure) or as Composer does (`exact`), and finds whether the images are the `same` there: then the result is looked up.
template <typename Form>
class Blocks {
 public:
    explicit Blocks(const Rows& rows) : rows_(rows), form_(rows), floats_(form_.fits ? 0 : PTRDIFF_MAX) {}

    void all_rows() {
        for (std::ptrdiff_t y = 0; y < rows_.count; y++) {
            const std::uint8_t* original = rows_.original + y * rows_.original_stride;
            const std::uint8_t* chains = rows_.chains + y * rows_.chain_stride;
            std::uint8_t* to = rows_.to + y * rows_.to_stride;
            const Row row{original, chains, to};
            if (rows_.bytes < Form::block) {
                for (std::ptrdiff_t i = 0; i < rows_.bytes; i++) to[i] = level(rows_, original + i, chains + i);
                continue;
            }
            const std::ptrdiff_t last = rows_.bytes - Form::block;
            for (std::ptrdiff_t i = 0; i < last; i += together * Form::block) {
                some(row, i, min(i + together * Form::block, last));
            }
            some(row, last, rows_.bytes);  // moved inwards, so that it is whole
        }
    }

 private:
    // Where more than half of so many blocks had to be repaired, so many more are mixed in float32 at once: as those of
    // weights such as .2, .3 and .5 are, which make a whole number of one level in ten.
    static constexpr std::ptrdiff_t together = 32, floats_together = 64 * together;
    // What is looked up is worth finding for so many blocks.
    static constexpr int same_at_least = 4;

    const Rows rows_;  // a copy: bytes that are written could be a part of the other
    Form form_;
    std::ptrdiff_t floats_, tried_ = 0, repaired_ = 0;
    int same_ = 0;
    bool looks_up_ = false;

    /// The blocks of a row that begin before `end`.
    void some(const Row& row, std::ptrdiff_t begin, std::ptrdiff_t end) {
        const std::ptrdiff_t blocks = (end - begin + Form::block - 1) / Form::block;
        if (floats_ > 0) {
            floats_ -= blocks;
            return exact(row, begin, end);
        }
        tried_ += blocks;
        repaired_ += quick(row, begin, end);
        if (tried_ < together) return;
        if (repaired_ > tried_ / 2) floats_ = floats_together;
        tried_ = repaired_ = 0;
    }

    static std::ptrdiff_t min(std::ptrdiff_t a, std::ptrdiff_t b) { return a < b ? a : b; }

    /// Returns how many it had to repair.
    [[gnu::noinline]] std::ptrdiff_t quick(const Row& row, std::ptrdiff_t begin, std::ptrdiff_t end) {
        const Form form = form_;  // a copy, again: in registers
        const std::uint8_t *original = row.original, *first = row.chains;
        const std::uint8_t* second = first + (rows_.chain_count > 1 ? rows_.chain_bytes : 0);
        const std::uint8_t* third = rows_.chain_count > 2 ? second + rows_.chain_bytes : second;
        std::uint8_t* const to = row.to;
        std::ptrdiff_t repaired = 0;
        for (std::ptrdiff_t i = begin;; i += Form::block) {
            const auto block = [&] { return Block{original + i, first + i, second + i, third + i}; };
            // A loop without calls, so that all it needs stays in registers.
            while (i < end && form.quick(block(), to + i)) i += Form::block;
            if (i >= end) return repaired;
            if (Form::same(block()) && (looks_up_ || find_same())) {
                form_.look_up(original + i, to + i);
            } else {
                exact(row, i, i + 1);
                repaired++;
            }
        }
    }

    [[gnu::noinline]] void exact(const Row& row, std::ptrdiff_t begin, std::ptrdiff_t end) const {
        constexpr int usual = 3;
        if (rows_.chain_count == usual) {
            exact(row, begin, end, usual);
        } else {
            exact(row, begin, end, rows_.chain_count);
        }
    }

    [[gnu::always_inline]] inline void exact(const Row& row, std::ptrdiff_t begin, std::ptrdiff_t end, int count) const {
        const Form form = form_;
        const std::ptrdiff_t chain_bytes = rows_.chain_bytes;
        const float* const weights = rows_.weights;
        for (std::ptrdiff_t i = begin; i < end; i += Form::block) {
            const auto chain = [=](int k) { return row.chains + i + k * chain_bytes; };
            form.exact(weights, count, row.original + i, chain, row.to + i);
        }
    }

    /// False if not worth it yet, or if no Form can look it up.
    [[gnu::noinline]] bool find_same() {
        if (++same_ != same_at_least) return false;
        std::uint8_t each[256], mixed[256];
        for (int i = 0; i < 256; i++) each[i] = static_cast<std::uint8_t>(i);
        for (int i = 0; i < 256; i += Form::block) {
            const auto all_same = [&](int) { return each + i; };
            form_.exact(rows_.weights, rows_.chain_count, each + i, all_same, mixed + i);
        }
        return looks_up_ = form_.take(mixed);
    }
};

}  // namespace
// NOLINTEND(misc-definitions-in-headers)

}  // namespace halmix::mix
