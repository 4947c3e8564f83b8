# Fuzz targets, for builds with Clang's sanitizers; scripts/fuzz runs them.

find_package(ZLIB REQUIRED)
find_package(CLI11 REQUIRED)

# halmix_add_fuzz_target(NAME LIBRARIES...): tests/fuzz/fuzz_NAME.cpp, and as a test what it once found.
function(halmix_add_fuzz_target name)
    add_executable(fuzz_${name} tests/fuzz/fuzz_${name}.cpp)
    target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR})
    target_link_libraries(fuzz_${name} PRIVATE halmix_options ${ARGN})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(halmix_tests fuzz_${name})
    set(regressions ${PROJECT_SOURCE_DIR}/tests/fuzz/regressions/${name})
    if(EXISTS ${regressions})
        add_test(NAME fuzz_${name} COMMAND fuzz_${name} -runs=0 ${regressions})
    endif()
endfunction()

halmix_add_fuzz_target(plan halmix_core)
halmix_add_fuzz_target(ops halmix_core CLI11::CLI11)
target_sources(fuzz_ops PRIVATE apps/op_chain.cpp)
halmix_add_fuzz_target(orientation halmix_io halmix_core ZLIB::ZLIB)
halmix_add_fuzz_target(jpeg halmix_io halmix_core Catch2::Catch2 JPEG::JPEG PNG::PNG)
halmix_add_fuzz_target(png halmix_io halmix_core Catch2::Catch2 JPEG::JPEG PNG::PNG ZLIB::ZLIB)
halmix_add_fuzz_target(engine halmix_core)
halmix_add_fuzz_target(resize halmix_core)
halmix_add_fuzz_target(augment halmix_io halmix_core Catch2::Catch2 JPEG::JPEG PNG::PNG)
halmix_add_fuzz_target(c halmix_core)
