# halmix_add_pipelines(LIBRARY): runs the generators for every sequence of the catalogue and target of this build, and
# adds to LIBRARY the objects, the Halide runtime and the header that lists them.
#
# One process per pipeline and target: the build runs them side by side, and no object depends on what was generated before.

include(${CMAKE_CURRENT_LIST_DIR}/HalmixSequences.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/HalmixTuning.cmake)

# Adds NAME.o, made by the generator with the arguments that follow and what its parameters are tuned to, to `objects` in the
# caller.
macro(halmix_generate name)
    string(REGEX MATCH "^halmix_(batch_)?(.*)__(.*)$" tuned ${name})
    set(tuned "halmix_tuned/${CMAKE_MATCH_3}/${CMAKE_MATCH_2}")
    add_custom_command(
        OUTPUT ${dir}/${name}.o
        COMMAND halmix_generator -e object -o ${dir} ${ARGN} ${${tuned}}
        DEPENDS halmix_generator
        COMMENT "Generating ${name}"
        VERBATIM)
    list(APPEND objects ${dir}/${name}.o)
endmacro()

# Runs the generator, with the arguments that follow `function`, for each of HALMIX_LAYOUTS whose use matches USE (that of
# u8_hwc is mix), for gray and for RGB; LAYOUT and CHANNELS in the arguments and in the function's name stand for them. Adds to
# `objects` and `declarations`, and sets OUT to the functions as C++ has them: {{gray...}, {RGB...}}, by layout, null
# where there is none.
macro(halmix_generate_by_layout out use signature function)
    set(by_channels "")
    foreach(channels 1 3)
        set(functions "")
        foreach(row "u8_hwc | 1 3 | mix" ${HALMIX_LAYOUTS})
            string(REPLACE " | " ";" row "${row}")
            list(POP_FRONT row layout differs uses)
            if(uses MATCHES "${use}" AND differs MATCHES "${channels}")
                string(REPLACE LAYOUT ${layout} made "${function};${ARGN}")
                string(REPLACE CHANNELS ${channels} made "${made}")
                list(POP_FRONT made made_function)
                halmix_generate(${made_function} -f ${made_function} ${made})
                string(APPEND declarations "int ${made_function}(${signature});\n")
                list(APPEND functions ${made_function})
            else()
                list(APPEND functions nullptr)
            endif()
        endforeach()
        list(JOIN functions ", " functions)
        list(APPEND by_channels "{${functions}}")
    endforeach()
    list(JOIN by_channels ", " ${out})
    set(${out} "{{${${out}}}}")
endmacro()

# The rows of HALMIX_CPU_TARGETS and HALMIX_GPU_TARGETS that HALMIX_BUILD_TARGETS names.
function(halmix_list_targets out_cpu out_gpu)
    set(names "")
    foreach(processor cpu gpu)
        string(TOUPPER HALMIX_${processor}_TARGETS all)
        set(rows_${processor} "")
        foreach(row IN LISTS ${all})
            string(REGEX MATCH "^[^ ]+" name "${row}")
            list(APPEND names ${name})
            if(HALMIX_BUILD_TARGETS STREQUAL "all" OR name IN_LIST HALMIX_BUILD_TARGETS)
                list(APPEND rows_${processor} "${row}")
            endif()
        endforeach()
    endforeach()
    set(unknown ${HALMIX_BUILD_TARGETS})
    list(REMOVE_ITEM unknown all ${names})
    if(unknown OR NOT rows_cpu)
        list(JOIN names ", " names)
        message(FATAL_ERROR "HALMIX_BUILD_TARGETS: \"${HALMIX_BUILD_TARGETS}\" is not all, or a list of some of ${names}, one for a CPU among them")
    endif()
    set(${out_cpu} "${rows_cpu}" PARENT_SCOPE)
    set(${out_gpu} "${rows_gpu}" PARENT_SCOPE)
endfunction()

