/* SPDX-License-Identifier: Apache-2.0
 *
 * Moving boxes of elements: the one step behind Transpose, Slice, Split, Concat, Pad, Expand and
 * their like. */
#include "backends/cpu/cpu_move.h"

#include "base/dtype.h"

enum { MOVE_GRAIN = 16384 }; /* elements of a task */

struct move {
    uint32_t            n, size;
    const mxdi_cpu_box *box;
};

/* ---- one box ---- */

static int64_t block_of(const mxdi_cpu_box *b)
{
    return b->y_block > b->x_block ? b->y_block : b->x_block;
}

/* The dimension that tasks share, how many of it there are now, and how many a task takes. */
struct cut {
    int32_t axis;
    int64_t count, each;
};

static struct cut cut_of(const mxdi_cpu_box *b, const mxdi_cpu_frame *f)
{
    const int64_t n0 = b->rank ? mxdi_cpu_grown(f, b->dim[0], b->grows) : 1, block = block_of(b);
    struct cut    c   = { 0, n0, 1 };
    int64_t       all = n0;
    for (int32_t k = 1; k < b->rank; k++)
        all *= b->dim[k];
    if (block > 1) {
        c.count = (n0 + block - 1) / block;
    } else if (n0 == 1) {
        while (c.axis + 1 < b->rank && c.count == 1)
            c.count = b->dim[++c.axis];
    }
    const int64_t one = all / (c.count > 0 ? c.count : 1);
    c.each            = one >= MOVE_GRAIN || one == 0 ? 1 : MOVE_GRAIN / one;
    return c;
}

static int64_t tasks_of(const struct cut *c)
{
    return (c->count + c->each - 1) / c->each;
}

static void do_box(const mxdi_cpu_box *b, const mxdi_cpu_frame *f, size_t size, const int64_t *dim,
                   const int64_t *y_stride, const int64_t *x_stride, int32_t rank, int64_t y_at,
                   int64_t x_at)
{
    uint8_t *const y = (uint8_t *)f->ptr[b->y] + (b->y_at + y_at) * (int64_t)size;
    if (b->x == MXD_NO_VALUE)
        mxdi_move_fill(y, &b->value, size, rank, dim, y_stride);
    else
        mxdi_move_copy(y, (const uint8_t *)f->ptr[b->x] + (b->x_at + x_at) * (int64_t)size, size,
                       rank, dim, y_stride, x_stride);
}

/* Blocks [begin, end) of dim[0]: whole ones together, a partly used last one by itself. */
static void do_blocks(const mxdi_cpu_box *b, const mxdi_cpu_frame *f, size_t size, int64_t begin,
                      int64_t end)
{
    const int64_t n0 = mxdi_cpu_grown(f, b->dim[0], b->grows), block = block_of(b);
    const int64_t y_step = b->y_block ? b->y_block_stride : block * b->y_stride[0];
    const int64_t x_step = b->x_block ? b->x_block_stride : block * b->x_stride[0];
    const int64_t whole  = n0 / block < end ? n0 / block : end;
    int64_t       dim[MXDI_BOX_RANK + 1], ys[MXDI_BOX_RANK + 1], xs[MXDI_BOX_RANK + 1];
    dim[0] = whole - begin;
    ys[0]  = y_step;
    xs[0]  = x_step;
    for (int32_t k = 0; k < b->rank; k++) {
        dim[k + 1] = b->dim[k];
        ys[k + 1]  = b->y_stride[k];
        xs[k + 1]  = b->x_stride[k];
    }
    dim[1] = block;
    if (whole > begin)
        do_box(b, f, size, dim, ys, xs, b->rank + 1, begin * y_step, begin * x_step);
    if (end > whole) {
        dim[1] = n0 % block;
        do_box(b, f, size, dim + 1, ys + 1, xs + 1, b->rank, whole * y_step, whole * x_step);
    }
}

static void do_cut(const mxdi_cpu_box *b, const mxdi_cpu_frame *f, size_t size, const struct cut *c,
                   int64_t task)
{
    const int64_t begin = task * c->each,
                  end   = begin + c->each < c->count ? begin + c->each : c->count;
    if (block_of(b) > 1) {
        do_blocks(b, f, size, begin, end);
        return;
    }
    int64_t dim[MXDI_BOX_RANK];
    for (int32_t k = 0; k < b->rank; k++)
        dim[k] = k == 0 ? mxdi_cpu_grown(f, b->dim[0], b->grows) : b->dim[k];
    if (b->rank)
        dim[c->axis] = end - begin;
    do_box(b, f, size, dim, b->y_stride, b->x_stride, b->rank,
           b->rank ? begin * b->y_stride[c->axis] : 0, b->rank ? begin * b->x_stride[c->axis] : 0);
}

