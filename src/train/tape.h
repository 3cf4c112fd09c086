/* SPDX-License-Identifier: Apache-2.0
 *
 * A network in training: values in the kernels' blocked layout, parameters, and the operations in
 * order, each of which runs forward and backward on one fixed batch. Built from a bound graph
 * (tape_build.c); the operations are one file per family (op_*.c). It knows no data, no loss and no
 * optimizer.
 *
 * Quantized values hold what the engine holds (docs/numerics.md): x counts integer steps behind the
 * zero point, and the products of two such values are sums of integers. They are stored as floats,
 * exact up to 2^24.
 *
 * One owner, one thread; the pool's threads are used inside. Results do not depend on their number.
 */
#ifndef MXDI_TRAIN_TAPE_H
#define MXDI_TRAIN_TAPE_H

#include "base/arena.h"
#include "base/rng.h"
#include "base/threads.h"
#include "ir/graph.h"
#include "kernels/layout.h"

enum { MXDI_TRAIN_BLOCK = 8 }; /* images side by side; batches are multiples of it */

typedef enum mxdi_train_method {
    MXDI_TRAIN_MINMAX,
    MXDI_TRAIN_LSQ,
    MXDI_TRAIN_LSQ_PLUS,
    MXDI_TRAIN_PACT,
    MXDI_TRAIN_DOREFA,
    MXDI_TRAIN_STEPS /* of blocks whose roundings are chosen: weights are parameters in their fixed
                        steps, activations stay as calibrated */
} mxdi_train_method;

/* What the engine sees in a value (engine/fuse_qdq.c), which decides the formula of who reads it.
 */
typedef enum mxdi_train_form {
    MXDI_FORM_OTHER, /* reals, or fractions of steps */
    MXDI_FORM_SUMS,  /* a product's own sums of integers */
    MXDI_FORM_STEPS, /* a quantizer's integers behind maxima, paddings and clamps: another quantizer
                        makes a table of them */
    MXDI_FORM_STORED /* a quantizer's integers, at most moved: what integer layers read */
} mxdi_train_form;

typedef struct mxdi_train_value {
    const char  *name;
    mxdi_blocked layout; /* (N, C, H, W); (N, C, L) has h = 1; (N, C) has h = w = 1 */
    int64_t      floats; /* of x and of dx; 0: not an activation */
    float *x, *dx; /* the value, and the gradient of the loss of what it stands for; valid while
                      tape_memory.c lets them live */
    size_t   x_at, dx_at; /* of a root: where in the tape's memory */
    uint32_t root;        /* the value whose storage this one shares, or itself */
    bool     wants_grad;  /* a parameter lies upstream */
    /* x stands for x * step[c] / count; step NULL: for itself */
    const double   *step;
    int64_t         n_step; /* 1 or channels */
    double          count;
    mxdi_train_form form;
    mxd_dtype       half;   /* x was rounded to this 16-bit float; MXD_NONE: it was not */
    float           lo, hi; /* a clamp of what x stands for that is still to be applied */
} mxdi_train_value;

typedef enum mxdi_param_kind {
    MXDI_PARAM_WEIGHT,
    MXDI_PARAM_BIAS,
    MXDI_PARAM_NORM, /* scale and shift of a normalization */
    MXDI_PARAM_STEP, /* a quantizer's scale or offset */
    MXDI_PARAM_STATE /* not trained by gradients: running statistics, observed ranges */
} mxdi_param_kind;

typedef struct mxdi_param {
    const char     *name; /* of the constant in the graph, or made from the quantizer's */
    mxdi_param_kind kind;
    float          *w, *dw; /* (n); dw NULL for MXDI_PARAM_STATE */
    int64_t         n;
    int64_t         fan_in; /* of weights: inputs of one output */
    float           floor;  /* w stays at least so large; -inf: free */
} mxdi_param;

struct mxdi_tape;
struct mxdi_train_op;

/* What one kind of operation does; NULL: nothing. */
typedef struct mxdi_train_kind {
    const char *name;
    /* Derives what a step needs from the parameters; operations are prepared in parallel. */
    mxd_status (*prepare)(struct mxdi_tape *t, struct mxdi_train_op *op, mxd_error *err);
    mxd_status (*forward)(struct mxdi_tape *t, struct mxdi_train_op *op, mxd_error *err);
    /* Adds to the gradients of the inputs that want one, writes those of the parameters. */
    mxd_status (*backward)(struct mxdi_tape *t, struct mxdi_train_op *op, mxd_error *err);
    /* Writes what was learned into the graph that the tape was built from, as it was before shapes
     * were bound. */
    mxd_status (*export)(const struct mxdi_tape *t, const struct mxdi_train_op *op, mxdi_graph *g,
                         mxd_error *err);
    void (*destroy)(struct mxdi_tape *t, struct mxdi_train_op *op);
} mxdi_train_kind;

