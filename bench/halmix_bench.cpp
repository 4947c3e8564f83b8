// The side of the benchmark that runs halmix, on the target that HALMIX_TARGET names or the best one; bench/peer.py is
// the side that runs the others. Both answer requests until their input ends. A request is one line of JSON and then
// the image it gives the width and height of: rows of interleaved RGB, nothing between them. A reply is one line of
// JSON. All times are microseconds per image, a list of them: each is for the same work whenever the request is sent.
//
// job         also in the request                     what is timed                              also in the reply
// about                                               nothing                                    jobs, ops, target
// devices                                             nothing                                   devices
// chain       ops, blocks, block_us                   the ops one after another                  pipelines
// mix         blocks, block_us                        the mixing of three chains
// augmix      policy, images, warm_up                 drawing the plan and running it            faults, allocations
// throughput  policy, images, warm_up, blocks,        the same, each of the threads on as many
//             threads                                 images as asked for in each block
// batch       policy, images, blocks, from, to,       a batch of images by a runner, from a layout
//             threads                                 to a layout (numbers of halmix::Layout)
// check       ops, fill; without                      nothing                                    differing
//             ops it is of the mix
// draw        policy, images                          nothing                                    calls, mix
//
// chain and mix time `blocks` blocks of calls, each of about `block_us`; augmix times every image by itself, after
// `warm_up` others. `faults` (page faults) and `allocations` are per timed image. about replies with `versions` and
// `targets` too, all that this machine has; of its `ops`, each has `examples`, four values to time it with.
//
// check runs the ops of a chain, with `fill` ([r, g, b]; black without it) for what warps uncover, or the mixing of
// mix, and counts the bytes of the result that differ from those of the plain implementation, tests/reference. What is
// not written differs. A pipeline that reports an error ends the process, with exit status 1 and a line that says what
// it was.
//
// draw replies with the calls of pipelines that these images take, without the mixes: of each the `pipeline` and the
// `ops` that it computes; and with the name of the pipeline that mixes. Its images need no pixels: none follow.
//
// devices replies with the GPU targets that halmix can have, built for or not: of each the `names` of its devices, and
// the `problem` if there are none.
//
// A GPU computes `batch` images at a time, which are the request's moved on by a pixel each: as many bytes as 32 images
// of 224x224 have if it is not given, and 3 of them for check. What is timed is the pipelines, queued one after another
// and waited for at the end of a block: of chain without the mixing, of mix without the chains. augmix draws as many
// whole batches as hold the images, and times each by itself; drawing and copies are not timed. There is no throughput
// and no job batch.

#include <HalideBuffer.h>
#include <halmix/halmix.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/allocations.h"
#include "bench/gpu_batch.h"
#include "catalogue.h"
#include "gpu/driver.h"
#include "halide/context.h"
#include "reference/reference.h"

namespace {

using halmix::bench::GpuBatch;
using nlohmann::json;
using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

constexpr int channels = 3;

/// An image and room for a result.
struct Images {
    Images(int width, int height)
        : width(width), height(height), pixels(std::size_t(width) * height * channels), result(pixels.size()) {}

    [[nodiscard]] halmix::ImageView in() const { return {pixels.data(), width, height, channels}; }
    [[nodiscard]] halmix::MutableImageView out() { return {result.data(), width, height, channels}; }

