#pragma once

#include <stdexcept>
#include <string>

#include "halmix/export.h"

namespace halmix {

/// What kind of failure an Error reports.
enum class Status {
    ok = 0,
    invalid_argument,    ///< a value outside what the documentation allows; the message names it
    bad_plan,            ///< plan text that is not a plan, or a plan that does not fit the image
    unknown_target,      ///< a target name halmix does not know
    target_unavailable,  ///< a target this build or this machine does not have
    out_of_memory,
    pipeline_failed,  ///< a pipeline returned an error; a defect of halmix, please report it
    interrupted,      ///< the caller asked for it
};

/// The one exception type of the library, but for what callbacks of the caller throw. `what()` is one line that names
/// the argument, its value and what is allowed.
class HALMIX_API Error : public std::runtime_error {
 public:
    Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
    [[nodiscard]] Status status() const noexcept { return status_; }

 private:
    Status status_;
};

}  // namespace halmix
