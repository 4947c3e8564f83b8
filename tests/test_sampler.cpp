// The sampler: golden plans, distributions, independence, edges. All seeds are fixed, so every run is the same.

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "catch.h"
#include "halmix/error.h"
#include "halmix/sampler.h"
#include "plan/exact_math.h"

namespace {

std::atomic<long> allocations = 0;

}  // namespace

// Counts what the whole program takes from the heap. Inlined into callers, g++ takes malloc and delete for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    ++allocations;
    return std::malloc(size);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
    if (void* memory = operator new(size, std::nothrow)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

using namespace halmix;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// ---- Statistics

/// Every test of a distribution fails with this probability for a correct sampler and a new seed.
constexpr double significance = 1e-4;
constexpr double two_sided_normal = 3.8906;  ///< the standard normal is farther from 0 with this probability
constexpr double one_sided_normal = 3.7190;

/// The distribution function of something drawn: P(X <= x).
using Distribution = std::function<double(double)>;

/// Kolmogorov and Smirnov's distance times sqrt(n). `below(x)` is P(X < x); it differs where X has atoms, and there
/// the test is conservative.
double distance(std::vector<double> drawn, const Distribution& up_to, const Distribution& below) {
    std::sort(drawn.begin(), drawn.end());
    const auto count = static_cast<double>(drawn.size());
    double largest = 0;
    for (auto first = drawn.begin(); first != drawn.end();) {
        const auto last = std::upper_bound(first, drawn.end(), *first);
        largest = std::max({largest, std::abs(static_cast<double>(first - drawn.begin()) / count - below(*first)),
                            std::abs(static_cast<double>(last - drawn.begin()) / count - up_to(*first))});
        first = last;
    }
    return largest * std::sqrt(count);
}

const double largest_distance = std::sqrt(-std::log(significance / 2) / 2);

/// For doubles, whose neighbours are no step at all.
void check_distribution(const std::vector<double>& drawn, const Distribution& up_to) {
    CHECK(distance(drawn, up_to, [&](double x) { return up_to(std::nextafter(x, -infinity)); }) < largest_distance);
}

/// For values rounded to float32: everything half-way to the neighbours counts as the float, and up to exp(-80) as 0.
void check_float_distribution(const std::vector<double>& drawn, const Distribution& up_to) {
    const auto half_way = [](double x, double to) {
        if (x == 0) return std::exp(-80);
        return (x + std::nextafter(static_cast<float>(x), static_cast<float>(to))) / 2;
    };
    CHECK(distance(
              drawn, [&](double x) { return x == 1 ? 1 : up_to(half_way(x, infinity)); },
              [&](double x) { return x == 0 ? 0 : up_to(half_way(x, -infinity)); }) < largest_distance);
}

/// Pearson's test of counts against probabilities; a probability of 0 must have no count.
void check_counts(const std::vector<long>& counts, const std::vector<double>& probabilities) {
    REQUIRE(counts.size() == probabilities.size());
    const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), 0L));
    double chi_square = 0;
    int freedom = -1;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const double expected = total * probabilities[i];
        if (expected == 0) {
            CHECK(counts[i] == 0);
            continue;
        }
        REQUIRE(expected > 20);
        const double excess = static_cast<double>(counts[i]) - expected;
        chi_square += excess * excess / expected;
        ++freedom;
    }
    if (freedom == 0) return;                   // certain, and so it was
    const double spread = 2.0 / (9 * freedom);  // Wilson and Hilferty
    CHECK(chi_square < freedom * std::pow(1 - spread + one_sided_normal * std::sqrt(spread), 3));
}

/// The regularised incomplete beta function, by its continued fraction (Lentz).
double beta_distribution(double a, double b, double x) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    if (x > (a + 1) / (a + b + 2)) return 1 - beta_distribution(b, a, 1 - x);
    constexpr double tiny = 1e-300;
    double c = 1;
    double d = 1 / std::max(tiny, std::abs(1 - (a + b) * x / (a + 1)));
    double fraction = d;
    for (int m = 1; m < 100000; ++m) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / (1 + even * d);
        c = 1 + even / c;
        fraction *= d * c;
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / (1 + odd * d);
        c = 1 + odd / c;
        fraction *= d * c;
        if (std::abs(d * c - 1) < 1e-12) break;
    }
    const double log_front =
        std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x);
    return std::exp(log_front) * fraction / a;
}

double uniform_distribution(double low, double high, double x) {
    if (low > high) std::swap(low, high);
    return x < low ? 0 : x >= high ? 1 : (x - low) / (high - low);
}

// ---- Drawing

Policy policy_of(std::string_view list, double severity = 3) {
    Policy policy;
    policy.ops = parse_op_choices(list);
    policy.severity = severity;
    return policy;
}

/// The values of one op, drawn many times.
std::vector<double> draw_values(std::string_view op, double severity, int width, int height, std::uint64_t seed = 11) {
    constexpr std::uint64_t count = 20000;
    Policy policy = policy_of(op, severity);
    policy.width = 1;
    policy.depth = 1;
    std::vector<double> values;
    Plan plan;
    for (std::uint64_t i = 0; i < count; ++i) {
        sample(policy, {.seed = seed, .index = i}, width, height, plan);
        values.push_back(plan.chains[0].ops[0].value);
    }
    return values;
}

std::string complaint(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        CHECK(error.status() == Status::invalid_argument);
        return error.what();
    }
    return "no error";
}