typedef struct mxdi_train_op {
    const mxdi_train_kind *kind;
    const char            *name; /* the node's */
    uint32_t              *in;   /* value ids of activations */
    bool    *add; /* (n_in) the gradient of the input is added to what others wrote before */
    uint32_t n_in, out;
    bool     reads_in, reads_out; /* backward reads x of the inputs, of the output */
    void    *state;               /* of the kind; on the tape's arena */
} mxdi_train_op;

typedef struct mxdi_tape_options {
    int64_t           batch; /* a multiple of MXDI_TRAIN_BLOCK */
    uint32_t          threads, isa;
    mxdi_train_method method;
    uint64_t          seed;
    bool keep_values; /* every value stays until the next step, for who looks at them */
    bool maps;        /* the output may be any activation, not only logits */
} mxdi_tape_options;

typedef struct mxdi_tape {
    mxdi_arena        arena;
    mxdi_tape_options options;
    const mxdi_graph
        *graph; /* bound to the batch; the first values of the tape have the ids of its values */
    const mxdi_graph *origin; /* the float graph with the weights of quantized layers, by layer
                                 name; NULL: graph */
    mxdi_links        links;  /* of graph */
    mxdi_train_value *value;
    struct mxdi_act_quantizer           *
        *quantizer; /* (graph->n_nodes) of QuantizeLinear nodes of activations */
    uint32_t      *real; /* (graph->n_values) the value that holds its reals, or MXD_NO_VALUE */
    mxdi_train_op *op;
    uint32_t       n_values;
    mxdi_param   **param;
    uint32_t       n_ops, n_params, cap_params;
    uint32_t       input, output; /* value ids: pictures, logits */
    mxdi_pool     *pool;
    bool           training; /* batch statistics, dropout, range observers are on */
    int64_t        step;     /* counts forward passes in training */
    uint8_t       *memory;   /* of all x and dx */
    size_t         memory_bytes;
    void          *scratch; /* of `scratch_bytes` for each thread */
    size_t         scratch_bytes;
    void          *workspace; /* of all threads together */
    size_t         workspace_bytes;
    double        *partial; /* sums of blocks, (blocks, partial_width) */
    int64_t        partial_width;
} mxdi_tape;

/* `graph` bound to the batch, one input, one output of logits (a final Softmax is left out); it and
 * `origin` must outlive the tape. MXD_E_UNSUPPORTED names a node that cannot be trained, and why.
 */
mxd_status mxdi_tape_create(mxdi_tape **out, const mxdi_graph *graph, const mxdi_graph *origin,
                            const mxdi_tape_options *options, const mxd_allocator *alloc,
                            mxd_error *err);
void       mxdi_tape_destroy(mxdi_tape *t);
/* Packs weights, then every operation in order. MXD_E_RANGE names the operation that made a NaN or
 * an infinity. */
mxd_status mxdi_tape_forward(mxdi_tape *t, mxd_error *err);
/* Runs the operations again, each looked at. MXD_E_RANGE with the step, and the first that made a
 * NaN or an infinity; a maximum may have hidden it. */
mxd_status mxdi_tape_blame(mxdi_tape *t, mxd_error *err);
/* From the output's dx to all parameters' dw. */
mxd_status mxdi_tape_backward(mxdi_tape *t, mxd_error *err);
/* Quantizers and weights of the next step, after an update: what export writes. */
mxd_status mxdi_tape_refresh(mxdi_tape *t, mxd_error *err);
mxd_status mxdi_tape_export(const mxdi_tape *t, mxdi_graph *g, mxd_error *err);

/* ---- building (tape_build.c), for op_*.c ---- */

/* Adds an operation with `bytes` of zeroed state. Its backward pass is taken to read all, unless
 * reads_in and reads_out are cleared. */
mxd_status mxdi_tape_add(mxdi_train_op **out, mxdi_tape *t, const mxdi_train_kind *kind,
                         const char *name, const uint32_t *in, uint32_t n_in, uint32_t value_out,
                         size_t state_bytes, mxd_error *err);
/* Layout of a value with the graph's shape, and storage of its own. */
mxd_status mxdi_tape_value(mxdi_tape *t, uint32_t value, mxd_error *err);
/* A value that holds reals, without a clamp left to apply: `value` itself, or one made from it. */
mxd_status mxdi_tape_real(uint32_t *out, mxdi_tape *t, uint32_t value, mxd_error *err);
/* `value` is another name for `of`, whose storage and layout it shares. */
void mxdi_tape_alias(mxdi_tape *t, uint32_t value, uint32_t of);
/* Storage of all values and gradients, once every operation is there (tape_memory.c). */
mxd_status mxdi_tape_place(mxdi_tape *t, mxd_error *err);
/* Gives the storage back between two steps, and takes it again. Values are lost; parameters are
 * elsewhere. */