    int width, height;
    std::vector<std::uint8_t> pixels, result;
};

/// Of calls for so many images each, which are done when `wait` returns.
template <typename Call, typename Wait>
json time_blocks(const json& request, Call call, Wait wait, int images) {
    auto time_of = [&](int calls) {
        Clock::time_point start = Clock::now();
        for (int i = 0; i < calls; i++) call();
        wait();
        return Microseconds(Clock::now() - start).count() / calls;
    };
    time_of(3);
    int calls = std::max(1, static_cast<int>(std::lround(request.at("block_us").get<double>() / time_of(3))));
    std::vector<double> times;
    for (int block = request.at("blocks"); block > 0; block--) times.push_back(time_of(calls) / images);
    return times;
}

template <typename Call>
json time_blocks(const json& request, Call call) {
    return time_blocks(
        request, call, [] {}, 1);
}

std::vector<halmix::OpCall> read_ops(const json& request) {
    std::vector<halmix::OpCall> ops;
    for (const json& call : request.at("ops")) {
        ops.push_back({halmix::parse_op(call.at("op").get<std::string>()), call.value("value", 0.0)});
    }
    return ops;
}

json time_chain(const json& request, const halmix::Engine& engine, Images& images) {
    const std::vector<halmix::OpCall> ops = read_ops(request);
    json times = time_blocks(request, [&] { engine.apply(ops, {}, images.in(), images.out()); });
    return {{"us", times}, {"pipelines", engine.describe(ops, images.width, images.height, channels)}};
}

/// The mixing of an image and three chains, which are made from it.
class Mixing {
 public:
    Mixing(const halmix::Engine& engine, Images& images)
        : chains_(size_of(images), 1, static_cast<int>(weights_.size())),
          original_(images.pixels.data(), size_of(images), 1),
          mixed_(images.result.data(), size_of(images), 1) {
        for (int k = 0; k < chains_.dim(2).extent(); k++)
            std::rotate_copy(original_.begin(), original_.begin() + k, original_.end(), &chains_(0, 0, k));
        while (row_->name != engine.target().name) row_++;
    }

    void run() {
        const int status = row_->mix(&context_, original_, chains_, weights_buffer_, mix_, mixed_);
        halmix::check(status, context_, "mix");
    }

    [[nodiscard]] halmix::reference::Image reference(const halmix::reference::Image& image) const {
        std::vector<halmix::reference::Image> chains(weights_.size(), image);
        for (std::size_t k = 0; k < chains.size(); k++)
            std::copy_n(&chains_(0, 0, static_cast<int>(k)), image.pixels.size(), chains[k].pixels.begin());
        return halmix::reference::mix(image, chains, weights_, mix_);
    }

 private:
    static int size_of(const Images& images) { return static_cast<int>(images.pixels.size()); }

    std::vector<float> weights_ = {0.217F, 0.313F, 0.47F};  // as plans draw them: no simple fractions
    float mix_ = 0.4F;
    halmix::Context context_;
    const halmix::CpuRow* row_ = halmix::cpu_rows.data();
    Halide::Runtime::Buffer<std::uint8_t> chains_, original_, mixed_;
    Halide::Runtime::Buffer<float> weights_buffer_{weights_.data(), static_cast<int>(weights_.size())};
};

json time_mix(const json& request, const halmix::Engine& engine, Images& images) {
    Mixing mixing(engine, images);
    return {{"us", time_blocks(request, [&] { mixing.run(); })}};
}

/// Counts what is not as expected in a result after a call that writes it.
template <typename Run>
json count_differing(const std::vector<std::uint8_t>& expected, std::vector<std::uint8_t>& result, Run run) {
    std::ranges::transform(expected, result.begin(), std::bit_not<std::uint8_t>());
    run();
    const auto same = std::inner_product(expected.begin(), expected.end(), result.begin(), std::size_t{0},
                                         std::plus<>(), std::equal_to<>());
    return {{"differing", expected.size() - same}};
}

json check(const json& request, const halmix::Engine& engine, Images& images) {
    namespace reference = halmix::reference;
    reference::Image expected{images.width, images.height, channels, images.pixels};
    if (!request.contains("ops")) {
        Mixing mixing(engine, images);
        expected = mixing.reference(expected);
        return count_differing(expected.pixels, images.result, [&] { mixing.run(); });
    }
    const std::vector<halmix::OpCall> ops = read_ops(request);
    const halmix::Fill fill = request.value("fill", halmix::Fill{});
    for (const halmix::OpCall& call : ops) {
        halmix::validate(call);
        expected = reference::apply(call, fill, expected);
    }
    return count_differing(expected.pixels, images.result, [&] { engine.apply(ops, fill, images.in(), images.out()); });
}

halmix::Policy read_policy(const json& request) {
    const json& policy = request.at("policy");
    halmix::Policy read;
    read.severity = policy.at("severity");
    read.width = policy.at("width");
    read.depth = policy.at("depth");
    read.alpha = policy.at("alpha");
    return read;
}

/// What a loader does for each image.
class AugMix {
 public:
    AugMix(const json& request, const halmix::Engine& engine, Images& images)
        : engine_(engine), images_(images), policy_(read_policy(request)) {
        const std::uint64_t warm_up = request.at("warm_up");
        for (std::uint64_t i = 0; i < warm_up; i++) run({.epoch = 1, .index = i});
    }

