#pragma once

#include <string>

namespace halmix {

/// The message of the last error a pipeline reported on this thread.
const std::string& last_pipeline_error();

}  // namespace halmix
