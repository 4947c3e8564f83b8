#include <dlfcn.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <thread>

#include "catch.h"
#include "contents.h"
#include "engines.h"
#include "gpu/resizes.h"
#include "halmix/halmix.h"
#include "reference/reference.h"

using namespace halmix;
using reference::Content;
using test::available_engines;

namespace {

using Bytes = std::vector<std::uint8_t>;

std::uint32_t seed() {
    const char* text = std::getenv("HALMIX_TEST_SEED");
    return text == nullptr ? 1 : static_cast<std::uint32_t>(std::stoul(text));
}

/// Images of one size, of all contents.
Bytes images(int count, int width, int height, int channels, std::uint32_t number) {
    Bytes all;
    auto contents = reference::contents();
    for (int i = 0; i < count; i++) {
        reference::Image image = make(contents[(number + i) % contents.size()], width, height, channels, number + i);
        all.insert(all.end(), image.pixels.begin(), image.pixels.end());
    }
    return all;
}

Policy policy_number(std::uint32_t number) {
    std::mt19937 random(number);
    Policy policy;
    policy.severity = random() % 11;
    policy.width = 1 + static_cast<int>(random() % 5);
    policy.depth = random() % 3 == 0 ? 1 + static_cast<int>(random() % 6) : -1;
    policy.ops = parse_op_choices(random() % 3 == 0 ? "original" : "all");
    policy.fill = {static_cast<std::uint8_t>(random()), static_cast<std::uint8_t>(random()), 9};
    return policy;
}

/// One plan for each image, each by a policy of its own.
std::vector<Plan> plans(int count, int width, int height, std::uint32_t number) {
    std::vector<Plan> all;
    for (int i = 0; i < count; i++) {
        all.push_back(
            sample(policy_number(number + i % 7), {.seed = number, .index = std::uint64_t(i)}, width, height));
    }
    return all;
}

ResizedCrop any_crop(int width, int height, std::mt19937& random) {
    auto up_to = [&](int most) { return static_cast<int>(random() % (most + 1)); };
    ResizedCrop crop{.source_width = width,
                     .source_height = height,
                     .width = 1 + up_to(width - 1),
                     .height = 1 + up_to(height - 1),
                     .filter = random() % 2 == 0 ? Filter::bilinear : Filter::bicubic,
                     .order = random() % 3 == 0 ? PassOrder::horizontal_first : PassOrder::pillow_13,
                     .mirror = random() % 2 == 0};
    crop.left = up_to(width - crop.width);
    crop.top = up_to(height - crop.height);
    return crop;
}

std::vector<Plan> default_plans(int count, int width, int height, std::uint64_t number) {
    std::vector<Plan> all;
    for (int i = 0; i < count; i++)
        all.push_back(sample({}, {.seed = number, .index = std::uint64_t(i)}, width, height));
    return all;
}

const Engine& cpu() {
    static const Engine engine;
    return engine;
}

Options imagenet() { return {.normalization = {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}}}; }

Bytes run(const Engine& engine, const std::vector<Plan>& all, const Bytes& in, int count, int channels,
          Layout layout = Layout::u8_hwc, BatchReport* report = nullptr, Layout from = Layout::u8_hwc) {
    int width = all[0].width, height = all[0].height, in_width = width, in_height = height;
    for (const Plan& plan : all) {
        if (!plan.resized_crop) continue;
        in_width = plan.resized_crop->source_width;
        in_height = plan.resized_crop->source_height;
    }
    Bytes out(all.size() * image_bytes(layout, width, height, channels));
    BatchReport what = engine.run(
        all, Batch{in.data(), count, in_width, in_height, channels, Memory::host, from},
        MutableBatch{out.data(), static_cast<int>(all.size()), width, height, channels, Memory::host, layout},
        imagenet());
    if (report != nullptr) *report = what;
    return out;
}

template <typename Function>
std::string message(Status status, Function call) {
    try {
        call();
    } catch (const Error& error) {
        CHECK(error.status() == status);
        return error.what();
    }
    FAIL("no Error was thrown");
    return {};
}

/// A caller with memory and a queue of its own on a GPU.
class Caller {
 public:
    virtual ~Caller() = default;
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;

    [[nodiscard]] virtual void* allocate(std::size_t size) const = 0;
    virtual void release(void* memory) const = 0;
    virtual void write(void* memory, const Bytes& bytes) const = 0;
    [[nodiscard]] virtual Bytes read(void* memory, std::size_t size) const = 0;
    [[nodiscard]] const Queue& queue() const { return queue_; }

