/* SPDX-License-Identifier: Apache-2.0
 *
 * What the families of the interpreter share: the call of one node, its scratch, reading attributes
 * and index inputs, walking tensors of any shape. Private to src/interp.
 */
#ifndef MXDI_INTERP_IMPL_H
#define MXDI_INTERP_IMPL_H

#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "interp/interp.h"
#include "ir/ops.h"

/* One node being run. A reference function finds required inputs and outputs present, with data
 * that fits their shapes; that shapes and types go together is for it to check. Messages leave the
 * node's name to the caller. */
typedef struct mxdi_interp_call {
    const mxd_node      *node;
    const mxd_value     *values;
    const mxd_tensor    *in;
    mxd_tensor          *out;
    const mxd_allocator *alloc;
    void               **scratch; /* newest block of a list, freed by mxdi_interp_node */
    mxd_error           *err;
} mxdi_interp_call;

typedef mxd_status (*mxdi_interp_fn)(const mxdi_interp_call *c);

/* Sets of element types, for the table. */
#define MXDI_BIT(d) (1u << MXD_##d)
enum {
    MXDI_T_REAL  = MXDI_BIT(F32) | MXDI_BIT(F16) | MXDI_BIT(BF16),
    MXDI_T_FLOAT = MXDI_T_REAL | MXDI_BIT(F64),
    MXDI_T_INT =
        MXDI_BIT(S8) | MXDI_BIT(U8) | MXDI_BIT(S16) | MXDI_BIT(U16) | MXDI_BIT(S32) | MXDI_BIT(S64),
    MXDI_T_QUANT =
        MXDI_BIT(S8) | MXDI_BIT(U8) | MXDI_BIT(S4) | MXDI_BIT(U4) | MXDI_BIT(S16) | MXDI_BIT(U16),
    MXDI_T_BOOL = MXDI_BIT(BOOL),
    MXDI_T_NUM  = MXDI_T_FLOAT | MXDI_T_INT,
    MXDI_T_ALL  = MXDI_T_NUM | MXDI_T_QUANT | MXDI_T_BOOL | MXDI_BIT(F8E4M3)
};

/* One row of the table. */
typedef struct mxdi_interp_op {
    const char    *name, *domain;
    mxdi_interp_fn run;
    uint32_t       min_in; /* inputs 0 .. min_in - 1 are required */
    uint32_t       types;  /* of input 0 */
    uint32_t scratch;      /* at most so many bytes for each element of inputs and outputs, beside a
                              fixed part */
} mxdi_interp_op;

#define MXD_INTERP(name, domain, function, min_in, types, scratch) \
    mxd_status mxdi_interp_##function(const mxdi_interp_call *c);
#include "interp/interp_ops.inc"
#undef MXD_INTERP

/* ---- inputs, attributes, scratch (interp_util.c) ---- */
static inline bool mxdi_interp_given(const mxdi_interp_call *c, uint32_t k)
{
    return k < c->node->n_in && c->node->in[k] != MXD_NO_VALUE;
}

static inline bool mxdi_interp_wanted(const mxdi_interp_call *c, uint32_t k)
{
    return k < c->node->n_out && c->out[k].data;
}

/* Zeroed scratch that lives until the node is done; NULL when out of memory. */
void      *mxdi_interp_alloc(const mxdi_interp_call *c, int64_t count, size_t size);
int64_t    mxdi_interp_count(const mxd_tensor *t);
int64_t    mxdi_interp_product(const int64_t *dim, int32_t from, int32_t to); /* of dim[from..to) */
void       mxdi_interp_strides(int64_t *stride, const int64_t *dim, int32_t rank);
bool       mxdi_interp_same_shape(const mxd_tensor *a, const mxd_tensor *b);
mxd_status mxdi_interp_want_shape(const mxdi_interp_call *c, const mxd_tensor *t, const char *what,
                                  const int64_t *dim, int32_t rank);
mxd_status mxdi_interp_want_dtype(const mxdi_interp_call *c, const mxd_tensor *t, const char *what,
                                  mxd_dtype dtype);
