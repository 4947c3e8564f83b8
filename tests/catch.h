// Catch2 as Debian has it: version 2 is one header, version 3 has another name for all of its own.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
