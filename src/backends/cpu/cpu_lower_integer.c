/* SPDX-License-Identifier: Apache-2.0
 *
 * MatMulInteger and ConvInteger: int32 sums of differences from zero points that only a run may
 * know. What is multiplied is first made into words of two differences, constants here and
 * everything else by each task: rows of a matrix or filters on one side, panels of columns or of
 * pixels on the other.
 */
#include "backends/cpu/cpu_lower.h"
#include "backends/cpu/cpu_matmul.h"
#include "base/dtype.h"
#include "kernels/matmul_s32/matmul_s32.h"

enum {
    BUNDLE    = 2, /* panels of a task */
    ROW_BLOCK = 16 /* rows made into words at a time */
};

/* Bytes as stored and where their zero points are. */
struct side {
    uint32_t tensor, zero; /* zero MXD_NO_VALUE: none */
    int32_t  shift;        /* what is stored for 0 then */
    bool     many;         /* a zero point for each column, or filter */
};

static int32_t zero_of(const struct side *s, const mxdi_cpu_frame *f, int64_t k)
{
    return s->zero == MXD_NO_VALUE ? s->shift : ((const uint8_t *)f->ptr[s->zero])[s->many ? k : 0];
}

static mxd_status side_of(struct side *s, mxdi_cpu_plan *p, const mxd_node *n, uint32_t in,
                          uint32_t zero, mxd_error *err)
{
    *s = (struct side){ .zero  = MXD_NO_VALUE,
                        .shift = mxdi_cpu_shift(mxdi_cpu_in(p->g, n, in)->dtype) };
    MXD_TRY(mxdi_cpu_get_plain(&s->tensor, p, n->in[in], err));
    if (!mxdi_cpu_has_in(n, zero))
        return MXD_OK;
    s->many = mxdi_cpu_count(mxdi_cpu_in(p->g, n, zero)) > 1;
    return mxdi_cpu_get_plain(&s->zero, p, n->in[zero], err);
}

/* `count` bytes `stride` apart as words of differences from z, `step` words apart. */
static void to_words(int32_t *to, int64_t step, const uint8_t *from, int64_t stride, int64_t count,
                     int32_t z)
{
    int64_t k = 0;
    for (; k + 2 <= count; k += 2, to += step)
        *to = mxdi_pair_s16(from[k * stride] - z, from[(k + 1) * stride] - z);
    if (k < count)
        *to = mxdi_pair_s16(from[k * stride] - z, 0);
}

/* ---- MatMulInteger ---- */

struct matmul_integer {
    const mxdi_matmul_s32 *k;
    struct side            a, b;
    uint32_t               y, packed; /* packed: constant panels of b, or MXD_NO_VALUE */
    int64_t                products, m, n, depth, bundle;
    bool                   scaled_products, scaled_rows;
    int32_t                rank; /* leading axes of y */
    int64_t                dim[MXD_MAX_RANK], as[MXD_MAX_RANK], bs[MXD_MAX_RANK];
};

static int64_t pairs_of(int64_t depth)
{
    return (depth + 1) / 2;
}

static int64_t bundles_of(const struct matmul_integer *m)
{
    return (m->n + m->bundle - 1) / m->bundle;
}

/* Columns [j, j + n) of b (depth, ...) as panels. */
static void pack_columns(int32_t *to, const struct matmul_integer *m, const mxdi_cpu_frame *f,
                         const uint8_t *b, int64_t j, int64_t n)
{
    const int64_t pairs = pairs_of(m->depth), lanes = m->k->lanes, panels = (n + lanes - 1) / lanes;
    memset(to, 0, (size_t)(panels * pairs * lanes) * sizeof(*to));
    for (int64_t c = 0; c < n; c++)
        to_words(to + c / lanes * pairs * lanes + c % lanes, lanes, b + j + c, m->n, m->depth,
                 zero_of(&m->b, f, j + c));
}

static size_t matmul_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct matmul_integer *const m = op;
    return (size_t)(mxdi_cpu_grown(f, m->products, m->scaled_products) * bundles_of(m));
}

