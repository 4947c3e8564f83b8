#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "Halide.h"

namespace halmix {

class ScheduleParameters;

/// What limits may depend on: the target, and the other values.
struct LimitContext {
    const ScheduleParameters& schedule;
    int bytes;   ///< lanes of a vector of bytes
    int floats;  ///< lanes of a vector of float32
    int block;   ///< threads that a block of a GPU may have
};

/// What a parameter's values must be, and why.
struct Limit {
    bool (*holds)(int value, const LimitContext& context);
    const char* reason;
};

template <int n>
bool at_least(int value, const LimitContext&) {
    return value >= n;
}

template <int n>
bool at_most(int value, const LimitContext&) {
    return value <= n;
}

template <int n>
bool divides(int value, const LimitContext&) {
    return n % value == 0;
}

bool power_of_two(int value, const LimitContext& context);
bool whole_reductions(int group, const LimitContext& context);
bool whole_channel_reductions(int group, const LimitContext& context);
bool whole_shear_repairs(int group, const LimitContext& context);
bool tile_fits_block(int width, const LimitContext& context);

/// The most that the target allows for sure.
int threads_of_block(const Halide::Target& target);

struct ScheduleParameter {
    std::string_view name;
    std::string_view stage;  ///< a kind whose own it is, or a role
    int value;               ///< unless a build says otherwise
    std::string_view meaning;
    std::array<Limit, 3> limits;  ///< besides the one that all have
};

inline constexpr int largest_parameter = 1024;  ///< threads of a block of a GPU; of all else, more than pays

inline constexpr Limit a_vector = {power_of_two, "a power of two, as a vector's lanes are"};
inline constexpr Limit few_vectors = {at_most<8>,
                                      "at most 8: more than four vectors of each operand do not fit the registers"};
inline constexpr Limit a_register = {at_least<16>, "at least 16, the bytes of the smallest vector register"};
inline constexpr Limit two_registers = {
    at_least<32>, "at least 32, the bytes of two of the smallest vector registers: gray images take half of it"};
inline constexpr Limit whole_warps = {power_of_two, "a power of two, as a warp's threads are: rows share none"};

/// THE TABLE of what schedules may choose without changing a byte of any result: every number that decides how stages
/// are computed, and none that decides what. A generator takes each row as a GeneratorParam of that name.
inline constexpr ScheduleParameter schedule_table[] = {
    {"pixels_lanes", "pixels", 1, "half vectors of bytes that are pixels computed together", {{a_vector, few_vectors}}},
    {"bytes_lanes", "bytes, stencil", 2, "half vectors of bytes computed together", {{a_vector, few_vectors}}},
    {"source_lanes", "source", 1, "half vectors of bytes copied together", {{a_vector, few_vectors}}},
    {"line_lanes", "line", 2, "half vectors of float32 computed together", {{a_vector, few_vectors}}},
    {"reduction_group",
     "reduction",
     32,
     "pixels of a row up to a multiple of which vectors reduce it",
     {{{whole_reductions, "a multiple of the lanes of reduction_lanes: a vector that is not whole needs a mask"}}}},
    {"reduction_lanes", "reduction", 1, "half vectors of bytes that are pixels of a sum", {{a_vector, few_vectors}}},
    {"channel_reduction_group",
     "reduction by channel",
     64,
     "pixels of a row up to a multiple of which vectors reduce it",
     {{{whole_channel_reductions,
        "a multiple of the lanes of channel_reduction_lanes: a vector that is not whole needs a mask"}}}},
    {"channel_reduction_lanes",
     "reduction by channel",
     2,
     "half vectors of bytes that are pixels of a value of each channel",
     {{a_vector, few_vectors}}},
    {"stencil_group",
     "stencil",
     32,
     "bytes of a row computed together",
     {{a_vector,
       two_registers,
       {at_most<256>, "at most 256: sums of levels are twice as long, and must fit the registers"}}}},
    {"shift_group",
     "shift",
     64,
     "bytes filled or copied together",
     {{a_vector, a_register, {at_most<512>, "at most 512: code as long as eight of the longest registers"}}}},
    {"shear_line_lanes",
     "shear",
     1,
     "half vectors of bytes that are lines whose multipliers are found together",
     {{a_vector, few_vectors}}},
    {"shear_line_unroll",
     "shear",
     5,
     "differences tried in a row",
     {{{divides<170>, "a divisor of 170, the number of differences: a rest needs a test for each"}}}},
    {"shear_repair_group",
     "shear",
     8,
     "pixels of a line up to a multiple of which vectors repair it",
     {{{whole_shear_repairs,
        "a multiple of the lanes of shear_repair_lanes: a vector that is not whole needs a mask"}}}},
    {"shear_repair_lanes",
     "shear",
     1,
     "half vectors of float32 that are pixels of a line repaired together",
     {{a_vector, few_vectors}}},
    {"shear_x_group",
     "shear_x",
     32,
     "bytes of a row computed together",
     {{a_vector, two_registers, {at_most<256>, "at most 256: levels are twice as long, and must fit the registers"}}}},
    {"shear_y_group",
     "shear_y",
     32,
     "bytes of a strip: those of a row that read the same few rows",
     {{a_vector, a_register, {at_most<256>, "at most 256: rows are padded to strips, and at most by 512 bytes"}}}},
    {"shear_y_spread",
     "shear_y",
     4,
     "rows by which columns of a strip may differ, unless all are computed in double",
     {{{at_most<16>, "at most 16: all of them are read for each row of a strip"}}}},
    {"mix_vectors",
     "mix",
     4,
     "vectors of float32 that stay in registers while the chains pass",
     {{a_vector, {at_most<8>, "at most 8: SSE has 16 registers, for sums and for products"}}}},
    {"loop_optimizers",
     "all",
     1,
     "who works on the loops of a pipeline: 1, Halide alone; 2, LLVM as well, which may unroll and vectorize more",
     {{{at_most<2>, "1 or 2: there are no others"}}}},
    {"convert_lanes",
     "conversions between layouts",
     2,
     "half vectors of bytes that are pixels converted together",
     {{a_vector, few_vectors}}},
    {"gpu_tile_width",
     "images on GPUs",
     32,
     "columns of a block, a thread each",
     {{whole_warps,
       {tile_fits_block, "such that gpu_tile_width * gpu_tile_height is at most 1024 with CUDA and 256 with OpenCL"}}}},
    {"gpu_tile_height",
     "images on GPUs",
     8,
     "threads of a block for each column",
     {{whole_warps,
       {tile_fits_block, "such that gpu_tile_width * gpu_tile_height is at most 1024 with CUDA and 256 with OpenCL"}}}},
    {"gpu_reduction_threads",
     "reductions on GPUs",
     4,
     "quarters of the most threads of a block that share a whole image",
     {{a_vector, {at_most<4>, "at most 4, all of them"}}}},
    {"gpu_rows",
     "images and reductions on GPUs",
     2,
     "rows of which a thread takes a pixel each, so that it waits for all of them at once",
     {{{at_most<16>, "at most 16: each takes registers and code of its own"}}}},
};

inline constexpr std::size_t parameter_count = std::size(schedule_table);

/// A row of the table, by its name: one that is not there does not compile.
struct ParameterName {
    std::size_t row = 0;

