# JPEG and PNG in and out; the core library knows nothing of files. halmix_io is for the command, the Python module and
# the tests, which link halmix_core if they augment; others link halmix::io, a shared library of the same code, which
# shows what include/halmix declares and nothing else, and itself links halmix::halmix.

add_library(halmix_io STATIC
    io/augment.cpp
    io/decoder.cpp
    io/error.cpp
    io/file.cpp
    io/image_file.cpp
    io/jpeg.cpp
    io/orientation.cpp
    io/png.cpp
    io/png_metadata.cpp
    io/rows.cpp)
target_include_directories(halmix_io
    PUBLIC ${PROJECT_SOURCE_DIR}/io/include ${PROJECT_SOURCE_DIR}/runtime/include
    PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(halmix_io PRIVATE halmix_options JPEG::JPEG PNG::PNG)

configure_file(io/io.map io.map @ONLY)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/io_empty.cpp "")
add_library(halmix_io_shared SHARED ${CMAKE_CURRENT_BINARY_DIR}/io_empty.cpp)
add_library(halmix::io ALIAS halmix_io_shared)
set_target_properties(halmix_io_shared PROPERTIES
    OUTPUT_NAME halmix_io
    EXPORT_NAME io
    INSTALL_RPATH "$ORIGIN"  # where libhalmix.so is
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_compile_features(halmix_io_shared INTERFACE cxx_std_20)
target_include_directories(halmix_io_shared INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/io/include>
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/runtime/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(halmix_io_shared PUBLIC halmix PRIVATE halmix_options $<LINK_LIBRARY:WHOLE_ARCHIVE,halmix_io>)
target_link_options(halmix_io_shared PRIVATE
    -Wl,--version-script=${CMAKE_CURRENT_BINARY_DIR}/io.map -Wl,--gc-sections -Wl,--as-needed)
set_target_properties(halmix_io_shared PROPERTIES LINK_DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/io.map)