/* The first elements of product i in a and b. */
static void locate(const struct matmul_integer *m, int64_t i, int64_t *a, int64_t *b)
{
    *a = *b = 0;
    for (int32_t k = m->rank - 1; k >= 0; k--) {
        *a += i % m->dim[k] * m->as[k];
        *b += i % m->dim[k] * m->bs[k];
        i /= m->dim[k];
    }
}

static void multiply(const struct matmul_integer *m, const mxdi_cpu_frame *f, int32_t *scratch,
                     const int32_t *panels, int64_t product, int64_t a_at, int64_t j, int64_t n)
{
    const int64_t  rows = mxdi_cpu_grown(f, m->m, m->scaled_rows), pairs = pairs_of(m->depth);
    const uint8_t *a = (const uint8_t *)f->ptr[m->a.tensor] + a_at;
    int32_t *const y = (int32_t *)f->ptr[m->y] + product * m->m * m->n + j;
    for (int64_t i = 0; i < rows; i += ROW_BLOCK) {
        const int64_t              left = rows - i < ROW_BLOCK ? rows - i : ROW_BLOCK;
        const mxdi_matmul_s32_args args = { scratch, panels, y + i * m->n, pairs,
                                            m->n,    left,   pairs,        n };
        for (int64_t r = 0; r < left; r++)
            to_words(scratch + r * pairs, 1, a + (i + r) * m->depth, 1, m->depth,
                     zero_of(&m->a, f, 0));
        m->k->run(&args);
    }
}

static void matmul_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                       unsigned thread)
{
    const struct matmul_integer *const m = op;
    int32_t *const rows    = (int32_t *)(void *)(f->scratch + thread * f->scratch_bytes),
                   *panels = rows + ROW_BLOCK * pairs_of(m->depth);
    for (int64_t t = (int64_t)begin; t < (int64_t)end; t++) {
        const int64_t product = t / bundles_of(m), j = t % bundles_of(m) * m->bundle,
                      n = m->n - j < m->bundle ? m->n - j : m->bundle;
        int64_t a, b;
        locate(m, product, &a, &b);
        if (m->packed == MXD_NO_VALUE)
            pack_columns(panels, m, f, (const uint8_t *)f->ptr[m->b.tensor] + b, j, n);
        multiply(m, f, rows,
                 m->packed == MXD_NO_VALUE
                     ? panels
                     : (const int32_t *)f->ptr[m->packed] + j * pairs_of(m->depth),
                 product, a, j, n);
    }
}

static const mxdi_cpu_kind matmul_kind = { matmul_tasks, matmul_run, NULL };

/* Panels of constant b, which are a constant of the program. */
static void pack_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                     unsigned thread)
{
    const struct matmul_integer *const m = op;
    (void)begin;
    (void)end;
    (void)thread;
    pack_columns(f->ptr[m->packed], m, f, f->ptr[m->b.tensor], 0, m->n);
}

static const mxdi_cpu_kind pack_kind = { NULL, pack_run, NULL };

static mxd_status pack_constant(struct matmul_integer *m, mxdi_cpu_plan *p, mxd_error *err)
{
    const int64_t lanes     = m->k->lanes,
                  words     = (m->n + lanes - 1) / lanes * lanes * pairs_of(m->depth);
    const mxdi_cpu_tensor t = {
        .dtype = MXD_S32, .rank = 1, .dim = { words }, .home = MXDI_CPU_ARENA, .root = MXD_NO_VALUE
    };
    struct matmul_integer *const op = MXDI_CPU_NEW_OP(p, struct matmul_integer);
    if (!op)
        return mxdi_nomem(err);
    MXD_TRY(mxdi_cpu_add_tensor(&m->packed, p, &t, err));
    MXD_TRY(mxdi_cpu_reserve(p, m->packed, (size_t)words * sizeof(int32_t), err));
    *op                          = *m;
    const uint32_t          in[] = { m->b.tensor, m->b.zero };
    const mxdi_cpu_emission e    = { .kind      = &pack_kind,
                                     .op        = op,
                                     .in        = in,
                                     .n_in      = m->b.zero == MXD_NO_VALUE ? 1 : 2,
                                     .out       = &m->packed,
                                     .n_out     = 1,
                                     .anonymous = true,
                                     .kernel    = "pack_s16",
                                     .computed  = "copy" };
    return mxdi_cpu_emit(p, &e, err);
}

