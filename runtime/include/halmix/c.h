#ifndef HALMIX_C_H
#define HALMIX_C_H

/// AugMix from C, and from whatever calls C. halmix.h is the same for C++, and its headers say more of what an op, a
/// plan and an engine are.
///
///     halmix_engine* engine = NULL;
///     halmix_policy* policy = NULL;
///     halmix_plan* plan = NULL;
///     int status = halmix_engine_create(NULL, "auto", &engine);
///     if (status == HALMIX_OK) status = halmix_policy_create(NULL, NULL, &policy);
///     if (status == HALMIX_OK) status = halmix_plan_create(NULL, &plan);
///     if (status == HALMIX_OK) status = halmix_sample(NULL, policy, 1, 0, index, 0, width, height, plan);
///     if (status == HALMIX_OK) status = halmix_run(NULL, engine, plan, &in, &out, NULL);
///     if (status != HALMIX_OK) puts(halmix_message(NULL));
///
/// Rules that hold for all of it:
///
/// * Status. What can fail returns a status, HALMIX_OK if all went well, and takes a workspace first. That may be NULL,
///   the calling thread's own; its message says what went wrong. No call ends the process, prints, or lets an exception
///   out. NULL for what must be given is HALMIX_INVALID_ARGUMENT. What else a pointer points to must be there: nothing
///   can check that.
/// * Handles. A create function gives one by its last argument, NULL if it fails; the free function of the same name
///   ends it, and does nothing for NULL.
/// * Threads. Any number may use an engine or a policy at once, or read a plan. A workspace serves one call at a time.
///   The library starts no threads but those of halmix_threads; drivers of GPUs may.
/// * Forks. A forked child may use all it inherits, but for engines of a GPU.
/// * Growth. Later releases may add functions, constants, members at the end of structs that have a size, and statuses.
///   What is here stays, as long as the library's SONAME, libhalmix.so.1, does.
/// * Memory. The caller's, for images. Bytes, not elements, are what strides count. After the first images of a size no
///   memory is allocated.

// NOLINTBEGIN(modernize-*, readability-identifier-naming): this is C

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "halmix/export.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- The library

/// The number of this interface, in the library's SONAME. Another number is another interface.
#define HALMIX_ABI 1

/// HALMIX_ABI of the library that is running.
HALMIX_API int halmix_abi(void);

/// Its release, such as "0.1.0".
HALMIX_API const char* halmix_version(void);

// ---- Status and workspace

enum {
    HALMIX_OK = 0,
    HALMIX_INVALID_ARGUMENT = 1,    ///< a value outside what is allowed
    HALMIX_BAD_PLAN = 2,            ///< text that is not a plan, or a plan that does not fit the image
    HALMIX_UNKNOWN_TARGET = 3,      ///< a name of a target that halmix does not know
    HALMIX_TARGET_UNAVAILABLE = 4,  ///< a target that this build or this machine does not have
    HALMIX_OUT_OF_MEMORY = 5,
    HALMIX_PIPELINE_FAILED = 6,  ///< a defect of halmix, please report it
    HALMIX_INTERRUPTED = 7,      ///< a callback asked for it, or threw a C++ exception
};

/// What calls keep for the next ones: images between ops, scratch memory, the message of the last failure. Calls that
/// are given NULL use the one of their thread, which goes when the thread ends.
typedef struct halmix_workspace halmix_workspace;

/// `workspace` is where a failure is reported.
HALMIX_API int halmix_workspace_create(halmix_workspace* workspace, halmix_workspace** created);
HALMIX_API void halmix_workspace_free(halmix_workspace* workspace);

/// One line of text about the last call that failed with this workspace: the argument, its value, what is allowed.
/// Empty if none has. Valid until the next call with it. Never NULL.
HALMIX_API const char* halmix_message(const halmix_workspace* workspace);

/// Gives its memory back; the next call takes what it needs.
HALMIX_API void halmix_workspace_release(halmix_workspace* workspace);

/// Bytes of images and scratch memory it holds.
HALMIX_API size_t halmix_workspace_bytes(const halmix_workspace* workspace);

// ---- Targets and engines

/// Where pipelines run. The library fills this in; what it points to is valid during the call of `each`.
typedef struct halmix_target {
    size_t size;                 ///< bytes of this struct that the library has filled in
    const char* name;            ///< "cpu-avx512", ..., "cuda", "opencl"
    const char* needs;           ///< what the machine must have, for people
    const char* problem;         ///< why it is not available, for people; NULL if it is
    const char* const* devices;  ///< of a target for GPUs, as its driver calls them
    size_t device_count;
    int32_t pipelines;  ///< compiled for it
} halmix_target;

