#include "halmix/plan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "halmix/error.h"
#include "plan/text.h"

namespace halmix {
namespace {

using nlohmann::json;

constexpr int format_version = 1;
constexpr int max_nesting = 16;  // a plan has five levels; this only bounds hostile text
constexpr int max_pixels = std::numeric_limits<int>::max();

/// How far above 1 the weights may sum: many times the rounding of max_width floats, and too little for 255 to
/// become 256.
constexpr double weight_slack = 1e-3;

/// Where something stands in a plan; text only when there is something to complain about.
struct Place {
    int chain = -1;
    int op = -1;
    std::string_view member = {};

    [[nodiscard]] std::string path() const {
        std::string path;
        if (chain >= 0) path += "chains[" + std::to_string(chain) + "]";
        if (op >= 0) path += ".ops[" + std::to_string(op) + "]";
        if (!path.empty() && !member.empty()) path += ".";
        return path + text::one_line(member);
    }

    [[nodiscard]] Place at(std::string_view name) const { return {chain, op, name}; }
};

[[noreturn]] void refuse(const std::string& complaint) { throw Error(Status::bad_plan, "plan: " + complaint); }

[[noreturn]] void refuse(const Place& place, const std::string& complaint) {
    const std::string path = place.path();
    refuse(path.empty() ? complaint : path + ": " + complaint);
}

// ---- What a plan may hold, for plans in memory and in text alike.

void check_whole(double value, int min, int max, const Place& place) {
    if (value >= min && value <= max && std::trunc(value) == value) return;
    refuse(place,
           text::number(value) + "; allowed are whole numbers " + std::to_string(min) + ".." + std::to_string(max));
}

void check_share(double value, double slack, const Place& place) {
    if (!(value >= 0 && value <= 1 + slack)) refuse(place, text::number(value) + "; allowed are numbers 0..1");
}

void check_count(std::size_t count, std::size_t min, std::size_t max, const Place& place) {
    if (count >= min && count <= max) return;
    refuse(place,
           "holds " + std::to_string(count) + "; allowed are " + std::to_string(min) + ".." + std::to_string(max));
}

/// Calls something that complains about an argument, and says where in the plan it came from.
template <typename Function>
auto in_plan(const Place& place, Function function) {
    try {
        return function();
    } catch (const Error& error) {
        refuse(place, error.what());
    }
}

// ---- Reading

/// The members of one JSON object.
class Members {
 public:
    Members(const json& value, const Place& place) : object_(value), place_(place) {
        if (!value.is_object()) refuse(place, std::string("an object is needed, found ") + value.type_name());
    }

    void allow_only(std::initializer_list<std::string_view> known) const {
        for (const auto& [name, member] : object_.items()) {
            if (std::find(known.begin(), known.end(), name) != known.end()) continue;
            refuse(at(name), "unknown member; allowed are " + text::joined(known, std::identity{}));
        }
    }

    [[nodiscard]] Place at(std::string_view name) const { return place_.at(name); }
    [[nodiscard]] bool has(const char* name) const { return object_.contains(name); }

    [[nodiscard]] const json& array(const char* name) const { return typed(name, &json::is_array, "an array"); }
    [[nodiscard]] double number(const char* name) const { return typed(name, &json::is_number, "a number"); }
    [[nodiscard]] std::string string(const char* name) const { return typed(name, &json::is_string, "a string"); }

    [[nodiscard]] int pixels(const char* name) const {
        const double value = number(name);
        check_whole(value, 1, max_pixels, at(name));
        return static_cast<int>(value);
    }

    [[nodiscard]] float share(const char* name, double slack) const {
        const double value = number(name);
        check_share(value, slack, at(name));
        return static_cast<float>(value);
    }

 private:
    [[nodiscard]] const json& typed(const char* name, bool (json::*is)() const noexcept, const char* needed) const {
        const auto member = object_.find(name);
        if (member == object_.end()) refuse(at(name), std::string("missing; ") + needed + " is needed");
        if (!((*member).*is)()) refuse(at(name), std::string(needed) + " is needed, found " + member->type_name());
        return *member;
    }

