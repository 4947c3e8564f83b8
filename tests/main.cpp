#define CATCH_CONFIG_RUNNER  // for Catch2 2, which is compiled here; 3 is a library
#include "catch.h"

#ifdef __SANITIZE_THREAD__
// Halide's runtime is not compiled with ThreadSanitizer, which so sees the mutexes of its waiting threads, but not the
// atomics by which one thread hands them to another.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions() {
    return "race:Halide::Runtime::Internal::Synchronization::\n";
}
#endif

int main(int count, char** arguments) { return Catch::Session().run(count, arguments); }
