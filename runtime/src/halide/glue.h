#pragma once

#include <cstddef>
#include <string>

namespace halmix {

/// The message of the last error a pipeline reported on this thread.
const std::string& last_pipeline_error();

/// Forgets it.
void clear_pipeline_error();

/// Whether it was that a device has no more memory. Halide says so in the message only.
bool is_out_of_device_memory();

/// Makes room for a pipeline's scratch memory on this thread, touched, so that none is taken later.
void reserve_scratch(std::size_t bytes);

}  // namespace halmix
