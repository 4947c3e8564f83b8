find_package(CLI11 REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)

add_executable(halmix_command
    apps/apply.cpp
    apps/augment.cpp
    apps/compare.cpp
    apps/comparison.cpp
    apps/comparison_plot.cpp
    apps/drawing.cpp
    apps/energy.cpp
    apps/figure.cpp
    apps/inputs.cpp
    apps/interrupt.cpp
    apps/main.cpp
    apps/op_chain.cpp
    apps/options.cpp
    apps/plan_file.cpp
    apps/progress.cpp
    apps/replay.cpp
    apps/targets.cpp)
set_target_properties(halmix_command PROPERTIES OUTPUT_NAME halmix)
target_include_directories(halmix_command PRIVATE ${PROJECT_SOURCE_DIR})
target_compile_definitions(halmix_command PRIVATE HALMIX_VERSION="${PROJECT_VERSION}")
target_link_libraries(halmix_command
    PRIVATE halmix_options halmix_core halmix_io CLI11::CLI11 nlohmann_json::nlohmann_json PkgConfig::CAIRO Threads::Threads)
