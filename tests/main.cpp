#define CATCH_CONFIG_RUNNER  // for Catch2 2, which is compiled here; 3 is a library
#include "catch.h"

int main(int count, char** arguments) { return Catch::Session().run(count, arguments); }
