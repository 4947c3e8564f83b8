include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/halmix)
install(TARGETS halmix halmix_static EXPORT halmix)
install(DIRECTORY runtime/include/halmix DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT halmix NAMESPACE halmix:: FILE halmixConfig.cmake DESTINATION ${package})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/halmixConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/halmixConfigVersion.cmake DESTINATION ${package})

# For pkg-config: paths relative to the file's own, so that an installation can be moved.
file(RELATIVE_PATH halmix_pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" halmix_pc_prefix ${halmix_pc_prefix})
list(TRANSFORM HALMIX_STATIC_LIBRARIES PREPEND -l OUTPUT_VARIABLE halmix_pc_private)
list(JOIN halmix_pc_private " " halmix_pc_private)
configure_file(cmake/halmix.pc.in halmix.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/halmix.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(HALMIX_BUILD_COMMAND)
    install(TARGETS halmix_command)
endif()