mxd_status mxdi_interp_want_count(const mxdi_interp_call *c, const mxd_tensor *t, const char *what,
                                  int64_t count);
/* Output k has input 0's type and shape. */
mxd_status mxdi_interp_like_input(const mxdi_interp_call *c, uint32_t k);
/* axis in [-rank, rank) -> [0, rank). */
mxd_status mxdi_interp_axis(const mxdi_interp_call *c, int64_t axis, int32_t rank, int32_t *out);
/* Integers from input `k` when it is given, else from attribute `attr`; *n = 0 and *given = false
 * when there is neither. */
mxd_status mxdi_interp_ints(const mxdi_interp_call *c, uint32_t k, const char *attr,
                            int64_t out[2 * MXD_MAX_RANK], uint32_t *n, bool *given);
/* The same for axes of a tensor of `rank`, each once: axis[i] normalized. Absent: all axes
 * ascending. */
mxd_status mxdi_interp_axes(const mxdi_interp_call *c, uint32_t k, const char *attr, int32_t rank,
                            int32_t axis[MXD_MAX_RANK], uint32_t *n, bool *given);
/* Exactly n integers of an attribute, each in [lo, hi]; `otherwise` n times when it is absent. */
mxd_status mxdi_interp_attr_ints(const mxdi_interp_call *c, const char *attr, int64_t *out,
                                 int32_t n, int64_t otherwise, int64_t lo, int64_t hi);
/* v rounded to a float type of 16 bits; any other type leaves it. */
float mxdi_interp_rounded(float v, mxd_dtype dtype);
/* v as an f8e4m3 gets it with saturate = 0 (ONNX Cast-19): what rounds beyond its largest, 448, is
 * NaN. */
static inline double mxdi_interp_unsaturated(double v)
{
    return fabs(v) <= 464
               ? v
               : (double)NAN; /* 464, the middle between 448 and the next, ties to even */
}
/* The element of a one-element input as a float; `otherwise` when it is not given. */
mxd_status mxdi_interp_scalar(const mxdi_interp_call *c, uint32_t k, double otherwise, double *out);
/* Elements of `t` as binary32: its own data, or a converted copy in scratch. */
mxd_status mxdi_interp_as_f32(const mxdi_interp_call *c, const mxd_tensor *t, const float **out);

/* ---- single elements ---- */
static inline double mxdi_interp_get(const mxd_tensor *t, int64_t i)
{
    return t->dtype == MXD_F32 ? (double)((const float *)t->data)[i]
                               : mxdi_load_f64(t->data, t->dtype, i);
}

static inline void mxdi_interp_put(mxd_tensor *t, int64_t i, double v)
{
    if (t->dtype == MXD_F32)
        ((float *)t->data)[i] = (float)v;
    else
        mxdi_store_f64(t->data, t->dtype, i, v);
}

static inline int64_t mxdi_interp_get_int(const mxd_tensor *t, int64_t i)
{
    return mxdi_load_s64(t->data, t->dtype, i);
}

static inline void mxdi_interp_put_int(mxd_tensor *t, int64_t i, int64_t v)
{
    mxdi_store_s64(t->data, t->dtype, i, v);
}

/* to[i] = from[k], both of one type: bits are copied. */
static inline void mxdi_interp_move(mxd_tensor *to, int64_t i, const mxd_tensor *from, int64_t k)
{
    const size_t bytes = mxd_dtype_bits(to->dtype) / 8;
    if (bytes == 0)
        mxdi_store_s64(to->data, to->dtype, i, mxdi_load_s64(from->data, from->dtype, k));
    else
        memcpy((char *)to->data + (size_t)i * bytes, (const char *)from->data + (size_t)k * bytes,
               bytes);
}

/* ---- walking ---- */
/* All index tuples of a shape in row-major order, with the element offsets at[] of up to three
 * operands. */
enum { MXDI_WALK_OPERANDS = 3 };
typedef struct mxdi_interp_walk {
    int64_t left; /* tuples not done, the current one among them */
    int32_t rank;
    int64_t dim[MXD_MAX_RANK], index[MXD_MAX_RANK];
    int64_t stride[MXDI_WALK_OPERANDS][MXD_MAX_RANK];
    int64_t at[MXDI_WALK_OPERANDS];
} mxdi_interp_walk;

