/* SPDX-License-Identifier: Apache-2.0
 *
 * LookupChannels: bytes of pictures to what the network works on, in its blocked layout, in one
 * step. */
#include "backends/cpu/cpu_lower.h"
#include "kernels/lookup_channels/lookup_channels.h"

struct lookup {
    const mxdi_lookup_channels *k;
    uint32_t                    x, y;
    bool                        last;
    const void                 *table; /* f32, or bytes as y is stored */
};

static size_t lookup_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct lookup *const s = op;
    return (size_t)(mxdi_cpu_blocks(f, s->y) * f->tensor[s->y].l.h);
}

static void lookup_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                       unsigned thread)
{
    const struct lookup *const   s = op;
    const mxdi_cpu_tensor *const y = &f->tensor[s->y];
    const int64_t                n = mxdi_cpu_images(f, s->y);
    (void)thread;
    if (y->dtype == MXD_F32)
        s->k->to_f32(f->ptr[s->y], f->ptr[s->x], &y->l, n, s->last, s->table, (int64_t)begin,
                     (int64_t)end);
    else
        s->k->to_u8(f->ptr[s->y], f->ptr[s->x], &y->l, n, s->last, s->table, (int64_t)begin,
                    (int64_t)end);
}

static const mxdi_cpu_kind lookup_kind = { lookup_tasks, lookup_run, NULL };

mxd_status mxdi_cpu_lower_lookup_channels(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const t = mxdi_cpu_in(p->g, n, 1), *const vy = mxdi_cpu_out(p->g, n, 0);
    struct lookup *const op = MXDI_CPU_NEW_OP(p, struct lookup);
    uint8_t *const table = op ? mxdi_arena_memdup(&p->program->arena, t->data, t->bytes, 64) : NULL;
    if (!table)
        return mxdi_nomem(err);
    for (size_t k = 0; mxdi_cpu_shift(vy->dtype) && k < t->bytes; k++)
        table[k] ^= 0x80;
    op->k     = mxdi_lookup_channels_select(p->program->isa);
    op->last  = mxd_node_int(n, "channels_last", 0) != 0;
    op->table = table;
    MXD_TRY(mxdi_cpu_get_plain(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_blocked(&op->y, p, n->out[0], err));
    const mxdi_cpu_emission e = { .kind     = &lookup_kind,
                                  .op       = op,
                                  .in       = &op->x,
                                  .n_in     = 1,
                                  .out      = &op->y,
                                  .n_out    = 1,
                                  .kernel   = op->k->name,
                                  .computed = vy->dtype == MXD_F32 ? "f32" : "u8",
                                  .ns       = (double)mxdi_cpu_count(vy),
                                  .derived  = t->bytes };
    return mxdi_cpu_emit(p, &e, err);
}

const char *mxdi_cpu_check_lookup_channels(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const t   = mxdi_cpu_in(g, n, 1);
    const char *const      why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    return t && t->data && mxdi_cpu_can_block(mxdi_cpu_out(g, n, 0))
               ? NULL
               : "its table is not constant: runs in the reference interpreter";
}
