#pragma once

/// Marks what the shared library shows; everything else in it is hidden, the Halide runtime too.
#define HALMIX_API __attribute__((visibility("default")))
