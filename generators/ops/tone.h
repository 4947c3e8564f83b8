#pragma once

#include "generators/ops/lookup.h"

namespace halmix {

/// Posterize, solarize, brightness and any run of them: one table, made with the plan, for all channels.
inline OpOutput tone(const OpInput& in) { return look_up(in, in.table, {{in.table, Role::table}}); }

}  // namespace halmix
