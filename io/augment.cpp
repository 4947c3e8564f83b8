#include "halmix/augment.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>
#include <utility>

#include "codec.h"
#include "halmix/error.h"
#include "rows.h"

namespace halmix::io {
namespace {

[[noreturn]] void refuse(const std::string& problem) { throw halmix::Error(Status::invalid_argument, problem); }

std::string text_of(const Size& size) { return std::to_string(size.width) + "x" + std::to_string(size.height); }

void check(const Recipe& recipe) {
    validate(recipe.policy);
    if (recipe.views.empty()) refuse("views: none; at least one is needed");
    for (const int view : recipe.views) {
        constexpr int most = std::numeric_limits<decltype(Key::view)>::max();
        if (view >= -1 && view <= most) continue;
        refuse("views: " + std::to_string(view) + "; allowed are -1 and 0.." + std::to_string(most));
    }
}

void check(const Sample& sample, std::size_t number, const Recipe& recipe) {
    const auto here = [&] { return "samples[" + std::to_string(number) + "].results"; };
    if (sample.results.size() != recipe.views.size()) {
        refuse(here() + ": " + std::to_string(sample.results.size()) + "; allowed is one for each of " +
               std::to_string(recipe.views.size()) + " views");
    }
    const MutableImageView& first = sample.results.front();
    const Size size = recipe.policy.crop ? Size{recipe.policy.crop->width, recipe.policy.crop->height}
                                         : Size{first.width, first.height};
    for (const MutableImageView& result : sample.results) {
        if (result.width != size.width || result.height != size.height) {
            refuse(here() + ": " + text_of({result.width, result.height}) + " pixels; allowed is " + text_of(size));
        }
        if ((result.channels != 1 && result.channels != 3) || result.channels != first.channels) {
            refuse(here() + ": " + std::to_string(result.channels) +
                   " channels; allowed are 1 and 3, as many for each");
        }
    }
}

/// What a thread works with.
class Worker {
 public:
    void run(const Engine& engine, const Recipe& recipe, const Sample& sample, const Options& options) {
        const Options own{.normalization = options.normalization, .workspace = &workspace_, .queue = options.queue};
        const Picture picture = decoder_.open(sample.bytes, sample.name, recipe.orientation, recipe.accept);
        const MutableImageView& first = sample.results.front();
        Window window{0, 0, picture.width, picture.height};
        Reduction reduction{.width = picture.width, .height = picture.height};
        sample_clean(recipe.policy, sample.key, picture.width, picture.height, clean_);
        if (clean_.resized_crop) {
            const ResizedCrop& crop = *clean_.resized_crop;
            window = {crop.left, crop.top, crop.width, crop.height};
            reduction = {.width = window.width, .height = window.height};
            if (recipe.mode == Mode::fast) reduction = decoder_.reduction(window, clean_.width, clean_.height);
        } else if (picture.width != first.width || picture.height != first.height) {
            throw Error(sample.name,
                        "is " + text_of({picture.width, picture.height}) + " pixels, its results are " +
                            text_of({first.width, first.height}),
                        "use a policy with a crop, or results of the picture's size");
        }
        MutableImageView source = room(decoded_, reduction.width, reduction.height, first.channels, sample);
        decoder_.decode(window, reduction, source);
        if (clean_.resized_crop) take_all(*clean_.resized_crop, source);

        const bool share = clean_.resized_crop && recipe.views.size() > 1;
        if (share) {
            const MutableImageView resized = room(resized_, clean_.width, clean_.height, first.channels, sample);
            engine.run(clean_, source, resized, own);
            clean_.resized_crop.reset();
            source = resized;
        }
        for (std::size_t i = 0; i < recipe.views.size(); ++i) {
            engine.run(plan_of(recipe, sample.key, recipe.views[i], picture), source, sample.results[i], own);
        }
    }

 private:
    static MutableImageView room(Scratch& memory, int width, int height, int channels, const Sample& sample) {
        return with_memory(sample.name, [&] {
            const std::size_t size = image_bytes(Layout::u8_hwc, width, height, channels);
            return MutableImageView(memory.of(size), width, height, channels);
        });
    }

    /// The plan of a view, for what was decoded, which may be resized already.
    const Plan& plan_of(const Recipe& recipe, Key key, int view, const Picture& picture) {
        if (view < 0) return clean_;
        key.view = static_cast<std::uint16_t>(view);
        halmix::sample(recipe.policy, key, picture.width, picture.height, plan_);
        plan_.resized_crop = clean_.resized_crop;
        return plan_;
    }