/* ---- the step ---- */

static size_t move_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct move *const m = op;
    int64_t                  n = 0;
    for (uint32_t k = 0; k < m->n; k++) {
        const struct cut c = cut_of(&m->box[k], f);
        n += tasks_of(&c);
    }
    return (size_t)n;
}

static void move_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                     unsigned thread)
{
    const struct move *const m     = op;
    int64_t                  first = 0;
    (void)thread;
    for (uint32_t k = 0; k < m->n && first < (int64_t)end; k++) {
        const struct cut c = cut_of(&m->box[k], f);
        const int64_t    n = tasks_of(&c);
        for (int64_t t = (int64_t)begin > first ? (int64_t)begin : first;
             t < first + n && t < (int64_t)end; t++)
            do_cut(&m->box[k], f, m->size, &c, t - first);
        first += n;
    }
}

static const mxdi_cpu_kind move_kind = { move_tasks, move_run, NULL };

mxd_status mxdi_cpu_emit_move(mxdi_cpu_plan *p, const mxdi_cpu_box *box, uint32_t n,
                              const char *kernel, mxd_error *err)
{
    struct move *const  op   = MXDI_CPU_NEW_OP(p, struct move);
    mxdi_cpu_box *const kept = MXDI_NEW(&p->program->arena, mxdi_cpu_box, n);
    uint32_t *const     in   = MXDI_NEW(&p->scratch, uint32_t, n);
    uint32_t            n_in = 0;
    if (!op || !kept || !in)
        return mxdi_nomem(err);
    for (uint32_t k = 0; k < n; k++) {
        kept[k] = box[k];
        for (int32_t d = 0; d < box[k].rank; d++)
            if (box[k].x == MXD_NO_VALUE)
                kept[k].x_stride[d] = 0;
        if (box[k].x != MXD_NO_VALUE)
            in[n_in++] = box[k].x;
    }
    *op = (struct move){ n, mxd_dtype_bits(p->program->tensor[box[0].y].dtype) / 8, kept };
    const mxdi_cpu_emission e = { .kind     = &move_kind,
                                  .op       = op,
                                  .in       = in,
                                  .n_in     = n_in,
                                  .out      = &box[0].y,
                                  .n_out    = 1,
                                  .kernel   = kernel,
                                  .computed = "copy" };
    return mxdi_cpu_emit(p, &e, err);
}

/* ---- views ---- */

mxdi_cpu_view mxdi_cpu_view_of(const mxdi_cpu_plan *p, uint32_t tensor, const mxd_value *v)
{
    const mxdi_cpu_tensor *const t = &p->program->tensor[tensor];
    mxdi_cpu_view view   = { .tensor = tensor, .rank = v->rank, .grows = v->batch_axis == 0 };
    int64_t       stride = 1;
    for (int32_t k = v->rank - 1; k >= 0; k--) {
        view.dim[k]    = v->dim[k];
        view.stride[k] = stride;
        stride *= v->dim[k];
    }
    if (!t->blocked)
        return view;
    view.stride[0]    = t->l.block > 1 ? t->l.pitch : t->l.block_stride;
    view.stride[1]    = 1;
    view.block        = t->l.block > 1 ? t->l.block : 0;
    view.block_stride = t->l.block_stride;
    if (v->rank > 2)
        view.stride[v->rank - 1] = mxdi_blocked_pixel(&t->l);
    if (v->rank > 3)
        view.stride[2] = mxdi_blocked_row(&t->l);
    return view;
}

mxdi_cpu_box mxdi_cpu_box_of(const mxdi_cpu_view *y, const mxdi_cpu_view *x)
{
    mxdi_cpu_box b = { .y              = y->tensor,
                       .x              = x->tensor,
                       .rank           = y->rank,
                       .grows          = y->grows,
                       .y_at           = y->at,
                       .x_at           = x->at,
                       .y_block        = y->block,
                       .x_block        = x->block,
                       .y_block_stride = y->block_stride,
                       .x_block_stride = x->block_stride };
    for (int32_t k = 0; k < y->rank; k++) {
        b.dim[k]      = y->dim[k];
        b.y_stride[k] = y->stride[k];
        b.x_stride[k] = x->stride[k];
    }
    return b;
}

void mxdi_cpu_view_cut(mxdi_cpu_view *v, int32_t axis, int64_t first, int64_t n, int64_t step)
{
    v->at += first * v->stride[axis];
    v->dim[axis] = n;
    v->stride[axis] *= step;
}