    void run(const halmix::Key& key) {
        halmix::sample(policy_, key, images_.width, images_.height, plan_);
        engine_.run(plan_, images_.in(), images_.out());
    }

 private:
    const halmix::Engine& engine_;
    Images& images_;
    halmix::Policy policy_;
    halmix::Plan plan_;
};

json time_augmix(const json& request, const halmix::Engine& engine, Images& images) {
    AugMix augmix(request, engine, images);
    std::vector<double> times(request.at("images").get<std::size_t>(), 0.0);  // its memory is touched here
    auto faults = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_minflt + usage.ru_majflt;
    };
    Clock::time_point start = Clock::now();
    long faults_before = faults();
    std::uint64_t allocations_before = bench::allocations();
    for (std::size_t i = 0; i < times.size(); i++) {
        augmix.run({.index = i});
        Clock::time_point end = Clock::now();
        times[i] = Microseconds(end - start).count();
        start = end;
    }
    std::uint64_t new_allocations = bench::allocations() - allocations_before;
    long new_faults = faults() - faults_before;
    auto per_image = [&](auto count) { return static_cast<double>(count) / static_cast<double>(times.size()); };
    return {{"us", times}, {"faults", per_image(new_faults)}, {"allocations", per_image(new_allocations)}};
}

/// The longest sequences of ops, from the first on, that one pipeline computes.
void append_calls(const halmix::Engine& engine, const halmix::Plan& plan, const std::vector<halmix::OpCall>& ops,
                  json& calls) {
    for (std::size_t begin = 0; begin < ops.size();) {
        std::size_t end = begin + 1, longest = end;
        std::vector<std::string_view> pipelines;
        for (; end <= ops.size(); end++) {
            auto found = engine.describe({&ops[begin], end - begin}, plan.width, plan.height, channels);
            if (found.size() > 1) break;
            pipelines = found;
            longest = end;
        }
        json called = json::array();
        for (; begin < longest; begin++)
            called.push_back({{"op", halmix::info(ops[begin].op).name}, {"value", ops[begin].value}});
        if (!pipelines.empty()) calls.push_back({{"pipeline", pipelines[0]}, {"ops", called}});
    }
}

json draw(const json& request, const halmix::Engine& engine) {
    const halmix::Policy policy = read_policy(request);
    halmix::Plan plan;
    json calls = json::array();
    for (std::uint64_t i = 0; i < request.at("images"); i++) {
        halmix::sample(policy, {.index = i}, request.at("width"), request.at("height"), plan);
        for (const halmix::Chain& chain : plan.chains) append_calls(engine, plan, chain.ops, calls);
    }
    const std::string mix = engine.target().devices.empty() ? "mix" : "mix_u8_hwc_c" + std::to_string(channels);
    return {{"calls", calls}, {"mix", mix}};
}

json time_throughput(const json& request, const halmix::Engine& engine, const Images& images) {
    int blocks = request.at("blocks"), thread_count = request.at("threads");
    std::uint64_t count = request.at("images");
    std::vector<Clock::time_point> marks;
    std::barrier line(thread_count, [&]() noexcept { marks.push_back(Clock::now()); });
    std::vector<std::jthread> threads;
    for (int t = 0; t < thread_count; t++) {
        threads.emplace_back([&] {
            Images own = images;
            AugMix augmix(request, engine, own);
            line.arrive_and_wait();
            for (int block = 0; block < blocks; block++) {
                for (std::uint64_t i = 0; i < count; i++) augmix.run({.index = i});
                line.arrive_and_wait();
            }
        });
    }
    threads.clear();
    std::vector<double> times;
    for (int block = 0; block < blocks; block++) {
        times.push_back(Microseconds(marks[block + 1] - marks[block]).count() /
                        static_cast<double>(count * thread_count));
    }
    return {{"us", times}};
}

