find_package(Threads REQUIRED)

# What scripts/bench asks to run halmix, and to hold it against the reference of the tests. It counts the allocations of the
# library, of the C and the C++ ones.
add_executable(halmix_bench bench/halmix_bench.cpp bench/allocations.cpp)
target_include_directories(halmix_bench PRIVATE
    ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/runtime/src ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(halmix_bench PRIVATE halmix_options halmix_core nlohmann_json::nlohmann_json Threads::Threads)
target_link_options(halmix_bench PRIVATE
    LINKER:--wrap=malloc LINKER:--wrap=calloc LINKER:--wrap=realloc LINKER:--wrap=aligned_alloc)