static mxd_status emit(mxdi_cpu_plan *p, const mxdi_cpu_kind *kind, void *op, const uint32_t *in,
                       uint32_t y, const mxdi_matmul_s32 *k, const char *family, int64_t macs,
                       mxd_error *err)
{
    uint32_t given[5], n = 0;
    for (uint32_t i = 0; i < 5; i++)
        if (in[i] != MXD_NO_VALUE)
            given[n++] = in[i];
    const mxdi_cpu_emission e = { .kind     = kind,
                                  .op       = op,
                                  .in       = given,
                                  .n_in     = n,
                                  .out      = &y,
                                  .n_out    = 1,
                                  .kernel   = mxdi_cpu_kernel_name(p, family, k->name),
                                  .computed = "u8s8",
                                  .reason =
                                      "16-bit products: zero points are not known before a run",
                                  .macs = macs };
    return e.kernel ? mxdi_cpu_emit(p, &e, err) : mxdi_nomem(err);
}

mxd_status mxdi_cpu_lower_matmul_integer(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const a = mxdi_cpu_in(p->g, n, 0), *const b = mxdi_cpu_in(p->g, n, 1),
                           *const y = mxdi_cpu_out(p->g, n, 0);
    struct matmul_integer *const  m = MXDI_CPU_NEW_OP(p, struct matmul_integer);
    if (!m)
        return mxdi_nomem(err);
    m->k               = mxdi_matmul_s32_select(p->program->isa);
    m->packed          = MXD_NO_VALUE;
    m->m               = y->dim[y->rank - 2];
    m->n               = y->dim[y->rank - 1];
    m->depth           = a->dim[a->rank - 1];
    m->rank            = y->rank - 2;
    m->bundle          = BUNDLE * m->k->lanes;
    m->products        = mxdi_cpu_count(y) / (m->m * m->n);
    m->scaled_products = y->batch_axis == 0 && y->rank > 2;
    m->scaled_rows     = y->batch_axis == 0 && y->rank == 2;
    memcpy(m->dim, y->dim, sizeof(m->dim));
    mxdi_cpu_product_strides(m->as, a, y);
    mxdi_cpu_product_strides(m->bs, b, y);
    MXD_TRY(side_of(&m->a, p, n, 0, 2, err));
    MXD_TRY(side_of(&m->b, p, n, 1, 3, err));
    MXD_TRY(mxdi_cpu_make_plain(&m->y, p, n->out[0], true, err));
    const int64_t pairs = pairs_of(m->depth);
    if (b->rank == 2 && mxdi_cpu_is_fixed(p->g, n->in[1]) &&
        (!mxdi_cpu_has_in(n, 3) || mxdi_cpu_is_fixed(p->g, n->in[3])))
        MXD_TRY(pack_constant(m, p, err));
    mxdi_cpu_need_scratch(p, (size_t)(pairs * (ROW_BLOCK + m->bundle)) * sizeof(int32_t));
    const uint32_t in[] = { m->a.tensor, m->b.tensor, m->a.zero, m->b.zero, m->packed };
    return emit(p, &matmul_kind, m, in, m->y, m->k, "matmul_s32", mxdi_cpu_count(y) * m->depth,
                err);
}

/* One zero point, or one for each of n. */
static bool zero_fits(const mxd_graph_view *g, const mxd_node *n, uint32_t k, int64_t count)
{
    const mxd_value *const z = mxdi_cpu_in(g, n, k);
    return !z ||
           (z->batch_axis < 0 && (mxdi_cpu_count(z) == 1 || (z->rank == 1 && z->dim[0] == count)));
}