 protected:
    explicit Caller(const char* library) : library_(dlopen(library, RTLD_NOW)) {}

    template <typename Result, typename... Args>
    Result call(const char* name, Args... args) const {
        return reinterpret_cast<Result (*)(Args...)>(dlsym(library_, name))(args...);
    }
    template <typename... Args>
    void require_call(const char* name, Args... args) const {
        INFO(name);
        REQUIRE(call<int>(name, args...) == 0);
    }

    Queue queue_;

 private:
    void* library_;
};

class OpenClCaller : public Caller {
 public:
    OpenClCaller() : Caller("libOpenCL.so.1") {
        void* platform = nullptr;
        void* device = nullptr;
        int status = 0;
        require_call("clGetPlatformIDs", 1U, &platform, static_cast<unsigned*>(nullptr));
        require_call("clGetDeviceIDs", platform, std::uint64_t{0xFFFFFFFF}, 1U, &device,
                     static_cast<unsigned*>(nullptr));
        queue_.context = call<void*>("clCreateContext", static_cast<void*>(nullptr), 1U, &device,
                                     static_cast<void*>(nullptr), static_cast<void*>(nullptr), &status);
        REQUIRE(status == 0);
        queue_.stream = call<void*>("clCreateCommandQueue", queue_.context, device, std::uint64_t{0}, &status);
        REQUIRE(status == 0);
    }
    ~OpenClCaller() override {
        call<int>("clReleaseCommandQueue", queue_.stream);
        call<int>("clReleaseContext", queue_.context);
    }
    [[nodiscard]] void* allocate(std::size_t size) const override {
        int status = 0;
        void* memory =
            call<void*>("clCreateBuffer", queue_.context, std::uint64_t{1}, size, static_cast<void*>(nullptr), &status);
        REQUIRE(status == 0);
        return memory;
    }
    void release(void* memory) const override { require_call("clReleaseMemObject", memory); }
    void write(void* memory, const Bytes& bytes) const override {
        require_call("clEnqueueWriteBuffer", queue_.stream, memory, 1U, std::size_t{0}, bytes.size(), bytes.data(), 0U,
                     static_cast<void*>(nullptr), static_cast<void*>(nullptr));
    }
    [[nodiscard]] Bytes read(void* memory, std::size_t size) const override {
        Bytes bytes(size);
        require_call("clEnqueueReadBuffer", queue_.stream, memory, 1U, std::size_t{0}, size, bytes.data(), 0U,
                     static_cast<void*>(nullptr), static_cast<void*>(nullptr));
        return bytes;
    }
};

class CudaCaller : public Caller {
 public:
    CudaCaller() : Caller("libcuda.so.1") {
        void* context = nullptr;
        require_call("cuInit", 0U);
        require_call("cuDevicePrimaryCtxRetain", &context, 0);
        require_call("cuCtxSetCurrent", context);
        constexpr unsigned not_behind_the_default_stream = 1;
        require_call("cuStreamCreate", &queue_.stream, not_behind_the_default_stream);
    }
    ~CudaCaller() override {
        call<int>("cuStreamDestroy_v2", queue_.stream);
        call<int>("cuDevicePrimaryCtxRelease_v2", 0);
    }
    [[nodiscard]] void* allocate(std::size_t size) const override {
        void* memory = nullptr;
        require_call("cuMemAlloc_v2", &memory, size);
        return memory;
    }
    void release(void* memory) const override { require_call("cuMemFree_v2", memory); }
    void write(void* memory, const Bytes& bytes) const override {
        require_call("cuMemcpyHtoDAsync_v2", memory, bytes.data(), bytes.size(), queue_.stream);
        require_call("cuStreamSynchronize", queue_.stream);
    }
    [[nodiscard]] Bytes read(void* memory, std::size_t size) const override {
        Bytes bytes(size);
        require_call("cuMemcpyDtoHAsync_v2", bytes.data(), memory, size, queue_.stream);
        require_call("cuStreamSynchronize", queue_.stream);
        return bytes;
    }
};

std::unique_ptr<Caller> make_caller(const Engine& gpu) {
    if (gpu.target().name == "cuda") return std::make_unique<CudaCaller>();
    return std::make_unique<OpenClCaller>();
}

