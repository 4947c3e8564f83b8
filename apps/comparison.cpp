#include "comparison.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <random>
#include <span>
#include <stdexcept>
#include <utility>

#include "energy.h"
#include "interrupt.h"
#include "options.h"
#include "progress.h"

namespace halmix::command {
namespace {

using Clock = std::chrono::steady_clock;
using Energy = std::optional<double>;

constexpr int plans_of_op = 8;       ///< for each image, of an op by itself
constexpr int plans_of_augmix = 16;  ///< for each image
constexpr int least_images = 32;     ///< of a repetition, so that plans of many kinds are among them

constexpr Normalization normalization{{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};  // ImageNet's

enum class Content : unsigned char { smooth, noise, flat, two_levels };
constexpr std::array contents{Content::smooth, Content::noise, Content::flat, Content::two_levels};

/// An image's worth of levels at the end of `to`.
void add_image(Content content, Size size, int channels, std::mt19937& random, std::vector<std::uint8_t>& to) {
    const unsigned level = random() % 256;
    for (int y = 0; y < size.height; ++y) {
        for (int x = 0; x < size.width; ++x) {
            const unsigned gradient = (x * 100 / size.width) + (y * 100 / size.height);
            for (int c = 0; c < channels; ++c) {
                const unsigned noise = random() % 256;
                to.push_back(static_cast<std::uint8_t>(content == Content::smooth  ? gradient + noise / 5
                                                       : content == Content::noise ? noise
                                                       : content == Content::flat  ? level + 7 * c
                                                                                   : level / 2 + noise % 2 * 128));
            }
        }
    }
}

/// Images, and the plans for them: as many for each image.
struct Work {
    Size size;
    int channels;
    std::vector<std::uint8_t> images;
    std::vector<Plan> plans;

    [[nodiscard]] std::size_t image_bytes() const { return std::size_t(size.width) * size.height * channels; }
};

/// A target of the comparison.
struct Contender {
    ComparedTarget target;
    Engine engine;

    [[nodiscard]] bool gpu() const { return !target.device.empty(); }
    [[nodiscard]] Energy energy() const { return gpu() ? gpu_energy(target.device) : processor_energy(); }
};

class Results {
 public:
    Results(const FormatInfo& format, const Work& work, std::size_t count)
        : layout_(format.layout),
          bytes_(image_bytes(layout_, work.size.width, work.size.height, work.channels)),
          data_(count * bytes_) {}

    /// Computes plans `first` to `last` of the work, to where those of a batch that begins with plan `batch` are.
    BatchReport compute(const Engine& engine, const Work& work, std::size_t first, std::size_t last, std::size_t batch,
                        const Options& options) {
        const std::size_t views = work.plans.size() / (work.images.size() / work.image_bytes());
        const auto plans = static_cast<int>(last - first);
        return engine.run(std::span(work.plans).subspan(first, last - first),
                          Batch{work.images.data() + first / views * work.image_bytes(),
                                plans / static_cast<int>(views), work.size.width, work.size.height, work.channels},
                          MutableBatch{data_.data() + (first - batch) * bytes_, plans, work.size.width,
                                       work.size.height, work.channels, Memory::host, layout_},
                          options);
    }

    [[nodiscard]] std::size_t bytes() const { return data_.size(); }

    [[nodiscard]] std::size_t differing(const Results& other) const {
        std::size_t count = 0;
        for (std::size_t i = 0; i < data_.size(); ++i) count += data_[i] != other.data_[i] ? 1 : 0;
        return count;
    }

 private:
    Layout layout_;
    std::size_t bytes_;  ///< of one
    std::vector<std::uint8_t> data_;
};

void stop_if_interrupted() {
    if (interrupted()) throw std::runtime_error("halmix: interrupted; nothing is written");
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::string processor_name() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "unknown";
}

class Comparer {
 public:
    explicit Comparer(const ComparisonOptions& options) : options_(options) {
        result_.processor = processor_name();
        std::vector<std::string> names = options.targets;
        for (const TargetInfo& info : targets()) {
            if (info.available && info.devices.empty()) result_.reference = info.name;
            if (!options.targets.empty()) continue;
            if (info.available) names.emplace_back(info.name);
            if (!info.available) result_.absent.push_back({std::string(info.name), info.problem});
        }
        for (const std::string& name : names) add(name);
        for (const Contender& contender : contenders_) result_.targets.push_back(contender.target);
        for (const int cores : {1, options.threads}) {
            if (cores_.empty() || cores_.back() != cores) cores_.push_back(cores);
        }
    }

    Comparison compare() {
        std::size_t speeds = 0;
        for (const Contender& contender : contenders_) speeds += contender.gpu() ? 1 : cores_.size();
        Progress progress(options_.sizes.size() * (2 + speeds * options_.batches.size()));
        for (const Size& size : options_.sizes) {
            for (const int channels : {1, 3}) {
                check_bytes(size, channels);
                progress.advance();
            }
        }
        for (const Size& size : options_.sizes) {
            const Work work = make_work(size);
            for (const int batch : options_.batches) {
                for (const Contender& contender : contenders_) {
                    for (const int cores : contender.gpu() ? std::vector{1} : cores_) {
                        result_.speeds.push_back(measure(contender, cores, work, batch));
                        progress.advance();
                    }
                }
            }
            find_overtakings(size);
        }
        return std::move(result_);
    }

 private:
    void add(const std::string& name) {
        Engine engine = make_engine(name);
        const TargetInfo& info = engine.target();
        // A GPU is called what it was asked for, such as "cuda:1".
        ComparedTarget target{info.devices.empty() ? std::string(info.name) : name,
                              info.devices.empty() ? "" : info.devices[0]};
        const bool known =
            std::ranges::any_of(contenders_, [&](const Contender& c) { return c.target.name == target.name; });
        if (!known) contenders_.push_back({std::move(target), std::move(engine)});
    }

    /// Adds what the targets make of an image of each content.
    void check_bytes(Size size, int channels) {
        Work work{size, channels, {}, {}};
        std::mt19937 random(1);
        for (const Content content : contents) add_image(content, size, channels, random, work.images);
        for (const OpInfo& op : ops()) {
            const Policy policy{.severity = 10, .width = 1, .depth = 1, .ops = {{op.op}}, .fill = options_.policy.fill};
            sample_plans(policy, contents.size() * plans_of_op, work);
            // The mixture passes the op's own bytes on.
            for (Plan& plan : work.plans) plan.mix = plan.chains[0].weight = 1;
            check_bytes(work, op.name);
        }
        sample_plans(options_.policy, contents.size() * plans_of_augmix, work);
        check_bytes(work, augmix_name);
    }

    void check_bytes(const Work& work, std::string_view of) {
        const auto compute = [&](const Engine& engine) {
            stop_if_interrupted();
            Results results(options_.format, work, work.plans.size());
            results.compute(engine, work, 0, work.plans.size(), 0, {.normalization = normalization});
            return results;
        };
        const Results expected = compute(make_engine(result_.reference));
        auto check = std::ranges::find(result_.checks, of, &ByteCheck::of);
        if (check == result_.checks.end()) {
            check = result_.checks.insert(check, {.of = std::string(of), .differing = {}});
            check->differing.resize(contenders_.size());
        }
        check->images += work.plans.size();
        check->bytes += expected.bytes();
        for (std::size_t i = 0; i < contenders_.size(); ++i) {
            if (contenders_[i].target.name == result_.reference) continue;
            check->differing[i] += compute(contenders_[i].engine).differing(expected);
        }
    }

    static void sample_plans(const Policy& policy, std::size_t count, Work& work) {
        work.plans.resize(count);
        for (std::size_t i = 0; i < count; ++i) {
            sample(policy, {.index = i}, work.size.width, work.size.height, work.plans[i]);
        }
    }

    static std::size_t batches_of_repetition(int batch) { return (least_images + batch - 1) / batch; }

    /// Enough for a repetition of any batch size.
    [[nodiscard]] Work make_work(Size size) const {
        Work work{size, 3, {}, {}};
        std::size_t count = 0;
        for (const int batch : options_.batches) count = std::max(count, batches_of_repetition(batch) * batch);
        work.images.reserve(count * work.image_bytes());
        std::mt19937 random(1);
        for (std::size_t i = 0; i < count; ++i) add_image(Content::smooth, size, 3, random, work.images);
        sample_plans(options_.policy, count, work);
        return work;
    }

    /// Calls `call` until the time for a measurement is over, at least once.
    template <typename Call>
    void repeat(const Call& call) const {
        const Clock::time_point begin = Clock::now();
        do {
            stop_if_interrupted();
            call();
        } while (std::chrono::duration<double>(Clock::now() - begin).count() < options_.seconds);
    }

    [[nodiscard]] Speed measure(const Contender& contender, int cores, const Work& work, int batch) const {
        Speed speed{.size = work.size, .batch = batch, .target = contender.target.name};
        if (!contender.gpu()) speed.cores = cores;
        const std::size_t batches = batches_of_repetition(batch), images = batches * batch;
        Results results(options_.format, work, batch);
        Threads threads(contender.gpu() ? 1 : std::min(cores, batch));
        const Options options{.normalization = normalization, .runner = threads.runner()};
        const auto repetition = [&] {
            for (std::size_t first = 0; first < images; first += batch) {
                results.compute(contender.engine, work, first, first + batch, first, options);
            }
        };
        repetition();  // takes the memory
        std::vector<double> seconds;
        const Energy before = contender.energy();
        repeat([&] {
            const Clock::time_point begin = Clock::now();
            repetition();
            seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
        });
        const Energy after = contender.energy();
        speed.repetitions = seconds.size();
        speed.images_per_second = static_cast<double>(images) / median(seconds);
        if (before && after && *after > *before) {  // or the counter began anew, or is too slow to tell
            speed.joules_per_image = (*after - *before) / static_cast<double>(images * seconds.size());
        }
        if (contender.gpu()) speed.phases = measure_phases(contender, work, batch, results);
        return speed;
    }

    [[nodiscard]] Phases measure_phases(const Contender& contender, const Work& work, int batch,
                                        Results& results) const {
        const std::size_t batches = batches_of_repetition(batch);
        std::vector<Phases> repetitions;
        repeat([&] {
            Phases& sum = repetitions.emplace_back();
            for (std::size_t b = 0; b < batches; ++b) {
                const BatchReport report = results.compute(contender.engine, work, b * batch, (b + 1) * batch,
                                                           b * batch, {.normalization = normalization, .timed = true});
                sum.launches += report.launches + report.mix_launches;
                sum.passes += report.passes;
                sum.host += report.host;
                sum.upload += report.upload;
                sum.kernels += report.kernels;
                sum.download += report.download;
            }
        });
        Phases phases;
        for (double Phases::*const member : {&Phases::launches, &Phases::passes, &Phases::host, &Phases::upload,
                                             &Phases::kernels, &Phases::download}) {
            std::vector<double> sums(repetitions.size());
            std::ranges::transform(repetitions, sums.begin(), member);
            phases.*member = median(sums) / static_cast<double>(batches);
        }
        return phases;
    }

    /// The images per second of the quickest of the CPU's targets, on as many cores as are best.
    [[nodiscard]] double best_of_processor(Size size, int batch) const {
        double best = 0;
        for (const Speed& speed : result_.speeds) {
            if (speed.size == size && speed.batch == batch && speed.cores) {
                best = std::max(best, speed.images_per_second);
            }
        }
        return best;
    }

    void find_overtakings(Size size) {
        for (const Contender& contender : contenders_) {
            if (!contender.gpu()) continue;
            Overtaking overtaking{.size = size, .target = contender.target.name};
            for (const Speed& speed : result_.speeds) {
                if (speed.size != size || speed.target != contender.target.name) continue;
                const double best = best_of_processor(size, speed.batch);
                if (best == 0) return;  // no CPU's target is compared
                const auto note = [&](std::optional<int>& first, double images_per_second) {
                    if (images_per_second <= best) {
                        first.reset();
                    } else if (!first) {
                        first = speed.batch;
                    }
                };
                note(overtaking.from_host, speed.images_per_second);
                note(overtaking.on_device, *speed.images_per_second_on_device());
            }
            result_.overtakings.push_back(std::move(overtaking));
        }
    }

    const ComparisonOptions& options_;
    Comparison result_;
    std::vector<Contender> contenders_;
    std::vector<int> cores_;
};

}  // namespace

std::optional<double> Speed::images_per_second_on_device() const {
    if (!phases) return {};
    return batch / (phases->host + phases->kernels);
}

bool Comparison::identical() const {
    return std::ranges::all_of(checks, [](const ByteCheck& check) {
        return std::ranges::count(check.differing, 0U) == std::ssize(check.differing);
    });
}

Comparison compare(const ComparisonOptions& options) { return Comparer(options).compare(); }

std::string text(Size size) { return std::to_string(size.width) + "x" + std::to_string(size.height); }

}  // namespace halmix::command
