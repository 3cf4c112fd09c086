/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions and pools that no packed kernel takes: three spatial axes, or weights that a run
 * makes. Plain loops over plain f32 tensors, one image's channel each task; slow, and right.
 */
#include <math.h>

#include "backends/cpu/cpu_lower.h"

typedef enum plain_mode { PLAIN_CONV, PLAIN_MAX, PLAIN_MEAN } plain_mode;

struct plain {
    plain_mode     mode;
    mxdi_cpu_space space;
    uint32_t       x, w, b, r, y;                     /* tensors, or MXD_NO_VALUE */
    int64_t        images, filters, channels, groups; /* channels: of a group */
    bool           scaled, count_padding;
    float          lo, hi;
};

static const mxdi_cpu_extent no_axis = { 1, 1, 1, 1, 1, 0, 0 };

/* The three axes of a window, leading ones of extent 1. */
static void space_of(mxdi_cpu_space *s, const mxd_node *n, const mxd_value *x, const mxd_value *y,
                     const int64_t *kernel)
{
    const int32_t rank = x->rank - 2;
    for (int32_t k = 0; k < 3; k++)
        s->axis[k] = k + rank < 3
                         ? no_axis
                         : mxdi_cpu_extent_of(n, (uint32_t)(k + rank - 3), (uint32_t)rank,
                                              x->dim[k + rank - 1], y->dim[k + rank - 1], kernel);
    for (int32_t k = 0; k < 3; k++) {
        mxdi_cpu_extent *const a = &s->axis[k];
        s->x_size                = (k ? s->x_size : 1) * a->in;
        s->y_size                = (k ? s->y_size : 1) * a->out;
        s->taps                  = (k ? s->taps : 1) * a->kernel;
    }
}

/* Taps [first, end) of output o are inside the image; *counted: those before the padding's end. */
static void taps_of(int64_t *first, int64_t *end, int64_t *counted, const mxdi_cpu_extent *a,
                    int64_t o)
{
    const int64_t at = o * a->stride - a->begin, step = a->dilation;
    const int64_t inside = at < a->in ? (a->in - 1 - at) / step + 1 : 0,
                  reach  = (a->in + a->end - 1 - at) / step + 1;
    *first               = at < 0 ? (-at + step - 1) / step : 0;
    *end                 = inside < a->kernel ? inside : a->kernel;
    *counted             = reach < a->kernel ? reach : a->kernel;
    *first               = *first < *end ? *first : *end;
}

struct window {
    int64_t first[3], end[3], at[3], counted;
};

static struct window window_at(const mxdi_cpu_space *s, int64_t o)
{
    struct window w = { .counted = 1 };
    for (int32_t k = 2; k >= 0; k--) {
        const mxdi_cpu_extent *const a = &s->axis[k];
        int64_t                      counted;
        taps_of(&w.first[k], &w.end[k], &counted, a, o % a->out);
        w.at[k] = o % a->out * a->stride - a->begin;
        w.counted *= counted;
        o /= a->out;
    }
    return w;
}

static int64_t place(const mxdi_cpu_space *s, const struct window *w, int64_t kz, int64_t ky,
                     int64_t kx)
{
    const mxdi_cpu_extent *const a = s->axis;
    return ((w->at[0] + kz * a[0].dilation) * a[1].in + w->at[1] + ky * a[1].dilation) * a[2].in +
           w->at[2] + kx * a[2].dilation;
}

/* One fmaf chain: bias, then taps ascending, then channels. x: the group's first channel. */
static float convolve(const struct plain *p, const float *x, const float *w, float bias, int64_t o)
{
    const mxdi_cpu_space *const s   = &p->space;
    const struct window         win = window_at(s, o);
    float                       acc = bias;
    for (int64_t kz = win.first[0]; kz < win.end[0]; kz++)
        for (int64_t ky = win.first[1]; ky < win.end[1]; ky++)
            for (int64_t kx = win.first[2]; kx < win.end[2]; kx++) {
                const int64_t at  = place(s, &win, kz, ky, kx),
                              tap = (kz * s->axis[1].kernel + ky) * s->axis[2].kernel + kx;
                for (int64_t c = 0; c < p->channels; c++)
                    acc = fmaf(x[c * s->x_size + at], w[c * s->taps + tap], acc);
            }
    return acc;
}

