find_package(Catch2 2.13 REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)

add_library(halmix_test_main OBJECT tests/main.cpp)
target_link_libraries(halmix_test_main PUBLIC Catch2::Catch2)

# halmix_add_test(NAME LIBRARIES...): tests/test_NAME.cpp as one executable and one test.
function(halmix_add_test name)
    add_executable(test_${name} tests/test_${name}.cpp)
    target_include_directories(test_${name} PRIVATE
        ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/runtime/src ${PROJECT_SOURCE_DIR})
    target_compile_definitions(test_${name} PRIVATE HALMIX_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/golden")
    target_link_libraries(test_${name} PRIVATE halmix_options halmix_test_main ${ARGN})
    add_test(NAME ${name} COMMAND test_${name})
endfunction()

halmix_add_test(engine halmix_core Threads::Threads)
halmix_add_test(io halmix_io)
halmix_add_test(pipelines halmix_core)
halmix_add_test(plan halmix_core)
halmix_add_test(reference halmix_core nlohmann_json::nlohmann_json ZLIB::ZLIB)
halmix_add_test(sampler halmix_core nlohmann_json::nlohmann_json Threads::Threads)

# Against live Pillow and Composer, which speak to the engine through a server.
add_executable(chain_server tests/chain_server.cpp)
target_link_libraries(chain_server PRIVATE halmix_options halmix_core nlohmann_json::nlohmann_json)

# halmix_add_pytest(NAME): the folder tests/NAME as one test.
function(halmix_add_pytest name)
    add_test(NAME ${name}
        COMMAND ${HALMIX_VENV_PYTHON} -m pytest -q -rP -p no:cacheprovider ${PROJECT_SOURCE_DIR}/tests/${name})
    set(environment
        PYTHONDONTWRITEBYTECODE=1
        HALMIX_COMMAND=$<TARGET_FILE:halmix_command>
        HALMIX_CHAIN_SERVER=$<TARGET_FILE:chain_server>
        HALMIX_BUILD=${PROJECT_BINARY_DIR}
        HALMIX_CMAKE=${CMAKE_COMMAND}
        HALMIX_NINJA=${CMAKE_MAKE_PROGRAM}
        HALMIX_SANITIZE=${HALMIX_SANITIZE})
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "${environment}")
endfunction()
halmix_add_pytest(cli)
halmix_add_pytest(composer)
halmix_add_pytest(readme)