Memory memory_of(const Engine& gpu) { return gpu.target().name == "cuda" ? Memory::cuda : Memory::opencl; }

}  // namespace

TEST_CASE("random batches on every GPU equal the CPU") {
    std::vector<Engine> gpus = available_engines(true);
    REQUIRE(!gpus.empty());
    for (const Engine& gpu : gpus) {
        int compared = 0;
        std::mt19937 random(seed());
        for (int batch = 0; compared < 20000; batch++) {
            const int sizes[] = {1, 2, 3, 7, 16, 32, 33, 48};
            int width = sizes[random() % 8], height = sizes[random() % 8], channels = random() % 4 == 0 ? 1 : 3;
            int count = batch % 10 == 0 ? 1 : 1 + static_cast<int>(random() % 80);
            int views = 1 + static_cast<int>(random() % 3);
            auto layout = static_cast<Layout>(random() % layout_count);
            if (channels == 1 && layout == Layout::u8_rgbx) layout = Layout::u8_chw;
            std::vector<Plan> all = plans(count * views, width, height, random());
            Bytes in = images(count, width, height, channels, random());
            INFO(gpu.target().name << ", seed " << seed() << ", batch " << batch << ": " << count << " images of "
                                   << width << "x" << height << "x" << channels << ", " << views << " views");
            bool same = run(gpu, all, in, count, channels, layout) == run(cpu(), all, in, count, channels, layout);
            if (!same) FAIL("they differ");
            compared += count * views;
        }
        CHECK(compared >= 20000);
    }
}

TEST_CASE("batches of plans that each have a box of their own equal the CPU, whole images among them") {
    for (const Engine& gpu : available_engines(true)) {
        std::mt19937 random(seed());
        for (int compared = 0, batch = 0; compared < 6000; batch++) {
            const int sizes[] = {1, 2, 3, 9, 31, 32, 65, 120};
            const int wide = sizes[random() % 8], high = sizes[random() % 8], channels = random() % 3 == 0 ? 1 : 3;
            const bool same_size = random() % 3 == 0;
            const int width = same_size ? wide : sizes[random() % 7], height = same_size ? high : sizes[random() % 7];
            const int count = 1 + static_cast<int>(random() % 24), views = 1 + static_cast<int>(random() % 3);
            auto any_layout = [&](int most) {
                const auto layout = static_cast<Layout>(random() % most);
                return channels == 1 && layout == Layout::u8_rgbx ? Layout::u8_chw : layout;
            };
            const Layout from = any_layout(3), to = any_layout(layout_count);
            std::vector<Plan> all = plans(count * views, width, height, random());
            for (std::size_t i = 0; i < all.size(); i++) {
                // Views of an image often have one crop. Without one, an image has the results' size.
                if (!same_size || random() % 2 == 0) all[i].resized_crop = any_crop(wide, high, random);
                if (i % views != 0 && random() % 2 == 0) all[i].resized_crop = all[i - 1].resized_crop;
                if (random() % 4 == 0) all[i].mix = 0;
            }
            Bytes in(count * image_bytes(from, wide, high, channels));
            for (std::uint8_t& byte : in) byte = static_cast<std::uint8_t>(random());
            INFO(gpu.target().name << ", seed " << seed() << ", batch " << batch << ": " << count << " images of "
                                   << wide << "x" << high << "x" << channels << " to " << width << "x" << height << ", "
                                   << views << " views, layouts " << static_cast<int>(from) << " and "
                                   << static_cast<int>(to));
            BatchReport report;
            const bool same = run(gpu, all, in, count, channels, to, &report, from) ==
                              run(cpu(), all, in, count, channels, to, nullptr, from);
            if (!same) FAIL("they differ");
            CHECK(report.passes == 1);
            compared += count * views;
        }
    }
}

TEST_CASE("a batch of whole images only is not resized, one with a box has three launches more at most") {
    std::vector<Plan> all = default_plans(6, 20, 30, 4);
    Bytes in = images(6, 20, 30, 3, 5);
    for (const Engine& gpu : available_engines(true)) {
        BatchReport whole, cropped;
        run(gpu, all, in, 6, 3, Layout::u8_hwc, &whole);
        std::vector<Plan> cropping = all;
        cropping[2].resized_crop = {.source_width = 20, .source_height = 30, .width = 10, .height = 10};
        run(gpu, cropping, in, 6, 3, Layout::u8_hwc, &cropped);
        CHECK(cropped.launches == whole.launches + 2);
        cropping[3].resized_crop = {.source_width = 20, .source_height = 30, .width = 20, .height = 30};
        cropping[4].resized_crop = {.source_width = 20, .source_height = 30, .width = 20, .height = 30, .mirror = true};
        CHECK(run(gpu, cropping, in, 6, 3) == run(cpu(), cropping, in, 6, 3));
    }
}

