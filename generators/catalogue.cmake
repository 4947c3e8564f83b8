# THE LIST: what can be compiled, and for which targets. Declarations, dispatch, tests and benchmarks follow from it;
# HALMIX_CATALOGUE and HALMIX_BUILD_TARGETS say how much of it a build holds.

# Ops that are one algorithm with other parameters are one kind.
set(HALMIX_KINDS tone autocontrast equalize contrast color sharpness shift shear_x shear_y affine)

# Kinds that leave gray images as they are.
set(HALMIX_RGB_KINDS color)

# Kinds for which pixels have no neighbours: an image without gaps between rows may be taken as one long row.
set(HALMIX_FLAT_KINDS tone autocontrast equalize contrast color)

# Kinds of which two side by side become one when a chain is lowered, so that no pipeline has them.
set(HALMIX_FOLDED_KINDS tone)

# A sequence of kinds is one number of 64 bits, five for each.
set(HALMIX_MAX_SEQUENCE_LENGTH 12)

# Processors, best first. AVX-512 begins with VBMI (Ice Lake, Zen 4), which shuffles bytes across a whole register:
# name | Halide features | what the processor must have, as __builtin_cpu_supports calls it | of a resize, taps and digits of
# a product (schedules/resample.h), further Halide features | `mixes` if an extern stage mixes, not Halide.
# avx512_zen4 is for vpdpbusd; nothing is used that Zen 4 alone has, which tests/objects looks for.
set(HALMIX_CPU_TARGETS
    "cpu-avx512 | sse41-avx-avx2-fma-f16c-avx512-avx512_skylake-avx512_cannonlake | avx512f avx512bw avx512cd avx512dq avx512vl avx512ifma avx512vbmi avx512vbmi2 avx512vnni avx512bitalg avx512vpopcntdq gfni avx2 fma | 4 3 -avx512_zen4 | mixes"
    "cpu-avx2 | sse41-avx-avx2-fma-f16c | avx2 fma | 2 2 | mixes"
    "cpu-sse41 | sse41 | sse4.1 | 2 2")

# GPUs, best first: name, which is the driver's interface as well | Halide features | what the machine must have.
# PTX of compute capability 7.5 runs on it and on all that came after.
set(HALMIX_GPU_TARGETS
    "cuda | cuda-cuda_capability_75 | an NVIDIA GPU of compute capability 7.5 or above and its driver, libcuda.so.1"
    "opencl | opencl-cl_doubles | an OpenCL device with 64-bit floats, libOpenCL.so.1 and the device's driver")

# Kinds that GPUs have in one pipeline with each other kind before or after them, for groups of images that share such a
# sequence: so cheap to compute where they are read that only the image's writing and reading between them is saved.
set(HALMIX_GPU_FUSED_KINDS tone)

# How images may lie in memory beside u8_hwc, in the order of `enum class Layout`: name | for images of how many channels
# it is another than u8_hwc | what may lie so.
set(HALMIX_LAYOUTS
    "u8_chw | 3 | source result"
    "u8_rgbx | 3 | source result"
    "f16_chw | 1 3 | result"
    "f32_chw | 1 3 | result")
