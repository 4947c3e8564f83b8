#include "halmix/plan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "halmix/error.h"
#include "plan/guard.h"
#include "plan/text.h"

namespace halmix {
namespace {

using nlohmann::json;

constexpr int first_version = 1;
constexpr int crop_version = 2;  // the first with "resized_crop"; plans without one are written as the first
constexpr int max_nesting = 16;  // a plan has five levels; this only bounds hostile text
constexpr int max_pixels = std::numeric_limits<int>::max();

/// How far above 1 the weights may sum: many times the rounding of max_width floats, and too little for 255 to
/// become 256.
constexpr double weight_slack = 1e-3;

constexpr auto filter_names = std::to_array<std::string_view>({"bilinear", "bicubic"});
constexpr auto order_names = std::to_array<std::string_view>({"pillow_13", "horizontal_first"});

constexpr std::string_view crop_member = "resized_crop";

/// The members of a ResizedCrop that are pixels, as they are written, and what all of them are at least.
struct CropPixels {
    std::string_view name;
    int ResizedCrop::*member;
    int min;
};
constexpr auto crop_pixels = std::to_array<CropPixels>({{"source_width", &ResizedCrop::source_width, 1},
                                                        {"source_height", &ResizedCrop::source_height, 1},
                                                        {"left", &ResizedCrop::left, 0},
                                                        {"top", &ResizedCrop::top, 0},
                                                        {"width", &ResizedCrop::width, 1},
                                                        {"height", &ResizedCrop::height, 1}});

/// Where something stands in a plan; text only when there is something to complain about.
struct Place {
    int chain = -1;
    int op = -1;
    std::string_view member = {};
    bool in_crop = false;

    [[nodiscard]] std::string path() const {
        std::string path(in_crop ? crop_member : "");
        if (chain >= 0) path += "chains[" + std::to_string(chain) + "]";
        if (op >= 0) path += ".ops[" + std::to_string(op) + "]";
        if (!path.empty() && !member.empty()) path += ".";
        return path + text::one_line(member);
    }

    [[nodiscard]] Place at(std::string_view name) const { return {chain, op, name, in_crop}; }
};

[[noreturn]] void refuse(const std::string& complaint) { throw Error(Status::bad_plan, "plan: " + complaint); }

[[noreturn]] void refuse(const Place& place, const std::string& complaint) {
    const std::string path = place.path();
    refuse(path.empty() ? complaint : path + ": " + complaint);
}

// ---- What a plan may hold, for plans in memory and in text alike.

void check_whole(double value, int min, int max, const Place& place) {
    if (value >= min && value <= max && static_cast<int>(value) == value) return;
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
        if (error.status() == Status::out_of_memory) throw;
        refuse(place, error.what());
    }
}

void check_crop(const ResizedCrop& crop) {
    const Place place{.in_crop = true};
    check_whole(crop.source_width, 1, max_pixels, place.at("source_width"));
    check_whole(crop.source_height, 1, max_pixels, place.at("source_height"));
    check_whole(crop.width, 1, crop.source_width, place.at("width"));
    check_whole(crop.height, 1, crop.source_height, place.at("height"));
    check_whole(crop.left, 0, crop.source_width - crop.width, place.at("left"));
    check_whole(crop.top, 0, crop.source_height - crop.height, place.at("top"));
    in_plan(place.at("filter"), [&] { return name(crop.filter); });
    in_plan(place.at("order"), [&] { return name(crop.order); });
}

// ---- Reading

/// A JSON value. Not the library's own, whose destructor needs memory, and ends the process if there is none.
struct Value {
    using Array = std::vector<Value>;
    using Object = std::map<std::string, Value, std::less<>>;

    std::variant<std::nullptr_t, bool, double, std::string, Array, Object> content;

