// Ops and plans as plain data: what they may hold, and plans as JSON text.

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <new>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.h"
#include "halmix/error.h"
#include "halmix/op.h"
#include "halmix/plan.h"

using namespace halmix;

namespace {

/// Which allocations fail: one, or all that follow; the latter if `all` is set.
struct Failures {
    long successes_left = -1;  ///< before the first that fails; negative: none fails
    bool all = false;
    bool met = false;  ///< one has failed

    bool next() {
        if (met) return all;
        met = successes_left == 0;
        if (successes_left > 0) --successes_left;
        return met;
    }
};
Failures failures;

}  // namespace

// Not inlined, or the compiler takes a new and its delete for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
    if (void* memory = failures.next() ? nullptr : std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
    return failures.next() ? nullptr : std::malloc(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t count) { return random() % count; }

/// The message of the Error that the call throws, and its status.
template <typename Call>
std::string complaint(Status status, Call call) {
    try {
        call();
    } catch (const Error& error) {
        CHECK(error.status() == status);
        return error.what();
    }
    return "no error";
}

std::string plan_complaint(std::string_view text) {
    return complaint(Status::bad_plan, [&] { return plan_from_json(text); });
}

bool one_line(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
}

/// Any float from 0 to 1, all exponents alike, subnormal ones too.
float random_share(Random& random) {
    switch (below(random, 8)) {
        case 0:
            return 0;
        case 1:
            return 1;
        default:
            return std::bit_cast<float>(static_cast<std::uint32_t>(below(random, std::bit_cast<std::uint32_t>(1.0F))));
    }
}

double random_value(Random& random, const OpInfo& row) {
    const double share = static_cast<double>(random() >> 11) * 0x1p-53;
    const double value = row.min + (row.max - row.min) * share;
    switch (below(random, 8)) {
        case 0:
            return row.min;
        case 1:
            return row.max;
        case 2:
            return 0;
        default:
            return row.type == ValueType::real ? value : std::trunc(value);
    }
}

/// A part of 0 .. count - 1 as where it begins and how long it is, at least 1.
std::array<int, 2> random_part(Random& random, int count) {
    const int length = 1 + static_cast<int>(below(random, count));
    return {static_cast<int>(below(random, count - length + 1)), length};
}

ResizedCrop random_crop(Random& random) {
    const int largest = below(random, 2) == 0 ? 10 : std::numeric_limits<int>::max();
    ResizedCrop crop;
    crop.source_width = random_part(random, largest)[1];
    crop.source_height = random_part(random, largest)[1];
    const auto [left, width] = random_part(random, crop.source_width);
    const auto [top, height] = random_part(random, crop.source_height);
    crop.left = left;
    crop.top = top;
    crop.width = width;
    crop.height = height;
    crop.filter = static_cast<Filter>(below(random, 2));
    crop.order = static_cast<PassOrder>(below(random, 2));
    crop.mirror = below(random, 2) == 0;
    return crop;
}

Plan random_plan(Random& random) {
    Plan plan;
    if (below(random, 2) == 0) plan.resized_crop = random_crop(random);
    plan.width = 1 + static_cast<int>(below(random, std::numeric_limits<int>::max()));
    plan.height = 1 + static_cast<int>(below(random, 1000));
    plan.mix = random_share(random);
    if (below(random, 2) == 0) {
        for (auto& level : plan.fill) level = static_cast<std::uint8_t>(random());
    }
    plan.chains.resize(1 + below(random, max_width));
    for (Chain& chain : plan.chains) {
        chain.weight = random_share(random) / static_cast<float>(plan.chains.size());
        chain.ops.resize(below(random, max_depth + 1));
        for (OpCall& call : chain.ops) {
            const OpInfo& row = ops()[below(random, ops().size())];
            call = {row.op, random_value(random, row)};
        }
    }
    return plan;
}

Plan small_plan() {
    return {.width = 224,
            .height = 96,
            .mix = 0.42F,
            .chains = {{0.31F, {{Op::rotate, -12.5}, {Op::equalize, 0}}}, {0.69F, {{Op::translate_x, -9}}}, {0, {}}}};
}

Plan cropped_plan() {
    Plan plan = small_plan();
    plan.resized_crop = {.source_width = 500, .source_height = 375, .left = 12, .top = 30, .width = 300, .height = 280};
    return plan;
}

}  // namespace

