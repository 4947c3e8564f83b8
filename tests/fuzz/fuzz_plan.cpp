// Text of plans. Whatever the bytes, plan_from_json gives a valid plan that its own text reads back to, or an
// Error(bad_plan) of one line.

#include <optional>

#include "fuzz.h"

using namespace halmix;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::optional<Plan> plan;
    try {
        plan = plan_from_json(text);
    } catch (const Error& error) {
        fuzz::require_error(error, {Status::bad_plan});
        return 0;
    }
    validate(*plan);
    fuzz::require_round_trip(*plan);
    return 0;
}
