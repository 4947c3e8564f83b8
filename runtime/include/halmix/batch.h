#pragma once

#include <array>
#include <cstddef>

#include "halmix/export.h"

namespace halmix {

/// Whose memory a pointer points to.
enum class Memory : unsigned char {
    host,
    cuda,    ///< a CUdeviceptr, as PyTorch's data_ptr() gives it, in the device's primary context
    opencl,  ///< a cl_mem of the queue's context
};

/// What the results of a batch are made of.
enum class Format : unsigned char {
    u8_hwc,   ///< levels, (image, y, x, channel)
    f16_chw,  ///< normalised, IEEE half, (image, channel, y, x)
    f32_chw,  ///< normalised, (image, channel, y, x)
};

/// How levels become floats: (level / 255 - mean) / std, each operation in float32, as torchvision's ToTensor and
/// Normalize have it; for f16_chw then rounded to the nearest half, ties to even. Gray images use the first values.
struct Normalization {
    std::array<float, 3> mean{0, 0, 0};  ///< red, green, blue
    std::array<float, 3> std{1, 1, 1};   ///< none of them 0
};

/// Images of one size, one after another without gaps: 8 bits, HWC, 1 or 3 channels.
struct Batch {
    const void* data = nullptr;
    int count = 0, width = 0, height = 0, channels = 0;
    Memory memory = Memory::host;
};

/// Where the results of a batch go: images of one size, one after another without gaps.
struct MutableBatch {
    void* data = nullptr;
    int count = 0, width = 0, height = 0, channels = 0;
    Memory memory = Memory::host;
    Format format = Format::u8_hwc;
    Normalization normalization = {};
};

/// The order in which a GPU does things. What the caller leaves null is the device's own.
struct Queue {
    void* stream = nullptr;   ///< CUDA: a CUstream; null is the default stream. OpenCL: a cl_command_queue, in order
    void* context = nullptr;  ///< OpenCL: the cl_context of that queue
};

/// What a batch took.
struct BatchReport {
    int launches = 0;              ///< kernels for the chains
    int mix_launches = 0;          ///< kernels for the mixture
    std::size_t device_bytes = 0;  ///< the device's memory beyond input and output, kept for the next batch
    int passes = 1;                ///< in how many parts the batch was computed, so that memory suffices
    double host = 0, upload = 0, kernels = 0, download = 0;  ///< seconds, if asked for; host: lowering, scheduling
};

}  // namespace halmix