TEST_CASE("resizes take no more of a device's memory than is asked for") {
    std::mt19937 random(seed());
    Resizes resizes;
    for (int round = 0; round < 3000; round++) {
        auto length = [&] { return 1 + static_cast<int>(random() % (random() % 2 == 0 ? 4 : 300)); };
        const int channels = random() % 2 == 0 ? 1 : 3;
        const ImageSize source{length(), length(), channels}, size{length(), length(), channels};
        std::vector<Plan> all(1 + random() % 12, Plan{.width = size.width, .height = size.height, .chains = {}});
        std::vector<const Plan*> pointers;
        for (Plan& plan : all) {
            plan.resized_crop = any_crop(source.width, source.height, random);
            pointers.push_back(&plan);
        }
        resizes.schedule({source, size, 1, 3, 0, pointers});
        const Resizes::Needs needs = Resizes::needs(all.size(), source, size);
        const std::size_t parameters =
            resizes.items.size() * sizeof(ResampleItem) + resizes.tables.size() * sizeof(std::int32_t);
        REQUIRE(resizes.between_bytes <= needs.between);
        REQUIRE(resizes.images * size.bytes() <= needs.results);
        REQUIRE(parameters <= needs.parameters);
    }
}

TEST_CASE("tasks with boxes of sources of many sizes, to results of many") {
    for (const Engine& engine : available_engines()) {
        std::mt19937 random(seed());
        std::vector<reference::Image> in, out, expected;
        std::vector<Plan> all;
        for (int i = 0; i < 300; i++) {
            const int wide = 1 + static_cast<int>(random() % 3) * 20, high = 1 + static_cast<int>(random() % 2) * 33;
            const int width = 1 + static_cast<int>(random() % 2) * 16, height = 1 + static_cast<int>(random() % 3) * 7;
            const int channels = random() % 4 == 0 ? 1 : 3;
            in.push_back(make(Content::noise, wide, high, channels, random()));
            all.push_back(sample(policy_number(random()), {.seed = 3, .index = std::uint64_t(i)}, width, height));
            all.back().resized_crop = any_crop(wide, high, random);
            out.push_back(make(Content::noise, width, height, channels, random()));
            expected.push_back(reference::run(all.back(), in.back()));
        }
        std::vector<Task> tasks;
        for (int i = 0; i < 300; i++) {
            tasks.push_back({&all[i],
                             {in[i].pixels.data(), in[i].width, in[i].height, in[i].channels},
                             {out[i].pixels.data(), out[i].width, out[i].height, out[i].channels}});
        }
        engine.run(tasks);
        CHECK(out == expected);
    }
}

TEST_CASE("a batch of images of many sizes and strides") {
    for (const Engine& engine : available_engines()) {
        std::mt19937 random(seed());
        std::vector<reference::Image> in, out, expected;
        std::vector<Plan> all;
        for (int i = 0; i < 200; i++) {
            int width = 1 + static_cast<int>(random() % 3) * 17, height = 1 + static_cast<int>(random() % 2) * 22;
            in.push_back(make(Content::noise, width, height, random() % 5 == 0 ? 1 : 3, random()));
            all.push_back(sample(policy_number(random()), {.seed = 3, .index = std::uint64_t(i)}, width, height));
        }
        expected = out = in;
        std::vector<Task> tasks;
        for (int i = 0; i < 200; i++) {
            auto& [width, height, channels, pixels] = out[i];
            std::ptrdiff_t row = std::ptrdiff_t{width} * channels;
            // Every third input has its last row first.
            ImageView from = i % 3 == 0
                                 ? ImageView(in[i].pixels.data() + row * (height - 1), width, height, channels, -row)
                                 : ImageView(in[i].pixels.data(), width, height, channels);
            tasks.push_back({&all[i], from, {pixels.data(), width, height, channels}});
            cpu().run(all[i], from, {expected[i].pixels.data(), width, height, channels});
        }
        engine.run(tasks);
        CHECK(out == expected);
        tasks[5].out.width++;
        CHECK(message(Status::invalid_argument, [&] { engine.run(tasks); }).starts_with("task 5: "));
    }
}

