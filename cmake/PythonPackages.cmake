# Halide and nlohmann_json come from Python packages: those of the interpreter that builds a wheel, or of .venv; unless
# Halide_DIR and NLOHMANN_JSON_INCLUDE_DIR already say where they are.
if(SKBUILD)
    find_package(Python REQUIRED COMPONENTS Interpreter)
    set(HALMIX_VENV_PYTHON ${Python_EXECUTABLE})
else()
    find_program(HALMIX_VENV_PYTHON python3 PATHS ${PROJECT_SOURCE_DIR}/.venv/bin NO_DEFAULT_PATH)
endif()

# The folder of an installed Python package, found without running it.
function(halmix_find_python_package package out)
    if(HALMIX_VENV_PYTHON)
        execute_process(
            COMMAND ${HALMIX_VENV_PYTHON} -c
                "import importlib.util as i; s = i.find_spec('${package}'); print(s.submodule_search_locations[0] if s else '')"
            OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    endif()
    set(${out} "${folder}" PARENT_SCOPE)
endfunction()

set(halide_version 21.0.0)
if(NOT Halide_DIR)
    halmix_find_python_package(halide folder)
    if(NOT folder AND HALMIX_VENV_PYTHON)
        # There is none for this Python, such as 3.14. What is needed of it, the compiler, is the same in all.
        set(folder ${CMAKE_BINARY_DIR}/python_packages/halide)
        if(NOT EXISTS ${folder})
            message(STATUS "Installing Halide ${halide_version} into the build folder")
            execute_process(
                COMMAND ${HALMIX_VENV_PYTHON} -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all:
                    --python-version 3.13 --target ${CMAKE_BINARY_DIR}/python_packages halide==${halide_version}
                COMMAND_ERROR_IS_FATAL ANY)
        endif()
    endif()
    if(folder)
        set(Halide_DIR ${folder}/lib64/cmake/Halide)
    endif()
endif()
halmix_find_python_package(nlohmann_json folder)
find_path(NLOHMANN_JSON_INCLUDE_DIR nlohmann/json.hpp HINTS ${folder}/include REQUIRED)
add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED)
set_target_properties(nlohmann_json::nlohmann_json PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${NLOHMANN_JSON_INCLUDE_DIR})