void       mxdi_tape_release(mxdi_tape *t);
mxd_status mxdi_tape_hold(mxdi_tape *t, mxd_error *err);
/* Of what moves a value, or does more to it that keeps its steps. */
static inline mxdi_train_form mxdi_form_moved(mxdi_train_form f)
{
    return f == MXDI_FORM_SUMS ? MXDI_FORM_OTHER : f;
}
static inline mxdi_train_form mxdi_form_changed(mxdi_train_form f)
{
    return f == MXDI_FORM_STORED || f == MXDI_FORM_STEPS ? MXDI_FORM_STEPS : MXDI_FORM_OTHER;
}
mxd_status mxdi_tape_param(mxdi_param **out, mxdi_tape *t, const char *name, mxdi_param_kind kind,
                           const float *w, int64_t n, mxd_error *err);
/* So much scratch for each thread, from now on; what it held is lost. */
mxd_status mxdi_tape_grow_scratch(mxdi_tape *t, size_t bytes, mxd_error *err);
void       mxdi_tape_need_workspace(mxdi_tape *t, size_t bytes);
void       mxdi_tape_need_partial(mxdi_tape *t, int64_t width);
/* Where a kernel is not there: "NODE 'name': not trained: why". */
mxd_status            mxdi_tape_refuse(const mxd_node *node, const char *why, mxd_error *err);
static inline int64_t mxdi_tape_blocks(const mxdi_tape *t)
{
    return t->options.batch / MXDI_TRAIN_BLOCK;
}

/* The node's constant input k as floats, or NULL. */
const mxd_value *mxdi_tape_constant(const mxdi_tape *t, const mxd_node *node, uint32_t k);

/* The operation that makes `value`, which nobody else may read but the one at hand, clamps below at
 * 0 as well. */
bool mxdi_train_conv_take_relu(mxdi_tape *t, uint32_t value);

typedef mxd_status (*mxdi_train_build_fn)(mxdi_tape *t, const mxd_node *node, mxd_error *err);
mxd_status mxdi_train_build_conv(mxdi_tape *t, const mxd_node *node,
                                 mxd_error *err); /* Conv, Gemm, MatMul */
mxd_status mxdi_train_build_norm(mxdi_tape *t, const mxd_node *node,
                                 mxd_error *err); /* BatchNormalization */
mxd_status mxdi_train_build_relu(mxdi_tape *t, const mxd_node *node,
                                 mxd_error *err); /* Relu, LeakyRelu */
mxd_status mxdi_train_build_clip(mxdi_tape *t, const mxd_node *node, mxd_error *err);
mxd_status mxdi_train_build_add(mxdi_tape *t, const mxd_node *node, mxd_error *err);
mxd_status mxdi_train_build_dropout(mxdi_tape *t, const mxd_node *node, mxd_error *err);
mxd_status mxdi_train_build_concat(mxdi_tape *t, const mxd_node *node, mxd_error *err);
mxd_status mxdi_train_build_pool(
    mxdi_tape *t, const mxd_node *node,
    mxd_error *err); /* Max-, Average-, GlobalAveragePool, ReduceMean */
mxd_status mxdi_train_build_reshape(
    mxdi_tape *t, const mxd_node *node,
    mxd_error *err); /* Flatten, Reshape, Squeeze, Unsqueeze, Identity */
mxd_status mxdi_train_build_move(mxdi_tape *t, const mxd_node *node,
                                 mxd_error *err); /* Slice, Pad */
mxd_status mxdi_train_build_quantize(mxdi_tape *t, const mxd_node *node,
                                     mxd_error *err); /* QuantizeLinear */
mxd_status mxdi_train_build_dequantize(mxdi_tape *t, const mxd_node *node, mxd_error *err);
mxd_status mxdi_train_build_cast(mxdi_tape *t, const mxd_node *node,
                                 mxd_error *err); /* to 16-bit floats and back */

/* ---- running, for op_*.c ---- */
/* fn over [0, blocks) in parallel. */
typedef void (*mxdi_tape_block_fn)(void *arg, int64_t block, unsigned thread);
void                mxdi_tape_each_block(mxdi_tape *t, mxdi_tape_block_fn fn, void *arg);
static inline void *mxdi_tape_scratch(const mxdi_tape *t, unsigned thread)
{
    return (char *)t->scratch + (size_t)thread * t->scratch_bytes;
}
/* Sums of `width` doubles, written by block to t->partial + block*partial_width, added in order of
 * blocks into out. */
void mxdi_tape_sum_blocks(const mxdi_tape *t, double *out, int64_t width);
#endif
