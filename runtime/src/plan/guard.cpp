#include "plan/guard.h"

namespace halmix {

// Before all that a program's own static objects may call.
[[gnu::init_priority(101)]] const Error no_memory(Status::out_of_memory, "no memory");

}  // namespace halmix
