# SPDX-License-Identifier: Apache-2.0
#
# The users of the library that ship with it: the program and the plug-ins. They see include/ and their own folder.
file(GLOB cli_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cli/*.c)
if(cli_sources)
    add_executable(mixdown ${cli_sources})
    target_include_directories(mixdown PRIVATE ${CMAKE_SOURCE_DIR}/cli)
    target_link_libraries(mixdown PRIVATE mixdown_static mixdown_flags mixdown_deps)

    # mixdown.1 and mixdown.bash say what its --help says.
    if(NOT CMAKE_CROSSCOMPILING)
        set(help_pages ${CMAKE_SOURCE_DIR}/tools/help_pages.sh)
        set(page_man ${CMAKE_BINARY_DIR}/mixdown.1)
        set(page_bash ${CMAKE_BINARY_DIR}/mixdown.bash)
        foreach(kind man bash)
            add_custom_command(OUTPUT ${page_${kind}} COMMAND ${help_pages} $<TARGET_FILE:mixdown> ${kind} ${page_${kind}}
                DEPENDS mixdown ${help_pages} VERBATIM)
        endforeach()
        add_custom_target(help_pages ALL DEPENDS ${page_man} ${page_bash})
    endif()
endif()

# plugins/NAME/*.c -> build/plugins/mixdown_NAME.so
file(GLOB plugin_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/plugins/*/*.c)
set(plugin_dirs "")
foreach(file IN LISTS plugin_sources)
    get_filename_component(dir ${file} DIRECTORY)
    list(APPEND plugin_dirs ${dir})
endforeach()
list(REMOVE_DUPLICATES plugin_dirs)
foreach(dir IN LISTS plugin_dirs)
    get_filename_component(name ${dir} NAME)
    file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.c)
    add_library(plugin_${name} MODULE ${sources})
    set_target_properties(plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME mixdown_${name}
                          LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
    target_include_directories(plugin_${name} PRIVATE ${CMAKE_SOURCE_DIR}/include ${dir})
    target_link_libraries(plugin_${name} PRIVATE mixdown_flags m)
endforeach()