/// Calls `each` for each target of this build: those of CPUs, best first, then those of GPUs, best first. Loads the
/// drivers of GPUs: a process that is to fork should not call it before.
HALMIX_API int halmix_targets(halmix_workspace* workspace, void (*each)(void* state, const halmix_target* target),
                              void* state);

/// Runs plans on one target. Which bytes a result has depends on the plan and the image alone.
typedef struct halmix_engine halmix_engine;

/// `target` is a target's name, for a GPU with the device's number or a part of its name if it is not to be the first:
/// "cuda:1", "opencl:Portable". "auto" and NULL are what the environment variable HALMIX_TARGET names if it is set and
/// not empty, else the best CPU target of this machine. Fails with HALMIX_UNKNOWN_TARGET or HALMIX_TARGET_UNAVAILABLE;
/// the message lists what there is.
HALMIX_API int halmix_engine_create(halmix_workspace* workspace, const char* target, halmix_engine** engine);
HALMIX_API void halmix_engine_free(halmix_engine* engine);

/// The name of its target, and why it was chosen, in one sentence. Valid as long as the engine; NULL for NULL.
HALMIX_API const char* halmix_engine_target(const halmix_engine* engine);
HALMIX_API const char* halmix_engine_reason(const halmix_engine* engine);

// ---- Policies and plans

/// What to draw plans from.
typedef struct halmix_policy halmix_policy;

/// How a resize weighs pixels.
enum { HALMIX_BILINEAR = 0, HALMIX_BICUBIC = 1 };

/// Which pass of a resize comes first, whose bytes differ: as Pillow 13 chooses it, or as Pillow up to 12.1 has it.
enum { HALMIX_PILLOW_13 = 0, HALMIX_HORIZONTAL_FIRST = 1 };

typedef struct halmix_policy_options {
    size_t size;          ///< sizeof(halmix_policy_options), as the caller was compiled
    double severity;      ///< 0..10; default 3
    double alpha;         ///< of Dirichlet (weights) and Beta (mix); finite, above 0; default 1
    const char* ops;      ///< see halmix_policy_create; NULL, the default, is "all"
    int32_t width;        ///< chains, 1..16; default 3
    int32_t depth;        ///< ops of each chain, 1..16; -1, the default: drawn from 1, 2, 3 for each chain
    uint8_t fill[3];      ///< red, green, blue of what warps uncover; gray images use the first. Default 0
    uint8_t crop_filter;  ///< HALMIX_BILINEAR, the default, or HALMIX_BICUBIC
    uint8_t crop_order;   ///< HALMIX_PILLOW_13, the default, or HALMIX_HORIZONTAL_FIRST
    uint8_t reserved[3];  ///< 0

    // A random resized crop, drawn before the ops: sampler.h's RandomResizedCrop, which is torchvision's.
    int32_t crop_width;     ///< of the result, in pixels; 0, the default: no crop, images keep their size
    int32_t crop_height;    ///< the same; both are 0 or neither
    double crop_min_scale;  ///< of the box's area, as a part of the image's: 0..1; default 0.08
    double crop_max_scale;  ///< crop_min_scale..1; default 1
    double crop_min_ratio;  ///< of the box's width to its height: finite, above 0; default 3/4
    double crop_max_ratio;  ///< finite, from crop_min_ratio up; default 4/3
    double crop_mirror;     ///< the probability that left and right change places, 0..1; default 1/2
} halmix_policy_options;

/// Sets the first `size` bytes to the defaults; `size` is sizeof(halmix_policy_options).
HALMIX_API void halmix_policy_options_init(halmix_policy_options* options, size_t size);

/// `options` is as halmix_policy_options_init leaves it and then changed; NULL: Composer's defaults, which are those.
/// Nothing of it is needed later.
///
/// `ops` is a list separated by commas. An item is `all`, `safe` or `original` (Composer's sets), an op, or
/// `color_original` and the like, and may end in `:WEIGHT`, its relative probability: "safe,rotate:2".
HALMIX_API int halmix_policy_create(halmix_workspace* workspace, const halmix_policy_options* options,
                                    halmix_policy** policy);
HALMIX_API void halmix_policy_free(halmix_policy* policy);