    [[nodiscard]] std::string type() const {
        constexpr std::array names{"null", "boolean", "number", "string", "array", "object"};
        return names.at(content.index());
    }
};

/// The content of a value that must be a `T`, which `needed` names.
template <typename T>
const T& as(const Value& value, std::string_view needed, const Place& place) {
    if (const T* content = std::get_if<T>(&value.content)) return *content;
    refuse(place, std::string(needed) + " is needed, found " + value.type());
}

/// The members of one JSON object.
class Members {
 public:
    Members(const Value& value, const Place& place)
        : object_(as<Value::Object>(value, "an object", place)), place_(place) {}

    void allow_only(std::initializer_list<std::string_view> known) const {
        for (const auto& [name, member] : object_) {
            if (std::find(known.begin(), known.end(), name) != known.end()) continue;
            refuse(at(name), "unknown member; allowed are " + text::joined(known, std::identity{}));
        }
    }

    [[nodiscard]] Place at(std::string_view name) const { return place_.at(name); }
    [[nodiscard]] bool has(std::string_view name) const { return object_.contains(name); }
    [[nodiscard]] const Value& value(std::string_view name) const { return object_.find(name)->second; }

    [[nodiscard]] const Value::Array& array(std::string_view name) const {
        return typed<Value::Array>(name, "an array");
    }
    [[nodiscard]] double number(std::string_view name) const { return typed<double>(name, "a number"); }
    [[nodiscard]] const std::string& string(std::string_view name) const {
        return typed<std::string>(name, "a string");
    }

    [[nodiscard]] bool boolean(std::string_view name) const { return typed<bool>(name, "a boolean"); }

    [[nodiscard]] int pixels(std::string_view name, int min) const {
        const double value = number(name);
        check_whole(value, min, max_pixels, at(name));
        return static_cast<int>(value);
    }

    [[nodiscard]] float share(std::string_view name, double slack) const {
        const double value = number(name);
        check_share(value, slack, at(name));
        return static_cast<float>(value);
    }

 private:
    template <typename T>
    [[nodiscard]] const T& typed(std::string_view name, std::string_view needed) const {
        const auto member = object_.find(name);
        if (member == object_.end()) refuse(at(name), "missing; " + std::string(needed) + " is needed");
        return as<T>(member->second, needed, at(name));
    }

    const Value::Object& object_;
    Place place_;
};

OpCall read_op(const Value& value, const Place& place) {
    const Members members(value, place);
    members.allow_only({"op", "value"});
    const std::string& name = members.string("op");
    const Op op = in_plan(place.at("op"), [&] { return parse_op(name); });
    if (info(op).type == ValueType::none) {
        if (members.has("value")) refuse(place.at("value"), std::string(info(op).name) + " takes no value");
        return {op, 0};
    }
    return {op, members.number("value")};
}

Chain read_chain(const Value& value, int index) {
    const Place place{.chain = index};
    const Members members(value, place);
    members.allow_only({"weight", "ops"});
    Chain chain{members.share("weight", weight_slack), {}};
    const Value::Array& calls = members.array("ops");
    check_count(calls.size(), 0, max_depth, members.at("ops"));
    for (const Value& op : calls) {
        chain.ops.push_back(read_op(op, {index, static_cast<int>(chain.ops.size()), {}}));
    }
    return chain;
}

Fill read_fill(const Value::Array& levels) {
    constexpr std::array<std::string_view, 3> names{"fill[0]", "fill[1]", "fill[2]"};
    Fill fill{};
    if (levels.size() != fill.size()) {
        refuse({.member = "fill"}, "holds " + std::to_string(levels.size()) + "; allowed are three: red, green, blue");
    }
    for (std::size_t c = 0; c < fill.size(); ++c) {
        const Place place{.member = names[c]};
        const double level = as<double>(levels[c], "a number", place);
        check_whole(level, 0, 255, place);
        fill[c] = static_cast<std::uint8_t>(level);
    }
    return fill;
}

ResizedCrop read_crop(const Value& value) {
    const Members members(value, {.in_crop = true});
    members.allow_only(
        {"source_width", "source_height", "left", "top", "width", "height", "filter", "order", "mirror"});
    ResizedCrop crop;
    for (const auto& [name, member, min] : crop_pixels) crop.*member = members.pixels(name, min);
    const auto parsed = [&](std::string_view name, auto parse) {
        const std::string& text = members.string(name);
        return in_plan(members.at(name), [&] { return parse(text); });
    };
    if (members.has("filter")) crop.filter = parsed("filter", parse_filter);
    if (members.has("order")) crop.order = parsed("order", parse_pass_order);
    if (members.has("mirror")) crop.mirror = members.boolean("mirror");
    return crop;
}

/// Makes a value of what the JSON library's parser calls it with; the names are the library's.
class Builder {
 public:
    explicit Builder(Value& root) : place_(&root) {}