    const json& object_;
    Place place_;
};

OpCall read_op(const json& value, const Place& place) {
    const Members members(value, place);
    members.allow_only({"op", "value"});
    const std::string name = members.string("op");
    const Op op = in_plan(place.at("op"), [&] { return parse_op(name); });
    if (info(op).type == ValueType::none) {
        if (members.has("value")) refuse(place.at("value"), std::string(info(op).name) + " takes no value");
        return {op, 0};
    }
    return {op, members.number("value")};
}

Chain read_chain(const json& value, int index) {
    const Place place{.chain = index};
    const Members members(value, place);
    members.allow_only({"weight", "ops"});
    Chain chain{members.share("weight", weight_slack), {}};
    for (const json& op : members.array("ops")) {
        chain.ops.push_back(read_op(op, {index, static_cast<int>(chain.ops.size()), {}}));
    }
    return chain;
}

Fill read_fill(const json& levels) {
    constexpr std::array<std::string_view, 3> names{"fill[0]", "fill[1]", "fill[2]"};
    Fill fill{};
    if (levels.size() != fill.size()) {
        refuse({.member = "fill"}, "holds " + std::to_string(levels.size()) + "; allowed are three: red, green, blue");
    }
    for (std::size_t c = 0; c < fill.size(); ++c) {
        const Place place{.member = names[c]};
        if (!levels[c].is_number()) refuse(place, std::string("a number is needed, found ") + levels[c].type_name());
        check_whole(levels[c], 0, 255, place);
        fill[c] = levels[c];
    }
    return fill;
}

/// JSON text as a value, also refusing what the library lets pass: members given twice, and anything behind a zero
/// byte.
json parse(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) refuse("not JSON: it holds a zero byte");
    std::vector<std::set<std::string>> seen;  // the names met so far in each object that is open
    const auto check = [&seen](int depth, json::parse_event_t event, const json& value) {
        using Event = json::parse_event_t;
        if (depth > max_nesting) refuse("nested deeper than any plan");
        if (event == Event::object_start) seen.emplace_back();
        if (event == Event::object_end) seen.pop_back();
        if (event == Event::key && !seen.back().insert(value.get<std::string>()).second) {
            refuse("member " + text::quoted(value.get<std::string>()) + " is given twice");
        }
        return true;
    };
    try {
        return json::parse(text, check);
    } catch (const json::exception& error) {
        // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
        std::string_view what = error.what();
        what.remove_prefix(what.find("] ") + 2);
        refuse("not JSON: " + text::one_line(what));
    }
}

// ---- Writing; not with the JSON library, whose decimals are not always the shortest.

/// The shortest decimal that is this float, whether it is read as a float or as a double that is then converted.
std::string number32(float value) {
    std::string digits = text::number(value);
    double as_double = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), as_double);
    // It is another float by way of a double for 7.038531e-26, and for no other up to 1.
    return static_cast<float>(as_double) == value ? digits : text::number(double{value});
}

std::string op_text(const OpCall& call) {
    const OpInfo& row = info(call.op);
    const std::string head = R"({"op": ")" + std::string(row.name) + '"';
    switch (row.type) {
        case ValueType::integer:
            return head + R"(, "value": )" + std::to_string(static_cast<std::int64_t>(call.value)) + "}";
        case ValueType::real:
            return head + R"(, "value": )" + text::number(call.value) + "}";
        case ValueType::none:
            break;
    }
    return head + "}";
}

std::string chain_text(const Chain& chain) {
    return R"({"weight": )" + number32(chain.weight) + R"(, "ops": [)" + text::joined(chain.ops, op_text) + "]}";
}

}  // namespace

void validate(const Plan& plan) {
    check_whole(plan.width, 1, max_pixels, {.member = "width"});
    check_whole(plan.height, 1, max_pixels, {.member = "height"});
    check_share(plan.mix, 0, {.member = "mix"});
    check_count(plan.chains.size(), 1, max_width, {.member = "chains"});
    double sum = 0;
    for (int c = 0; const Chain& chain : plan.chains) {
        check_share(chain.weight, weight_slack, {.chain = c, .member = "weight"});
        check_count(chain.ops.size(), 0, max_depth, {.chain = c, .member = "ops"});
        for (int o = 0; const OpCall& call : chain.ops) {
            in_plan({c, o, "value"}, [&] { validate(call); });
            ++o;
        }
        sum += chain.weight;
        ++c;
    }
    if (!(sum <= 1 + weight_slack)) {
        refuse({.member = "chains"}, "the weights sum to " + text::number(sum) + "; allowed is at most 1");
    }
}

std::string to_json(const Plan& plan) {
    validate(plan);
    std::string members = "  \"version\": " + std::to_string(format_version) +
                          ",\n  \"width\": " + std::to_string(plan.width) +
                          ",\n  \"height\": " + std::to_string(plan.height) + ",\n  \"mix\": " + number32(plan.mix);
    if (plan.fill != Fill{}) {
        const auto level = [](int value) { return std::to_string(value); };
        members += ",\n  \"fill\": [" + text::joined(plan.fill, level) + "]";
    }
    members += ",\n  \"chains\": [\n    " + text::joined(plan.chains, chain_text, ",\n    ") + "\n  ]";
    return "{\n" + members + "\n}";
}

Plan plan_from_json(std::string_view text) {
    const json root = parse(text);
    const Members members(root, {});
    if (const double version = members.number("version"); version != format_version) {
        refuse(members.at("version"), text::number(version) + "; allowed is " + std::to_string(format_version));
    }
    members.allow_only({"version", "width", "height", "mix", "fill", "chains"});
    Plan plan;
    plan.width = members.pixels("width");
    plan.height = members.pixels("height");
    plan.mix = members.share("mix", 0);
    if (members.has("fill")) plan.fill = read_fill(members.array("fill"));
    for (const json& chain : members.array("chains")) {
        plan.chains.push_back(read_chain(chain, static_cast<int>(plan.chains.size())));
    }
    validate(plan);
    return plan;
}

}  // namespace halmix
