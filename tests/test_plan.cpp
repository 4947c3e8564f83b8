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

Plan random_plan(Random& random) {
    Plan plan;
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
        CHECK(plan_complaint(R"({"version":2,"news":1})") == "plan: version: 2; allowed is 1");
        CHECK(plan_complaint(R"({"version":"1"})") == "plan: version: a number is needed, found string");
        CHECK(members("") == "plan: chains: missing; an array is needed");
        CHECK(members(R"(,"Chains":[])") ==
              "plan: Chains: unknown member; allowed are version, width, height, mix, fill, chains");
        CHECK(members(R"(,"a\nb":1)") ==
              "plan: a\\x0ab: unknown member; allowed are version, width, height, mix, fill, chains");
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
    const std::string good = to_json(small_plan());
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
    constexpr std::array<std::string_view, 26> tokens{
        "{",       "}",       "[",      "]",     ",",           ":",        "\"",
        "\\u0000", "\\ud800", "-",      "1e400", "1e-400",      "0.5",      "-0.0",
        "null",    "true",    "\"op\"", "256",   "99999999999", "\"fill\"", "[[[[[[[[[[[[[[[[[[",
        "\xff",    "\n",      "-1",     "16",    "\"\""};
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
