/* SPDX-License-Identifier: Apache-2.0
 *
 * What every part of mixdown shares: status codes, errors, the allocator, element types and
 * tensors. Plain C; compiles alone as C99 and as C++11.
 */
#ifndef MIXDOWN_BASE_H
#define MIXDOWN_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MXD_API                 __attribute__((visibility("default")))
#define MXD_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define MXD_API
#define MXD_PRINTF(text, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* One row per failure class: name, value, text. Values are ABI: append rows, never renumber. */
#define MXD_STATUS_MAP(X)                                            \
    X(OK, 0, "success")                                              \
    X(E_NOMEM, -1, "out of memory")                                  \
    X(E_IO, -2, "file cannot be read or written")                    \
    X(E_PARSE, -3, "content does not parse")                         \
    X(E_INVAL, -4, "invalid model, argument or file content")        \
    X(E_SHAPE, -5, "tensor shapes disagree")                         \
    X(E_DTYPE, -6, "element types disagree")                         \
    X(E_RANGE, -7, "value outside its range")                        \
    X(E_USAGE, -8, "unknown name, key or specification")             \
    X(E_UNSUPPORTED, -9, "understood, but not supported here")       \
    X(E_STALE, -10, "made by another version or for another device") \
    X(E_CANCELLED, -11, "cancelled")                                 \
    X(E_MISMATCH, -12, "results differ")

typedef enum mxd_status {
#define MXD_X(name, value, text) MXD_##name = value,
    MXD_STATUS_MAP(MXD_X)
#undef MXD_X
} mxd_status;

/** The text of a status, never NULL. */
MXD_API const char *mxd_status_text(mxd_status status);

/**
 * Where a failure is told: caller's storage, no allocation. `msg` is one line (place, expected,
 * got), always terminated, empty while status is MXD_OK. Every function takes NULL for "do not
 * tell".
 */
typedef struct mxd_error {
    mxd_status status;
    char       msg[1020];
} mxd_error;
#define MXD_ERROR_INIT \
    {                  \
        MXD_OK, ""     \
    }

/**
 * The allocator of a context. `alloc` returns memory aligned to 64 bytes, or NULL; `free` accepts
 * NULL. Both may be called from any thread.
 */
typedef struct mxd_allocator {
    void *(*alloc)(void *user, size_t bytes);
    void (*free)(void *user, void *p);
    void *user;
} mxd_allocator;

/* Element types: storage only. Scale, zero point, axis and block live in mxd_qparams.
 * name, text, bits. Values are ABI and stand in engine files: append only. 4-bit: two per byte, low
 * nibble first. */
#define MXD_DTYPE_MAP(X)   \
    X(NONE, "none", 0)     \
    X(F32, "f32", 32)      \
    X(F16, "f16", 16)      \
    X(BF16, "bf16", 16)    \
    X(F8E4M3, "f8e4m3", 8) \
    X(S8, "s8", 8)         \
    X(U8, "u8", 8)         \
    X(S4, "s4", 4)         \
    X(U4, "u4", 4)         \
    X(S16, "s16", 16)      \
    X(S32, "s32", 32)      \
    X(S64, "s64", 64)      \
    X(BOOL, "bool", 8)     \
    X(F64, "f64", 64)      \
    X(U16, "u16", 16)

typedef enum mxd_dtype {
#define MXD_X(name, text, bits) MXD_##name,
    MXD_DTYPE_MAP(MXD_X)
#undef MXD_X
        MXD_DTYPE_COUNT
} mxd_dtype;

/** "f32", "s8" ...; "none" for MXD_NONE and anything outside the enum. */
MXD_API const char *mxd_dtype_name(mxd_dtype dtype);

/** Bits of one element; 0 for MXD_NONE. */
MXD_API unsigned mxd_dtype_bits(mxd_dtype dtype);

enum { MXD_MAX_RANK = 8 };

/** A dense row-major tensor in host memory. Who owns `data` is said where a tensor is passed. */
typedef struct mxd_tensor {
    void     *data;
    mxd_dtype dtype;
    int32_t   rank; /* 0..MXD_MAX_RANK; 0 is a scalar */
    int64_t   dim[MXD_MAX_RANK];
} mxd_tensor;

/** Version of the release ("0.1.0"). */
MXD_API const char *mxd_version(void);

#ifdef __cplusplus
}
#endif
#endif