/* The largest element, the first of equals; no tap inside: -infinity. */
static float largest(const struct plain *p, const float *x, int64_t o)
{
    const struct window win   = window_at(&p->space, o);
    float               most  = -INFINITY;
    bool                found = false;
    for (int64_t kz = win.first[0]; kz < win.end[0]; kz++)
        for (int64_t ky = win.first[1]; ky < win.end[1]; ky++)
            for (int64_t kx = win.first[2]; kx < win.end[2]; kx++) {
                const float v = x[place(&p->space, &win, kz, ky, kx)];
                most          = !found || v > most ? v : most;
                found         = true;
            }
    return most;
}

static float mean(const struct plain *p, const float *x, int64_t o)
{
    const struct window win = window_at(&p->space, o);
    double              sum = 0.0;
    int64_t             n   = win.counted;
    for (int64_t kz = win.first[0]; kz < win.end[0]; kz++)
        for (int64_t ky = win.first[1]; ky < win.end[1]; ky++)
            for (int64_t kx = win.first[2]; kx < win.end[2]; kx++)
                sum += (double)x[place(&p->space, &win, kz, ky, kx)];
    if (!p->count_padding)
        n = (win.end[0] - win.first[0]) * (win.end[1] - win.first[1]) * (win.end[2] - win.first[2]);
    return n > 0 ? (float)(sum / (double)n) : 0.0f;
}

static size_t plain_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct plain *const p = op;
    return (size_t)(mxdi_cpu_grown(f, p->images, p->scaled) * p->filters);
}

static void plain_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                      unsigned thread)
{
    const struct plain *const   p = op;
    const mxdi_cpu_space *const s = &p->space;
    (void)thread;
    for (int64_t t = (int64_t)begin; t < (int64_t)end; t++) {
        float *const  y     = (float *)f->ptr[p->y] + t * s->y_size;
        const float  *x     = f->ptr[p->x];
        const int64_t image = t / p->filters, filter = t % p->filters;
        if (p->mode != PLAIN_CONV) {
            for (int64_t o = 0; o < s->y_size; o++)
                y[o] = p->mode == PLAIN_MAX ? largest(p, x + t * s->x_size, o)
                                            : mean(p, x + t * s->x_size, o);
            continue;
        }
        const float *const w = (const float *)f->ptr[p->w] + filter * p->channels * s->taps;
        const float *const r =
            p->r == MXD_NO_VALUE ? NULL : (const float *)f->ptr[p->r] + t * s->y_size;
        const float bias = p->b == MXD_NO_VALUE ? 0.0f : ((const float *)f->ptr[p->b])[filter];
        x += (image * p->groups + filter / (p->filters / p->groups)) * p->channels * s->x_size;
        for (int64_t o = 0; o < s->y_size; o++) {
            float v = convolve(p, x, w, bias, o) + (r ? r[o] : 0.0f);
            v       = p->lo > v ? p->lo : v; /* NaN passes */
            y[o]    = p->hi < v ? p->hi : v;
        }
    }
}

static const mxdi_cpu_kind plain_kind = { plain_tasks, plain_run, NULL };

static mxd_status emit(struct plain *p, mxdi_cpu_plan *plan, const mxd_node *n, const char *kernel,
                       const char *reason, int64_t macs, mxd_error *err)
{
    const uint32_t all[] = { p->x, p->w, p->b, p->r };
    uint32_t       in[4], count = 0;
    MXD_TRY(mxdi_cpu_make_plain(&p->y, plan, n->out[0], true, err));
    for (uint32_t k = 0; k < 4; k++)
        if (all[k] != MXD_NO_VALUE)
            in[count++] = all[k];
    const mxdi_cpu_emission e = { .kind     = &plain_kind,
                                  .op       = p,
                                  .in       = in,
                                  .n_in     = count,
                                  .out      = &p->y,
                                  .n_out    = 1,
                                  .kernel   = kernel,
                                  .computed = "f32",
                                  .reason   = reason,
                                  .macs     = macs,
                                  .ns = 5.0 * (double)mxdi_cpu_count(mxdi_cpu_out(plan->g, n, 0)) *
                                        (double)(p->space.taps * p->channels) };
    return mxdi_cpu_emit(plan, &e, err);
}