TEST_CASE("the op table", "[op]") {
    for (const OpInfo& row : ops()) {
        INFO(row.name);
        CHECK(&info(row.op) == &row);
        CHECK(parse_op(row.name) == row.op);
        CHECK(row.min <= row.max);
        CHECK(row.unit.empty() == (row.type == ValueType::none));
        CHECK(one_line(row.about));
        CHECK_NOTHROW(validate(OpCall{row.op, row.min}));
        CHECK_NOTHROW(validate(OpCall{row.op, row.max}));
        for (const double value : row.examples) CHECK_NOTHROW(validate(OpCall{row.op, value}));
        CHECK_THROWS_AS(validate(OpCall{row.op, std::nextafter(row.min, -inf)}), Error);
        CHECK_THROWS_AS(validate(OpCall{row.op, std::nextafter(row.max, inf)}), Error);
        for (const double value : {not_a_number, inf, -inf}) CHECK_THROWS_AS(validate(OpCall{row.op, value}), Error);
        const double fraction = row.max - 0.5;
        if (row.type == ValueType::real) {
            CHECK_NOTHROW(validate(OpCall{row.op, fraction}));
        } else {
            CHECK_THROWS_AS(validate(OpCall{row.op, fraction}), Error);
        }
    }
}

TEST_CASE("complaints about ops", "[op]") {
    const auto of = [](OpCall call) { return complaint(Status::invalid_argument, [&] { validate(call); }); };
    CHECK(of({Op::solarize, 300}) == "300 for solarize; allowed are whole numbers 0..256");
    CHECK(of({Op::posterize, 1.5}) == "1.5 for posterize; allowed are whole numbers 0..8");
    CHECK(of({Op::rotate, not_a_number}) == "nan for rotate; allowed are numbers -360..360");
    CHECK(of({Op::translate_x, 3e9}) == "3e+09 for translate_x; allowed are whole numbers -2147483647..2147483647");
    CHECK(of({Op::equalize, 1}) == "1 for equalize; it takes no value, so allowed is 0");
    CHECK(of({static_cast<Op>(200), 0}) ==
          "op number 200 does not exist; allowed are 0.." + std::to_string(ops().size() - 1));
    const auto named = [](std::string_view name) {
        return complaint(Status::invalid_argument, [&] { return parse_op(name); });
    };
    std::string allowed = " is not an op; allowed are ";
    for (const OpInfo& row : ops()) allowed += (row.op == Op{} ? "" : ", ") + std::string(row.name);
    CHECK(named("Rotate") == "'Rotate'" + allowed);
    CHECK(named("") == "''" + allowed);
    CHECK(named("a\n\xff") == "'a\\x0a\\xff'" + allowed);
    CHECK(named(std::string(100000, 'x')) == "'" + std::string(200, 'x') + "...'" + allowed);
}

TEST_CASE("a plan's text", "[plan]") {
    Plan plan = small_plan();
    plan.chains.pop_back();
    plan.fill = {255, 0, 7};
    CHECK(to_json(plan) == R"({
  "version": 1,
  "width": 224,
  "height": 96,
  "mix": 0.42,
  "fill": [255, 0, 7],
  "chains": [
    {"weight": 0.31, "ops": [{"op": "rotate", "value": -12.5}, {"op": "equalize"}]},
    {"weight": 0.69, "ops": [{"op": "translate_x", "value": -9}]}
  ]
})");
    plan.fill = {};
    CHECK(to_json(plan).find("fill") == std::string::npos);
}

