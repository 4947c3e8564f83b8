// What happens when a GPU's driver fails: each call of OpenCL's once, with each error there is, or all from one on. The
// driver is a real one, such as PoCL, which runs on the CPU; the library is handed its functions with a fault before
// them.

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.h"
#include "contents.h"
#include "engines.h"
#include "halmix/halmix.h"
#include "reference/reference.h"

using namespace halmix;

namespace {

constexpr int invalid_value = -30, device_not_available = -2, out_of_resources = -5;

/// What shall fail: of the calls of one function, or of any if it has no name, the one of this number and as many as
/// `count` from there on.
struct Fault {
    std::string_view function;
    int number = 0, count = 0;
    int code = 0;
} fault;

std::map<std::string_view, int> calls;  ///< of each function, since it was cleared
int all_calls = 0;

/// Counts a call; whether it fails.
bool fails(std::string_view function) {
    const int number = fault.function.empty() ? all_calls : calls[function];
    calls[function]++;
    all_calls++;
    const bool meant = fault.function.empty() || fault.function == function;
    return meant && number >= fault.number && number - fault.number < fault.count;
}

/// A function of OpenCL as all are seen from here: all arguments are numbers or pointers, which lie in registers and on
/// the stack alike; what lies there beyond a function's own does no harm.
using Word = std::uintptr_t;
using Function = Word(Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word);

struct Wrapped {
    std::string_view name;
    int status;  ///< which argument is a pointer to the status; -1 for functions that return it
};

constexpr std::array wrapped = {
    Wrapped{"clBuildProgram", -1},
    Wrapped{"clCreateBuffer", 4},
    Wrapped{"clCreateKernel", 2},
    Wrapped{"clCreateProgramWithSource", 4},
    Wrapped{"clCreateSubBuffer", 4},
    Wrapped{"clEnqueueCopyBuffer", -1},
    Wrapped{"clEnqueueNDRangeKernel", -1},
    Wrapped{"clEnqueueReadBuffer", -1},
    Wrapped{"clEnqueueReadBufferRect", -1},
    Wrapped{"clEnqueueWriteBuffer", -1},
    Wrapped{"clEnqueueWriteBufferRect", -1},
    Wrapped{"clFinish", -1},
    Wrapped{"clSetKernelArg", -1},
};

std::array<Function*, wrapped.size()> real_functions{};

template <std::size_t k>
Word call(Word a, Word b, Word c, Word d, Word e, Word f, Word g, Word h, Word i, Word j, Word l, Word m, Word n,
          Word o) {
    constexpr Wrapped function = wrapped[k];
    if (!fails(function.name)) return real_functions[k](a, b, c, d, e, f, g, h, i, j, l, m, n, o);
    if constexpr (function.status < 0) {
        return static_cast<Word>(fault.code);
    } else {
        if (auto* status = reinterpret_cast<int*>(std::array{a, b, c, d, e}[function.status])) *status = fault.code;
        return 0;
    }
}

template <std::size_t... k>
void* with_fault(std::string_view name, void* real, std::index_sequence<k...> /*all*/) {
    void* found = real;
    ((wrapped[k].name == name
          ? (real_functions[k] = reinterpret_cast<Function*>(real), found = reinterpret_cast<void*>(call<k>))
          : nullptr),
     ...);
    return found;
}

}  // namespace

// Where the library looks a function up; the linker has it call this one (tests.cmake).
extern "C" {
// NOLINTBEGIN(readability-identifier-naming)
decltype(dlsym) __real_dlsym;
void* __wrap_dlsym(void* handle, const char* name) noexcept {
    void* const symbol = __real_dlsym(handle, name);
    return symbol == nullptr ? nullptr : with_fault(name, symbol, std::make_index_sequence<wrapped.size()>());
}
// NOLINTEND(readability-identifier-naming)
}

namespace {

constexpr int width = 40, height = 30, count = 3;
constexpr std::size_t bytes = std::size_t{width} * height * 3;

/// A batch with all there is: boxes, chains, a mixture, floats, from another layout.
struct Work {
    std::vector<Plan> plans;
    std::vector<std::uint8_t> in, out, expected;

    Work() {
        Policy policy;
        policy.crop = RandomResizedCrop{.width = width, .height = height};
        for (std::uint64_t i = 0; i < count; i++) plans.push_back(sample(policy, {.seed = 1, .index = i}, 64, 48));
        for (unsigned i = 0; i < count; i++) {
            const auto image = make(reference::Content::noise, 64, 48, 3, i);
            in.insert(in.end(), image.pixels.begin(), image.pixels.end());
        }
        out.resize(count * bytes * 4);
        run(Engine(test::least_cpu()));
        expected = std::exchange(out, std::vector<std::uint8_t>(out.size()));
    }