    consteval ParameterName(const char* name) {
        while (schedule_table[row].name != name) row++;
    }
};

using ParameterValues = std::array<int, parameter_count>;

/// The rows that schedules have asked for.
using ParametersRead = std::bitset<parameter_count>;

/// A value for each row of the table.
class ScheduleParameters {
 public:
    explicit ScheduleParameters(const ParameterValues& values, ParametersRead* read = nullptr)
        : values(values), read(read) {}

    int operator[](ParameterName name) const {
        if (read != nullptr) read->set(name.row);
        return values[name.row];
    }

 private:
    ParameterValues values;
    ParametersRead* read;
};

/// What is wrong with values, in one line; empty if all of them are legal.
std::string find_illegal(const ParameterValues& values, const Halide::Target& target);

/// What a row may be while all others stay as they are.
std::vector<int> legal_values(std::size_t row, ParameterValues values, const Halide::Target& target);

/// The rows of the table as GeneratorParams of the generator that this is a member of.
class ScheduleGeneratorParams {
 public:
    /// Their values. Throws if one is not legal.
    [[nodiscard]] ScheduleParameters values(const Halide::Target& target) const;

    /// What the generators of this process have asked for.
    static inline ParametersRead read;

 private:
    // Halide finds those that lie within the generator.
    using Params = std::array<Halide::GeneratorParam<int>, parameter_count>;
    Params params = [&]<std::size_t... row>(std::index_sequence<row...>)->Params {
        return {Halide::GeneratorParam<int>(std::string(schedule_table[row].name), schedule_table[row].value)...};
    }
    (std::make_index_sequence<parameter_count>());
};

}  // namespace halmix