static const char no_zero[] =
    "no CPU kernel for zero points of this shape: runs in the reference interpreter";

const char *mxdi_cpu_check_matmul_integer(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const a = mxdi_cpu_in(g, n, 0), *const b = mxdi_cpu_in(g, n, 1),
                           *const y   = mxdi_cpu_out(g, n, 0);
    const char *const             why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (a->rank < 2 || b->rank < 2 || !mxdi_cpu_is_byte(a->dtype) || !mxdi_cpu_is_byte(b->dtype))
        return "no CPU kernel for integer products of this rank or type: runs in the reference interpreter";
    if (a->batch_axis > 0 || y->batch_axis > 0 || (b->batch_axis >= 0 && b->rank < 3) ||
        (y->batch_axis == 0 && y->rank > 2 && a->batch_axis != 0 && b->batch_axis != 0))
        return "the batch is inside the matrices: runs in the reference interpreter";
    return zero_fits(g, n, 2, 1) && zero_fits(g, n, 3, b->dim[b->rank - 1]) ? NULL : no_zero;
}

/* ---- ConvInteger ---- */

struct conv_integer {
    const mxdi_matmul_s32 *k;
    struct side            x, w;
    uint32_t               y;
    int32_t                groups;
    int64_t                channels, filters; /* of a group */
    int64_t                h, width, oh, ow, bundle;
    mxdi_window2d          win;
    bool                   scaled;
    int64_t                images;
};

static int64_t depth_of(const struct conv_integer *c)
{
    return c->channels * c->win.kh * c->win.kw;
}

static int64_t pixel_bundles(const struct conv_integer *c)
{
    return (c->oh * c->ow + c->bundle - 1) / c->bundle;
}

static size_t conv_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct conv_integer *const c = op;
    return (size_t)(mxdi_cpu_grown(f, c->images, c->scaled) * c->groups * pixel_bundles(c));
}

/* x's element under tap k of output pixel j, less the zero point; 0 outside the image. */
static int32_t tap(const struct conv_integer *c, const uint8_t *x, int64_t j, int64_t k, int32_t z)
{
    const int64_t kx = k % c->win.kw, ky = k / c->win.kw % c->win.kh,
                  channel = k / c->win.kw / c->win.kh;
    const int64_t iy      = j / c->ow * c->win.sh - c->win.ph + ky * c->win.dh,
                  ix      = j % c->ow * c->win.sw - c->win.pw + kx * c->win.dw;
    return iy < 0 || iy >= c->h || ix < 0 || ix >= c->width
               ? 0
               : x[(channel * c->h + iy) * c->width + ix] - z;
}

/* Output pixels [j, j + n) as panels. */
static void pack_pixels(int32_t *to, const struct conv_integer *c, const uint8_t *x, int64_t j,
                        int64_t n, int32_t z)
{
    const int64_t depth = depth_of(c), pairs = pairs_of(depth), lanes = c->k->lanes,
                  panels = (n + lanes - 1) / lanes;
    memset(to, 0, (size_t)(panels * pairs * lanes) * sizeof(*to));
    for (int64_t k = 0; k < depth; k += 2)
        for (int64_t i = 0; i < n; i++)
            to[(i / lanes * pairs + k / 2) * lanes + i % lanes] = mxdi_pair_s16(
                tap(c, x, j + i, k, z), k + 1 < depth ? tap(c, x, j + i, k + 1, z) : 0);
}