/* Strides are 0 until set. */
void mxdi_interp_walk_init(mxdi_interp_walk *w, const int64_t *dim, int32_t rank);
/* Operand k of the walk is `t`, broadcast to the walk's shape. */
mxd_status mxdi_interp_walk_broadcast(const mxdi_interp_call *c, mxdi_interp_walk *w, int k,
                                      const mxd_tensor *t);
/* Operand k is `t`: one number, a vector along `axis`, or broadcast as it stands. */
mxd_status mxdi_interp_walk_along(const mxdi_interp_call *c, mxdi_interp_walk *w, int k,
                                  const mxd_tensor *t, int32_t axis);

static inline void mxdi_interp_walk_next(mxdi_interp_walk *w)
{
    w->left--;
    for (int32_t d = w->rank - 1; d >= 0; d--) {
        const bool carry = w->index[d] + 1 == w->dim[d];
        for (int k = 0; k < MXDI_WALK_OPERANDS; k++)
            w->at[k] += carry ? -w->stride[k][d] * w->index[d] : w->stride[k][d];
        w->index[d] = carry ? 0 : w->index[d] + 1;
        if (!carry)
            return;
    }
}

/* A walk over input 0 whose operand 0 is the reduced output, after checking the output's shape
 * (interp_reduce.c). */
mxd_status mxdi_interp_reduced(const mxdi_interp_call *c, mxdi_interp_walk *w, const int32_t *axis,
                               uint32_t n_axes, bool keep);

/* ---- windows (interp_window.c): 1-D and 2-D ones as 3-D with leading axes of 1 ---- */
mxd_status mxdi_interp_window(const mxdi_interp_call *c, mxdi_window *w, const mxd_tensor *x,
                              const int64_t *kernel);
/* Input position of tap k at output o along an axis; negative or >= in: outside. */
static inline int64_t mxdi_interp_tap(const mxdi_window *w, int axis, int64_t o, int64_t k)
{
    return o * w->stride[axis] + k * w->dilation[axis] - w->pad_begin[axis];
}

/* Taps of the window at output o along each axis: [first, end) lie in the image; `counted` of them
 * in it or in its padding, not beyond, where ceil_mode makes the last windows reach. */
typedef struct mxdi_interp_taps {
    int64_t first, end, counted;
} mxdi_interp_taps;
void mxdi_interp_taps_of(mxdi_interp_taps taps[MXDI_MAX_SPATIAL], const mxdi_window *w,
                         const int64_t o[MXDI_MAX_SPATIAL]);
/* Taps in the image, or (padding) those counted. Exact up to 2^53. */
static inline double mxdi_interp_taps_count(const mxdi_interp_taps t[MXDI_MAX_SPATIAL],
                                            bool                   padding)
{
    double n = 1;
    for (int axis = 0; axis < MXDI_MAX_SPATIAL; axis++)
        n *= (double)(padding ? t[axis].counted : t[axis].end - t[axis].first);
    return n;
}
/* Sum of the taps in the image, of the plane that begins at element `plane`; of 16-bit integers it
 * is exact. */
double mxdi_interp_window_sum(const mxd_tensor *x, int64_t plane, const mxdi_window *w,
                              const int64_t *o, const mxdi_interp_taps *t);

/* The window of a pool over x, after checking the output's shape. */
mxd_status mxdi_interp_pool_window(const mxdi_interp_call *c, mxdi_window *w);

/* Convolution of 32-bit words, shared by float and integers: acc (n, m, out...) holds what to add
 * to; `row` adds w * x[i * step] to n elements. Order per output: taps row-major, then channels
 * ascending. */
typedef struct mxdi_interp_conv_shape {
    mxdi_window window;
    int64_t     batch, channels, filters, group;
} mxdi_interp_conv_shape;
typedef void (*mxdi_interp_row)(void *acc, const void *x, int64_t step, const void *w, int64_t n);
mxd_status mxdi_interp_conv_shape_of(const mxdi_interp_call *c, mxdi_interp_conv_shape *s,
                                     const mxd_tensor *x, const mxd_tensor *w, const mxd_tensor *y);
