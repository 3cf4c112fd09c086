/* SPDX-License-Identifier: Apache-2.0
 *
 * What shape functions share: looking at inputs, refusing them with the node's name, giving outputs
 * their shape. Private to src/ir. Functions take an input's place `k`; an optional input that is
 * left out passes every check.
 */
#ifndef MXDI_IR_SHAPES_H
#define MXDI_IR_SHAPES_H

#include "base/dtype.h"
#include "ir/ops.h"

/* Sets of element types: 1u << dtype. */
#define MXDI_TYPE(name) (1u << MXD_##name)
enum {
    MXDI_FLOATS  = MXDI_TYPE(F32) | MXDI_TYPE(F16) | MXDI_TYPE(BF16) | MXDI_TYPE(F64),
    MXDI_SIGNED  = MXDI_TYPE(S8) | MXDI_TYPE(S16) | MXDI_TYPE(S32) | MXDI_TYPE(S64),
    MXDI_INTS    = MXDI_SIGNED | MXDI_TYPE(U8) | MXDI_TYPE(U16),
    MXDI_NUMBERS = MXDI_FLOATS | MXDI_INTS,
    MXDI_BOOLS   = MXDI_TYPE(BOOL),
    MXDI_INDEX   = MXDI_TYPE(S32) | MXDI_TYPE(S64),
    MXDI_BYTES   = MXDI_TYPE(S8) | MXDI_TYPE(U8),
    /* what a quantizer may make */
    MXDI_QUANTS = MXDI_BYTES | MXDI_TYPE(S4) | MXDI_TYPE(U4) | MXDI_TYPE(S16) | MXDI_TYPE(U16),
    MXDI_ANY    = MXDI_NUMBERS | MXDI_QUANTS | MXDI_BOOLS | MXDI_TYPE(F8E4M3)
};

/* "Conv 'stem': " and the text. */
mxd_status mxdi_shape_refuse(mxd_error *err, mxd_status status, const mxd_node *node,
                             const char *format, ...) MXD_PRINTF(4, 5);

/* ---- inputs ---- */
const mxd_value *mxdi_shape_in(const mxdi_graph *g, const mxd_node *node, uint32_t k); /* NULL */
mxd_status mxdi_shape_types(const mxdi_graph *g, const mxd_node *node, uint32_t k, uint32_t types,
                            mxd_error *err);
/* Inputs a and b are of one type. */
mxd_status mxdi_shape_same_type(const mxdi_graph *g, const mxd_node *node, uint32_t a, uint32_t b,
                                mxd_error *err);
mxd_status mxdi_shape_rank(const mxdi_graph *g, const mxd_node *node, uint32_t k, int32_t least,
                           int32_t most, mxd_error *err);
/* Input k has these dims; -1 on either side agrees with everything. */
mxd_status mxdi_shape_want(const mxdi_graph *g, const mxd_node *node, uint32_t k,
                           const int64_t *dim, int32_t rank, mxd_error *err);
/* Input k is a scalar or has one element. */
mxd_status mxdi_shape_scalar(const mxdi_graph *g, const mxd_node *node, uint32_t k, mxd_error *err);
/* Two dims: true unless both are known and differ. */
bool mxdi_shape_agree(int64_t a, int64_t b);
/* a * b, -1 when one is unknown; false on overflow. */
bool mxdi_shape_mul(int64_t *out, int64_t a, int64_t b);

/* ---- integers that an attribute or a constant input gives ---- */
typedef enum mxdi_source {
    MXDI_ABSENT,
    MXDI_KNOWN,
    MXDI_DATA /* an input that only a run will know */
} mxdi_source;
enum { MXDI_INTS_MAX = 2 * MXD_MAX_RANK };
typedef struct mxdi_ints {
    mxdi_source source;
    uint32_t    n;
    int64_t     v[MXDI_INTS_MAX];
} mxdi_ints;
/* Of attribute `attr` (NULL: none such) or input `k` (MXD_NO_VALUE: none such); given by both is
 * refused. */
mxd_status mxdi_shape_ints(mxdi_ints *out, const mxdi_graph *g, const mxd_node *node,
                           const char *attr, uint32_t k, mxd_error *err);
/* The same, as axes of a value of `rank`, each once: in [0, rank) and in the order given. */
mxd_status mxdi_shape_axes(mxdi_ints *out, const mxdi_graph *g, const mxd_node *node,
                           const char *attr, uint32_t k, int32_t rank, mxd_error *err);
/* axis in [-rank, rank) -> [0, rank). */
mxd_status mxdi_shape_axis(int32_t *out, const mxd_node *node, int64_t axis, int32_t rank,
                           mxd_error *err);
/* Attribute `name` is one of `n` words; its index in *which (0 when absent: the default first). */
mxd_status mxdi_shape_word(uint32_t *which, const mxd_node *node, const char *name,
                           const char *const *words, uint32_t n, mxd_error *err);

/* ---- outputs; one that is left out, or beyond the node's, is fine ---- */
mxd_status mxdi_shape_out(mxdi_graph *g, const mxd_node *node, uint32_t k, mxd_dtype dtype,
                          const int64_t *dim, int32_t rank, mxd_error *err);
mxd_status mxdi_shape_out_like(mxdi_graph *g, const mxd_node *node, uint32_t k, const mxd_value *v,
                               mxd_error *err);
/* Its type is known, its shape only at a run. */
mxd_status mxdi_shape_out_open(mxdi_graph *g, const mxd_node *node, uint32_t k, mxd_dtype dtype);
/* The dtype that the maker of an op of domain "mixdown" gave its output; refused when not among
 * `types`. */
mxd_status mxdi_shape_given_type(mxd_dtype *out, const mxdi_graph *g, const mxd_node *node,
                                 uint32_t types, mxd_error *err);

/* ---- the shape functions of ops.inc ---- */
#define MXDI_OP(name, domain, min_in, max_in, min_out, max_out, shape_in, attrs, shape) \
    mxd_status mxdi_shape_of_##shape(mxdi_graph *g, const mxd_node *node, mxd_error *err);
#include "ir/ops.inc"
#undef MXDI_OP
#endif
