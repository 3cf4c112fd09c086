/* SPDX-License-Identifier: Apache-2.0
 *
 * From a graph part to a program. Nodes are lowered in order, each by its row of cpu_ops.c; a
 * lowering asks for its inputs in the layout that it wants, makes its outputs and emits steps.
 * Layout conversions are emitted when a value is asked for in a layout that it does not have yet,
 * at most once each. A step whose inputs are all constant runs at once and leaves constants.
 */
#ifndef MXDI_BACKENDS_CPU_PLAN_H
#define MXDI_BACKENDS_CPU_PLAN_H

#include "backends/cpu/cpu_impl.h"
#include "base/threads.h"

/* What is known of a graph value so far. */
typedef struct mxdi_cpu_state {
    uint32_t plain, blocked; /* tensors that hold it, or MXD_NO_VALUE */
    uint32_t reshape_of;     /* value with the same elements in another shape, or MXD_NO_VALUE */
    uint32_t n_uses;         /* inputs of nodes */
    uint32_t output;         /* number among the part's outputs, or MXD_NO_VALUE */
    uint32_t inside; /* value whose blocked tensor holds it as a range of channels (Concat), or
                        MXD_NO_VALUE */
    int64_t first_channel; /* there */
    bool    wish;          /* someone wants it blocked */
    /* Transposes that are strides of a product (cpu_through.c), or NULL: the one that would make
     * it, and the one whose output its product writes. */
    const mxd_node *read_through, *write_through;
} mxdi_cpu_state;

typedef struct mxdi_cpu_plan {
    mxd_program          *program;
    const mxd_graph_view *g;
    mxdi_cpu_state       *value;         /* (n_values) */
    const mxd_node       *node;          /* being lowered; NULL: none (conversions at the end) */
    mxdi_arena            scratch;       /* gone when the program is done */
    size_t                workspace_cap; /* of panels and scratch; 0: none */
    const mxd_choices    *choices;       /* of the host; NULL: none */
    bool                  timed;         /* what is not among them is timed */
    uint32_t              threads;       /* that a step runs on */
    mxdi_pool            *pool;          /* of timing; NULL until the first, and for one thread */
} mxdi_cpu_plan;

/* ---- values and nodes ---- */
static inline bool mxdi_cpu_has_in(const mxd_node *n, uint32_t k)
{
    return n->n_in > k && n->in[k] != MXD_NO_VALUE;
}
static inline bool mxdi_cpu_has_out(const mxd_node *n, uint32_t k)
{
    return n->n_out > k && n->out[k] != MXD_NO_VALUE;
}
static inline const mxd_value *mxdi_cpu_in(const mxd_graph_view *g, const mxd_node *n, uint32_t k)
{
    return mxdi_cpu_has_in(n, k) ? &g->value[n->in[k]] : NULL;
}
static inline const mxd_value *mxdi_cpu_out(const mxd_graph_view *g, const mxd_node *n, uint32_t k)
{
    return mxdi_cpu_has_out(n, k) ? &g->value[n->out[k]] : NULL;
}
mxd_dtype mxdi_cpu_stored(mxd_dtype d);  /* type in a tensor */
int32_t   mxdi_cpu_shift(mxd_dtype d);   /* stored - graph's integer: 128 for s8 and s4, else 0 */
bool      mxdi_cpu_is_byte(mxd_dtype d); /* integers of 8 and 4 bits */
int64_t   mxdi_cpu_count(const mxd_value *v); /* elements at the largest batch */
bool      mxdi_cpu_same_shape(const mxd_value *a, const mxd_value *b);
/* Element strides of plain v along y's axes, 0 where it is broadcast. */
void    mxdi_cpu_broadcast_strides(int64_t *out, const mxd_value *v, const mxd_value *y);
int32_t mxdi_cpu_axis(const mxd_node *n, const mxd_value *x,
                      int64_t otherwise); /* attribute `axis`, not negative */
/* Constant value k of a node as f32: converted, dequantized by its qparams; in the plan's scratch
 * or the part's own memory. NULL with MXD_OK: it is absent or not constant. */
mxd_status mxdi_cpu_constant_f32(const float **out, mxdi_cpu_plan *p, uint32_t value,
                                 mxd_error *err);
/* Integers of a constant, or NULL as above. */
mxd_status mxdi_cpu_constant_s64(const int64_t **out, mxdi_cpu_plan *p, uint32_t value,
                                 mxd_error *err);

/* ---- tensors (cpu_tensor.c) ---- */
/* New ones for a value, in the arena. Blocked has the one layout that values of this shape and type
 * have. `exact`: the step writes the value's elements and nothing else, so an output may be written
 * in the caller's memory. */
