find_package(Catch2 REQUIRED)  # 2.13 or 3
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)

add_library(halmix_test_main OBJECT tests/main.cpp)
target_link_libraries(halmix_test_main PUBLIC Catch2::Catch2)

add_custom_target(halmix_tests)  # those in C++

# halmix_add_test(NAME LIBRARIES...): tests/test_NAME.cpp as one executable and one test.
function(halmix_add_test name)
    add_executable(test_${name} tests/test_${name}.cpp)
    target_include_directories(test_${name} PRIVATE
        ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/runtime/src ${PROJECT_SOURCE_DIR})
    target_compile_definitions(test_${name} PRIVATE HALMIX_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/golden")
    target_link_libraries(test_${name} PRIVATE halmix_options halmix_test_main ${ARGN})
    add_dependencies(halmix_tests test_${name})
    add_test(NAME ${name} COMMAND test_${name})
endfunction()

halmix_add_test(augment halmix_io halmix_core JPEG::JPEG PNG::PNG Threads::Threads)
halmix_add_test(batch halmix_core Threads::Threads ${CMAKE_DL_LIBS})
# What drivers can be made to fail with.
add_test(NAME batch_without_a_driver COMMAND test_batch "[.no-driver]")
set_tests_properties(batch_without_a_driver PROPERTIES ENVIRONMENT "OCL_ICD_VENDORS=${CMAKE_CURRENT_BINARY_DIR}/none")
add_test(NAME batch_with_little_memory COMMAND test_batch "[.little-memory]")
set_tests_properties(batch_with_little_memory PROPERTIES ENVIRONMENT "POCL_MEMORY_LIMIT=1")
halmix_add_test(c_interface halmix_core Threads::Threads)
add_test(NAME c_interface_without_a_driver COMMAND test_c_interface "[.no-driver]")
set_tests_properties(c_interface_without_a_driver PROPERTIES ENVIRONMENT "OCL_ICD_VENDORS=${CMAKE_CURRENT_BINARY_DIR}/none")
halmix_add_test(decoder halmix_io JPEG::JPEG PNG::PNG)
halmix_add_test(engine halmix_core Threads::Threads)
halmix_add_test(extern_stages halmix_core)
halmix_add_test(fork halmix_core Threads::Threads)
halmix_add_test(gpu_faults halmix_core ${CMAKE_DL_LIBS})
target_link_options(test_gpu_faults PRIVATE -Wl,--wrap=dlsym)
halmix_add_test(io halmix_io)
halmix_add_test(layouts halmix_core)
# Where PoCL has loaded and closed as many kernels, LeakSanitizer itself ends with a fault when it looks for leaks.
set_tests_properties(layouts PROPERTIES ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
halmix_add_test(lifetime halmix_core Threads::Threads ${CMAKE_DL_LIBS})
target_compile_definitions(test_lifetime PRIVATE HALMIX_TEST_LIBRARY="$<TARGET_FILE:halmix>")
add_dependencies(test_lifetime halmix)
halmix_add_test(mix halmix_core)
halmix_add_test(pipelines halmix_core)
halmix_add_test(plan halmix_core)
halmix_add_test(reference halmix_core nlohmann_json::nlohmann_json ZLIB::ZLIB)
halmix_add_test(runner halmix_core Threads::Threads)
halmix_add_test(sampler halmix_core nlohmann_json::nlohmann_json Threads::Threads)

# Against live Pillow and Composer, which speak to the engine through a server.
add_executable(chain_server tests/chain_server.cpp)
target_link_libraries(chain_server PRIVATE halmix_options halmix_core nlohmann_json::nlohmann_json)

# halmix_add_pytest(FOLDER [CONFIGURATION]): tests/FOLDER as one test; as FOLDER_CONFIGURATION if only ctest -C runs it.
function(halmix_add_pytest folder)
    string(JOIN _ name ${folder} ${ARGN})
    add_test(NAME ${name}
        COMMAND ${HALMIX_VENV_PYTHON} -m pytest -q -rsP -p no:cacheprovider ${PROJECT_SOURCE_DIR}/tests/${folder}
        CONFIGURATIONS ${ARGN})
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
halmix_add_pytest(c)
halmix_add_pytest(catalogue)
halmix_add_pytest(cli)
halmix_add_pytest(composer)
halmix_add_pytest(faults)
set_property(TEST faults APPEND PROPERTY ENVIRONMENT PYTHONPATH=${PROJECT_SOURCE_DIR}/tests/cli)
halmix_add_pytest(objects)
halmix_add_pytest(ptx)
halmix_add_pytest(readme)
halmix_add_pytest(structure)
if(HALMIX_BUILD_BENCH)
    halmix_add_pytest(tuning)
endif()
if(HALMIX_BUILD_PYTHON)
    foreach(folder IN ITEMS corpora races)
        halmix_add_pytest(${folder})
        set_property(TEST ${folder} APPEND PROPERTY ENVIRONMENT PYTHONPATH=${CMAKE_CURRENT_BINARY_DIR}/python)
    endforeach()
    halmix_add_pytest(python)
    set_property(TEST python APPEND PROPERTY ENVIRONMENT
        PYTHONPATH=${CMAKE_CURRENT_BINARY_DIR}/python:${PROJECT_SOURCE_DIR}/tests/composer)
    set_property(TEST readme APPEND PROPERTY ENVIRONMENT HALMIX_PYTHON=${CMAKE_CURRENT_BINARY_DIR}/python)
endif()

# 100,000 chains and 60,000 plans: ctest -C slow.
halmix_add_pytest(composer slow)
set_property(TEST composer_slow APPEND PROPERTY ENVIRONMENT HALMIX_TEST_SCALE=20)
set_tests_properties(composer_slow PROPERTIES TIMEOUT 14400)
