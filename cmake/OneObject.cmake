# Links the static library CORE into OBJECT, which shows no symbols but those that the library SHARED exports.

function(run)
    execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY OUTPUT_VARIABLE output)
    set(output "${output}" PARENT_SCOPE)
endfunction()

run(${NM} --dynamic --defined-only --format=just-symbols --without-symbol-versions ${SHARED})
string(REGEX REPLACE "(^|\n)HALMIX_[^\n]*" "" shown "${output}")  # the versions themselves
file(WRITE ${OBJECT}.shown "${shown}")

string(REGEX MATCH "--wrap.*" wrapped "${WRAPPED}")
string(REPLACE "," ";" wrapped "${wrapped}")
# With what templates and inline functions are made of as ordinary sections: as groups, a program's linker would take
# its own copy of one, which has the same name, for ours.
run(${LINKER} -r --force-group-allocation ${wrapped} --whole-archive ${CORE} -o ${OBJECT})

# What GCC makes unique in a process must be made weak before it can be hidden.
run(${NM} --defined-only --format=posix ${OBJECT})
string(REGEX MATCHALL "[^\n ]+ u " unique "${output}")
list(TRANSFORM unique REPLACE " u " "\n")
file(WRITE ${OBJECT}.unique ${unique})
run(${OBJCOPY} --weaken-symbols=${OBJECT}.unique ${OBJECT})
run(${OBJCOPY} --keep-global-symbols=${OBJECT}.shown ${OBJECT})
