// Lists of ops: of a policy, and of the command's --ops. What parse_op_choices takes gives valid plans, unless it is
// all of weight 0; what parse_chain takes is valid, and reads back when it is written again. Anything else is an error
// of one line.

#include <charconv>

#include "apps/commands.h"
#include "apps/op_chain.h"
#include "fuzz.h"

using namespace halmix;

namespace {

std::string text_of(const std::vector<OpCall>& chain) {
    std::string text;
    for (const OpCall& call : chain) {
        if (!text.empty()) text += ',';
        text += info(call.op).name;
        if (info(call.op).type == ValueType::none) continue;
        std::array<char, 32> number{};
        text += '=' + std::string(number.data(), std::to_chars(number.begin(), number.end(), call.value).ptr);
    }
    return text;
}

void choices(std::string_view text) {
    Policy policy;
    try {
        policy.ops = parse_op_choices(text);
        validate(policy);
    } catch (const Error& error) {
        fuzz::require_error(error, {Status::invalid_argument});
        return;
    }
    validate(sample(policy, {.index = text.size()}, 30, 20));
}

void chain(std::string_view text) {
    std::vector<OpCall> calls;
    try {
        calls = command::parse_chain(text);
    } catch (const command::UsageError& error) {
        fuzz::require_one_line(error.what());
        return;
    } catch (const Error& error) {
        fuzz::require_error(error, {Status::invalid_argument});
        return;
    }
    for (const OpCall& call : calls) validate(call);
    fuzz::require(command::parse_chain(text_of(calls)) == calls, "a chain reads back", text_of(calls));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    choices(text);
    chain(text);
    return 0;
}