    bool null() { return add({nullptr}); }
    bool boolean(bool value) { return add({value}); }
    bool number_integer(std::int64_t value) { return add({static_cast<double>(value)}); }
    bool number_unsigned(std::uint64_t value) { return add({static_cast<double>(value)}); }
    bool number_float(double value, const std::string& /*digits*/) { return add({value}); }
    bool string(std::string& value) { return add({std::move(value)}); }
    bool binary(json::binary_t& /*value*/) { return false; }  // is in no text
    bool start_array(std::size_t /*size*/) { return open({Value::Array()}); }
    bool end_array() { return close(); }
    bool start_object(std::size_t /*size*/) { return open({Value::Object()}); }
    bool end_object() { return close(); }

    bool key(std::string& name) {
        const auto [member, is_new] = std::get<Value::Object>(open_.back()->content).try_emplace(std::move(name));
        if (!is_new) refuse("member " + text::quoted(name) + " is given twice");
        place_ = &member->second;
        return true;
    }

    [[noreturn]] static bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                                         const json::exception& error) {
        // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
        std::string_view what = error.what();
        what.remove_prefix(what.find("] ") + 2);
        refuse("not JSON: " + text::one_line(what));
    }

 private:
    bool add(Value value) {
        auto* const array = open_.empty() ? nullptr : std::get_if<Value::Array>(&open_.back()->content);
        if (array != nullptr) place_ = &array->emplace_back();
        *place_ = std::move(value);
        return true;
    }