static struct plain *begin(mxdi_cpu_plan *plan, const mxd_node *n, plain_mode mode,
                           const int64_t *kernel)
{
    const mxd_value *const x = mxdi_cpu_in(plan->g, n, 0), *const y = mxdi_cpu_out(plan->g, n, 0);
    struct plain *const p = MXDI_CPU_NEW_OP(plan, struct plain);
    if (!p)
        return NULL;
    *p = (struct plain){ .mode     = mode,
                         .w        = MXD_NO_VALUE,
                         .b        = MXD_NO_VALUE,
                         .r        = MXD_NO_VALUE,
                         .images   = y->dim[0],
                         .filters  = y->dim[1],
                         .channels = 1,
                         .groups   = 1,
                         .scaled   = y->batch_axis == 0,
                         .lo       = mxd_node_float(n, "min", -INFINITY),
                         .hi       = mxd_node_float(n, "max", INFINITY) };
    space_of(&p->space, n, x, y, kernel);
    return p;
}

mxd_status mxdi_cpu_lower_plain_conv(mxdi_cpu_plan *plan, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const w     = mxdi_cpu_in(plan->g, n, 1);
    struct plain *const    p     = begin(plan, n, PLAIN_CONV, w->dim + 2);
    const bool             three = w->rank > 4;
    if (!p)
        return mxdi_nomem(err);
    p->groups   = mxd_node_int(n, "group", 1);
    p->channels = w->dim[1];
    MXD_TRY(mxdi_cpu_get_plain(&p->x, plan, n->in[0], err));
    MXD_TRY(mxdi_cpu_get_plain(&p->w, plan, n->in[1], err));
    if (mxdi_cpu_has_in(n, 2))
        MXD_TRY(mxdi_cpu_get_plain(&p->b, plan, n->in[2], err));
    if (mxdi_cpu_has_in(n, 3))
        MXD_TRY(mxdi_cpu_get_plain(&p->r, plan, n->in[3], err));
    return emit(p, plan, n, "conv_plain",
                three ? "three spatial axes: plain loops" : "weights that a run makes: plain loops",
                mxdi_cpu_count(mxdi_cpu_out(plan->g, n, 0)) * p->space.taps * p->channels, err);
}

/* f32 weights, constant or not, of one to three axes, with nothing rounded on the way. */
bool mxdi_cpu_can_plain_conv(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const w = mxdi_cpu_in(g, n, 1),
                           *const b = mxdi_cpu_in(g, n, 2), *const y = mxdi_cpu_out(g, n, 0);
    return x->rank >= 3 && x->rank <= 5 && w && w->rank == x->rank && x->dtype == MXD_F32 &&
           w->dtype == MXD_F32 && y->dtype == MXD_F32 && (!b || b->dtype == MXD_F32) &&
           x->batch_axis <= 0 && y->batch_axis <= 0 && w->batch_axis < 0 &&
           (!b || b->batch_axis < 0) && strcmp(mxd_node_string(n, "compute", "f32"), "f32") == 0;
}

mxd_status mxdi_cpu_lower_plain_pool(mxdi_cpu_plan *plan, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const x = mxdi_cpu_in(plan->g, n, 0);
    const bool          all = strncmp(n->op, "Global", 6) == 0, max = strstr(n->op, "Max") != NULL;
    struct plain *const p = begin(plan, n, max ? PLAIN_MAX : PLAIN_MEAN, all ? x->dim + 2 : NULL);
    if (!p)
        return mxdi_nomem(err);
    p->count_padding = mxd_node_int(n, "count_include_pad", 0) != 0;
    MXD_TRY(mxdi_cpu_get_plain(&p->x, plan, n->in[0], err));
    return emit(p, plan, n, max ? "max_pool_plain" : "mean_pool_plain",
                "three spatial axes: plain loops", 0, err);
}

bool mxdi_cpu_can_plain_pool(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const y = mxdi_cpu_out(g, n, 0);
    return x->rank == 5 && y->rank == 5 && x->dtype == MXD_F32 && x->batch_axis <= 0 &&
           !mxdi_cpu_has_out(n, 1);
}
