# SPDX-License-Identifier: Apache-2.0
#
# Compiler flags. `mixdown_flags` is what all of our own C is compiled with; mixdown_isa_flags() gives the kernel
# files of one instruction set what their name says.

if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 11)
    message(FATAL_ERROR "mixdown: compiler: expected gcc 11 or newer (AVX-VNNI, AMX), got ${CMAKE_C_COMPILER_VERSION}")
elseif(CMAKE_C_COMPILER_ID MATCHES "Clang" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 13)
    message(FATAL_ERROR "mixdown: compiler: expected clang 13 or newer, got ${CMAKE_C_COMPILER_VERSION}")
endif()

# Never -ffast-math; a contracted multiply-add would change the results that docs/numerics.md defines.
add_library(mixdown_flags INTERFACE)
target_compile_definitions(mixdown_flags INTERFACE _GNU_SOURCE)
target_compile_options(mixdown_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes
    -ffp-contract=off -fno-math-errno $<$<BOOL:${MIXDOWN_WERROR}>:-Werror>)
if(MIXDOWN_SANITIZE)
    target_compile_options(mixdown_flags INTERFACE
        -fsanitize=${MIXDOWN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    if(CMAKE_C_COMPILER_ID STREQUAL GNU AND MIXDOWN_SANITIZE MATCHES address)
        # Its fake stack aligns to 32 bytes, vectors of AVX-512 want 64: GCC PR 110027, in 11 to 13.
        target_compile_options(mixdown_flags INTERFACE --param asan-use-after-return=0)
    endif()
    target_link_options(mixdown_flags INTERFACE -fsanitize=${MIXDOWN_SANITIZE})
endif()

set(isa_avx2 -mavx2 -mfma -mf16c)
set(isa_avxvnni ${isa_avx2} -mavxvnni)
set(isa_avx512 ${isa_avx2} -mavx512f -mavx512bw -mavx512vl -mavx512dq)
set(isa_avx512vnni ${isa_avx512} -mavx512vnni)
set(isa_avx512bf16 ${isa_avx512vnni} -mavx512bf16)
set(isa_amx ${isa_avx512bf16} -mamx-tile -mamx-int8 -mamx-bf16)
set(isa_neon -march=armv8-a)
set(isa_dotprod -march=armv8.2-a+dotprod)
set(isa_i8mm -march=armv8.2-a+dotprod+i8mm)
set(isas_x86_64 avx2 avxvnni avx512 avx512vnni avx512bf16 amx)
set(isas_aarch64 neon dotprod i8mm)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
    set(isas_here ${isas_x86_64})
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(isas_here ${isas_aarch64})
else()
    set(isas_here "")
endif()

# gcc 12 for AArch64 ends in an internal error where a loop's result is a chain of fmax.
if(isas_here STREQUAL isas_aarch64 AND CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_C_COMPILER_VERSION MATCHES "^12[.]")
    target_compile_options(mixdown_flags INTERFACE -fno-builtin-fmax -fno-builtin-fmaxf -fno-builtin-fmin -fno-builtin-fminf)
endif()

# Flags of src/kernels/**/NAME_<isa>.c; files for other processors leave the list named by `sources`.
function(mixdown_isa_flags sources)
    set(kept "")
    foreach(file IN LISTS ${sources})
        set(options "")
        set(here TRUE)
        if(file MATCHES "/src/kernels/")
            list(APPEND options $<$<CONFIG:Release>:-O3>)
        endif()
        foreach(isa IN LISTS isas_x86_64 isas_aarch64)
            if(file MATCHES "_${isa}\\.c$")
                list(APPEND options ${isa_${isa}})
                if(MIXDOWN_FUZZ) # instrumented, they take minutes each to compile; ASan has its own build
                    list(APPEND options -fno-sanitize=all)
                endif()
                if(NOT isa IN_LIST isas_here)
                    set(here FALSE)
                endif()
            endif()
        endforeach()
        if(here)
            list(APPEND kept ${file})
            set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${options}")
        endif()
    endforeach()
    set(${sources} ${kept} PARENT_SCOPE)
endfunction()