RandomResizedCrop crop_of(const nlohmann::json& members) {
    return {.width = members.at("width"),
            .height = members.at("height"),
            .min_scale = members.at("min_scale"),
            .max_scale = members.at("max_scale"),
            .min_ratio = members.at("min_ratio"),
            .max_ratio = members.at("max_ratio"),
            .mirror = members.at("mirror"),
            .filter = parse_filter(members.at("filter").get<std::string>()),
            .order = parse_pass_order(members.at("order").get<std::string>())};
}

Policy cropping(const RandomResizedCrop& crop) {
    Policy policy;
    policy.width = 1;
    policy.depth = 1;
    policy.crop = crop;
    return policy;
}

/// The crops of an image, drawn many times.
std::vector<ResizedCrop> draw_crops(const RandomResizedCrop& crop, int width, int height, std::uint64_t seed = 31) {
    constexpr std::uint64_t count = 20000;
    const Policy policy = cropping(crop);
    std::vector<ResizedCrop> crops;
    Plan plan;
    for (std::uint64_t i = 0; i < count; ++i) {
        sample(policy, {.seed = seed, .index = i}, width, height, plan);
        crops.push_back(plan.resized_crop.value());
    }
    return crops;
}

/// Any crop that is allowed, at the ends of its ranges more often than not.
RandomResizedCrop random_crop(std::mt19937_64& random) {
    constexpr std::array scales{0.0, 5e-324, 1e-9, 0.08, 0.5, 0.9999999999999999, 1.0};
    constexpr std::array ratios{5e-324, 1e-300,  1e-9, 0.3,   0.75,
                                1.0,    4.0 / 3, 1e9,  1e300, std::numeric_limits<double>::max()};
    const auto two_of = [&](const auto& values) {
        return std::minmax({values[random() % values.size()], values[random() % values.size()]});
    };
    const auto [min_scale, max_scale] = two_of(scales);
    const auto [min_ratio, max_ratio] = two_of(ratios);
    return {.width = 1 + static_cast<int>(random() % 300),
            .height = std::numeric_limits<int>::max(),
            .min_scale = min_scale,
            .max_scale = max_scale,
            .min_ratio = min_ratio,
            .max_ratio = max_ratio};
}

template <typename Function>
std::vector<double> values_of(const std::vector<ResizedCrop>& crops, Function function) {
    std::vector<double> values;
    for (const ResizedCrop& crop : crops) values.push_back(function(crop));
    return values;
}

}  // namespace

TEST_CASE("golden plans", "[sampler][golden]") {
    std::ifstream file(HALMIX_TEST_DATA "/sampler_plans.json");
    const auto cases = nlohmann::json::parse(file);
    REQUIRE(cases.size() >= 178);
    int crops = 0;
    for (const auto& row : cases) {
        INFO(row.dump());
        const auto& given = row.at("policy");
        Policy policy;
        policy.severity = given.at("severity");
        policy.width = given.at("width");
        policy.depth = given.at("depth");
        policy.alpha = given.at("alpha");
        policy.ops = parse_op_choices(given.at("ops").get<std::string>());
        if (given.contains("crop")) policy.crop = crop_of(given.at("crop"));
        const auto& at = row.at("key");
        const Key key{at.at("seed"), at.at("epoch"), at.at("index"), at.at("view")};
        const Plan expected = plan_from_json(row.at("plan").dump());
        int width = expected.width, height = expected.height;
        if (expected.resized_crop) {
            width = expected.resized_crop->source_width;
            height = expected.resized_crop->source_height;
            ++crops;
        }
        REQUIRE(sample(policy, key, width, height) == expected);
    }
    CHECK(crops >= 130);
}

TEST_CASE("log, log1p and exp are close to the true ones", "[sampler]") {
    std::mt19937_64 random(1);
    const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
    const auto close = [](double value, double expected) {
        return std::abs(value - expected) <= 1e-13 * std::abs(expected);
    };
    for (int i = 0; i < 200000; ++i) {
        const double x = std::ldexp(uniform() + 0x1p-60, static_cast<int>(random() % 2000) - 1000);
        REQUIRE(close(exact::log(x), std::log(x)));
        const double near = (4 * uniform() - 0.9999) * std::ldexp(1, -static_cast<int>(random() % 200));
        REQUIRE(close(exact::log1p(near), std::log1p(near)));
        const double y = 160 * uniform() - 80;
        REQUIRE(close(exact::exp(y), std::exp(y)));
        const double large = 700 * uniform();
        REQUIRE(std::abs(exact::exp(large) / std::exp(large) - 1) < 1e-12);
    }
    CHECK(exact::log(1) == 0);
    CHECK(exact::log1p(0) == 0);
    CHECK(exact::exp(0) == 1);
    CHECK(exact::exp(std::nextafter(-80, -100)) == 0);
    CHECK(exact::exp(-infinity) == 0);
}

TEST_CASE("a random depth is 1, 2 or 3, equally often", "[sampler][distribution]") {
    std::vector<long> counts(5);
    std::vector<long> pairs(9);  // the depths of two neighbouring chains
    for (std::uint64_t i = 0; i < 20000; ++i) {
        const Plan plan = sample({}, {.index = i}, 32, 32);
        for (const Chain& chain : plan.chains) ++counts.at(chain.ops.size());
        ++pairs.at(3 * (plan.chains[0].ops.size() - 1) + plan.chains[1].ops.size() - 1);
    }
    check_counts(counts, {0, 1.0 / 3, 1.0 / 3, 1.0 / 3, 0});
    check_counts(pairs, std::vector<double>(9, 1.0 / 9));
}