/// What is computed for one image: chains of ops, their weights, the share of their sum in the result, the image's
/// size. Wherever a plan is to be run, NULL is a clean view: the image itself, in the result's layout.
typedef struct halmix_plan halmix_plan;

/// An empty plan, to be filled by halmix_sample or halmix_plan_from_json, any number of times.
HALMIX_API int halmix_plan_create(halmix_workspace* workspace, halmix_plan** plan);
HALMIX_API void halmix_plan_free(halmix_plan* plan);

/// Draws the plan of a key for an image of width x height pixels: a pure function. Equal keys give equal plans, in any
/// process, thread, order or machine; different keys give independent plans. `index` is the sample's in its data set,
/// `view` (0..65535) tells several results for one sample apart, which share their crop. With a crop the plan's size,
/// and so a result's, is the crop's. Reuses the plan's memory. If it fails, the plan is unspecified.
HALMIX_API int halmix_sample(halmix_workspace* workspace, const halmix_policy* policy, uint64_t seed, uint32_t epoch,
                             uint64_t index, uint32_t view, int32_t width, int32_t height, halmix_plan* plan);

/// The plan of the sample's clean view: the policy's crop for the key, if it has one, and no ops. As halmix_sample
/// otherwise.
HALMIX_API int halmix_sample_clean(halmix_workspace* workspace, const halmix_policy* policy, uint64_t seed,
                                   uint32_t epoch, uint64_t index, int32_t width, int32_t height, halmix_plan* plan);

/// Reads a plan from JSON that ends in a zero byte, of the form that plan.h documents. Fails with HALMIX_BAD_PLAN,
/// whatever the bytes; the plan is then as it was.
HALMIX_API int halmix_plan_from_json(halmix_workspace* workspace, const char* text, halmix_plan* plan);

/// Writes the plan as JSON, which reads back to an equal plan, as snprintf does: `buffer` gets the text, cut to `size`
/// bytes of which the last is 0, and `length`, unless NULL, how many bytes the whole text has without that 0. `buffer`
/// may be NULL if `size` is 0.
HALMIX_API int halmix_plan_to_json(halmix_workspace* workspace, const halmix_plan* plan, char* buffer, size_t size,
                                   size_t* length);

// ---- Images

/// How an image lies in memory.
enum {
    HALMIX_U8_HWC = 0,   ///< levels, 0..255; the channels of a pixel side by side, pixel after pixel
    HALMIX_U8_CHW = 1,   ///< levels; each channel a plane of its own
    HALMIX_U8_RGBX = 2,  ///< levels of RGB; pixels of four bytes. The fourth is not read, and written as 255
    HALMIX_F16_CHW = 3,  ///< normalised, IEEE half; planes. For results only
    HALMIX_F32_CHW = 4,  ///< normalised, IEEE single; planes. For results only
};

/// Whose memory an image lies in.
enum {
    HALMIX_HOST = 0,
    HALMIX_CUDA = 1,    ///< `data` is a CUdeviceptr, in the device's primary context. For batches
    HALMIX_OPENCL = 2,  ///< `data` is a cl_mem of the queue's context. For batches
};

/// An image of the caller's, from 1x1 up to 2 GiB: (height + 12) * (width * channels + 512), and the elements from the
/// first to the last, are at most 2^31 - 1. `stride` and `plane` are in bytes, multiples of an element's, and of any
/// sign as long as no two elements share a byte: `data` is the first row's, so a negative stride is a bottom-up image.
/// Bytes between rows are never read or written. Inputs are only read. This struct never changes; set all members.
typedef struct halmix_image {
    void* data;
    int32_t width, height;  ///< in pixels
    int32_t channels;       ///< 1 (gray) or 3 (RGB)
    int32_t layout;         ///< HALMIX_U8_HWC, ...
    int32_t memory;         ///< HALMIX_HOST, ...
    int32_t reserved;       ///< 0
    ptrdiff_t stride;       ///< from a row to the next; 0: without gaps
    ptrdiff_t plane;        ///< from a plane to the next; 0: without gaps, stride times height
} halmix_image;

// ---- Running

/// Where the work of a batch is done: the caller's threads. `run(state, count, task, tasks)` calls `task(tasks, i)`
/// once for each i below `count`, in any order, from any threads and from several at once, and returns when all calls
/// have returned. When one returns false, those that are not begun may be left out. Without a function the calling
/// thread does all, one task after another.
typedef struct halmix_runner {
    void (*run)(void* state, size_t count, bool (*task)(void* tasks, size_t index), void* tasks);
    void* state;
} halmix_runner;