json time_batch(const json& request, const halmix::Engine& engine, const Images& image) {
    const int count = request.at("images"), width = image.width, height = image.height;
    const auto from = static_cast<halmix::Layout>(request.at("from").get<int>());
    const auto to = static_cast<halmix::Layout>(request.at("to").get<int>());
    const halmix::Policy policy = read_policy(request);
    // The pixels need not be those of the photo in another layout, but must be a photo's in the usual one.
    const std::size_t in_bytes = halmix::image_bytes(from, width, height, channels);
    std::vector<std::uint8_t> in(count * in_bytes), out(count * halmix::image_bytes(to, width, height, channels));
    std::vector<halmix::Plan> plans(count);
    for (int i = 0; i < count; i++) {
        engine.run({.width = width, .height = height, .chains = {{}}}, image.in(),
                   {in.data() + i * in_bytes, width, height, channels, from});
        halmix::sample(policy, {.index = static_cast<std::uint64_t>(i)}, width, height, plans[i]);
    }
    halmix::Threads threads(request.at("threads").get<int>());
    halmix::Options options{.normalization = {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}}};
    if (threads.count() > 1) options.runner = threads.runner();
    auto run = [&] {
        engine.run(plans, {in.data(), count, width, height, channels, halmix::Memory::host, from},
                   {out.data(), count, width, height, channels, halmix::Memory::host, to}, options);
    };
    run();
    std::vector<double> times;
    for (int block = request.at("blocks"); block > 0; block--) {
        Clock::time_point start = Clock::now();
        run();
        times.push_back(Microseconds(Clock::now() - start).count() / count);
    }
    return {{"us", times}};
}

// The same on a GPU.

/// Images of a batch.
int batch_of(const json& request, int usual) {
    const int count = request.value("batch", std::max(usual, 1));
    if (count < 1) throw std::invalid_argument("batch: " + std::to_string(count) + " images");
    return count;
}

int usual_batch(const Images& images) { return 32 * 224 * 224 / (images.width * images.height); }

/// What chain or mix computes of each image, as a plan.
halmix::Plan read_plan(const json& request, const Images& images) {
    halmix::Plan plan{images.width, images.height, 1, request.value("fill", halmix::Fill{}), {}};
    if (request.contains("ops")) {
        plan.chains = {{1, read_ops(request)}};  // of which the mixture is the chain: level + 0 for every level
        for (const halmix::OpCall& call : plan.chains[0].ops) halmix::validate(call);
    } else {
        plan.mix = 0.4F;
        plan.chains = {{0.217F, {}}, {0.313F, {{halmix::Op::translate_x, 1}}}, {0.47F, {{halmix::Op::translate_y, 1}}}};
    }
    return plan;
}

json time_on_gpu(const json& request, const Images& images, GpuBatch& batch) {
    const int count = batch_of(request, usual_batch(images));
    const bool chain = request.contains("ops");
    batch.load(images.pixels, std::vector<halmix::Plan>(count, read_plan(request, images)));
    auto run = [&] { chain ? batch.compute_chains() : batch.mix(); };
    json times = time_blocks(
        request, run, [&] { batch.wait(); }, count);
    json reply{{"us", times}};
    if (chain) reply["pipelines"] = batch.pipelines();
    return reply;
}

json check_on_gpu(const json& request, const Images& images, GpuBatch& batch) {
    namespace reference = halmix::reference;
    const int count = batch_of(request, 3);
    const halmix::Plan plan = read_plan(request, images);
    batch.load(images.pixels, std::vector<halmix::Plan>(count, plan));
    std::vector<std::uint8_t> expected, results(batch.images().size());
    for (auto image = batch.images().begin(); image != batch.images().end(); image += images.pixels.size()) {
        const std::vector<std::uint8_t> pixels(image, image + images.pixels.size());
        const reference::Image result = reference::run(plan, {images.width, images.height, channels, pixels});
        expected.insert(expected.end(), result.pixels.begin(), result.pixels.end());
    }
    return count_differing(expected, results, [&] {
        batch.set_results(results);
        batch.compute_chains();
        batch.mix();
        batch.get_results(results);
    });
}

