#include "op_chain.h"

#include <charconv>
#include <string>
#include <system_error>

#include "commands.h"
#include "halmix/plan.h"

namespace halmix::command {
namespace {

/// One op with its value, such as "rotate=-12" or "equalize".
OpCall parse_call(std::string_view text) {
    const std::size_t equals = text.find('=');
    const OpInfo& op = info(parse_op(text.substr(0, equals)));
    const std::string name(op.name);
    OpCall call{op.op, 0};
    if (equals == std::string_view::npos) {
        if (op.type != ValueType::none) {
            throw UsageError("--ops: " + name + " needs a value: " + name + "=VALUE");
        }
        return call;
    }
    if (op.type == ValueType::none) throw UsageError("--ops: " + name + " takes no value");
    std::string_view value = text.substr(equals + 1);
    if (value.starts_with('+')) value.remove_prefix(1);
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), call.value);
    if (error != std::errc{} || end != value.data() + value.size()) {
        throw UsageError("--ops: the value of " + name + " is not a number");
    }
    validate(call);
    return call;
}

}  // namespace

std::vector<OpCall> parse_chain(std::string_view list) {
    std::vector<OpCall> chain;
    for (;;) {
        const std::size_t comma = list.find(',');
        chain.push_back(parse_call(list.substr(0, comma)));
        if (comma == std::string_view::npos) break;
        list.remove_prefix(comma + 1);
    }
    if (chain.size() > max_depth) {
        throw UsageError("--ops: " + std::to_string(chain.size()) + " ops; at most " + std::to_string(max_depth) +
                         " make a chain");
    }
    return chain;
}

}  // namespace halmix::command