/// How a call runs, beside what it computes. Callbacks must return (no longjmp); a C++ exception from one ends the
/// call.
typedef struct halmix_options {
    size_t size;                     ///< sizeof(halmix_options), as the caller was compiled
    float mean[3], std[3];           ///< of floats: (level / 255 - mean) / std; finite, std not 0. Default 0 and 1
    halmix_runner runner;            ///< of batches on a CPU
    bool (*interrupt)(void* state);  ///< asked by batches before each image, in its thread: true ends the batch early
    void* interrupt_state;
    void* stream;   ///< of a GPU. CUDA: a CUstream. OpenCL: a cl_command_queue, in order. NULL: the device's own
    void* context;  ///< OpenCL: the cl_context of that queue
} halmix_options;

/// Sets the first `size` bytes to the defaults; `size` is sizeof(halmix_options).
HALMIX_API void halmix_options_init(halmix_options* options, size_t size);

/// Computes the plan's result. The output has the plan's size, the input that of its resized crop's source or else the
/// same, and both the same number of channels; they may be the same memory or overlap in any way. `options` may be
/// NULL. Fails with HALMIX_INVALID_ARGUMENT, HALMIX_BAD_PLAN, HALMIX_OUT_OF_MEMORY; `out` is then unspecified.
HALMIX_API int halmix_run(halmix_workspace* workspace, const halmix_engine* engine, const halmix_plan* plan,
                          const halmix_image* in, const halmix_image* out, const halmix_options* options);

/// One result of a batch.
typedef struct halmix_task {
    const halmix_plan* plan;
    halmix_image in, out;
} halmix_task;

/// Computes all results of a batch in host memory; sizes and layouts may differ. `task_size` is sizeof(halmix_task),
/// the distance between two. A CPU has them done by the options' runner; a GPU computes those of the same sizes
/// together. As halmix_run otherwise, but that no output may overlap an image of another task. All tasks are checked
/// before anything is written; the message names the task. If it fails with HALMIX_INTERRUPTED, results on a CPU are
/// either complete or untouched.
HALMIX_API int halmix_run_tasks(halmix_workspace* workspace, const halmix_engine* engine, const halmix_task* tasks,
                                size_t count, size_t task_size, const halmix_options* options);

/// Computes the results of `count` plans, `count / images` for each of `images` images of one size: plan i is for image
/// i / (count / images), its result is image i of the output. `in` and `out` are the first of their images, which lie
/// one after another without gaps (`stride` and `plane` are 0), in the host's memory or in that of the engine's device.
/// They may not overlap.
///
/// If both are on a device, it returns when all is in the stream's order, which the caller must wait for before using
/// the results; else when the results are there. Fails as halmix_run does, and with HALMIX_INTERRUPTED.
HALMIX_API int halmix_run_batch(halmix_workspace* workspace, const halmix_engine* engine,
                                const halmix_plan* const* plans, size_t count, const halmix_image* in, size_t images,
                                const halmix_image* out, const halmix_options* options);

/// An op and its value, in the op's own unit; 0 for ops without one. op.h lists names, units and ranges.
typedef struct halmix_op {
    const char* name;
    double value;
} halmix_op;

/// The ops one after another, at most 16, without mixing. `fill` is red, green and blue of what warps uncover, NULL for
/// black. As halmix_run otherwise.
HALMIX_API int halmix_apply(halmix_workspace* workspace, const halmix_engine* engine, const halmix_op* ops,
                            size_t count, const uint8_t* fill, const halmix_image* in, const halmix_image* out,
                            const halmix_options* options);

// ---- Threads for those who have none

/// Threads that stay between calls. One thread at a time may use them. A child that is forked later does all in the
/// thread that calls.
typedef struct halmix_threads halmix_threads;

/// `count` threads, the calling one among them; 0: as many as there are processors this process may use. They are fewer
/// if the system has no more to give.
HALMIX_API int halmix_threads_create(halmix_workspace* workspace, int32_t count, halmix_threads** threads);
HALMIX_API void halmix_threads_free(halmix_threads* threads);

/// How many there are, the calling one among them; 1 for NULL.
HALMIX_API int32_t halmix_threads_count(const halmix_threads* threads);

/// Runs tasks in these threads and in the one that calls it; for NULL in that one only. Valid as long as the threads.
HALMIX_API halmix_runner halmix_threads_runner(halmix_threads* threads);

#ifdef __cplusplus
}
#endif
// NOLINTEND(modernize-*, readability-identifier-naming)

#endif