json augmix_on_gpu(const json& request, const Images& images, GpuBatch& batch) {
    const int count = batch_of(request, usual_batch(images));
    const halmix::Policy policy = read_policy(request);
    auto time_batch = [&](std::uint32_t epoch, std::uint64_t first) {
        std::vector<halmix::Plan> plans(count);
        for (halmix::Plan& plan : plans) {
            halmix::sample(policy, {.epoch = epoch, .index = first++}, images.width, images.height, plan);
        }
        batch.load(images.pixels, std::move(plans));
        const Clock::time_point start = Clock::now();
        batch.compute_chains();
        batch.mix();
        batch.wait();
        return Microseconds(Clock::now() - start).count() / count;
    };
    std::vector<double> times;
    for (std::uint64_t i = 0; i < request.at("warm_up"); i += count) time_batch(1, i);
    for (std::uint64_t i = 0; i < request.at("images"); i += count) times.push_back(time_batch(0, i));
    return {{"us", times}};
}

json find_devices() {
    json devices;
    for (const halmix::DeviceApi api : {halmix::DeviceApi::cuda, halmix::DeviceApi::opencl}) {
        const halmix::Driver& driver = halmix::driver(api);
        const halmix::FoundDevices found = driver.find();
        json names = json::array();
        for (const halmix::FoundDevice& device : found.found) names.push_back(device.name);
        devices[driver.name] = {{"names", names}, {"problem", found.problem}};
    }
    return {{"devices", devices}};
}

json answer(const json& request, const halmix::Engine& engine, GpuBatch* gpu) {
    std::string job = request.at("job");
    if (job == "about") {
        std::string target(engine.target().name);
        json available = json::array();
        for (const halmix::TargetInfo& info : halmix::targets()) {
            if (info.available && info.devices.empty()) available.push_back(info.name);
        }
        json ops = json::array();
        for (const halmix::OpInfo& op : halmix::ops()) ops.push_back({{"op", op.name}, {"examples", op.examples}});
        json jobs = {"devices", "chain", "mix", "augmix", "check", "draw"};
        if (gpu == nullptr) jobs.insert(jobs.end(), {"throughput", "batch"});
        return {{"jobs", jobs},
                {"ops", ops},
                {"target", target},
                {"targets", available},
                {"versions",
                 {{"pipelines", engine.target().pipelines}, {"target", target + " (" + engine.reason() + ")"}}}};
    }
    if (job == "devices") return find_devices();
    if (job == "draw") return draw(request, engine);
    Images images(request.at("width"), request.at("height"));
    std::cin.read(reinterpret_cast<char*>(images.pixels.data()), static_cast<std::streamsize>(images.pixels.size()));
    if (gpu != nullptr) {
        if (job == "chain" || job == "mix") return time_on_gpu(request, images, *gpu);
        if (job == "augmix") return augmix_on_gpu(request, images, *gpu);
        if (job == "check") return check_on_gpu(request, images, *gpu);
        throw std::invalid_argument("job: " + job + ": not on a GPU");
    }
    if (job == "chain") return time_chain(request, engine, images);
    if (job == "mix") return time_mix(request, engine, images);
    if (job == "augmix") return time_augmix(request, engine, images);
    if (job == "throughput") return time_throughput(request, engine, images);
    if (job == "check") return check(request, engine, images);
    if (job == "batch") return time_batch(request, engine, images);
    throw std::invalid_argument("job: " + job);
}

}  // namespace

int main() {
    try {
        const halmix::Engine engine;
        std::optional<GpuBatch> gpu;
        if (!engine.target().devices.empty()) gpu.emplace();
        for (std::string line; std::getline(std::cin, line);) {
            std::cout << answer(json::parse(line), engine, gpu ? &*gpu : nullptr) << std::endl;
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "halmix_bench: %s\n", error.what());
        return 1;
    }
}
