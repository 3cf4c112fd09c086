# SPDX-License-Identifier: Apache-2.0
#
# libmixdown: every .c under src/ once, linked as mixdown_shared (exports MXD_API only) and mixdown_static (tests
# and the program; internal symbols are reachable).
file(GLOB_RECURSE library_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*.c)
mixdown_isa_flags(library_sources)
file(GLOB train_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/train/*.c) # loops over activations: train/clones.h
set_source_files_properties(${train_sources} PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:Release>:-O3>")

set(generated ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${generated})
set(onnx_proto ${CMAKE_SOURCE_DIR}/src/onnx/onnx_min.proto)
if(EXISTS ${onnx_proto})
    find_program(PROTOC_C protoc-c REQUIRED)
    add_custom_command(
        OUTPUT ${generated}/onnx_min.pb-c.c ${generated}/onnx_min.pb-c.h
        COMMAND ${PROTOC_C} --c_out=${generated} --proto_path=${CMAKE_SOURCE_DIR}/src/onnx ${onnx_proto}
        DEPENDS ${onnx_proto} COMMENT "protoc-c onnx_min.proto" VERBATIM)
    list(APPEND library_sources ${generated}/onnx_min.pb-c.c ${generated}/onnx_min.pb-c.h)
    set_source_files_properties(${generated}/onnx_min.pb-c.c PROPERTIES COMPILE_OPTIONS -w)
endif()

add_library(mixdown_objects OBJECT ${library_sources})
target_include_directories(mixdown_objects PUBLIC ${CMAKE_SOURCE_DIR}/include PRIVATE ${CMAKE_SOURCE_DIR}/src)
target_include_directories(mixdown_objects SYSTEM PRIVATE ${generated})
target_link_libraries(mixdown_objects PRIVATE mixdown_flags PUBLIC mixdown_deps)

foreach(kind shared static)
    string(TOUPPER ${kind} kind_upper)
    add_library(mixdown_${kind} ${kind_upper} $<TARGET_OBJECTS:mixdown_objects>)
    set_target_properties(mixdown_${kind} PROPERTIES OUTPUT_NAME mixdown EXPORT_NAME ${kind} LINKER_LANGUAGE C)
    target_include_directories(mixdown_${kind} PUBLIC
        $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(mixdown_${kind} PRIVATE $<BUILD_INTERFACE:mixdown_deps> $<BUILD_INTERFACE:mixdown_flags>)
endforeach()
set_target_properties(mixdown_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${MIXDOWN_API_LEVEL})
if(NOT MIXDOWN_SANITIZE) # clang leaves the sanitizer's own functions to the program
    target_link_options(mixdown_shared PRIVATE -Wl,--no-undefined)
endif()