TEST_CASE("floats are what torchvision makes of the levels") {
    Plan plan = sample({}, {.seed = 1}, 5, 3);
    plan.mix = 0;  // the image itself
    Bytes in(45);
    for (std::size_t i = 0; i < in.size(); i++) in[i] = static_cast<std::uint8_t>(i * 5 + 3);
    const float mean[] = {0.485F, 0.456F, 0.406F}, deviation[] = {0.229F, 0.224F, 0.225F};
    for (const Engine& engine : available_engines()) {
        Bytes floats = run(engine, {plan}, in, 1, 3, Layout::f32_chw),
              halves = run(engine, {plan}, in, 1, 3, Layout::f16_chw);
        for (int i = 0; i < 15; i++) {
            for (int c = 0; c < 3; c++) {
                float expected = (static_cast<float>(in[i * 3 + c]) / 255.0F - mean[c]) / deviation[c], value = 0;
                std::memcpy(&value, floats.data() + 4 * (c * 15 + i), 4);
                CHECK(value == expected);
                // A half has 11 significant bits, of which none is below 2^-24.
                std::uint16_t half = 0;
                std::memcpy(&half, halves.data() + 2 * (c * 15 + i), 2);
                int exponent = half >> 10 & 31;
                float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(half & 1023), -24)
                                                : std::ldexp(static_cast<float>((half & 1023) | 1024), exponent - 25);
                float scale = std::exp2(std::max(std::floor(std::log2(std::fabs(expected))), -14.0F) - 10);
                CHECK((half & 0x8000 ? -magnitude : magnitude) == std::nearbyint(expected / scale) * scale);
            }
        }
    }
}

TEST_CASE("launches and memory of a batch are bounded, and nothing is taken once warm") {
    constexpr int count = 256, size = 32, channels = 3;
    Bytes in = images(count, size, size, channels, 1);
    for (const Engine& gpu : available_engines(true)) {
        gpu.warm_up(count, size, size, channels);
        std::size_t memory = 0;
        for (std::uint64_t number = 0; number < 20; number++) {
            BatchReport report;
            std::vector<Plan> all = default_plans(count, size, size, number);
            Bytes out = run(gpu, all, in, count, channels, Layout::u8_hwc, &report);
            CHECK(out == run(cpu(), all, in, count, channels));
            CHECK(report.launches > 0);
            CHECK(report.launches <= 60);
            CHECK(report.mix_launches == 1);
            CHECK(report.passes == 1);
            CHECK(report.device_bytes <= std::size_t{count} * (3 + 2) * size * size * channels);
            if (number == 0) memory = report.device_bytes;
            CHECK(report.device_bytes == memory);
        }
    }
}

TEST_CASE("plans that need every slot at once") {
    // All chains wait for the same pipeline at each step, and no slot is left over.
    for (const Engine& gpu : available_engines(true)) {
        Plan plan{9, 8, 0.75F, {}, {}};
        for (int k = 0; k < max_width; k++) {
            plan.chains.push_back({1.0F / max_width, {}});
            for (int depth = 0; depth < max_depth; depth++)
                plan.chains[k].ops.push_back({Op::sharpness, 0.3 + depth * 0.1 + k});
        }
        Plan empty{9, 8, 0.25F, {}, {{0.5F, {}}}};
        for (int count : {1, 2, 5}) {
            std::vector<Plan> all(count, plan);
            all.push_back(empty);
            Bytes in = images(count + 1, 9, 8, 3, 4);
            CHECK(run(gpu, all, in, count + 1, 3) == run(cpu(), all, in, count + 1, 3));
        }
    }
}

TEST_CASE("many threads, with engines of their own and with one for all") {
    std::vector<Plan> all = default_plans(9, 24, 20, 5);
    Bytes in = images(9, 24, 20, 3, 2), expected = run(cpu(), all, in, 9, 3);
    for (const Engine& gpu : available_engines(true)) {
        std::vector<std::thread> threads;
        std::atomic<int> right = 0;
        for (int i = 0; i < 8; i++) {
            threads.emplace_back([&, i] {
                Engine own = i % 2 == 0 ? gpu : Engine(gpu.target().name);
                for (int round = 0; round < 10; round++) right += run(own, all, in, 9, 3) == expected ? 1 : 0;
            });
        }
        for (std::thread& thread : threads) thread.join();
        CHECK(right == 80);
    }
}