function(halmix_add_pipelines library)
    set(dir ${CMAKE_CURRENT_BINARY_DIR}/pipelines)
    file(MAKE_DIRECTORY ${dir})
    halmix_read_tuning()

    set(common_features strict_float-no_runtime-no_bounds_query-user_context)
    halmix_list_targets(cpu_targets gpu_targets)
    foreach(row IN LISTS cpu_targets)
        string(REPLACE " | " ";" row "${row}")
        list(POP_FRONT row name features needs dot mix)
        string(REPLACE "-" "_" suffix ${name})
        list(APPEND suffixes ${suffix})
        set(halide_target_${suffix} target=x86-64-linux-${features}-${common_features})

        if(mix)
            set(mix rows=halmix_mix_rows__${suffix})
        endif()
        # The chains of a large image are more than 2^31 bytes together.
        halmix_generate(halmix_mix__${suffix} -g mix -f halmix_mix__${suffix} ${halide_target_${suffix}}-large_buffers ${mix})
        string(APPEND declarations "int halmix_mix__${suffix}(HALMIX_MIX_ARGUMENTS);\n")
        halmix_generate_by_layout(from_hwc result HALMIX_CONVERT_ARGUMENTS halmix_convert_u8_hwc_LAYOUT_cCHANNELS__${suffix}
                                  -g convert from=u8_hwc to=LAYOUT channels=CHANNELS repack=halmix_repack__${suffix} ${halide_target_${suffix}})
        halmix_generate_by_layout(to_hwc source HALMIX_CONVERT_ARGUMENTS halmix_convert_LAYOUT_u8_hwc_cCHANNELS__${suffix}
                                  -g convert from=LAYOUT to=u8_hwc channels=CHANNELS repack=halmix_repack__${suffix} ${halide_target_${suffix}})
        separate_arguments(dot)
        list(POP_FRONT dot taps digits dot_features)
        set(passes "")
        foreach(channels 0 1 3)
            set(function halmix_resample_c${channels}__${suffix})
            halmix_generate(${function} -g resample -f ${function} ${halide_target_${suffix}}${dot_features}
                            channels=${channels} taps=${taps} digit_count=${digits} rows=halmix_resample_rows__${suffix})
            string(APPEND declarations "int ${function}(HALMIX_RESAMPLE_ARGUMENTS);\n")
            list(APPEND passes ${function})
        endforeach()
        list(JOIN passes ", " passes)
        string(APPEND cpu_rows "    CpuRow{\"${name}\", \"${needs}\", halmix_mix__${suffix}, ${from_hwc}, ${to_hwc},\n"
                               "           {${passes}, {${taps}, ${digits}}}},\n")

        separate_arguments(needs)
        list(APPEND features_needed ${needs})
    endforeach()

    foreach(row IN LISTS gpu_targets)
        string(REPLACE " | " ";" row "${row}")
        list(POP_FRONT row name features needs)
        list(APPEND gpu_suffixes ${name})
        set(halide_target_${name} target=x86-64-linux-${features}-${common_features})
        halmix_generate_by_layout(mixes "mix|result" HALMIX_BATCH_MIX_ARGUMENTS halmix_batch_mix_LAYOUT_cCHANNELS__${name}
                                  -g batch_mix layout=LAYOUT channels=CHANNELS ${halide_target_${name}})
        halmix_generate_by_layout(unpacks source HALMIX_BATCH_UNPACK_ARGUMENTS halmix_batch_unpack_LAYOUT_cCHANNELS__${name}
                                  -g batch_unpack layout=LAYOUT channels=CHANNELS ${halide_target_${name}})
        set(passes "")
        foreach(channels 1 3)
            set(function halmix_batch_resample_c${channels}__${name})
            halmix_generate(${function} -g batch_resample -f ${function} ${halide_target_${name}} channels=${channels})
            string(APPEND declarations "int ${function}(HALMIX_BATCH_RESAMPLE_ARGUMENTS);\n")
            list(APPEND passes ${function})
        endforeach()
        list(JOIN passes ", " passes)
        string(APPEND gpu_rows
               "    GpuRow{\"${name}\", \"${needs}\", DeviceApi::${name}, ${mixes}, ${unpacks}, {${passes}}},\n")
    endforeach()

    list(REMOVE_DUPLICATES features_needed)
    foreach(feature IN LISTS features_needed)
        string(APPEND feature_rows "    {\"${feature}\", [] { return __builtin_cpu_supports(\"${feature}\") != 0; }},\n")
    endforeach()

    halmix_list_sequences(cpu_sequences)
    set(gpu_sequences ${HALMIX_KINDS})
    foreach(fused IN LISTS HALMIX_GPU_FUSED_KINDS)
        foreach(other IN LISTS HALMIX_KINDS)
            if(NOT fused STREQUAL other)
                list(APPEND gpu_sequences ${fused}+${other} ${other}+${fused})
            endif()
        endforeach()
    endforeach()
    set(sequences ${cpu_sequences})
    if(gpu_targets)
        list(APPEND sequences ${gpu_sequences})
        list(REMOVE_DUPLICATES sequences)
    endif()
    foreach(sequence IN LISTS sequences)
        string(REPLACE "+" "_" name ${sequence})
        string(REPLACE "+" ";" kinds ${sequence})
        string(REPLACE "+" ", Kind::" enumerators "Kind::${sequence}")
        set(spatial_kinds ${kinds})
        list(REMOVE_ITEM spatial_kinds ${HALMIX_FLAT_KINDS})
        set(flat false)
        if(NOT spatial_kinds)
            set(flat true)
        endif()
        # Gray images are few: step by step will do.
        set(channel_counts 3)
        if(sequence IN_LIST HALMIX_KINDS AND NOT sequence IN_LIST HALMIX_RGB_KINDS)
            set(channel_counts 1 3)
        endif()
        foreach(channels IN LISTS channel_counts)
            set(functions "")
            foreach(suffix IN LISTS suffixes)
                if(NOT sequence IN_LIST cpu_sequences)
                    break()
                endif()
                set(function halmix_${name}_c${channels}__${suffix})
                halmix_generate(${function} -g chain -f ${function} ${halide_target_${suffix}}
                                sequence=${sequence} channels=${channels} processor=${suffix})
                string(APPEND declarations "int ${function}(HALMIX_CHAIN_ARGUMENTS);\n")
                list(APPEND functions ${function})
            endforeach()
            set(batch_functions "")
            foreach(suffix IN LISTS gpu_suffixes)
                if(sequence IN_LIST gpu_sequences)
                    set(function halmix_batch_${name}_c${channels}__${suffix})
                    halmix_generate(${function} -g batch_chain -f ${function} ${halide_target_${suffix}}
                                    sequence=${sequence} channels=${channels})
                    string(APPEND declarations "int ${function}(HALMIX_BATCH_CHAIN_ARGUMENTS);\n")
                    list(APPEND batch_functions ${function})
                endif()
            endforeach()
            list(JOIN functions ", " functions)
            list(JOIN batch_functions ", " batch_functions)
            string(APPEND pipeline_rows
                   "    {\"${name}_c${channels}\", ${channels}, ${flat}, pack({${enumerators}}), {${functions}}, {${batch_functions}}},\n")
        endforeach()
    endforeach()

    # The runtime is for plain x86-64: it must run wherever the dispatcher does. It speaks to all GPUs, built for or not.
    set(runtime_target x86-64-linux)
    foreach(row IN LISTS HALMIX_GPU_TARGETS)
        string(REPLACE " | " ";" row "${row}")
        list(GET row 1 features)
        string(APPEND runtime_target -${features})
    endforeach()
    halmix_generate(halmix_halide_runtime -r halmix_halide_runtime target=${runtime_target})

    list(JOIN HALMIX_KINDS ", " kinds)
    list(LENGTH cpu_targets cpu_target_count)
    list(LENGTH gpu_targets gpu_target_count)
    configure_file(${PROJECT_SOURCE_DIR}/runtime/src/lowering/catalogue.h.in ${dir}/catalogue.h @ONLY)

    set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    target_sources(${library} PRIVATE ${objects})
    target_include_directories(${library} PUBLIC $<BUILD_INTERFACE:${dir}>)
endfunction()