void mxdi_interp_convolve(void *acc, const mxdi_interp_conv_shape *s, const void *x, const void *w,
                          mxdi_interp_row row);

/* Matrix product of 32-bit words with MatMul's broadcasting: acc (..., i, n). k ascending per
 * output. */
typedef struct mxdi_interp_matmul_shape {
    int64_t rows, depth, columns, count; /* count: matrices */
    int64_t a_step[2], b_step[2];        /* a: of row and k; b: of k and column */
    int32_t rank;                        /* batch axes */
    int64_t dim[MXD_MAX_RANK], a_batch[MXD_MAX_RANK], b_batch[MXD_MAX_RANK];
} mxdi_interp_matmul_shape;
mxd_status mxdi_interp_matmul_shape_of(const mxdi_interp_call *c, mxdi_interp_matmul_shape *s,
                                       const mxd_tensor *a, const mxd_tensor *b, bool trans_b,
                                       const mxd_tensor *y);
void       mxdi_interp_multiply(void *acc, const mxdi_interp_matmul_shape *s, const void *a,
                                const void *b, mxdi_interp_row row);

/* The two rows: one fmaf per element; products and sums modulo 2^32. */
void mxdi_interp_row_f32(void *acc, const void *x, int64_t step, const void *w, int64_t n);
void mxdi_interp_row_s32(void *acc, const void *x, int64_t step, const void *w, int64_t n);

/* ---- quantization (interp_qmath.c) ---- */
/* Zero point and q-range of a quantizer. */
typedef struct mxdi_interp_qrange {
    int64_t z, lo, hi;
} mxdi_interp_qrange;
/* From attributes of those names, each within 16 bits, lo <= hi. */
mxd_status mxdi_interp_qrange_of(const mxdi_interp_call *c, mxdi_interp_qrange *r, const char *z,
                                 const char *lo, const char *hi);
/* A zero point that an attribute gives, within 16 bits. */
mxd_status mxdi_interp_zero_of(const mxdi_interp_call *c, const char *attr, int64_t *out);

/* clamp(rint(r), lo - z, hi - z) + z, clamping in float; NaN counts as 0. */
static inline int64_t mxdi_interp_clampq(float r, const mxdi_interp_qrange *q)
{
    const float low = (float)(q->lo - q->z), high = (float)(q->hi - q->z);
    float       v = isnan(r) ? 0.0f : rintf(r);
    v             = v < low ? low : v > high ? high : v;
    return (int64_t)v + q->z;
}

/* Which scale an element of a tensor has: per tensor, per channel, per block. */
typedef struct mxdi_interp_grid {
    int64_t n;             /* scales */
    int64_t inner, length; /* elements per step of the axis; steps */
    int64_t block, blocks; /* block 0: not blocked */
} mxdi_interp_grid;
static inline int64_t mxdi_interp_grid_at(const mxdi_interp_grid *g, int64_t i)
{
    if (g->n == 1)
        return 0;
    const int64_t along = i / g->inner % g->length;
    if (g->block == 0)
        return along;
    return (i / (g->inner * g->length) * g->blocks + along / g->block) * g->inner + i % g->inner;
}
mxd_status mxdi_interp_grid_of(const mxdi_interp_call *c, mxdi_interp_grid *g, const mxd_tensor *t,
                               int64_t n, int64_t axis, int64_t block);
/* Integers minus their zero point, as int32 words in scratch. zero: (1), one per index of `axis`,
 * or of t's rank and broadcast; NULL: 0. */
mxd_status mxdi_interp_centered(const mxdi_interp_call *c, const mxd_tensor *t,
                                const mxd_tensor *zero, int32_t axis, const int32_t **out);
/* A constant quantized by its value's qparams, as reals. */
mxd_status mxdi_interp_dequantized(const mxdi_interp_call *c, uint32_t k, const float **out);

#endif