TEST_CASE("memory and queue of the caller, on the device") {
    for (const Engine& gpu : available_engines(true)) {
        std::unique_ptr<Caller> caller = make_caller(gpu);
        const Memory memory = memory_of(gpu);
        const Queue queue = caller->queue();
        int count = 12, width = 31, height = 17, channels = 3;
        std::vector<Plan> all = default_plans(2 * count, width, height, 8);
        Bytes in = images(count, width, height, channels, 3), expected = run(cpu(), all, in, count, channels);
        void* from = caller->allocate(in.size());
        void* to = caller->allocate(expected.size());
        caller->write(from, in);
        Batch source{from, count, width, height, channels, memory};
        MutableBatch result{to, 2 * count, width, height, channels, memory};
        for (int round = 0; round < 3; round++) {
            gpu.run(all, source, result, {.queue = queue});
            CHECK(caller->read(to, expected.size()) == expected);
            CHECK(caller->read(from, in.size()) == in);
            caller->write(to, Bytes(expected.size()));
        }
        // One of them on the host.
        Bytes out(expected.size());
        gpu.run(all, source, {out.data(), 2 * count, width, height, channels}, {.queue = queue});
        CHECK(out == expected);
        gpu.run(all, {in.data(), count, width, height, channels}, result, {.queue = queue});
        CHECK(caller->read(to, expected.size()) == expected);
        // Boxes of them.
        std::mt19937 random(5);
        for (Plan& plan : all) plan.resized_crop = any_crop(width, height, random);
        gpu.run(all, source, result, {.queue = queue});
        CHECK(caller->read(to, expected.size()) == run(cpu(), all, in, count, channels));
        message(Status::invalid_argument, [&] { cpu().run(all, source, result); });
        message(Status::invalid_argument, [&] { gpu.run(all, source, {from, 2 * count, width, height, 3, memory}); });
        caller->release(from);
        caller->release(to);
    }
}

TEST_CASE("batches that cannot be are refused, naming what is wrong, and change nothing") {
    std::vector<Plan> all = default_plans(4, 6, 5, 1);
    Bytes in = images(4, 6, 5, 3, 1), out(in.size(), 77);
    const Batch from{in.data(), 4, 6, 5, 3};
    const MutableBatch to{out.data(), 4, 6, 5, 3};
    for (const Engine& engine : available_engines()) {
        auto refused = [&](const char* word, const Batch& source, const MutableBatch& result) {
            std::string said = message(Status::invalid_argument, [&] { engine.run(all, source, result); });
            INFO(said);
            CHECK(said.find(word) != std::string::npos);
        };
        auto changed = [](auto batch, auto change) {
            change(batch);
            return batch;
        };
        refused("input batch: its data", changed(from, [](auto& b) { b.data = nullptr; }), to);
        refused("output batch: its data", from, changed(to, [](auto& b) { b.data = nullptr; }));
        refused("3 images for 4 plans", changed(from, [](auto& b) { b.count = 3; }), to);
        refused("0 images", changed(from, [](auto& b) { b.count = 0; }), to);
        refused("5 images for 4 plans", from, changed(to, [](auto& b) { b.count = 5; }));
        refused("4 channels", changed(from, [](auto& b) { b.channels = 4; }), to);
        refused("output image", from, changed(to, [](auto& b) { b.height = 6; }));
        refused("overlaps", from, changed(to, [&](auto& b) { b.data = in.data() + 7; }));
        for (float bad : {0.0F, std::nanf("")}) {
            Options options;
            (bad == 0 ? options.normalization.std : options.normalization.mean)[1] = bad;
            std::string said = message(Status::invalid_argument, [&] { engine.run(all, from, to, options); });
            CHECK(said.find(bad == 0 ? "std 0" : "mean nan") != std::string::npos);
        }
        Memory other = engine.target().name == "opencl" ? Memory::cuda : Memory::opencl;
        refused("its memory is", changed(from, [&](auto& b) { b.memory = other; }), to);
        std::vector<Plan> wrong = all;
        wrong[2].width = 7;
        message(Status::bad_plan, [&] { engine.run(wrong, from, to); });
        wrong = all;
        wrong[3].mix = 2;
        message(Status::bad_plan, [&] { engine.run(wrong, from, to); });
        CHECK(out == Bytes(in.size(), 77));
        CHECK(engine.run(std::span<const Plan>(), from, changed(to, [](auto& b) { b.count = 0; })).passes == 0);
        engine.run(all, from, to);
        CHECK(out == run(cpu(), all, in, 4, 3));
        out.assign(in.size(), 77);
    }
}