TEST_CASE("a resized crop's text", "[plan]") {
    Plan plan = cropped_plan();
    plan.chains = {{1, {}}};
    CHECK(to_json(plan) == R"({
  "version": 2,
  "width": 224,
  "height": 96,
  "resized_crop": {"source_width": 500, "source_height": 375, "left": 12, "top": 30, "width": 300, "height": 280},
  "mix": 0.42,
  "chains": [
    {"weight": 1, "ops": []}
  ]
})");
    plan.resized_crop->filter = Filter::bicubic;
    plan.resized_crop->order = PassOrder::horizontal_first;
    plan.resized_crop->mirror = true;
    const std::string text = to_json(plan);
    CHECK(text.find(R"("height": 280, "filter": "bicubic", "order": "horizontal_first", "mirror": true},)") !=
          std::string::npos);
    CHECK(plan_from_json(text) == plan);
    for (const Filter filter : {Filter::bilinear, Filter::bicubic}) CHECK(parse_filter(name(filter)) == filter);
    for (const PassOrder order : {PassOrder::pillow_13, PassOrder::horizontal_first}) {
        CHECK(parse_pass_order(name(order)) == order);
    }

    // What is not written is what it is by itself, and what is so may be written; version 2 needs no crop.
    const Plan read = plan_from_json(R"({"version": 2, "width": 1, "height": 2, "mix": 0, "chains": [{"weight": 0,
        "ops": []}], "resized_crop": {"mirror": false, "order": "pillow_13", "filter": "bilinear", "height": 1,
        "width": 2, "top": 0.0, "left": 1e0, "source_height": 1, "source_width": 3}})");
    CHECK(read.resized_crop == ResizedCrop{.source_width = 3, .source_height = 1, .left = 1, .width = 2, .height = 1});
    CHECK(!plan_from_json(R"({"version": 2, "width": 1, "height": 2, "mix": 0, "chains": [{"weight": 0, "ops": []}]})")
               .resized_crop);
}

