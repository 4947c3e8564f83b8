# Halide comes from the Python package in .venv, unless Halide_DIR already says where it is.
find_program(HALMIX_VENV_PYTHON python3 PATHS ${PROJECT_SOURCE_DIR}/.venv/bin NO_DEFAULT_PATH)
if(HALMIX_VENV_PYTHON AND NOT Halide_DIR)
    execute_process(
        COMMAND ${HALMIX_VENV_PYTHON} -c "import sysconfig; print(sysconfig.get_path('platlib'))"
        OUTPUT_VARIABLE halmix_site_packages OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    set(Halide_DIR ${halmix_site_packages}/halide/lib64/cmake/Halide)
endif()