TEST_CASE("a fixed depth and width are kept", "[sampler]") {
    for (int width = 1; width <= max_width; ++width) {
        for (int depth = 1; depth <= max_depth; ++depth) {
            Policy policy;
            policy.width = width;
            policy.depth = depth;
            const Plan plan = sample(policy, {}, 5, 5);
            REQUIRE(plan.chains.size() == static_cast<std::size_t>(width));
            for (const Chain& chain : plan.chains) REQUIRE(chain.ops.size() == static_cast<std::size_t>(depth));
        }
    }
}

TEST_CASE("ops are drawn by weight", "[sampler][distribution]") {
    const auto check = [](std::string_view list, std::vector<double> probabilities) {  // of Composer's ops
        INFO(list);
        Policy policy = policy_of(list);
        policy.width = 4;
        policy.depth = 4;
        probabilities.resize(ops().size());
        std::vector<long> counts(ops().size());
        for (std::uint64_t i = 0; i < 5000; ++i) {
            const Plan plan = sample(policy, {.seed = 5, .index = i}, 32, 32);
            for (const Chain& chain : plan.chains) {
                for (const OpCall& call : chain.ops) ++counts.at(static_cast<std::size_t>(call.op));
            }
        }
        check_counts(counts, probabilities);
    };
    const std::vector<double> all(13, 1.0 / 13);
    check("all", all);
    check("original", all);
    check("all:1e-300", all);
    check("all:1e300", all);
    check("safe", std::vector<double>(9, 1.0 / 9));
    check("rotate:2,equalize:0,color:1,color_original:0.5,shear_x:0.5",
          {0, 0, 0, 0.5, 0, 0.125, 0, 0, 0, 0.375, 0, 0, 0});
    check("equalize:0,sharpness,equalize:0", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
    check("posterize:5e-324,solarize:0", {0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("values follow Composer's laws", "[sampler][distribution]") {
    constexpr int width = 224;
    constexpr int height = 97;
    for (const double severity : {0.0, 0.05, 0.7, 3.0, 10.0}) {
        const double lowest = std::min(0.1, severity);
        const double highest = std::max(0.1, severity);
        const auto level = [=](double x) { return uniform_distribution(lowest, highest, x); };
        /// P(int(level * maximum / 10) <= whole)
        const auto whole = [=](double maximum, double x) {
            return x < 0 ? 0 : level((std::floor(x) + 1) * 10 / maximum);
        };
        /// that of a magnitude with either sign
        const auto either = [](const Distribution& magnitude) -> Distribution {
            return [=](double x) {
                const double mirrored = 1 - magnitude(std::nextafter(-x, -infinity));  // P(magnitude >= -x)
                return x < 0 ? mirrored / 2 : (1 + magnitude(x)) / 2;
            };
        };
        const auto factor = [=](double gain) -> Distribution {
            return [=](double x) {
                const double weaker = uniform_distribution(1 - 0.09 * severity, 1, x);
                const double stronger = severity > 1 ? uniform_distribution(gain, gain * severity, x)
                                                     : uniform_distribution(severity, 1, x);
                return (weaker + stronger) / 2;
            };
        };
        const auto remainder = [=](double maximum) -> Distribution {
            return [=](double x) { return 1 - whole(maximum, maximum - std::floor(x) - 1); };
        };
        const auto signed_whole = [=](double maximum) -> Distribution {
            return either([=](double x) { return whole(maximum, x); });
        };
        const Distribution shear = either([=](double x) { return level(x * 10 / 0.3); });
        const Distribution original = [=](double x) { return level((x - 0.1) * 10 / 1.8); };

        struct Law {
            std::string_view op;
            Distribution up_to;
            double min, max;
        };
        const double moved_x = std::floor(highest * width / 3 / 10);
        const double moved_y = std::floor(highest * height / 3 / 10);
        const double turned = std::floor(highest * 3);
        const double slanted = highest * 0.03;
        const double weakest = severity > 1 ? 1 - 0.09 * severity : std::min(severity, 1 - 0.09 * severity);
        const double strongest = std::max(1.0, severity);
        const std::vector<Law> laws{
            {"posterize", remainder(4), 4 - std::floor(highest * 0.4), 4},
            {"solarize", remainder(256), 256 - std::floor(highest * 25.6), 256},
            {"rotate", signed_whole(30), -turned, turned},
            {"shear_x", shear, -slanted, slanted},
            {"shear_y", shear, -slanted, slanted},
            {"translate_x", signed_whole(width / 3.0), -moved_x, moved_x},
            {"translate_y", signed_whole(height / 3.0), -moved_y, moved_y},
            {"color", factor(1), weakest, strongest},
            {"contrast", factor(1), weakest, strongest},
            {"brightness", factor(0.75), std::min(weakest, severity > 1 ? 0.75 : 1.0), std::max(1.0, severity * 0.75)},
            {"sharpness", factor(1), weakest, strongest},
            {"color_original", original, lowest * 0.18 + 0.1, highest * 0.18 + 0.1},
            {"contrast_original", original, lowest * 0.18 + 0.1, highest * 0.18 + 0.1},
            {"brightness_original", original, lowest * 0.18 + 0.1, highest * 0.18 + 0.1},
            {"sharpness_original", original, lowest * 0.18 + 0.1, highest * 0.18 + 0.1},
        };
        for (const Law& law : laws) {
            INFO(law.op << " at severity " << severity);
            const std::vector<double> values = draw_values(law.op, severity, width, height);
            const auto [min, max] = std::minmax_element(values.begin(), values.end());
            CHECK(*min >= law.min - 1e-12);
            CHECK(*max <= law.max + 1e-12);
            check_distribution(values, law.up_to);
        }
        for (const std::string_view op : {"autocontrast", "equalize"}) {
            for (const double value : draw_values(op, severity, width, height)) REQUIRE(value == 0);
        }
    }
}

TEST_CASE("both signs are equally likely, and there is no -0", "[sampler][distribution]") {
    std::vector<long> signs(2);
    std::uint64_t seed = 0;
    for (const std::string_view op : {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}) {
        for (const double value : draw_values(op, 10, 300, 300, ++seed)) {
            if (value != 0) ++signs[value < 0 ? 1 : 0];
            REQUIRE((value != 0 || !std::signbit(value)));
        }
    }
    check_counts(signs, {0.5, 0.5});
}

TEST_CASE("a value's sign does not depend on its magnitude", "[sampler][distribution]") {
    std::vector<long> counts(4);
    for (const double value : draw_values("shear_x", 10, 32, 32)) {
        ++counts.at((value < 0 ? 2 : 0) + (std::abs(value) < (0.1 + 10) / 2 * 0.03 ? 1 : 0));
    }
    check_counts(counts, std::vector<double>(4, 0.25));
}

TEST_CASE("weights are Dirichlet and mix is Beta", "[sampler][distribution]") {
    constexpr std::uint64_t count = 10000;
    for (const double alpha : {0.01, 0.1, 0.5, 0.999, 1.0, 1.001, 2.0, 10.0, 1e6}) {
        for (const int width : {2, 3, 16}) {
            INFO("alpha " << alpha << ", width " << width);
            Policy policy = policy_of("equalize");
            policy.alpha = alpha;
            policy.width = width;
            policy.depth = 1;
            std::vector<double> first, last, mix, pair;
            Plan plan;
            for (std::uint64_t i = 0; i < count; ++i) {
                sample(policy, {.seed = 3, .index = i}, 8, 8, plan);
                first.push_back(plan.chains.front().weight);
                last.push_back(plan.chains.back().weight);
                mix.push_back(plan.mix);
            }
            const Distribution marginal = [&](double x) { return beta_distribution(alpha, (width - 1) * alpha, x); };
            check_float_distribution(first, marginal);
            check_float_distribution(last, marginal);
            check_float_distribution(mix, [&](double x) { return beta_distribution(alpha, alpha, x); });
        }
    }
}

TEST_CASE("weights are exchangeable and negatively correlated, as Dirichlet's are", "[sampler][distribution]") {
    constexpr int count = 20000;
    for (const double alpha : {0.5, 1.0, 3.0}) {
        INFO("alpha " << alpha);
        Policy policy;
        policy.alpha = alpha;
        std::array<double, 3> products{};
        for (int i = 0; i < count; ++i) {
            const Plan plan = sample(policy, {.seed = 17, .index = static_cast<std::uint64_t>(i)}, 8, 8);
            for (std::size_t k = 0; k < 3; ++k) {
                products[k] += (plan.chains[k].weight - 1.0 / 3) * (plan.chains[(k + 1) % 3].weight - 1.0 / 3);
            }
        }
        const double covariance = -1 / (9 * (3 * alpha + 1));
        const double variance = 2 / (9 * (3 * alpha + 1));  // of one weight; a product spreads no more than twice this
        for (const double product : products) {
            CHECK(std::abs(product / count - covariance) < two_sided_normal * 2 * variance / std::sqrt(count));
        }
    }
}

TEST_CASE("a crop's area is uniform, and so are its ratio's logarithm and its place", "[sampler][distribution]") {
    constexpr int side = 1'000'000;  // of a source so large that rounding to pixels is nothing
    const auto unit = [](double x) { return uniform_distribution(0, 1, x); };
    const auto area = [](const ResizedCrop& c) {
        return static_cast<double>(c.width) * c.height / (static_cast<double>(c.source_width) * c.source_height);
    };
    const auto log_ratio = [](const ResizedCrop& c) { return std::log(static_cast<double>(c.width) / c.height); };
    const auto across = [](const ResizedCrop& c) { return (c.left + 0.5) / (c.source_width - c.width + 1); };
    const auto down = [](const ResizedCrop& c) { return (c.top + 0.5) / (c.source_height - c.height + 1); };

    // Whatever the area, such a square fits.
    const auto squares = draw_crops({.min_ratio = 1, .max_ratio = 1}, side, side);
    check_distribution(values_of(squares, area), [](double x) { return uniform_distribution(0.08, 1, x); });
    for (const ResizedCrop& crop : squares) REQUIRE(crop.width == crop.height);

    // Whatever the ratio, such an area fits.
    const auto halves = draw_crops({.min_scale = 0.2, .max_scale = 0.5}, side, side);
    check_distribution(values_of(halves, area), [](double x) { return uniform_distribution(0.2, 0.5, x); });
    check_distribution(values_of(halves, log_ratio),
                       [](double x) { return uniform_distribution(std::log(0.75), std::log(4.0 / 3), x); });
    check_distribution(values_of(halves, across), unit);
    check_distribution(values_of(halves, down), unit);

    const auto uncorrelated = [&](const std::vector<double>& one, const std::vector<double>& other) {
        const auto count = static_cast<double>(one.size());
        double x1 = 0, y1 = 0, xx = 0, yy = 0, xy = 0;
        for (std::size_t i = 0; i < one.size(); ++i) {
            x1 += one[i], y1 += other[i];
            xx += one[i] * one[i], yy += other[i] * other[i], xy += one[i] * other[i];
        }
        const double correlation = (xy - x1 * y1 / count) / std::sqrt((xx - x1 * x1 / count) * (yy - y1 * y1 / count));
        return std::abs(correlation) < two_sided_normal / std::sqrt(count);
    };
    const std::vector<std::vector<double>> drawn{
        values_of(halves, area), values_of(halves, log_ratio), values_of(halves, across), values_of(halves, down),
        values_of(halves, [](const ResizedCrop& c) { return c.mirror ? 1.0 : 0.0; })};
    for (std::size_t i = 0; i < drawn.size(); ++i) {
        for (std::size_t k = 0; k < i; ++k) {
            INFO(i << " and " << k);
            CHECK(uncorrelated(drawn[i], drawn[k]));
        }
    }
}

TEST_CASE("all places of a box are equally likely", "[sampler][distribution]") {
    // A box of 3x2 in 6x4; what has another size is left out.
    std::vector<long> places(12);
    for (const ResizedCrop& crop :
         draw_crops({.min_scale = 0.24, .max_scale = 0.26, .min_ratio = 1.5, .max_ratio = 1.5}, 6, 4)) {
        REQUIRE(crop.width == 3);
        REQUIRE(crop.height == 2);
        ++places.at(4 * crop.top + crop.left);
    }
    check_counts(places, std::vector<double>(12, 1.0 / 12));
}

TEST_CASE("boxes are tried ten times", "[sampler][distribution]") {
    // A box of an area s fits into a square if its ratio is between s and 1 / s.
    constexpr double scale = 0.9, highest = 4.0 / 3;
    const double fits = std::log(1 / scale) / std::log(highest);
    std::vector<long> counts(2);
    for (const ResizedCrop& crop : draw_crops({.min_scale = scale, .max_scale = scale}, 1'000'000, 1'000'000)) {
        ++counts[crop.width == crop.source_width && crop.height == crop.source_height ? 1 : 0];
    }
    const double fails = std::pow(1 - fits, 10);
    check_counts(counts, {1 - fails, fails});
}

TEST_CASE("where no box fits, the largest allowed one is in the middle", "[sampler]") {
    const auto box = [](const RandomResizedCrop& from, int width, int height) {
        std::vector<int> members;
        for (std::uint64_t i = 0; i < 50; ++i) {
            const ResizedCrop crop = sample(cropping(from), {.index = i}, width, height).resized_crop.value();
            const std::vector<int> drawn{crop.left, crop.top, crop.width, crop.height};
            if (i == 0) members = drawn;
            REQUIRE(drawn == members);
        }
        return members;
    };
    using Box = std::vector<int>;
    CHECK(box({}, 1000, 10) == Box{493, 0, 13, 10});
    CHECK(box({}, 10, 1000) == Box{0, 493, 10, 13});
    CHECK(box({.min_scale = 0.9, .min_ratio = 1, .max_ratio = 1}, 7, 2) == Box{2, 0, 2, 2});
    CHECK(box({.min_ratio = 0.4, .max_ratio = 0.4}, 1, 1000) == Box{0, 499, 1, 2});  // 2.5 rounds to even
    CHECK(box({.min_ratio = 50, .max_ratio = 60}, 10, 10) == Box{0, 4, 10, 1});      // a row that torchvision has not
    CHECK(box({.min_ratio = 0.01, .max_ratio = 0.02}, 10, 10) == Box{4, 0, 1, 10});
    CHECK(box({.min_scale = 0, .max_scale = 0}, 40, 30) == Box{0, 0, 40, 30});
    CHECK(box({.min_scale = 1, .min_ratio = 1.34, .max_ratio = 1.4}, 400, 300) == Box{0, 0, 400, 299});
}

TEST_CASE("results are mirrored as often as asked", "[sampler][distribution]") {
    for (const double probability : {0.0, 0.001, 0.25, 0.5, 0.9, 1.0}) {
        INFO(probability);
        for (const int width : {40, 4000}) {  // also where no box fits
            std::vector<long> counts(2);
            for (const ResizedCrop& crop : draw_crops({.mirror = probability}, width, 30))
                ++counts[crop.mirror ? 1 : 0];
            if (probability == 0.001) {
                CHECK(counts[1] > 3);
                CHECK(counts[1] < 42);
            } else {
                check_counts(counts, {1 - probability, probability});
            }
        }
    }
}

TEST_CASE("a crop changes nothing else of a plan", "[sampler]") {
    for (std::uint64_t i = 0; i < 2000; ++i) {
        Policy policy = policy_of("all", static_cast<double>(i % 11));
        policy.alpha = i % 3 == 0 ? 1 : 0.4;
        policy.fill = {9, 8, 7};
        const Key key{.seed = 5, .index = i};
        const Plan plain = sample(policy, key, 61, 47);
        policy.crop = {.width = 61, .height = 47, .filter = Filter::bicubic, .order = PassOrder::horizontal_first};
        Plan cropped = sample(policy, key, 500, 375);
        const ResizedCrop crop = cropped.resized_crop.value();
        REQUIRE(crop.source_width == 500);
        REQUIRE(crop.source_height == 375);
        REQUIRE(crop.filter == Filter::bicubic);
        REQUIRE(crop.order == PassOrder::horizontal_first);
        cropped.resized_crop.reset();
        REQUIRE(cropped == plain);
    }
}

TEST_CASE("neighbouring keys are independent", "[sampler][distribution]") {
    constexpr int count = 20000;
    const auto uniforms = [](const Key& key) {
        Policy policy = policy_of("shear_x");
        policy.width = 2;
        policy.depth = 1;
        const Plan plan = sample(policy, key, 8, 8);
        return std::array<double, 3>{plan.chains[0].weight, plan.mix, plan.chains[1].ops[0].value};
    };
    const auto correlation = [&](const std::function<Key(std::uint64_t)>& one,
                                 const std::function<Key(std::uint64_t)>& other, std::size_t which) {
        double x1 = 0, y1 = 0, xx = 0, yy = 0, xy = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            const double x = uniforms(one(i))[which];
            const double y = uniforms(other(i))[which];
            x1 += x, y1 += y, xx += x * x, yy += y * y, xy += x * y;
        }
        return (xy - x1 * y1 / count) / std::sqrt((xx - x1 * x1 / count) * (yy - y1 * y1 / count));
    };
    const auto key = [](std::uint64_t i) { return Key{.seed = 23, .epoch = 4, .index = 2 * i, .view = 6}; };
    const std::vector<std::function<Key(std::uint64_t)>> neighbours{
        [&](std::uint64_t i) { return Key{.seed = 24, .epoch = 4, .index = 2 * i, .view = 6}; },
        [&](std::uint64_t i) { return Key{.seed = 23, .epoch = 5, .index = 2 * i, .view = 6}; },
        [&](std::uint64_t i) { return Key{.seed = 23, .epoch = 4, .index = 2 * i + 1, .view = 6}; },
        [&](std::uint64_t i) { return Key{.seed = 23, .epoch = 4, .index = 2 * i, .view = 7}; },
        [&](std::uint64_t i) { return Key{.seed = 23 + (1ULL << 32), .epoch = 4, .index = 2 * i, .view = 6}; },
        [&](std::uint64_t i) { return Key{.seed = 23, .epoch = 4, .index = 2 * i + (1ULL << 32), .view = 6}; },
        [&](std::uint64_t i) { return Key{.seed = 4, .epoch = 23, .index = 2 * i, .view = 6}; },
    };
    for (std::size_t n = 0; n < neighbours.size(); ++n) {
        for (std::size_t which = 0; which < 3; ++which) {
            INFO("neighbour " << n << ", draw " << which);
            CHECK(std::abs(correlation(key, neighbours[n], which)) < two_sided_normal / std::sqrt(count));
        }
    }
    CHECK(correlation(key, key, 0) > 0.999);  // this test can fail
}

TEST_CASE("every part of the key matters, to its last bit", "[sampler]") {
    Policy policy;
    policy.width = 16;
    policy.crop = RandomResizedCrop{};
    const auto plan = [&](const Key& key) { return sample(policy, key, 1000, 1000); };
    const Plan base = plan({});
    CHECK(plan({}) == base);
    for (int bit = 0; bit < 64; ++bit) {
        CHECK(plan({.seed = 1ULL << bit}) != base);
        CHECK(plan({.index = 1ULL << bit}) != base);
        if (bit < 32) CHECK(plan({.epoch = 1U << bit}) != base);
        if (bit < 16) CHECK(plan({.view = static_cast<std::uint16_t>(1U << bit)}) != base);
    }
}

TEST_CASE("every policy and size gives a valid plan", "[sampler]") {
    constexpr std::array<double, 16> alphas{5e-324,
                                            1e-310,
                                            1e-300,
                                            1e-100,
                                            1e-10,
                                            1e-3,
                                            0.9999999999999999,
                                            1,
                                            1.0000000000000002,
                                            7,
                                            1e8,
                                            1e9,
                                            1e10,
                                            1e100,
                                            1e300,
                                            std::numeric_limits<double>::max()};
    constexpr std::array<std::array<int, 2>, 7> sizes{
        {{1, 1}, {1, 7}, {3, 1}, {224, 224}, {100000, 3}, {2, 2147483647}, {2147483647, 2147483647}}};
    constexpr std::array<std::string_view, 4> lists{"all", "safe", "original", "translate_x,translate_y,solarize"};
    for (std::uint64_t seed = 0; seed < 20000; ++seed) {
        INFO("seed " << seed);
        std::mt19937_64 random(seed);
        Policy policy = policy_of(lists[random() % lists.size()], static_cast<double>(random() % 1001) / 100);
        policy.width = 1 + static_cast<int>(random() % max_width);
        policy.depth = random() % 4 == 0 ? -1 : 1 + static_cast<int>(random() % max_depth);
        policy.alpha = alphas[random() % alphas.size()];
        policy.fill = {static_cast<std::uint8_t>(random()), 2, 3};
        auto [width, height] = sizes[random() % sizes.size()];
        if (random() % 2 == 0) policy.crop = random_crop(random);
        const Plan plan = sample(policy, {.seed = seed}, width, height);
        REQUIRE_NOTHROW(validate(plan));
        REQUIRE(plan.resized_crop.has_value() == policy.crop.has_value());
        if (policy.crop) {
            REQUIRE(plan.resized_crop->source_width == width);
            REQUIRE(plan.resized_crop->source_height == height);
            width = policy.crop->width;
            height = policy.crop->height;
        }
        REQUIRE(plan.width == width);
        REQUIRE(plan.height == height);
        REQUIRE(plan.fill == policy.fill);
        double sum = 0;
        for (const Chain& chain : plan.chains) {
            sum += chain.weight;
            REQUIRE((chain.weight == 0 || chain.weight >= std::numeric_limits<float>::min()));
        }
        REQUIRE(std::abs(sum - 1) < 1e-6);
    }
}

TEST_CASE("extreme alphas give their limits", "[sampler]") {
    Policy policy;
    std::vector<long> winners(3);
    std::vector<long> mixes(2);
    for (std::uint64_t i = 0; i < 3000; ++i) {
        for (const double alpha : {5e-324, 1e-300, 1e-10}) {
            policy.alpha = alpha;
            const Plan plan = sample(policy, {.index = i}, 8, 8);
            std::size_t ones = 0;
            for (std::size_t k = 0; k < 3; ++k) {
                if (plan.chains[k].weight != 1) continue;
                ++ones;
                ++winners[k];
            }
            REQUIRE(ones == 1);
            REQUIRE((plan.mix == 0 || plan.mix == 1));
            ++mixes[plan.mix == 1 ? 1 : 0];
        }
        for (const double alpha : {1e20, 1e300, std::numeric_limits<double>::max()}) {
            policy.alpha = alpha;
            const Plan plan = sample(policy, {.index = i}, 8, 8);
            for (const Chain& chain : plan.chains) REQUIRE(chain.weight == 1.0F / 3);
            REQUIRE(plan.mix == 0.5F);
        }
    }
    for (long& count : winners) count /= 3;  // the three alphas share their random numbers
    for (long& count : mixes) count /= 3;
    check_counts(winners, std::vector<double>(3, 1.0 / 3));
    check_counts(mixes, {0.5, 0.5});
}

TEST_CASE("a reused plan takes no memory after its first use", "[sampler]") {
    for (const double alpha : {1.0, 0.3}) {
        for (const int depth : {-1, 1, 16}) {
            Policy policy;
            policy.alpha = alpha;
            policy.depth = depth;
            if (depth != 1) policy.crop = RandomResizedCrop{};
            Plan plan;
            const long before = allocations;
            sample(policy, {}, 224, 224, plan);
            const long after_first = allocations;
            for (std::uint64_t i = 1; i < 2000; ++i) sample(policy, {.index = i}, 224, 224, plan);
            const long after_all = allocations;
            CHECK(after_first > before);  // allocations are counted at all
            CHECK(after_all == after_first);
            CHECK(plan == sample(policy, {.index = 1999}, 224, 224));
        }
    }
}

TEST_CASE("what a reused plan held before does not matter", "[sampler]") {
    Policy cropped = policy_of("all");
    cropped.crop = RandomResizedCrop{};
    Plan plan = sample(cropped, {.index = 1}, 640, 480);
    Policy policy = policy_of("safe");
    policy.width = 1;
    policy.depth = 2;
    policy.fill = {1, 2, 3};
    sample(policy, {.index = 2}, 3, 4, plan);
    CHECK(plan == sample(policy, {.index = 2}, 3, 4));
}

TEST_CASE("threads draw the same plans", "[sampler]") {
    const Policy policy;
    const auto draw = [&policy] {
        std::vector<Plan> plans;
        for (std::uint64_t i = 0; i < 500; ++i) plans.push_back(sample(policy, {.index = i}, 32, 32));
        return plans;
    };
    const std::vector<Plan> expected = draw();
    std::array<std::vector<Plan>, 4> drawn;
    std::vector<std::thread> threads;
    for (auto& plans : drawn) threads.emplace_back([&plans, &draw] { plans = draw(); });
    for (std::thread& thread : threads) thread.join();
    for (const auto& plans : drawn) CHECK(plans == expected);
}

TEST_CASE("lists of ops", "[sampler]") {
    const auto names = [](std::string_view list) {
        std::string text;
        for (const OpChoice& choice : parse_op_choices(list)) {
            text += std::string(info(choice.op).name) + (choice.law == FactorLaw::original ? "_original" : "") + ":" +
                    std::to_string(choice.weight).substr(0, 4) + " ";
        }
        return text;
    };
    const std::string safe =
        "autocontrast:1.00 equalize:1.00 posterize:1.00 rotate:1.00 solarize:1.00 shear_x:1.00 shear_y:1.00 "
        "translate_x:1.00 translate_y:1.00 ";
    CHECK(names("safe") == safe);
    CHECK(names("all") == safe + "color:1.00 contrast:1.00 brightness:1.00 sharpness:1.00 ");
    CHECK(names("original") ==
          safe + "color_original:1.00 contrast_original:1.00 brightness_original:1.00 sharpness_original:1.00 ");
    CHECK(parse_op_choices("all") == Policy{}.ops);
    for (const OpInfo& op : ops()) CHECK(names(op.name) == std::string(op.name) + ":1.00 ");
    CHECK(names("rotate") == "rotate:1.00 ");
    CHECK(names(" rotate:2 ,\tcolor_original : 0.25\n") == "rotate:2.00 color_original:0.25 ");
    CHECK(names("equalize,equalize:3") == "equalize:1.00 equalize:3.00 ");
    CHECK(names("color,safe:0").substr(0, 30) == "color:1.00 autocontrast:0.00 e");

    const auto of = [](std::string_view list) { return complaint([&] { static_cast<void>(parse_op_choices(list)); }); };
    std::string allowed = "; allowed are all, safe, original";
    for (const OpInfo& op : ops()) {
        const std::string name = ", " + std::string(op.name);
        allowed += name;
        if (op.op >= Op::color && op.op <= Op::sharpness) allowed += name + "_original";
    }
    CHECK(of("spin") == "ops: 'spin' is not known" + allowed);
    CHECK(of("rotate_original") == "ops: 'rotate_original' is not known" + allowed);
    CHECK(of("") == "ops: an item is empty" + allowed);
    CHECK(of("  ") == "ops: an item is empty" + allowed);
    CHECK(of("rotate,") == "ops: an item is empty" + allowed);
    CHECK(of(",rotate") == "ops: an item is empty" + allowed);
    CHECK(of(":2") == "ops: an item is empty" + allowed);
    CHECK(of("a\nb") == "ops: 'a\\x0ab' is not known" + allowed);
    CHECK(of("rotate:") == "ops: weight '' is not a number");
    CHECK(of("rotate:two") == "ops: weight 'two' is not a number");
    CHECK(of("rotate:2x") == "ops: weight '2x' is not a number");
    CHECK(of("rotate:1:2") == "ops: weight '1:2' is not a number");
    CHECK(of("rotate:-1") == "ops: weight -1 for rotate; allowed are finite numbers from 0 up");
    CHECK(of("rotate:nan") == "ops: weight nan for rotate; allowed are finite numbers from 0 up");
    CHECK(of("rotate:inf") == "ops: weight inf for rotate; allowed are finite numbers from 0 up");
    CHECK(of("rotate:0,equalize:0") == "ops: all weights are 0; at least one must be above");
    CHECK(of("all:1e308") == "ops: the weights are too large to be added");
}

TEST_CASE("complaints about policies and sizes", "[sampler]") {
    const auto of = [](const std::function<void(Policy&)>& change) {
        Policy policy;
        change(policy);
        const std::string message = complaint([&] { validate(policy); });
        CHECK(complaint([&] { static_cast<void>(sample(policy, {}, 8, 8)); }) == message);
        return message;
    };
    CHECK(of([](Policy& p) { p.severity = 10.5; }) == "severity: 10.5; allowed are numbers 0..10");
    CHECK(of([](Policy& p) { p.severity = -1; }) == "severity: -1; allowed are numbers 0..10");
    CHECK(of([](Policy& p) { p.severity = not_a_number; }) == "severity: nan; allowed are numbers 0..10");
    CHECK(of([](Policy& p) { p.width = 0; }) == "width: 0; allowed are whole numbers 1..16");
    CHECK(of([](Policy& p) { p.width = 17; }) == "width: 17; allowed are whole numbers 1..16");
    CHECK(of([](Policy& p) { p.depth = 0; }) == "depth: 0; allowed are -1 and whole numbers 1..16");
    CHECK(of([](Policy& p) { p.depth = -2; }) == "depth: -2; allowed are -1 and whole numbers 1..16");
    CHECK(of([](Policy& p) { p.depth = 17; }) == "depth: 17; allowed are -1 and whole numbers 1..16");
    CHECK(of([](Policy& p) { p.alpha = 0; }) == "alpha: 0; allowed are finite numbers above 0");
    CHECK(of([](Policy& p) { p.alpha = infinity; }) == "alpha: inf; allowed are finite numbers above 0");
    CHECK(of([](Policy& p) { p.alpha = not_a_number; }) == "alpha: nan; allowed are finite numbers above 0");
    CHECK(of([](Policy& p) { p.ops.clear(); }) == "ops: empty; at least one op is needed");
    CHECK(of([](Policy& p) { p.ops[3].weight = -2; }) ==
          "ops: weight -2 for rotate; allowed are finite numbers from 0 up");
    CHECK(of([](Policy& p) { p.ops[0].op = static_cast<Op>(99); }) == "ops: an op that does not exist");
    const auto of_crop = [&](const RandomResizedCrop& crop) { return of([&](Policy& p) { p.crop = crop; }); };
    CHECK(of_crop({}) == "no error");
    CHECK(of_crop({.min_scale = 0, .max_scale = 0, .min_ratio = 1, .max_ratio = 1, .mirror = 0}) == "no error");
    CHECK(of_crop({.width = 0}) == "crop.width: 0; allowed are whole numbers 1..2147483647");
    CHECK(of_crop({.height = -3}) == "crop.height: -3; allowed are whole numbers 1..2147483647");
    CHECK(of_crop({.min_scale = -0.1}) == "crop.min_scale: -0.1; allowed are numbers 0..1");
    CHECK(of_crop({.min_scale = not_a_number}) == "crop.min_scale: nan; allowed are numbers 0..1");
    CHECK(of_crop({.min_scale = 8, .max_scale = 100}) == "crop.min_scale: 8; allowed are numbers 0..1");
    CHECK(of_crop({.max_scale = 0.05}) == "crop.max_scale: 0.05; allowed are numbers 0.08..1");
    CHECK(of_crop({.max_scale = 1.5}) == "crop.max_scale: 1.5; allowed are numbers 0.08..1");
    CHECK(of_crop({.min_ratio = 0}) == "crop.min_ratio: 0; allowed are finite numbers above 0");
    CHECK(of_crop({.min_ratio = infinity, .max_ratio = infinity}) ==
          "crop.min_ratio: inf; allowed are finite numbers above 0");
    CHECK(of_crop({.max_ratio = 0.5}) == "crop.max_ratio: 0.5; allowed are finite numbers from 0.75 up");
    CHECK(of_crop({.max_ratio = not_a_number}) == "crop.max_ratio: nan; allowed are finite numbers from 0.75 up");
    CHECK(of_crop({.mirror = 1.01}) == "crop.mirror: 1.01; allowed are numbers 0..1");
    CHECK(of_crop({.filter = static_cast<Filter>(7)}) ==
          "crop.filter: filter number 7 does not exist; allowed are 0..1");
    CHECK(of_crop({.order = static_cast<PassOrder>(2)}) ==
          "crop.order: pass order number 2 does not exist; allowed are 0..1");
    for (const int bad : {0, -1, std::numeric_limits<int>::min()}) {
        const std::string tail = ": " + std::to_string(bad) + "; allowed are whole numbers 1..2147483647";
        CHECK(complaint([&] { static_cast<void>(sample({}, {}, bad, 5)); }) == "image width" + tail);
        CHECK(complaint([&] { static_cast<void>(sample({}, {}, 5, bad)); }) == "image height" + tail);
    }
}
