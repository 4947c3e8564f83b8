#pragma once

#include <cstddef>

#include "halmix/image.h"
#include "halmix/layout.h"
#include "halmix/plan.h"
#include "halmix/runner.h"
#include "halmix/workspace.h"

namespace halmix {

/// Whose memory a pointer points to.
enum class Memory : unsigned char {
    host,
    cuda,    ///< a CUdeviceptr, as PyTorch's data_ptr() gives it, in the device's primary context
    opencl,  ///< a cl_mem of the queue's context
};

/// One result of a batch: a plan, the image it is for, where its result goes. Plans with a mix of 0, and null, are
/// clean views: the image itself, only in the result's layout.
struct Task {
    const Plan* plan = nullptr;
    ImageView in;
    MutableImageView out;
};

/// Images of one size, one after another without gaps, of 1 or 3 channels.
struct Batch {
    const void* data = nullptr;
    int count = 0, width = 0, height = 0, channels = 0;
    Memory memory = Memory::host;
    Layout layout = Layout::u8_hwc;
};

/// Where the results of a batch go: images of one size, one after another without gaps.
struct MutableBatch {
    void* data = nullptr;
    int count = 0, width = 0, height = 0, channels = 0;
    Memory memory = Memory::host;
    Layout layout = Layout::u8_hwc;
};

/// The order in which a GPU does things. What the caller leaves null is the device's own.
struct Queue {
    void* stream = nullptr;   ///< CUDA: a CUstream; null is the default stream. OpenCL: a cl_command_queue, in order
    void* context = nullptr;  ///< OpenCL: the cl_context of that queue
};

/// Asked by a batch before each image, in the thread that is to compute it: true ends the batch early. What it throws
/// ends it as well, and reaches the caller.
struct Interrupt {
    bool (*wanted)(void* state) = nullptr;
    void* state = nullptr;
};

/// How a call runs, beside what it computes.
struct Options {
    Normalization normalization = {};  ///< of results in floats
    Workspace* workspace = nullptr;    ///< null: the calling thread's own
    Runner runner = {};                ///< of batches on a CPU
    Interrupt interrupt = {};          ///< of batches; on a GPU it is asked before each part of a batch
    Queue queue = {};                  ///< of a GPU
    bool timed = false;                ///< fill in a report's seconds, for which a GPU is waited for after each phase
};

/// What a batch took.
struct BatchReport {
    int launches = 0;              ///< kernels for resized crops and chains
    int mix_launches = 0;          ///< kernels for the mixture
    std::size_t device_bytes = 0;  ///< the device's memory beyond input and output, kept for the next batch
    int passes = 1;                ///< in how many parts the batch was computed, so that memory suffices
    double host = 0, upload = 0, kernels = 0, download = 0;  ///< seconds, if asked for; host: lowering, scheduling
};

}  // namespace halmix
