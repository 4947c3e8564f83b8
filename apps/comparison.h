#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drawing.h"
#include "halmix/halmix.h"
#include "io/image_file.h"

/// `halmix compare`: the bytes and the speed of the targets of this machine.
namespace halmix::command {

struct FormatInfo {
    Layout layout;
    std::string_view name;
};

/// The layouts of results that can be compared.
inline constexpr std::array<FormatInfo, 3> formats{
    {{Layout::u8_hwc, "u8"}, {Layout::f16_chw, "f16"}, {Layout::f32_chw, "f32"}}};

struct ComparisonOptions {
    std::vector<std::string> targets;  ///< none: all that this machine has
    std::vector<Size> sizes{{32, 32}, {224, 224}};
    std::vector<int> batches{1, 8, 32, 128, 512};  ///< sorted
    FormatInfo format = formats[0];
    Policy policy;
    double seconds = 0.2;  ///< for each measurement at least
    int threads = usable_processors();
};

/// A target, and what its driver calls the device if it is a GPU's.
struct ComparedTarget {
    std::string name, device;
};

struct AbsentTarget {
    std::string name, problem;
};

/// How many bytes of the results are others than the reference's.
struct ByteCheck {
    std::string of;  ///< an op, or `augmix_name`
    std::size_t images = 0, bytes = 0;
    std::vector<std::size_t> differing;  ///< of each target of the comparison
};

inline constexpr std::string_view augmix_name = "AugMix";

/// What a batch takes on a GPU, each phase of which is then waited for: medians of the means over some batches.
struct Phases {
    double launches = 0;  ///< with those of the mixture
    double passes = 0;
    double host = 0, upload = 0, kernels = 0, download = 0;  ///< seconds
};

/// How quickly a target computes batches of a size from host memory to host memory.
struct Speed {
    Size size;
    int batch = 0;
    std::string target;
    std::optional<int> cores = {};  ///< of a CPU's target
    std::size_t repetitions = 0;
    double images_per_second = 0;
    std::optional<Phases> phases = {};            ///< of a GPU's target
    std::optional<double> joules_per_image = {};  ///< if a driver tells

    /// The same where the images are in the device's memory already and the results stay there: without transfers.
    [[nodiscard]] std::optional<double> images_per_second_on_device() const;
};

/// The smallest batch measured for which a GPU is quicker than the best of the CPU's targets.
struct Overtaking {
    Size size;
    std::string target;
    std::optional<int> from_host = {}, on_device = {};  ///< none: it never is
};

struct Comparison {
    std::string processor;
    std::vector<ComparedTarget> targets;
    std::vector<AbsentTarget> absent;
    std::string reference;  ///< the CPU's target whose bytes the others' are compared with: the one that needs least
    std::vector<ByteCheck> checks;  ///< by op, AugMix last
    std::vector<Speed> speeds;      ///< by size, batch, target, and cores
    std::vector<Overtaking> overtakings;

    [[nodiscard]] bool identical() const;
};

/// Throws UsageError for a target that is not there, std::runtime_error when interrupted.
[[nodiscard]] Comparison compare(const ComparisonOptions& options);

/// Images per second over the batch size, one panel for each size.
[[nodiscard]] io::Image draw(const Comparison& comparison);

[[nodiscard]] std::string text(Size size);  ///< "224x224"

}  // namespace halmix::command