mxd_status mxdi_cpu_make_plain(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, bool exact,
                               mxd_error *err);
mxd_status mxdi_cpu_make_blocked(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxd_error *err);
/* A value as rows of its last axis: blocked, h = 1, the same bytes as its plain tensor. */
mxd_status mxdi_cpu_make_rows(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxd_error *err);
/* Another name for the memory of `of`. */
mxd_status mxdi_cpu_alias(uint32_t *out, mxdi_cpu_plan *p, uint32_t of, mxd_error *err);
mxd_status mxdi_cpu_add_tensor(uint32_t *out, mxdi_cpu_plan *p, const mxdi_cpu_tensor *t,
                               mxd_error *err);
mxd_status mxdi_cpu_reserve(mxdi_cpu_plan *p, uint32_t t, size_t bytes, mxd_error *err);
/* Plan which inputs of Concats their producers write where the Concat's output wants them
 * (cpu_join.c). */
void mxdi_cpu_plan_joins(mxdi_cpu_plan *p);
bool mxdi_cpu_can_block(const mxd_value *v); /* f32 or bytes, (N, C), (N, C, L) or (N, C, H, W) */
mxd_status mxdi_cpu_layout_of(mxdi_blocked *out, const mxd_value *v, int64_t max_batch,
                              mxd_error *err);

/* ---- values in a layout (cpu_convert.c); conversions are emitted as needed ---- */
mxd_status mxdi_cpu_get_plain(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxd_error *err);
mxd_status mxdi_cpu_get_blocked(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxd_error *err);
mxd_status mxdi_cpu_get_rows(uint32_t *out, mxdi_cpu_plan *p, uint32_t value, mxd_error *err);
/* *tensor becomes a copy in the arena if it is in the caller's memory: readable past its end, room
 * for a whole block. */
mxd_status mxdi_cpu_own(uint32_t *tensor, mxdi_cpu_plan *p, uint32_t value, mxd_error *err);
/* Whether a blocked tensor of it exists, or would cost nothing. */
bool mxdi_cpu_is_blocked(const mxdi_cpu_plan *p, uint32_t value);
/* All outputs into the caller's memory. */
mxd_status mxdi_cpu_deliver(mxdi_cpu_plan *p, mxd_error *err);

/* ---- steps (cpu_plan.c) ---- */
typedef struct mxdi_cpu_emission {
    const mxdi_cpu_kind *kind;
    void                *op; /* of mxdi_cpu_new_op; released when emission fails */
    const uint32_t      *in; /* tensors */
    const uint32_t      *out;
    uint32_t             n_in, n_out;
    bool                 in_place, anonymous; /* anonymous: a conversion, nobody's work */
    const char *kernel, *computed, *reason; /* kernel and reason must live as long as the program */
    const char *algorithm;                  /* likewise; NULL: there is one only */
    int64_t     macs;
    double      ns;      /* 0: by macs and bytes */
    size_t      derived; /* bytes of panels */
} mxdi_cpu_emission;
mxd_status mxdi_cpu_emit(mxdi_cpu_plan *p, const mxdi_cpu_emission *e, mxd_error *err);
/* Zeroed state of a step, in the program's arena. */
void *mxdi_cpu_new_op(mxdi_cpu_plan *p, size_t bytes);
#define MXDI_CPU_NEW_OP(p, type) ((type *)mxdi_cpu_new_op((p), sizeof(type)))
/* The family and the instruction set of `variant` ("softmax_f32_avx512"), in the program's arena;
 * NULL: out of memory. */
const char *mxdi_cpu_kernel_name(mxdi_cpu_plan *p, const char *family, const char *variant);
void        mxdi_cpu_need_scratch(mxdi_cpu_plan *p, size_t bytes); /* of each thread */

/* ---- ops (cpu_ops.c) ---- */
typedef enum mxdi_cpu_wish {
    MXDI_CPU_WISH_PLAIN,
    MXDI_CPU_WISH_BLOCKED,
    MXDI_CPU_WISH_FOLLOW /* as its outputs are wished */
} mxdi_cpu_wish;

typedef struct mxdi_cpu_op {
    const char   *name, *domain;
    mxdi_cpu_wish wish;
    const char *(*refuses)(const mxd_graph_view *g, const mxd_node *n); /* the reason, or NULL */
    mxd_status (*lower)(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err);
} mxdi_cpu_op;

const mxdi_cpu_op *mxdi_cpu_op_find(const mxd_node *n); /* NULL: none */
#endif
