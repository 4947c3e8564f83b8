#pragma once

#include "Halide.h"
#include "schedules/parameters.h"

namespace halmix {

/// How a target multiplies bytes with weights and adds up: vpdpbusd takes four bytes at a time, with weights in three
/// digits of 8 bits; pmaddwd two numbers of 16 bits, with weights in two such digits, of which the lower one has 8.
struct DotProduct {
    int taps, digits;

    [[nodiscard]] Halide::Type byte() const { return taps == 4 ? Halide::UInt(8) : Halide::Int(16); }
    [[nodiscard]] Halide::Type digit() const { return taps == 4 ? Halide::Int(8) : Halide::Int(16); }
};

/// What a pass along columns is made from; generators/resample_generator.cpp defines it.
struct ResampleStages {
    Halide::Func sums;  ///< (byte, y), added up along `tap`
    Halide::Func byte;  ///< (tap, byte, dot product, y)
    Halide::RDom tap;   ///< of a dot product, and dot products
    DotProduct dot;
};

void schedule_resample(Halide::Func dst, ResampleStages stages, const Halide::Target& target);

/// Of images of a batch, whose `sum` (channel, x, y, item) is added up along `tap`.
void schedule_batch_resample(Halide::Func dst, Halide::Func sum, const Halide::RDom& tap, int channels,
                             const ScheduleParameters& parameters);

}  // namespace halmix
