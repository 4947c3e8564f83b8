#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "halide/context.h"
#include "halmix/image.h"
#include "halmix/op.h"
#include "halmix/plan.h"
#include "lowering/program.h"
#include "lowering/resize.h"

namespace halmix {

/// Memory for images, kept from one call to the next.
class ImageMemory {
 public:
    /// Room for `count` images of `size` bytes each; what was there before is lost.
    std::uint8_t* reserve(std::size_t count, std::size_t size);
    void release();
    [[nodiscard]] std::size_t bytes() const { return capacity_; }

 private:
    struct Free {
        void operator()(std::uint8_t* memory) const { std::free(memory); }
    };
    std::unique_ptr<std::uint8_t, Free> memory_;
    std::size_t capacity_ = 0;
};

/// What a CPU needs for one image at a time, kept for the next.
struct CpuWorkspace {
    Context context;
    Program program;
    std::vector<float> weights;
    ImageMemory images;

    // Of a resized crop: where it comes from if that must be converted, and what lies between its passes.
    Resize resize;
    ImageMemory cut, between;

    void release();
    [[nodiscard]] std::size_t bytes() const {
        return context.scratch.bytes() + images.bytes() + cut.bytes() + between.bytes();
    }
};

/// Runs plans on a CPU, one image at a time. All that Engine documents has been checked.
class CpuEngine {
 public:
    /// `cpu` is an index into cpu_rows.
    explicit CpuEngine(std::size_t cpu) : cpu_(cpu) {}

    /// `plan` is null for a clean view.
    void run(const Plan* plan, const ImageView& in, const MutableImageView& out, const Normalization& normalization,
             CpuWorkspace& work) const;

    void apply(std::span<const OpCall> ops, const Fill& fill, const ImageView& in, const MutableImageView& out,
               const Normalization& normalization, CpuWorkspace& work) const;

 private:
    std::size_t cpu_;

    void convert(const ImageView& from, const MutableImageView& to, const Normalization& normalization,
                 Context& context) const;
    /// From u8_hwc to u8_hwc, which do not overlap.
    void resize(const ResizedCrop& crop, const ImageView& from, const MutableImageView& to, CpuWorkspace& work) const;
    void run_program(const Program& program, const Fill& fill, const ImageView& in, const MutableImageView& out,
                     const MutableImageView& scratch, Context& context) const;
    void mix(const Plan& plan, const ImageView& original, const std::uint8_t* chains, std::size_t chain_bytes,
             const MutableImageView& out, CpuWorkspace& work) const;
};

}  // namespace halmix