TEST_CASE("GPUs are named by number or by a part of their name") {
    for (const Engine& gpu : available_engines(true)) {
        std::string target(gpu.target().name), device = gpu.target().devices[0];
        CHECK(device.starts_with(target + ":0 ("));
        CHECK(Engine(target + ":0").target().devices == gpu.target().devices);
        CHECK(Engine(target + ":" + device.substr(target.size() + 4, 5)).target().devices == gpu.target().devices);
        CHECK(Engine("auto", memory_of(gpu)).target().name == target);
        for (const char* which : {":99", ":no such device"}) {
            std::string said = message(Status::target_unavailable, [&] { Engine engine(target + which); });
            CHECK(said.find(which) != std::string::npos);
            CHECK(said.find("there are") != std::string::npos);
        }
    }
    CHECK(Engine().target().devices.empty());
}

// Run with OCL_ICD_VENDORS naming an empty folder.
TEST_CASE("without a driver", "[.no-driver]") {
    for (const TargetInfo& target : targets()) {
        if (target.name != "opencl") continue;
        CHECK(!target.available);
        CHECK(target.problem.find("driver") != std::string::npos);
        for (int again = 0; again < 2; again++) {
            std::string said = message(Status::target_unavailable, [] { Engine engine("opencl"); });
            CHECK(said.find(target.problem) != std::string::npos);
        }
    }
    std::vector<Plan> all = default_plans(1, 8, 8, 1);
    Bytes in = images(1, 8, 8, 3, 1);
    CHECK(run(cpu(), all, in, 1, 3).size() == in.size());
}

// Run with POCL_MEMORY_LIMIT=1, in GiB.
TEST_CASE("a device with little memory", "[.little-memory]") {
    const Engine gpu("opencl");
    int size = 1024, count = 96;
    std::vector<Plan> all = default_plans(count, size, size, 2);
    for (Plan& plan : all) {
        for (Chain& chain : plan.chains) chain.ops = {{Op::solarize, 100}};
    }
    Bytes in = images(count, size, size, 3, 6);
    BatchReport report;
    CHECK(run(gpu, all, in, count, 3, Layout::u8_hwc, &report) == run(cpu(), all, in, count, 3));
    CHECK(report.passes > 1);

    // In the caller's memory.
    const OpenClCaller caller;
    void* from = caller.allocate(in.size() / 2);
    void* to = caller.allocate(in.size() / 2);
    in.resize(in.size() / 2);
    all.resize(count / 2);
    caller.write(from, in);
    report = gpu.run(all, {from, count / 2, size, size, 3, Memory::opencl},
                     {to, count / 2, size, size, 3, Memory::opencl}, {.queue = caller.queue()});
    CHECK(report.passes > 1);
    CHECK(caller.read(to, in.size()) == run(cpu(), all, in, count / 2, 3));
    caller.release(from);
    caller.release(to);

    // Boxes, of which each takes memory for its resize as well.
    std::mt19937 random(7);
    for (Plan& plan : all) {
        plan.width = plan.height = size - 24;
        plan.resized_crop = any_crop(size, size, random);
    }
    CHECK(run(gpu, all, in, count / 2, 3, Layout::u8_hwc, &report) == run(cpu(), all, in, count / 2, 3));
    CHECK(report.passes > 1);
    // Parts that end between the views of an image.
    constexpr int views = 3, odd = 15;
    all.resize(odd * views);
    CHECK(run(gpu, all, in, odd, 3, Layout::u8_hwc, &report) == run(cpu(), all, in, odd, 3));
    CHECK(report.passes > 1);

    // More than there is for a single image, and then one that fits.
    int huge = 9000;
    Bytes large(std::size_t(huge) * huge * 3);
    std::string said = message(Status::out_of_memory, [&] { run(gpu, default_plans(1, huge, huge, 1), large, 1, 3); });
    CHECK(said.find("opencl:0") != std::string::npos);
    all = default_plans(1, size, size, 2);
    in.resize(in.size() / (count / 2));
    CHECK(run(gpu, all, in, 1, 3) == run(cpu(), all, in, 1, 3));
}
