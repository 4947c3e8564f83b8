#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/mix.h"

/// What the mixtures of all instruction sets share. Each file that includes this has functions of its own, compiled for
/// its processor.
namespace halmix::mix {

// NOLINTBEGIN(misc-definitions-in-headers): inline functions of one file could be linked in place of the other's
namespace {

/// Where a block's bytes of each image lie: the original's, and the chains', but that the one of Form::largest has
/// changed places with the original. Where there are fewer, the last one's again.
struct Block {
    const std::uint8_t* image[taps];
};

struct Row {
    const std::uint8_t *original, *chains;
    std::ptrdiff_t chain_bytes;  ///< from a chain to the next
    std::uint8_t* to;
};

/// Rows by blocks of Form::block bytes. A Form mixes a block in integers (`quick`, which says whether all levels are
/// sure) or as Composer does (`exact`), and finds whether the images are the `same` there: then the result is looked
/// up.
template <typename Form>
class Blocks {
 public:
    explicit Blocks(const Rows& rows) : form_(rows), floats_(form_.fits ? 0 : always), rows_(rows) {}

    void all_rows() {
        const std::ptrdiff_t last = rows_.bytes - Form::block;
        for (std::ptrdiff_t y = 0; y < rows_.count; y++) {
            const Row row{rows_.original + y * rows_.original_stride, rows_.chains + y * rows_.chain_stride,
                          rows_.chain_bytes, rows_.to + y * rows_.to_stride};
            if (last < 0) {
                short_row(row);
                continue;
            }
            some(row, 0, last);
            some(row, last, rows_.bytes);  // moved inwards, so that it is whole
        }
    }

 private:
    // After so many blocks in a row that had to be repaired, some are mixed in float32 at once: as those of weights
    // such as .2, .3 and .5 are, which make a whole number of one level in ten. Twice as many each time, unless
    // integers do.
    static constexpr std::ptrdiff_t tries = 4, fewest_floats = 128, most_floats = 4096, always = PTRDIFF_MAX / 2;
    // What is looked up is worth finding for so many blocks.
    static constexpr int same_at_least = 4;

    Form form_;
    std::ptrdiff_t floats_, next_floats_ = fewest_floats, repaired_ = 0;
    const Rows rows_;  // a copy: bytes that are written could be a part of the other
    int same_ = 0;
    bool looks_up_ = false;

    /// The blocks of a row that begin at `begin` or after it, and before `end`.
    void some(const Row& row, std::ptrdiff_t begin, std::ptrdiff_t end) {
        while (begin < end) {
            const std::ptrdiff_t left = (end - begin + Form::block - 1) / Form::block;
            if (floats_ == 0) {
                begin = quick(row, begin, end);
                continue;
            }
            const std::ptrdiff_t blocks = floats_ < left ? floats_ : left;
            exact(row, begin, blocks);
            floats_ -= blocks;
            begin += blocks * Form::block;
        }
    }

    /// Returns where it gave up, or where the first block behind them would begin.
    [[gnu::noinline]] std::ptrdiff_t quick(const Row& row, std::ptrdiff_t i, std::ptrdiff_t end) {
        const Form form = form_;  // a copy, again: in registers
        const std::uint8_t *first = row.chains, *second = first + (rows_.chain_count > 1 ? row.chain_bytes : 0),
                           *third = second + (rows_.chain_count > 2 ? row.chain_bytes : 0), *largest = row.original;
        const auto exchange = [&](const std::uint8_t*& image, int tap) {
            if (form.largest != tap) return;
            largest = image;
            image = row.original;
        };
        exchange(first, 1);
        exchange(second, 2);
        exchange(third, 3);
        std::uint8_t* const to = row.to;
        const auto block = [&] { return Block{largest + i, first + i, second + i, third + i}; };
        while (i < end) {
            const std::ptrdiff_t begin = i;
            // A loop without calls, so that all it needs stays in registers.
            while (i < end && form.quick(block(), to + i)) i += Form::block;
            if (i > begin) repaired_ = 0;
            if (i >= begin + tries * Form::block) next_floats_ = fewest_floats;
            if (i >= end) break;
            if (Form::same(block()) && (looks_up_ || find_same())) {
                do {
                    form_.look_up(largest + i, to + i);
                    i += Form::block;
                } while (i < end && Form::same(block()));
                continue;
            }
            exact(row, i, 1);
            i += Form::block;
            if (++repaired_ < tries) continue;
            repaired_ = 0;
            floats_ = next_floats_;
            if (next_floats_ < most_floats) next_floats_ *= 2;
            break;
        }
        return i;
    }

    [[gnu::noinline]] void exact(const Row& row, std::ptrdiff_t begin, std::ptrdiff_t blocks) const {
        constexpr int usual = 3;
        if (rows_.chain_count == usual) {
            exact(row, begin, blocks, usual);
        } else {
            exact(row, begin, blocks, rows_.chain_count);
        }
    }

    [[gnu::always_inline]] inline void exact(const Row& row, std::ptrdiff_t begin, std::ptrdiff_t blocks,
                                             int chain_count) const {
        const Form form = form_;
        const float* const weights = rows_.weights;
        for (std::ptrdiff_t i = begin; blocks > 0; i += Form::block, blocks--) {
            const auto chain = [=](int k) { return row.chains + i + k * row.chain_bytes; };
            form.exact(weights, chain_count, row.original + i, chain, row.to + i);
        }
    }

    /// Less than a block: in copies that have room for one.
    void short_row(const Row& row) const {
        std::uint8_t original[Form::block] = {}, chains[most_chains][Form::block] = {}, to[Form::block];
        const auto bytes = static_cast<std::size_t>(rows_.bytes);
        __builtin_memcpy(original, row.original, bytes);
        for (int k = 0; k < rows_.chain_count; k++) {
            __builtin_memcpy(chains[k], row.chains + k * row.chain_bytes, bytes);
        }
        exact({original, chains[0], Form::block, to}, 0, 1);
        __builtin_memcpy(row.to, to, bytes);
    }

    /// False if not worth it yet, or if a Form cannot look it up.
    [[gnu::noinline]] bool find_same() {
        if (++same_ != same_at_least) return false;
        std::uint8_t each[256], mixed[256];
        for (int i = 0; i < 256; i++) each[i] = static_cast<std::uint8_t>(i);
        exact({each, each, 0, mixed}, 0, 256 / Form::block);
        looks_up_ = form_.take(each, mixed);
        return looks_up_;
    }
};

}  // namespace
// NOLINTEND(misc-definitions-in-headers)

}  // namespace halmix::mix
