/* SPDX-License-Identifier: Apache-2.0
 *
 * QMatMul. With constant weights it is a convolution over rows; with two activations it is a
 * batched product, which reads and writes through the Transposes around it (cpu_through.c).
 */
#include "backends/cpu/cpu_lower.h"
#include "backends/cpu/cpu_matmul.h"
#include "backends/cpu/cpu_through.h"
#include "kernels/matmul_q8/matmul_q8.h"

_Static_assert(MXDI_MATMUL_Q8_BATCH >= MXD_MAX_RANK - 2, "room for every leading axis");

struct product {
    mxdi_matmul_q8 k;
    uint32_t       a, b, r, y; /* r MXD_NO_VALUE: none */
    bool           scaled_products, scaled_rows;
};

static mxdi_matmul_q8_args args_now(const struct product *o, const mxdi_cpu_frame *f)
{
    return (mxdi_matmul_q8_args){ .a = f->ptr[o->a],
                                  .b = f->ptr[o->b],
                                  .r = o->r == MXD_NO_VALUE ? NULL : f->ptr[o->r],
                                  .y = f->ptr[o->y],
                                  .outer =
                                      mxdi_cpu_grown(f, o->k.desc.batch[0], o->scaled_products),
                                  .m = mxdi_cpu_grown(f, o->k.desc.m, o->scaled_rows) };
}

static size_t product_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct product *const o    = op;
    const mxdi_matmul_q8_args   args = args_now(o, f);
    return mxdi_matmul_q8_tasks(&o->k, args.outer, args.m);
}

static void product_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                        unsigned thread)
{
    const struct product *const o    = op;
    mxdi_matmul_q8_args         args = args_now(o, f);
    args.scratch                     = f->scratch + thread * f->scratch_bytes;
    mxdi_matmul_q8_run(&o->k, &args, begin, end);
}

static const mxdi_cpu_kind product_kind = { product_tasks, product_run, NULL };

/* Zero points of the second operand as stored, one for each column. */
static mxd_status zero_points(const int32_t **out, mxdi_cpu_plan *p, const mxd_node *n,
                              int64_t columns, mxd_error *err)
{
    const int32_t  shift = mxdi_cpu_shift(mxdi_cpu_in(p->g, n, 1)->dtype);
    int32_t *const z     = MXDI_NEW(&p->scratch, int32_t, (size_t)columns);
    const int64_t *zw    = NULL;
    if (!z)
        return mxdi_nomem(err);
    if (mxdi_cpu_has_in(n, 6))
        MXD_TRY(mxdi_cpu_constant_s64(&zw, p, n->in[6], err));
    if (mxdi_cpu_has_in(n, 6) && !zw)
        return mxdi_fail(err, MXD_E_UNSUPPORTED,
                         "constant zero points of the second operand expected");
    const bool one = zw && mxdi_cpu_count(mxdi_cpu_in(p->g, n, 6)) == 1;
    for (int64_t j = 0; j < columns; j++)
        z[j] = (zw ? (int32_t)zw[one ? 0 : j] : 0) + shift;
    *out = z;
    return MXD_OK;
}

/* Strides of an operand's leading axes along y's; 0 where it is broadcast. */
static void leading_strides(int64_t *out, const mxd_value *v, const int64_t *stride,
                            const mxd_value *y)
{
    for (int32_t k = y->rank - 3, d = v->rank - 3; k >= 0; k--, d--)
        out[k] = d < 0 || (v->dim[d] == 1 && y->dim[k] != 1) ? 0 : stride[d];
}

/* Operands, sizes and strides. */
static mxd_status describe(struct product *o, mxdi_matmul_q8_desc *d, mxdi_cpu_plan *p,
                           const mxd_node *n, mxd_error *err)
{
    const mxd_value *const a = mxdi_cpu_in(p->g, n, 0), *const b = mxdi_cpu_in(p->g, n, 1),
                           *const y       = mxdi_cpu_out(p->g, n, 0);
    const bool                    trans_b = mxd_node_int(n, "transB", 0) != 0;
    const int32_t                 k_of_b  = trans_b ? b->rank - 1 : b->rank - 2;
    int64_t                       sa[MXD_MAX_RANK], sb[MXD_MAX_RANK], sy[MXD_MAX_RANK];
    MXD_TRY(mxdi_cpu_through_in(&o->a, sa, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_through_in(&o->b, sb, p, n->in[1], err));
    if (mxdi_cpu_has_in(n, 5))
        MXD_TRY(mxdi_cpu_get_plain(&o->r, p, n->in[5], err));
    MXD_TRY(mxdi_cpu_through_out(&o->y, sy, p, n->out[0], err));
    *d = (mxdi_matmul_q8_desc){ .m            = y->dim[y->rank - 2],
                                .n            = y->dim[y->rank - 1],
                                .k            = a->dim[a->rank - 1],
                                .a_row        = sa[a->rank - 2],
                                .b_k          = sb[k_of_b],
                                .b_n          = sb[trans_b ? b->rank - 2 : b->rank - 1],
                                .y_row        = sy[y->rank - 2],
                                .a_zero_point = (int32_t)mxd_node_int(n, "x_zero_point", 0) +
                                                mxdi_cpu_shift(a->dtype) };
    for (int32_t k = 0; k < MXDI_MATMUL_Q8_BATCH; k++)
        d->batch[k] = k < y->rank - 2 ? y->dim[k] : 1;
    leading_strides(d->a_batch, a, sa, y);
    leading_strides(d->b_batch, b, sb, y);
    leading_strides(d->y_batch, y, sy, y);
    o->scaled_products = y->batch_axis == 0 && y->rank > 2;
    o->scaled_rows     = y->batch_axis == 0 && y->rank == 2;
    return MXD_OK;
}

static mxd_status two_activations(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    mxdi_matmul_q8_desc   d;
    struct product *const o = MXDI_CPU_NEW_OP(p, struct product);
    if (!o)
        return mxdi_nomem(err);
    o->r = MXD_NO_VALUE;
    MXD_TRY(describe(o, &d, p, n, err));
    MXD_TRY(zero_points(&d.b_zero_point, p, n, d.n, err));
    MXD_TRY(mxdi_cpu_epilogue(&d.epilogue, p, n, d.n, err));
    MXD_TRY(mxdi_matmul_q8_init(&o->k, &d, p->program->isa, &p->program->arena, err));
    mxdi_cpu_need_scratch(p, mxdi_matmul_q8_scratch(&o->k));
    const uint32_t          in[] = { o->a, o->b, o->r };
    const mxdi_cpu_emission e    = { .kind     = &product_kind,
                                     .op       = o,
                                     .in       = in,
                                     .n_in     = o->r == MXD_NO_VALUE ? 2 : 3,
                                     .out      = &o->y,
                                     .n_out    = 1,
                                     .kernel   = mxdi_matmul_q8_name(&o->k),
                                     .computed = "u8s8",
                                     .macs     = mxdi_cpu_count(mxdi_cpu_out(p->g, n, 0)) * d.k };
    return mxdi_cpu_emit(p, &e, err);
}

mxd_status mxdi_cpu_lower_qmatmul(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const b = mxdi_cpu_in(p->g, n, 1);
    if (b->data && b->rank == 2)
        return mxdi_cpu_constant_product(p, n, mxd_node_int(n, "transB", 0) != 0,
                                         mxdi_cpu_has_in(n, 5) ? n->in[5] : MXD_NO_VALUE, NULL,
                                         NULL, 1.0f, err);
    return two_activations(p, n, err);
}
