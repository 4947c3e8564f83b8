#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "halmix/batch.h"
#include "halmix/engine.h"
#include "halmix/export.h"
#include "halmix/image.h"
#include "halmix/io.h"
#include "halmix/sampler.h"

/// From the bytes of JPEG and PNG files to normalised, augmented results: of halmix_io too.
namespace halmix::io {

/// How the part of a picture is decoded that a policy's crop resizes. Without a crop there is no difference.
enum class Mode : unsigned char {
    exact,  ///< each pixel: results have the bytes that the decoded picture would give
    /// A JPEG at the lowest resolution at which the part still has at least the crop's size (Decoder::reduction). Where
    /// the part's edges are not whole pixels of that resolution, those that they cut are resized with it.
    fast,
};

/// What is computed of each picture.
struct Recipe {
    Policy policy{};
    std::vector<int> views{0};  ///< -1: the picture itself, normalised; 0..65535: augmented, with that view of its key
    Mode mode = Mode::exact;
    Orientation orientation = Orientation::stored;
    Acceptance accept{};  ///< other pictures are broken
};

/// A picture and where its results go.
struct Sample {
    std::span<const std::byte> bytes;  ///< of a JPEG or PNG file
    std::string_view name = "picture";
    Key key{};  ///< its view does not matter: the recipe has views
    /// One for each of the recipe's views, all of the same channels: 3, gray pictures then have their level three times
    /// as Pillow's convert("RGB") does it, or 1, as convert("L"). They have the crop's size, or without one the
    /// picture's.
    std::span<const MutableImageView> results;
};

/// Decodes and augments pictures: each is decoded once for all of its views, and of it only what the crop needs.
///
///     halmix::io::Augmenter augmenter;
///     augmenter.run(engine, {.policy = policy, .views = {-1, 0, 1}}, samples, {.normalization = imagenet});
///
/// **Results.** View v of a picture is what `Engine::run` gives for the whole picture, decoded as Pillow does it, and
/// the plan `sample(policy, key, width, height)` with that view as the key's.
///
/// **Broken pictures** are those that a Decoder refuses, and those of another size than their results where the
/// policy has no crop. Their results are not written to. What is damaged outside the part that is read is not noticed.
///
/// **Memory.** What it worked with serves the next pictures: for each thread a decoder, the largest part of a picture,
/// and a Workspace. Nothing but libjpeg's and libpng's own is allocated for pictures, parts and results of sizes that
/// it has seen, but for the messages of errors.
///
/// **Threads, forks.** It serves one call at a time; several share nothing. A child process may go on with its copy.
class HALMIX_API Augmenter {
 public:
    Augmenter();
    ~Augmenter();
    Augmenter(Augmenter&&) noexcept;
    Augmenter& operator=(Augmenter&&) noexcept;

    /// Computes the results of all samples, each of which is one task for `options.runner`. `options.workspace` is not
    /// used. The engine is one of a CPU if the policy has a crop.
    ///
    /// With as many `problems` as samples a broken picture's problem is its Error's line, and all others' are empty.
    /// Without any, the first broken picture that is found ends the call with that Error; each other picture's results
    /// are then complete or untouched.
    ///
    /// Throws halmix::Error: invalid_argument for a recipe or samples that are not as they must be, before anything is
    /// written; interrupted, out_of_memory, or what the engine throws. What the runner throws reaches the caller.
    void run(const Engine& engine, const Recipe& recipe, std::span<const Sample> samples, const Options& options = {},
             std::span<std::string> problems = {});

 private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace halmix::io