static void conv_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                     unsigned thread)
{
    const struct conv_integer *const c = op;
    const int64_t  depth = depth_of(c), pairs = pairs_of(depth), pixels = c->oh * c->ow;
    int32_t *const rows    = (int32_t *)(void *)(f->scratch + thread * f->scratch_bytes),
                   *panels = rows + ROW_BLOCK * pairs;
    for (int64_t t = (int64_t)begin; t < (int64_t)end; t++) {
        const int64_t j      = t % pixel_bundles(c) * c->bundle,
                      part   = t / pixel_bundles(c), /* image, group */
            n                = pixels - j < c->bundle ? pixels - j : c->bundle;
        const int64_t  first = part % c->groups * c->filters;
        const uint8_t *x     = (const uint8_t *)f->ptr[c->x.tensor] +
                           part * c->channels * c->h * c->width,
                      *w = (const uint8_t *)f->ptr[c->w.tensor] + first * depth;
        int32_t *const y = (int32_t *)f->ptr[c->y] + part * c->filters * pixels + j;
        pack_pixels(panels, c, x, j, n, zero_of(&c->x, f, 0));
        for (int64_t i = 0; i < c->filters; i += ROW_BLOCK) {
            const int64_t left = c->filters - i < ROW_BLOCK ? c->filters - i : ROW_BLOCK;
            const mxdi_matmul_s32_args args = { rows,   panels, y + i * pixels, pairs,
                                                pixels, left,   pairs,          n };
            for (int64_t r = 0; r < left; r++)
                to_words(rows + r * pairs, 1, w + (i + r) * depth, 1, depth,
                         zero_of(&c->w, f, first + i + r));
            c->k->run(&args);
        }
    }
}

static const mxdi_cpu_kind conv_kind = { conv_tasks, conv_run, NULL };

mxd_status mxdi_cpu_lower_conv_integer(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const x = mxdi_cpu_in(p->g, n, 0), *const w = mxdi_cpu_in(p->g, n, 1),
                           *const y = mxdi_cpu_out(p->g, n, 0);
    struct conv_integer *const    c = MXDI_CPU_NEW_OP(p, struct conv_integer);
    if (!c)
        return mxdi_nomem(err);
    const bool plane = x->rank == 4;
    *c               = (struct conv_integer){ .k        = mxdi_matmul_s32_select(p->program->isa),
                                              .groups   = (int32_t)mxd_node_int(n, "group", 1),
                                              .channels = w->dim[1],
                                              .h        = plane ? x->dim[2] : 1,
                                              .width    = x->dim[x->rank - 1],
                                              .oh       = plane ? y->dim[2] : 1,
                                              .ow       = y->dim[y->rank - 1],
                                              .win      = mxdi_cpu_window_of(n, x, y, w->dim + 2).w,
                                              .scaled   = y->batch_axis == 0,
                                              .images   = y->dim[0] };
    c->filters       = w->dim[0] / c->groups;
    c->bundle        = BUNDLE * c->k->lanes;
    MXD_TRY(side_of(&c->x, p, n, 0, 2, err));
    MXD_TRY(side_of(&c->w, p, n, 1, 3, err));
    MXD_TRY(mxdi_cpu_make_plain(&c->y, p, n->out[0], true, err));
    mxdi_cpu_need_scratch(p, (size_t)(pairs_of(depth_of(c)) * (ROW_BLOCK + c->bundle)) *
                                 sizeof(int32_t));
    const uint32_t in[] = { c->x.tensor, c->w.tensor, c->x.zero, c->w.zero, MXD_NO_VALUE };
    return emit(p, &conv_kind, c, in, c->y, c->k, "conv_s32", mxdi_cpu_count(y) * depth_of(c), err);
}

const char *mxdi_cpu_check_conv_integer(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const w = mxdi_cpu_in(g, n, 1),
                           *const y   = mxdi_cpu_out(g, n, 0);
    const char *const             why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    if (x->rank < 3 || x->rank > 4 || w->rank != x->rank || !mxdi_cpu_is_byte(x->dtype) ||
        !mxdi_cpu_is_byte(w->dtype))
        return "no CPU kernel for integer convolutions of this rank or type: runs in the reference interpreter";
    if (x->batch_axis > 0 || y->batch_axis > 0 || w->batch_axis >= 0)
        return "the batch is not the first axis: runs in the reference interpreter";
    return zero_fits(g, n, 2, 1) && zero_fits(g, n, 3, w->dim[0]) ? NULL : no_zero;
}