    /// The box is all of the image that was decoded for it.
    static void take_all(ResizedCrop& crop, const MutableImageView& decoded) {
        crop.left = crop.top = 0;
        crop.width = crop.source_width = decoded.width;
        crop.height = crop.source_height = decoded.height;
    }

    Decoder decoder_;
    Scratch decoded_;
    Scratch resized_;  ///< what several views have in common
    Plan clean_;       ///< of a sample: its crop, and nothing more
    Plan plan_;        ///< of a view
    Workspace workspace_;
};

}  // namespace

struct Augmenter::State {
    /// One that nobody uses.
    Worker* take() {
        const std::scoped_lock lock(mutex);
        if (idle.empty()) {
            idle.reserve(all.size() + 1);  // so that `give_back` needs no memory
            idle.push_back(all.emplace_back(std::make_unique<Worker>()).get());
        }
        Worker* const worker = idle.back();
        idle.pop_back();
        return worker;
    }

    void give_back(Worker* worker) noexcept {
        const std::scoped_lock lock(mutex);
        idle.push_back(worker);
    }

    std::mutex mutex;
    std::vector<std::unique_ptr<Worker>> all;
    std::vector<Worker*> idle;
};

namespace {

/// A call; `State` is Augmenter's.
template <typename State>
class Run {
 public:
    Run(State& state, const Engine& engine, const Recipe& recipe, std::span<const Sample> samples,
        const Options& options, std::span<std::string> problems)
        : state_(state), engine_(engine), recipe_(recipe), samples_(samples), options_(options), problems_(problems) {}

    void all() {
        const auto task = [](void* self, std::size_t i) { return static_cast<Run*>(self)->one(i); };
        if (options_.runner.run != nullptr) {
            options_.runner.run(options_.runner.state, samples_.size(), task, this);
        } else {
            for (std::size_t i = 0; i < samples_.size() && one(i); ++i) {
            }
        }
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        if (done_ == samples_.size()) return;
        refuse("runner: it returned after " + std::to_string(done_) + " of " + std::to_string(samples_.size()) +
               " tasks; it must have all done");
    }

 private:
    bool one(std::size_t i) noexcept {
        if (over_) return false;
        Worker* worker = nullptr;
        try {
            const Interrupt& interrupt = options_.interrupt;
            if (interrupt.wanted != nullptr && interrupt.wanted(interrupt.state)) {
                throw halmix::Error(Status::interrupted, "batch: interrupted");
            }
            worker = state_.take();
            work(*worker, i);
            ++done_;
        } catch (...) {
            const std::scoped_lock lock(mutex_);
            if (!over_.exchange(true)) failure_ = std::current_exception();
        }
        if (worker != nullptr) state_.give_back(worker);
        return !over_;
    }

    void work(Worker& worker, std::size_t i) {
        if (problems_.empty()) return worker.run(engine_, recipe_, samples_[i], options_);
        try {
            problems_[i].clear();
            worker.run(engine_, recipe_, samples_[i], options_);
        } catch (const Error& error) {
            problems_[i] = error.what();
        }
    }

    State& state_;
    const Engine& engine_;
    const Recipe& recipe_;
    const std::span<const Sample> samples_;
    const Options& options_;
    const std::span<std::string> problems_;
    std::atomic<std::size_t> done_{0};
    std::atomic<bool> over_{false};
    std::mutex mutex_;
    std::exception_ptr failure_;  ///< the first
};

}  // namespace

Augmenter::Augmenter() : state_(std::make_unique<State>()) {}
Augmenter::~Augmenter() = default;
Augmenter::Augmenter(Augmenter&&) noexcept = default;
Augmenter& Augmenter::operator=(Augmenter&&) noexcept = default;

void Augmenter::run(const Engine& engine, const Recipe& recipe, std::span<const Sample> samples, const Options& options,
                    std::span<std::string> problems) {
    try {
        check(recipe);
        for (std::size_t i = 0; i < samples.size(); ++i) check(samples[i], i, recipe);
        if (!problems.empty() && problems.size() != samples.size()) {
            refuse("problems: " + std::to_string(problems.size()) + " for " + std::to_string(samples.size()) +
                   " samples; allowed are none and one for each");
        }
        Run(*state_, engine, recipe, samples, options, problems).all();
    } catch (const std::bad_alloc&) {
        throw halmix::Error(Status::out_of_memory, "no memory");
    }
}

}  // namespace halmix::io
