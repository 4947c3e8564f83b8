# JPEG and PNG in and out; the core library knows nothing of files. halmix_io is for the command and the tests; others
# link halmix::io, a shared library of the same code, which shows what include/halmix/io.h declares.
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)

add_library(halmix_io STATIC
    io/decoder.cpp
    io/error.cpp
    io/file.cpp
    io/image_file.cpp
    io/jpeg.cpp
    io/orientation.cpp
    io/png.cpp
    io/rows.cpp)
target_include_directories(halmix_io
    PUBLIC ${PROJECT_SOURCE_DIR}/io/include ${PROJECT_SOURCE_DIR}/runtime/include
    PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(halmix_io PRIVATE halmix_options JPEG::JPEG PNG::PNG)
