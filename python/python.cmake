# The Python package: halmix._core beside the files of python/halmix, in BUILD/python to be tested, or in a wheel.
if(NOT SKBUILD)
    set(Python_EXECUTABLE ${HALMIX_VENV_PYTHON})
endif()
find_package(Python 3.11 COMPONENTS Interpreter Development.Module)
if(NOT Python_Development.Module_FOUND)
    message(FATAL_ERROR "Python's headers (Python.h) are missing; on Debian: apt-get install python3-dev")
endif()
halmix_find_python_package(nanobind folder)
set(nanobind_DIR ${folder}/cmake)
find_package(nanobind CONFIG REQUIRED)

nanobind_add_module(halmix_python NB_STATIC FREE_THREADED NOMINSIZE LTO
    python/src/composer_draws.cpp
    python/src/module.cpp
    python/src/views.cpp)
set_target_properties(halmix_python PROPERTIES OUTPUT_NAME _core)
if(TARGET halmix_io)
    target_link_libraries(halmix_python PRIVATE halmix_io)
    target_compile_definitions(halmix_python PRIVATE HALMIX_IO)
endif()
target_link_libraries(halmix_python PRIVATE halmix_options halmix_core)
# Another Halide in the process keeps its own runtime, and types of C++ their own names.
set(map ${CMAKE_CURRENT_BINARY_DIR}/python.map)
file(WRITE ${map} "{ global: PyInit__core; local: *; };\n")
target_link_options(halmix_python PRIVATE -Wl,--version-script=${map} -Wl,--gc-sections)

if(SKBUILD)
    install(TARGETS halmix_python LIBRARY DESTINATION halmix)
else()
    set(package ${CMAKE_CURRENT_BINARY_DIR}/python/halmix)
    set_target_properties(halmix_python PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${package})
    # Links, so that an edited file is the one that is tested.
    file(GLOB modules CONFIGURE_DEPENDS python/halmix/*.py python/halmix/*.pyi python/halmix/py.typed)
    file(MAKE_DIRECTORY ${package})
    foreach(module IN LISTS modules)
        get_filename_component(name ${module} NAME)
        file(CREATE_LINK ${module} ${package}/${name} SYMBOLIC)
    endforeach()
endif()