    bool open(Value value) {
        if (open_.size() == max_nesting) refuse("nested deeper than any plan");
        add(std::move(value));
        open_.push_back(place_);
        return true;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    Value* place_;              ///< of the value that comes next or came last
    std::vector<Value*> open_;  ///< arrays and objects that have not ended; what holds one does not change until then
};

/// JSON text as a value, also refusing what the library lets pass: members given twice, and anything behind a zero
/// byte.
Value parse(std::string_view text) {
    if (text.size() > max_plan_text) {
        refuse(std::to_string(text.size()) + " bytes of text; allowed are at most " + std::to_string(max_plan_text));
    }
    if (text.find('\0') != std::string_view::npos) refuse("not JSON: it holds a zero byte");
    Value root;
    Builder builder(root);
    json::sax_parse(text, &builder);
    return root;
}

Plan read_plan(std::string_view text) {
    const Value root = parse(text);
    const Members members(root, {});
    const double version = members.number("version");
    check_whole(version, first_version, crop_version, members.at("version"));
    members.allow_only({"version", "width", "height", crop_member, "mix", "fill", "chains"});
    Plan plan;
    plan.width = members.pixels("width", 1);
    plan.height = members.pixels("height", 1);
    if (members.has(crop_member)) {
        if (version < crop_version) refuse(members.at(crop_member), "belongs to version 2; this is version 1");
        plan.resized_crop = read_crop(members.value(crop_member));
    }
    plan.mix = members.share("mix", 0);
    if (members.has("fill")) plan.fill = read_fill(members.array("fill"));
    const Value::Array& chains = members.array("chains");
    check_count(chains.size(), 1, max_width, members.at("chains"));
    for (const Value& chain : chains) {
        plan.chains.push_back(read_chain(chain, static_cast<int>(plan.chains.size())));
    }
    validate(plan);
    return plan;
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

std::string crop_text(const ResizedCrop& crop) {
    const ResizedCrop usual;
    std::string members;
    const auto add = [&](std::string_view name, const std::string& value) {
        if (!members.empty()) members += ", ";
        members.append("\"").append(name).append("\": ").append(value);
    };
    for (const auto& [name, member, min] : crop_pixels) add(name, std::to_string(crop.*member));
    const auto quoted = [](std::string_view name) { return '"' + std::string(name) + '"'; };
    if (crop.filter != usual.filter) add("filter", quoted(name(crop.filter)));
    if (crop.order != usual.order) add("order", quoted(name(crop.order)));
    if (crop.mirror != usual.mirror) add("mirror", crop.mirror ? "true" : "false");
    return "{" + members + "}";
}

std::string chain_text(const Chain& chain) {
    return R"({"weight": )" + number32(chain.weight) + R"(, "ops": [)" + text::joined(chain.ops, op_text) + "]}";
}

/// Values of an enumeration by number and by name; `kind` says what they are.
template <std::size_t count>
std::string_view name_of(std::size_t number, const std::array<std::string_view, count>& names, std::string_view kind) {
    return guarded([&] {
        if (number < count) return names[number];
        throw Error(Status::invalid_argument, std::string(kind) + " number " + std::to_string(number) +
                                                  " does not exist; allowed are 0.." + std::to_string(count - 1));
    });
}

template <std::size_t count>
std::size_t number_of(std::string_view name, const std::array<std::string_view, count>& names, std::string_view kind) {
    return guarded([&] {
        const auto* const found = std::find(names.begin(), names.end(), name);
        if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
        throw Error(Status::invalid_argument, text::quoted(name) + " is not a " + std::string(kind) + "; allowed are " +
                                                  text::joined(names, std::identity{}));
    });
}

}  // namespace

std::string_view name(Filter filter) { return name_of(static_cast<std::size_t>(filter), filter_names, "filter"); }

std::string_view name(PassOrder order) { return name_of(static_cast<std::size_t>(order), order_names, "pass order"); }

Filter parse_filter(std::string_view name) { return static_cast<Filter>(number_of(name, filter_names, "filter")); }

PassOrder parse_pass_order(std::string_view name) {
    return static_cast<PassOrder>(number_of(name, order_names, "pass order"));
}

void validate(const Plan& plan) {
    return guarded([&] {
        check_whole(plan.width, 1, max_pixels, {.member = "width"});
        check_whole(plan.height, 1, max_pixels, {.member = "height"});
        if (plan.resized_crop) check_crop(*plan.resized_crop);
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
    });
}

std::string to_json(const Plan& plan) {
    return guarded([&] {
        validate(plan);
        const int version = plan.resized_crop ? crop_version : first_version;
        std::string members = "  \"version\": " + std::to_string(version) +
                              ",\n  \"width\": " + std::to_string(plan.width) +
                              ",\n  \"height\": " + std::to_string(plan.height);
        if (plan.resized_crop) {
            members.append(",\n  \"").append(crop_member).append("\": ").append(crop_text(*plan.resized_crop));
        }
        members += ",\n  \"mix\": " + number32(plan.mix);
        if (plan.fill != Fill{}) {
            const auto level = [](int value) { return std::to_string(value); };
            members += ",\n  \"fill\": [" + text::joined(plan.fill, level) + "]";
        }
        members += ",\n  \"chains\": [\n    " + text::joined(plan.chains, chain_text, ",\n    ") + "\n  ]";
        return "{\n" + members + "\n}";
    });
}

Plan plan_from_json(std::string_view text) {
    return guarded([&] { return read_plan(text); });
}

}  // namespace halmix