TEST_CASE("no plan's text is longer than the header says", "[plan]") {
    constexpr double wide = -2.2250738585072014e-308;  // as a double's text can be
    const OpCall longest{Op::brightness, wide};
    Plan plan{.width = std::numeric_limits<int>::max(),
              .height = std::numeric_limits<int>::max(),
              .mix = 1.1754944e-38F,
              .fill = {255, 255, 255},
              .chains = std::vector<Chain>(max_width, {1.1754944e-38F, std::vector<OpCall>(max_depth, longest)}),
              .resized_crop = ResizedCrop{.source_width = std::numeric_limits<int>::max(),
                                          .source_height = std::numeric_limits<int>::max(),
                                          .left = 1'000'000'000,
                                          .top = 1'000'000'000,
                                          .width = 1'000'000'000,
                                          .height = 1'000'000'000,
                                          .filter = Filter::bicubic,
                                          .order = PassOrder::horizontal_first,
                                          .mirror = true}};
    const std::size_t length = to_json(plan).size();
    CHECK(length > 15'500);
    CHECK(length < 16'500);
}

TEST_CASE("the order of members does not matter, and whole numbers may have a point", "[plan]") {
    const Plan plan = plan_from_json(
        R"({"chains":[{"ops":[{"value":4.0,"op":"posterize"}],"weight":1}],"mix":1,"height":3.0,"width":2e0,"version":1.0})");
    CHECK(plan == Plan{.width = 2, .height = 3, .mix = 1, .chains = {{1, {{Op::posterize, 4}}}}});
}

TEST_CASE("random plans survive the round trip through JSON", "[plan]") {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        Random random(seed);
        const Plan plan = random_plan(random);
        INFO("seed " << seed);
        const std::string text = to_json(plan);
        const Plan back = plan_from_json(text);
        REQUIRE(back == plan);
        REQUIRE(to_json(back) == text);
    }
}

TEST_CASE("every float32 survives the round trip, in few digits", "[plan]") {
    Plan plan{.width = 1, .height = 1, .chains = {{}}};
    const auto written = [&] {
        const std::string text = to_json(plan);
        const std::size_t start = text.find("\"mix\": ") + 7;
        return text.substr(start, text.find(',', start) - start);
    };
    for (const std::string_view digits :
         {"0", "1", "0.1", "0.3", "0.33333334", "1e-45", "1.1754944e-38", "0.99999994"}) {
        std::from_chars(digits.data(), digits.data() + digits.size(), plan.mix);
        CHECK(written() == digits);
    }
    // The one float up to 1 whose shortest decimal is another float when it is read as a double first.
    plan.mix = 7.038531e-26F;
    CHECK(plan_from_json(to_json(plan)) == plan);
    Random random(1);
    for (int i = 0; i < 20000; ++i) {
        plan.mix = random_share(random);
        const std::string text = written();
        REQUIRE(static_cast<float>(std::stod(text)) == plan.mix);
        REQUIRE(text.size() <= 14);
    }
}

TEST_CASE("complaints about plans in memory", "[plan]") {
    const auto of = [](auto change) {
        Plan plan = small_plan();
        change(plan);
        const std::string message = complaint(Status::bad_plan, [&] { validate(plan); });
        CHECK(complaint(Status::bad_plan, [&] { return to_json(plan); }) == message);
        return message;
    };
    CHECK_NOTHROW(validate(small_plan()));
    CHECK(of([](Plan& p) { p.width = 0; }) == "plan: width: 0; allowed are whole numbers 1..2147483647");
    CHECK(of([](Plan& p) { p.height = -5; }) == "plan: height: -5; allowed are whole numbers 1..2147483647");
    CHECK(of([](Plan& p) { p.mix = -0.5F; }) == "plan: mix: -0.5; allowed are numbers 0..1");
    CHECK(of([](Plan& p) { p.mix = std::nextafter(1.0F, 2.0F); }) ==
          "plan: mix: 1.0000001192092896; allowed are numbers 0..1");
    CHECK(of([](Plan& p) { p.mix = static_cast<float>(not_a_number); }) == "plan: mix: nan; allowed are numbers 0..1");
    CHECK(of([](Plan& p) { p.chains.clear(); }) == "plan: chains: holds 0; allowed are 1..16");
    CHECK(of([](Plan& p) { p.chains.resize(17); }) == "plan: chains: holds 17; allowed are 1..16");
    CHECK(of([](Plan& p) { p.chains[2].ops.resize(17); }) == "plan: chains[2].ops: holds 17; allowed are 0..16");
    CHECK(of([](Plan& p) { p.chains[1].weight = -1; }) == "plan: chains[1].weight: -1; allowed are numbers 0..1");
    CHECK(of([](Plan& p) { p.chains[1].weight = static_cast<float>(not_a_number); }) ==
          "plan: chains[1].weight: nan; allowed are numbers 0..1");
    CHECK(of([](Plan& p) { p.chains[0].weight = p.chains[1].weight = 0.75F; }) ==
          "plan: chains: the weights sum to 1.5; allowed is at most 1");
    CHECK(of([](Plan& p) { p.chains[0].ops[1].value = 2; }) ==
          "plan: chains[0].ops[1].value: 2 for equalize; it takes no value, so allowed is 0");
    CHECK(of([](Plan& p) {
              p.chains[1].ops[0] = {static_cast<Op>(200), 0};
          }) == "plan: chains[1].ops[0].value: op number 200 does not exist; allowed are 0.." +
                    std::to_string(ops().size() - 1));

    const auto of_crop = [&](auto change) {
        return of([&](Plan& p) { change(p.resized_crop.emplace(*cropped_plan().resized_crop)); });
    };
    CHECK_NOTHROW(validate(cropped_plan()));
    CHECK(of_crop([](ResizedCrop& c) { c.source_width = 0; }) ==
          "plan: resized_crop.source_width: 0; allowed are whole numbers 1..2147483647");
    CHECK(of_crop([](ResizedCrop& c) { c.source_height = -1; }) ==
          "plan: resized_crop.source_height: -1; allowed are whole numbers 1..2147483647");
    CHECK(of_crop([](ResizedCrop& c) { c.width = 501; }) ==
          "plan: resized_crop.width: 501; allowed are whole numbers 1..500");
    CHECK(of_crop([](ResizedCrop& c) { c.height = 0; }) ==
          "plan: resized_crop.height: 0; allowed are whole numbers 1..375");
    CHECK(of_crop([](ResizedCrop& c) { c.left = 201; }) ==
          "plan: resized_crop.left: 201; allowed are whole numbers 0..200");
    CHECK(of_crop([](ResizedCrop& c) { c.left = std::numeric_limits<int>::min(); }) ==
          "plan: resized_crop.left: -2147483648; allowed are whole numbers 0..200");
    CHECK(of_crop([](ResizedCrop& c) { c.top = 96; }) == "plan: resized_crop.top: 96; allowed are whole numbers 0..95");
    CHECK(of_crop([](ResizedCrop& c) { c.filter = static_cast<Filter>(2); }) ==
          "plan: resized_crop.filter: filter number 2 does not exist; allowed are 0..1");
    CHECK(of_crop([](ResizedCrop& c) { c.order = static_cast<PassOrder>(255); }) ==
          "plan: resized_crop.order: pass order number 255 does not exist; allowed are 0..1");
    CHECK(complaint(Status::invalid_argument, [] { return parse_filter("box\n"); }) ==
          "'box\\x0a' is not a filter; allowed are bilinear, bicubic");
    CHECK(complaint(Status::invalid_argument, [] { return parse_pass_order(""); }) ==
          "'' is not a pass order; allowed are pillow_13, horizontal_first");
    CHECK(complaint(Status::invalid_argument, [] { return name(static_cast<Filter>(9)); }) ==
          "filter number 9 does not exist; allowed are 0..1");

    Plan rounded = small_plan();  // more than rounding ever adds, but no byte can overflow
    rounded.chains[2].weight = 0.0009F;
    CHECK_NOTHROW(validate(rounded));
    rounded.chains[2].weight = 0.0011F;
    CHECK_THROWS_AS(validate(rounded), Error);
}

TEST_CASE("complaints about plans in text", "[plan]") {
    const auto members = [](const std::string& rest) {
        return plan_complaint(R"({"version":1,"width":4,"height":3,"mix":0.5)" + rest + "}");
    };
    const auto ops = [&](const std::string& list) {
        return members(R"(,"chains":[{"weight":0,"ops":[]},{"weight":1,"ops":)" + list + "}]");
    };
    SECTION("what is not JSON") {
        // What the parser says of nothing at all differs by its version.
        CHECK(plan_complaint("").find("plan: not JSON: parse error at line 1, column 1: ") == 0);
        CHECK(plan_complaint(" ") ==
              "plan: not JSON: parse error at line 1, column 2: syntax error while parsing value - unexpected end of "
              "input; expected '[', '{', or a literal");
        CHECK(plan_complaint("{\n \"version\": 1,\n ]").find("plan: not JSON: parse error at line 3, column 2: ") == 0);
        CHECK(plan_complaint(R"({"version":1,"mix":NaN})").find("plan: not JSON: parse error at line 1, column 20: ") ==
              0);
        CHECK(plan_complaint(to_json(small_plan()) + "x").find("plan: not JSON: parse error at line ") == 0);
        CHECK(plan_complaint(to_json(small_plan()) + '\0') == "plan: not JSON: it holds a zero byte");
        CHECK(plan_complaint("{\"\xff\":1}").find("plan: not JSON: parse error at line 1") == 0);
        CHECK(plan_complaint("[1e999]") == "plan: not JSON: number overflow parsing '1e999'");
    }
    SECTION("what is not a plan") {
        CHECK(plan_complaint("[]") == "plan: an object is needed, found array");
        CHECK(plan_complaint("{}") == "plan: version: missing; a number is needed");
        CHECK(plan_complaint(R"({"version":3,"news":1})") == "plan: version: 3; allowed are whole numbers 1..2");
        CHECK(plan_complaint(R"({"version":1.5})") == "plan: version: 1.5; allowed are whole numbers 1..2");
        CHECK(plan_complaint(R"({"version":"1"})") == "plan: version: a number is needed, found string");
        CHECK(members("") == "plan: chains: missing; an array is needed");
        CHECK(members(R"(,"Chains":[])") ==
              "plan: Chains: unknown member; allowed are version, width, height, resized_crop, mix, fill, chains");
        CHECK(members(R"(,"a\nb":1)") ==
              "plan: a\\x0ab: unknown member; allowed are version, width, height, resized_crop, mix, fill, chains");
        CHECK(members(R"(,"mix":0.5)") == "plan: member 'mix' is given twice");
        CHECK(members(R"(,"chains":[{"weight":1,"weight":1}])") == "plan: member 'weight' is given twice");
        CHECK(plan_complaint(R"({"version":1,"width":2.5})") ==
              "plan: width: 2.5; allowed are whole numbers 1..2147483647");
        CHECK(plan_complaint(R"({"version":1,"width":2147483648})") ==
              "plan: width: 2147483648; allowed are whole numbers 1..2147483647");
        CHECK(plan_complaint(R"({"version":1,"width":2,"height":99999999999999999999})") ==
              "plan: height: 1e+20; allowed are whole numbers 1..2147483647");
        CHECK(plan_complaint(R"({"version":1,"width":true})") == "plan: width: a number is needed, found boolean");
        CHECK(plan_complaint(R"({"version":1,"width":1,"height":1,"mix":1e300})") ==
              "plan: mix: 1e+300; allowed are numbers 0..1");
        CHECK(plan_complaint(R"({"version":1,"width":1,"height":1,"mix":null})") ==
              "plan: mix: a number is needed, found null");
    }
    SECTION("fill") {
        CHECK(members(R"(,"fill":[1,2])") == "plan: fill: holds 2; allowed are three: red, green, blue");
        CHECK(members(R"(,"fill":[1,2,256])") == "plan: fill[2]: 256; allowed are whole numbers 0..255");
        CHECK(members(R"(,"fill":[1,-1,0])") == "plan: fill[1]: -1; allowed are whole numbers 0..255");
        CHECK(members(R"(,"fill":["red",0,0])") == "plan: fill[0]: a number is needed, found string");
        CHECK(members(R"(,"fill":"red")") == "plan: fill: an array is needed, found string");
    }
    SECTION("resized crops") {
        const auto crop = [](const std::string& members, int version = 2) {
            return plan_complaint("{\"version\":" + std::to_string(version) +
                                  R"(,"width":4,"height":3,"mix":0,"chains":[{"weight":1,"ops":[]}],"resized_crop":)" +
                                  members + "}");
        };
        const std::string good = R"("source_width":50,"source_height":40,"left":7,"top":5,"width":20,"height":10)";
        CHECK(crop("{" + good + "}") == "no error");
        CHECK(crop("{" + good + "}", 1) == "plan: resized_crop: belongs to version 2; this is version 1");
        CHECK(crop("null", 1) == "plan: resized_crop: belongs to version 2; this is version 1");
        CHECK(crop("null") == "plan: resized_crop: an object is needed, found null");
        CHECK(crop("[]") == "plan: resized_crop: an object is needed, found array");
        CHECK(crop("{}") == "plan: resized_crop.source_width: missing; a number is needed");
        CHECK(crop(R"({"source_width":1,"source_height":1,"left":0})") ==
              "plan: resized_crop.top: missing; a number is needed");
        CHECK(crop("{" + good + R"(,"box":[1,2]})") ==
              "plan: resized_crop.box: unknown member; allowed are source_width, source_height, left, top, width, "
              "height, filter, order, mirror");
        CHECK(crop("{" + good + R"(,"left":7})") == "plan: member 'left' is given twice");
        CHECK(crop("{" + good + R"(},"resized_crop":{})") == "plan: member 'resized_crop' is given twice");
        CHECK(crop("{" + good + R"(,"filter":"box"})") ==
              "plan: resized_crop.filter: 'box' is not a filter; allowed are bilinear, bicubic");
        CHECK(crop("{" + good + R"(,"filter":1})") == "plan: resized_crop.filter: a string is needed, found number");
        CHECK(crop("{" + good + R"(,"order":""})") ==
              "plan: resized_crop.order: '' is not a pass order; allowed are pillow_13, horizontal_first");
        CHECK(crop("{" + good + R"(,"mirror":1})") == "plan: resized_crop.mirror: a boolean is needed, found number");
        CHECK(crop(R"({"source_width":9.5})") ==
              "plan: resized_crop.source_width: 9.5; allowed are whole numbers 1..2147483647");
        CHECK(crop(R"({"source_width":9,"source_height":9,"left":-1})") ==
              "plan: resized_crop.left: -1; allowed are whole numbers 0..2147483647");
        CHECK(crop(R"({"source_width":9,"source_height":9,"left":3,"top":3,"width":7,"height":6})") ==
              "plan: resized_crop.left: 3; allowed are whole numbers 0..2");
        CHECK(crop(R"({"source_width":9,"source_height":9,"left":3,"top":3,"width":"6","height":6})") ==
              "plan: resized_crop.width: a number is needed, found string");
    }
    SECTION("chains") {
        CHECK(members(R"(,"chains":[])") == "plan: chains: holds 0; allowed are 1..16");
        CHECK(members(R"(,"chains":{})") == "plan: chains: an array is needed, found object");
        CHECK(members(R"(,"chains":[{"weight":1,"ops":[]},7])") ==
              "plan: chains[1]: an object is needed, found number");
        CHECK(members(R"(,"chains":[{"ops":[]}])") == "plan: chains[0].weight: missing; a number is needed");
        CHECK(members(R"(,"chains":[{"weight":1}])") == "plan: chains[0].ops: missing; an array is needed");
        CHECK(members(R"(,"chains":[{"weight":-1e300}])") ==
              "plan: chains[0].weight: -1e+300; allowed are numbers 0..1");
        CHECK(members(R"(,"chains":[{"weight":1,"ops":[],"x":0}])") ==
              "plan: chains[0].x: unknown member; allowed are weight, ops");
        std::string many = R"({"weight":0,"ops":[]})";
        for (int i = 0; i < 16; ++i) many += R"(,{"weight":0,"ops":[]})";
        CHECK(members(",\"chains\":[" + many + "]") == "plan: chains: holds 17; allowed are 1..16");
        CHECK(members(",\"chains\":[7," + many + "]") == "plan: chains: holds 18; allowed are 1..16");
    }
    SECTION("ops") {
        CHECK(ops(R"([{}])") == "plan: chains[1].ops[0].op: missing; a string is needed");
        CHECK(ops(R"([{"op":3}])") == "plan: chains[1].ops[0].op: a string is needed, found number");
        CHECK(ops(R"([{"op":"spin"}])").find("plan: chains[1].ops[0].op: 'spin' is not an op; allowed are autoc") == 0);
        CHECK(ops(R"([{"op":"equalize"},{"op":"rotate"}])") ==
              "plan: chains[1].ops[1].value: missing; a number is needed");
        CHECK(ops(R"([{"op":"equalize","value":0}])") == "plan: chains[1].ops[0].value: equalize takes no value");
        CHECK(ops(R"([{"op":"solarize","value":300}])") ==
              "plan: chains[1].ops[0].value: 300 for solarize; allowed are whole numbers 0..256");
        CHECK(ops(R"([{"op":"solarize","value":[[]]}])") ==
              "plan: chains[1].ops[0].value: a number is needed, found array");
        CHECK(ops(R"([{"op":"rotate","value":1,"unit":"rad"}])") ==
              "plan: chains[1].ops[0].unit: unknown member; allowed are op, value");
        std::string many = R"({"op":"equalize"})";
        for (int i = 0; i < 16; ++i) many += R"(,{"op":"equalize"})";
        CHECK(ops("[" + many + "]") == "plan: chains[1].ops: holds 17; allowed are 0..16");
        CHECK(ops("[7," + many + "]") == "plan: chains[1].ops: holds 18; allowed are 0..16");
    }
    SECTION("long text") {
        std::string text = to_json(small_plan());
        text.resize(max_plan_text, ' ');
        CHECK(plan_from_json(text) == small_plan());
        text += ' ';
        const std::string too_long = "plan: 1048577 bytes of text; allowed are at most 1048576";
        CHECK(plan_complaint(text) == too_long);
        CHECK(plan_complaint(std::string(max_plan_text + 1, '[')) == too_long);
    }
    SECTION("as much as the text can hold is read in a time that grows with it") {
        const auto list = [](const std::string& element, std::size_t count) {
            std::string all = element;
            for (std::size_t i = 1; i < count; ++i) all.append(",").append(element);
            return all;
        };
        std::string names;
        for (int i = 0; i < 80000; ++i) names += ",\"m" + std::to_string(i) + "\":0";
        const std::clock_t start = std::clock();
        CHECK(members(",\"chains\":[" + list("{}", 349000) + "]") == "plan: chains: holds 349000; allowed are 1..16");
        CHECK(ops("[" + list("[]", 349000) + "]") == "plan: chains[1].ops: holds 349000; allowed are 0..16");
        CHECK(members(names).starts_with("plan: m0: unknown member; "));
        CHECK(std::clock() - start < std::clock_t{5} * CLOCKS_PER_SEC);  // quadratic, it takes more than ten seconds
    }
    SECTION("deep nesting") {
        for (const std::string_view bracket : {"[", "{\"a\":", "[{\"a\":"}) {
            std::string text;
            for (int i = 0; i < 100000; ++i) text += bracket;
            CHECK(plan_complaint(text) == "plan: nested deeper than any plan");
        }
    }
}

TEST_CASE("wherever memory runs out, that is what a plan's text throws", "[plan]") {
    const std::string good = to_json(cropped_plan());
    const std::string bad =
        R"({"version":1,"width":4,"height":3,"mix":0.5,"chains":[{"weight":1,"ops":[{"op":"spin"}]}]})";
    for (const std::string& text : {good, bad, good + "x", std::string("[1e999]"), std::string(100, '[')}) {
        for (const bool all : {false, true}) {
            INFO((all ? "all that follow fail: " : "one fails: ") << text);
            long successes = 0;
            int untold = 0;
            do {
                bool told = false;
                failures = {.successes_left = successes, .all = all};
                try {
                    (void)plan_from_json(text);
                    told = !failures.met;
                } catch (const Error& error) {
                    told = !failures.met || error.status() == Status::out_of_memory;
                } catch (const std::bad_alloc&) {
                    told = all;  // there was no memory for an Error either
                }
                untold += !told;
                ++successes;
            } while (std::exchange(failures, {}).met);
            CHECK(successes > 4);
            CHECK(untold == 0);
        }
    }
}

TEST_CASE("mutated plans give a plan or one clear line", "[plan][fuzz]") {
    constexpr std::array<std::string_view, 28> tokens{"{",           "}",        "[",
                                                      "]",           ",",        ":",
                                                      "\"",          "\\u0000",  "\\ud800",
                                                      "-",           "1e400",    "1e-400",
                                                      "0.5",         "-0.0",     "null",
                                                      "true",        "\"op\"",   "256",
                                                      "99999999999", "\"fill\"", "[[[[[[[[[[[[[[[[[[",
                                                      "\xff",        "\n",       "-1",
                                                      "16",          "\"\"",     "\"resized_crop\"",
                                                      "\"bicubic\""};
    int plans = 0;
    int errors = 0;
    for (std::uint64_t seed = 0; seed < 6000; ++seed) {
        Random random(seed);
        std::string text = to_json(random_plan(random));
        if (below(random, 2) == 0) std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
        for (std::size_t count = 1 + below(random, 3); count > 0 && !text.empty(); --count) {
            const std::size_t at = below(random, text.size());
            const std::size_t length = below(random, 30);
            switch (below(random, 6)) {
                case 0:
                    text[at] = static_cast<char>(random());
                    break;
                case 1:
                    text[at] = static_cast<char>('0' + below(random, 10));
                    break;
                case 2:
                    text.erase(at, length);
                    break;
                case 3:
                    text.insert(below(random, text.size()), text.substr(at, length));
                    break;
                case 4:
                    text.insert(at, tokens[below(random, tokens.size())]);
                    break;
                default:
                    if (below(random, 4) == 0) text.resize(at);
                    break;
            }
        }
        INFO("seed " << seed << ": " << text);
        try {
            const Plan plan = plan_from_json(text);
            REQUIRE_NOTHROW(validate(plan));
            REQUIRE(plan_from_json(to_json(plan)) == plan);
            ++plans;
        } catch (const Error& error) {
            REQUIRE(error.status() == Status::bad_plan);
            REQUIRE(one_line(error.what()));
            REQUIRE(std::string_view(error.what()).substr(0, 6) == "plan: ");
            ++errors;
        }
    }
    CHECK(plans > 400);
    CHECK(errors > 3000);
}
