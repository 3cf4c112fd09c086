/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products: broadcasting of stacks of matrices, MatMul and Gemm. One fmaf chain per output,
 * k ascending.
 */
#include "interp/interp_impl.h"

/* Batch axes of one operand, broadcast to those of the output. */
static mxd_status batch_steps(const mxdi_interp_call *c, int64_t *step, const mxd_tensor *t,
                              const int64_t *out, int32_t rank)
{
    mxdi_interp_walk w;
    mxd_tensor       stack = *t;
    const int64_t    each  = t->rank > 1 ? t->dim[t->rank - 1] * t->dim[t->rank - 2] : 0;
    stack.rank             = t->rank > 2 ? t->rank - 2 : 0;
    mxdi_interp_walk_init(&w, out, rank);
    MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 0, &stack));
    for (int32_t i = 0; i < rank; i++)
        step[i] = w.stride[0][i] * each;
    return MXD_OK;
}

mxd_status mxdi_interp_matmul_shape_of(const mxdi_interp_call *c, mxdi_interp_matmul_shape *s,
                                       const mxd_tensor *a, const mxd_tensor *b, bool trans_b,
                                       const mxd_tensor *y)
{
    if (a->rank < 1 || b->rank < 1 || (trans_b && b->rank < 2))
        return mxdi_fail(c->err, MXD_E_SHAPE, "expected matrices, got ranks %d and %d",
                         (int)a->rank, (int)b->rank);
    const int32_t a_batch = a->rank > 2 ? a->rank - 2 : 0, b_batch = b->rank > 2 ? b->rank - 2 : 0;
    const int64_t last = b->dim[b->rank - 1], before = b->rank > 1 ? b->dim[b->rank - 2] : 0;
    int64_t       want[MXD_MAX_RANK + 2];
    s->rows             = a->rank > 1 ? a->dim[a->rank - 2] : 1;
    s->depth            = a->dim[a->rank - 1];
    s->columns          = b->rank == 1 ? 1 : trans_b ? before : last;
    s->a_step[0]        = s->depth;
    s->a_step[1]        = 1;
    s->b_step[0]        = trans_b || b->rank == 1 ? 1 : last;
    s->b_step[1]        = trans_b ? last : 1;
    s->rank             = a_batch > b_batch ? a_batch : b_batch;
    const int64_t depth = b->rank == 1 || trans_b ? last : before;
    if (depth != s->depth)
        return mxdi_fail(c->err, MXD_E_SHAPE, "inner dimensions: %lld does not fit %lld",
                         (long long)s->depth, (long long)depth);
    if (!mxdi_broadcast(s->dim, &s->rank, a->dim, a_batch, b->dim, b_batch))
        return mxdi_fail(c->err, MXD_E_SHAPE, "batch axes do not broadcast");
    int32_t rank = 0;
    while (rank < s->rank) {
        want[rank] = s->dim[rank];
        rank++;
    }
    if (a->rank > 1)
        want[rank++] = s->rows;
    if (b->rank > 1)
        want[rank++] = s->columns;
    s->count = mxdi_interp_product(s->dim, 0, s->rank);
    MXD_TRY(mxdi_interp_want_shape(c, y, "output", want, rank));
    MXD_TRY(batch_steps(c, s->a_batch, a, s->dim, s->rank));
    return batch_steps(c, s->b_batch, b, s->dim, s->rank);
}

void mxdi_interp_multiply(void *acc, const mxdi_interp_matmul_shape *s, const void *a,
                          const void *b, mxdi_interp_row row)
{
    enum { WORD = 4 };
    mxdi_interp_walk w;
    char            *y = acc;
    mxdi_interp_walk_init(&w, s->dim, s->rank);
    memcpy(w.stride[0], s->a_batch, sizeof(w.stride[0]));
    memcpy(w.stride[1], s->b_batch, sizeof(w.stride[1]));
    for (; w.left > 0; mxdi_interp_walk_next(&w))
        for (int64_t i = 0; i < s->rows; i++, y += s->columns * WORD)
            for (int64_t k = 0; k < s->depth; k++)
                row(y, (const char *)b + (w.at[1] + k * s->b_step[0]) * WORD, s->b_step[1],
                    (const char *)a + (w.at[0] + i * s->a_step[0] + k * s->a_step[1]) * WORD,
                    s->columns);
}

