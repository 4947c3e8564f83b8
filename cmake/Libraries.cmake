# What programs link, made from halmix_core: libhalmix.so and libhalmix.a. Both show what runtime/halmix.map says and
# nothing else, so that another Halide in the process keeps its own runtime.

# The C interface's number is not the release's: see runtime/include/halmix/c.h.
file(STRINGS ${PROJECT_SOURCE_DIR}/runtime/include/halmix/c.h abi REGEX "^#define HALMIX_ABI ")
string(REGEX REPLACE ".* " "" abi "${abi}")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/runtime/include/halmix/c.h)

configure_file(${PROJECT_SOURCE_DIR}/runtime/halmix.map halmix.map @ONLY)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp "")
add_library(halmix SHARED ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp)
set_target_properties(halmix PROPERTIES VERSION ${abi}.${PROJECT_VERSION} SOVERSION ${abi})
target_link_libraries(halmix PRIVATE halmix_options $<LINK_LIBRARY:WHOLE_ARCHIVE,halmix_core>)
# Halide gives each pipeline two more functions, in sections of their own, that nothing calls.
target_link_options(halmix PRIVATE -Wl,--version-script=${CMAKE_CURRENT_BINARY_DIR}/halmix.map -Wl,--gc-sections)
set_target_properties(halmix PROPERTIES LINK_DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/halmix.map)

# One object, in which all is linked already that a program's linker would need to be told of, and which shows what the
# shared library does.
set(object ${CMAKE_CURRENT_BINARY_DIR}/halmix.o)
add_custom_command(
    OUTPUT ${object}
    COMMAND ${CMAKE_COMMAND}
        -D CORE=$<TARGET_FILE:halmix_core>
        -D "WRAPPED=$<TARGET_PROPERTY:halmix_core,INTERFACE_LINK_OPTIONS>"
        -D SHARED=$<TARGET_FILE:halmix>
        -D OBJECT=${object}
        -D LINKER=${CMAKE_LINKER}
        -D NM=${CMAKE_NM}
        -D OBJCOPY=${CMAKE_OBJCOPY}
        -P ${PROJECT_SOURCE_DIR}/cmake/OneObject.cmake
    DEPENDS halmix halmix_core ${PROJECT_SOURCE_DIR}/cmake/OneObject.cmake
    COMMENT "Linking halmix.o"
    VERBATIM)
add_library(halmix_static STATIC ${object})
set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
set_target_properties(halmix_static PROPERTIES OUTPUT_NAME halmix LINKER_LANGUAGE CXX)
set(HALMIX_STATIC_LIBRARIES stdc++ m pthread ${CMAKE_DL_LIBS})
target_link_libraries(halmix_static INTERFACE ${HALMIX_STATIC_LIBRARIES})

foreach(library halmix halmix_static)
    add_library(halmix::${library} ALIAS ${library})
    target_compile_features(${library} INTERFACE cxx_std_20)  # of those that include its C++ headers
    target_include_directories(${library} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/runtime/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
