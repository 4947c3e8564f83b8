#pragma once

/// AugMix (Hendrycks et al., 2020), byte-identical to Pillow and MosaicML's Composer, as compiled Halide pipelines.
///
///     halmix::Policy policy;                                      // severity, width, depth, alpha, ops
///     halmix::Engine engine;                                      // the best target of this machine
///     halmix::Plan plan = halmix::sample(policy, {.seed = 1, .index = i}, width, height);
///     engine.run(plan, {pixels, width, height, 3}, {result, width, height, 3});

#include "halmix/batch.h"      // IWYU pragma: export
#include "halmix/engine.h"     // IWYU pragma: export
#include "halmix/error.h"      // IWYU pragma: export
#include "halmix/image.h"      // IWYU pragma: export
#include "halmix/layout.h"     // IWYU pragma: export
#include "halmix/op.h"         // IWYU pragma: export
#include "halmix/plan.h"       // IWYU pragma: export
#include "halmix/runner.h"     // IWYU pragma: export
#include "halmix/sampler.h"    // IWYU pragma: export
#include "halmix/workspace.h"  // IWYU pragma: export