    void run(const Engine& engine) {
        engine.run(plans, {in.data(), count, 64, 48, 3, Memory::host, Layout::u8_chw},
                   {out.data(), count, width, height, 3, Memory::host, Layout::f32_chw});
    }

    /// Whether the next call gives the right bytes.
    bool goes_on(const Engine& engine) {
        fault = {};
        std::ranges::fill(out, 0);
        run(engine);
        return out == expected;
    }

    /// Runs with a fault; the error's status, and its message, which names the device; ok if there was none.
    std::pair<Status, std::string> with(const Engine& engine, const Fault& wanted) {
        calls.clear();
        all_calls = 0;
        fault = wanted;
        std::pair<Status, std::string> outcome{Status::ok, ""};
        try {
            run(engine);
        } catch (const Error& error) {
            outcome = {error.status(), error.what()};
            INFO(wanted.function << " " << wanted.number << " " << wanted.code << ": " << error.what());
            CHECK(outcome.second.find(engine.target().devices.at(0)) != std::string::npos);
            // And what it was that failed.
            CHECK((outcome.second.find("CL_") != std::string::npos || outcome.second.find("cl") != std::string::npos));
        }
        fault = {};
        return outcome;
    }
};

bool has_opencl() {
    const auto found = targets();
    if (std::ranges::any_of(found, [](const auto& target) { return target.name == "opencl" && target.available; })) {
        return true;
    }
    WARN("no driver of OpenCL, or the build lacks the target: nothing has been shown");
    return false;
}

}  // namespace

TEST_CASE("each call of a driver fails once: an error that names the device, and the next call works") {
    if (!has_opencl()) return;
    const Engine gpu("opencl");
    Work work;
    // What is done once, such as building kernels, is done for an engine of which nothing is known.
    for (const char* first : {"clCreateProgramWithSource", "clBuildProgram", "clCreateKernel"}) {
        CHECK(work.with(gpu, {first, 0, 1, out_of_resources}).first != Status::ok);
    }
    REQUIRE(work.goes_on(gpu));
    REQUIRE(work.with(gpu, {}).first == Status::ok);
    const auto warm = calls;
    CHECK(warm.size() > 4);
    int failed = 0;
    for (const auto& [function, times] : warm) {
        for (int k = 0; k < times; k++) {
            INFO(function << ", call " << k);
            CHECK(work.with(gpu, {function, k, 1, invalid_value}).first == Status::pipeline_failed);
            failed++;
            REQUIRE(work.goes_on(gpu));
        }
    }
    CHECK(failed > 20);
}

TEST_CASE("a driver returns each error there is") {
    if (!has_opencl()) return;
    const Engine gpu("opencl");
    Work work;
    REQUIRE(work.goes_on(gpu));
    for (int code = -1; code >= -72; code--) {
        for (const char* function : {"clEnqueueNDRangeKernel", "clFinish"}) {
            INFO(function << ": " << code);
            CHECK(work.with(gpu, {function, 0, 1, code}).first != Status::ok);
            REQUIRE(work.goes_on(gpu));
        }
    }
}

TEST_CASE("a device has no memory, at any allocation") {
    if (!has_opencl()) return;
    Work work;
    REQUIRE(work.goes_on(Engine("opencl")));
    for (int code : {-4, -5, -6, -61}) {
        for (int k = 0;; k++) {
            const Engine gpu("opencl");  // whose memory is not there yet
            // All from there on: where one fails, a batch is tried in parts.
            const auto [status, said] = work.with(gpu, {"clCreateBuffer", k, 1000, code});
            if (status == Status::ok) {
                CHECK(k > 3);
                break;
            }
            INFO("allocation " << k << ": " << said);
            CHECK(status == Status::out_of_memory);
            REQUIRE(work.goes_on(gpu));
        }
    }
}

TEST_CASE("a device that is lost, at any moment, until it is there again") {
    if (!has_opencl()) return;
    const Engine gpu("opencl");
    Work work;
    REQUIRE(work.goes_on(gpu));
    REQUIRE(work.with(gpu, {}).first == Status::ok);
    const int warm = all_calls;
    for (int k = 0; k < warm; k++) {
        CHECK(work.with(gpu, {"", k, 100'000, device_not_available}).first == Status::pipeline_failed);
        for (int again = 0; again < 2; again++) {
            CHECK(work.with(gpu, {"", 0, 100'000, device_not_available}).first != Status::ok);
        }
        if (k % 10 == 0) REQUIRE(work.goes_on(gpu));
    }
    {
        Engine other("opencl");
        CHECK(work.with(other, {"", warm / 2, 100'000, device_not_available}).first != Status::ok);
        fault = {"", 0, 100'000, device_not_available};
    }  // is destroyed while the device is away
    CHECK(work.goes_on(gpu));
}
