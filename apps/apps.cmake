find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(EXIF REQUIRED IMPORTED_TARGET libexif)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)

# JPEG and PNG in and out; the core library knows nothing of files.
add_library(halmix_io STATIC
    io/error.cpp
    io/file.cpp
    io/image_file.cpp
    io/jpeg.cpp
    io/orientation.cpp
    io/png.cpp)
target_include_directories(halmix_io PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(halmix_io
    PUBLIC halmix_core
    PRIVATE halmix_options JPEG::JPEG PNG::PNG PkgConfig::EXIF)

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