mxd_status mxdi_interp_matmul(const mxdi_interp_call *c)
{
    mxd_tensor *const        y = &c->out[0];
    mxdi_interp_matmul_shape s;
    const float             *a, *b;
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", c->in[0].dtype));
    MXD_TRY(mxdi_interp_matmul_shape_of(c, &s, &c->in[0], &c->in[1], false, y));
    MXD_TRY(mxdi_interp_as_f32(c, &c->in[0], &a));
    MXD_TRY(mxdi_interp_as_f32(c, &c->in[1], &b));
    const int64_t n   = mxdi_interp_count(y);
    float *const  acc = mxdi_interp_alloc(c, n, sizeof(*acc));
    if (!acc)
        return mxdi_nomem(c->err);
    mxdi_interp_multiply(acc, &s, a, b, mxdi_interp_row_f32);
    for (int64_t i = 0; i < n; i++)
        mxdi_interp_put(y, i, (double)acc[i]);
    return MXD_OK;
}

/* op(A) by op(B) as a matrix product over the stored arrays. */
static mxd_status gemm_shape_of(const mxdi_interp_call *c, mxdi_interp_matmul_shape *s)
{
    const mxd_tensor *const a = &c->in[0], *const b = &c->in[1];
    const bool ta = mxd_node_int(c->node, "transA", 0) != 0;
    const bool tb = mxd_node_int(c->node, "transB", 0) != 0;
    if (a->rank != 2 || b->rank != 2)
        return mxdi_fail(c->err, MXD_E_SHAPE, "expected rank 2, got %d and %d", (int)a->rank,
                         (int)b->rank);
    mxd_tensor left = *a;
    left.dim[0]     = a->dim[ta ? 1 : 0];
    left.dim[1]     = a->dim[ta ? 0 : 1];
    MXD_TRY(mxdi_interp_matmul_shape_of(c, s, &left, b, tb, &c->out[0]));
    s->a_step[0] = ta ? 1 : a->dim[1];
    s->a_step[1] = ta ? a->dim[1] : 1;
    return MXD_OK;
}

/* alpha = 1 (the usual case, and Conv's order): the chain starts at beta * C. Otherwise alpha *
 * chain + beta * C. */
mxd_status mxdi_interp_gemm(const mxdi_interp_call *c)
{
    mxd_tensor *const        y     = &c->out[0];
    const float              alpha = mxd_node_float(c->node, "alpha", 1.0f);
    const float              beta  = mxd_node_float(c->node, "beta", 1.0f);
    const bool               added = mxdi_interp_given(c, 2);
    mxdi_interp_matmul_shape s;
    mxdi_interp_walk         w;
    const float             *a, *b, *bias = NULL;
    MXD_TRY(mxdi_interp_want_dtype(c, y, "output", c->in[0].dtype));
    MXD_TRY(gemm_shape_of(c, &s));
    MXD_TRY(mxdi_interp_as_f32(c, &c->in[0], &a));
    MXD_TRY(mxdi_interp_as_f32(c, &c->in[1], &b));
    mxdi_interp_walk_init(&w, y->dim, y->rank);
    if (added) {
        MXD_TRY(mxdi_interp_walk_broadcast(c, &w, 0, &c->in[2]));
        MXD_TRY(mxdi_interp_as_f32(c, &c->in[2], &bias));
    }
    const int64_t n    = mxdi_interp_count(y);
    float *const  acc  = mxdi_interp_alloc(c, n, sizeof(*acc));
    float *const  term = mxdi_interp_alloc(c, n, sizeof(*term));
    if (!acc || !term)
        return mxdi_nomem(c->err);
    for (int64_t i = 0; w.left > 0; i++, mxdi_interp_walk_next(&w))
        term[i] = added ? beta * bias[w.at[0]] : 0.0f;
    if (alpha == 1.0f)
        memcpy(acc, term, (size_t)n * sizeof(*acc));
    mxdi_interp_multiply(acc, &s, a, b, mxdi_interp_row_f32);
    for (int64_t i = 0; i < n; i++)
        mxdi_interp_put(y, i, (double)(alpha == 1.0f ? acc[i] : alpha * acc[i] + term[i]));
    return MXD_OK;
}
