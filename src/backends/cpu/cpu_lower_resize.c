/* SPDX-License-Identifier: Apache-2.0
 *
 * Resize of the pixels of an image (ONNX Resize-10 to 19, Upsample): nearest for bytes and f32,
 * linear and cubic for f32. Where each output row and column reads is worked out once, here; a run
 * copies or blends whole pixels of a block. */
#include <math.h>

#include "backends/cpu/cpu_lower.h"
#include "base/dtype.h"

/* What an output position reads along one axis: `low` alone, or low and high blended. */
struct tap {
    int32_t low, high;
    float   weight; /* of high */
};

/* Cubic: four positions and their weights. */
struct cubic_tap {
    int32_t at[4];
    float   weight[4];
};

struct resize {
    uint32_t                x, y;
    bool                    linear;
    size_t                  size;
    const struct tap       *rows, *columns;
    const struct cubic_tap *cubic_rows, *cubic_columns; /* NULL: not cubic */
};

static size_t resize_tasks(const void *op, const mxdi_cpu_frame *f)
{
    const struct resize *const r = op;
    return (size_t)(mxdi_cpu_blocks(f, r->y) * f->tensor[r->y].l.h);
}

static void blend(float *y, const float *const x[4], float wx, float wy, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const float top    = x[0][i] * (1.0f - wx) + x[1][i] * wx,
                    bottom = x[2][i] * (1.0f - wx) + x[3][i] * wx;
        y[i]               = top * (1.0f - wy) + bottom * wy;
    }
}

static void blend_line(const struct resize *r, const mxdi_blocked *x, const mxdi_blocked *y,
                       float *to, const float *from, const struct tap *row)
{
    const int64_t pixel = mxdi_blocked_pixel(x), line = mxdi_blocked_row(x);
    for (int32_t i = 0; i < y->w; i++) {
        const struct tap *const c    = &r->columns[i];
        const float *const      p[4] = { from + row->low * line + c->low * pixel,
                                         from + row->low * line + c->high * pixel,
                                         from + row->high * line + c->low * pixel,
                                         from + row->high * line + c->high * pixel };
        blend(to + i * mxdi_blocked_pixel(y), p, c->weight, row->weight, pixel);
    }
}

/* The weighted sum of 4 x 4 pixels: along each row, then over the rows. */
static void blend_cubic(const struct resize *r, const mxdi_blocked *x, const mxdi_blocked *y,
                        float *to, const float *from, const struct cubic_tap *row)
{
    const int64_t pixel = mxdi_blocked_pixel(x), line = mxdi_blocked_row(x);
    for (int32_t i = 0; i < y->w; i++) {
        const struct cubic_tap *const c = &r->cubic_columns[i];
        float *const                  p = to + i * mxdi_blocked_pixel(y);
        for (int64_t k = 0; k < pixel; k++) {
            float sum = 0.0f;
            for (int v = 0; v < 4; v++) {
                const float *const at   = from + row->at[v] * line + k;
                float              part = 0.0f;
                for (int h = 0; h < 4; h++)
                    part += c->weight[h] * at[c->at[h] * pixel];
                sum += row->weight[v] * part;
            }
            p[k] = sum;
        }
    }
}

static void resize_run(const void *op, const mxdi_cpu_frame *f, size_t begin, size_t end,
                       unsigned thread)
{
    const struct resize *const r = op;
    const mxdi_blocked *const x = &f->tensor[r->x].l, *const y = &f->tensor[r->y].l;
    const int64_t pixel = mxdi_blocked_pixel(x);
    (void)thread;
    for (int64_t t = (int64_t)begin; t < (int64_t)end; t++) {
        const int64_t from = t / y->h * x->block_stride,
                      to   = t / y->h * y->block_stride + t % y->h * mxdi_blocked_row(y);
        if (r->cubic_rows) {
            blend_cubic(r, x, y, (float *)f->ptr[r->y] + to, (const float *)f->ptr[r->x] + from,
                        &r->cubic_rows[t % y->h]);
            continue;
        }
        const struct tap *const row = &r->rows[t % y->h];
        if (r->linear) {
            blend_line(r, x, y, (float *)f->ptr[r->y] + to, (const float *)f->ptr[r->x] + from,
                       row);
            continue;
        }
        for (int32_t i = 0; i < y->w; i++)
            memcpy((uint8_t *)f->ptr[r->y] + (size_t)(to + i * pixel) * r->size,
                   (const uint8_t *)f->ptr[r->x] +
                       (size_t)(from + row->low * mxdi_blocked_row(x) + r->columns[i].low * pixel) *
                           r->size,
                   (size_t)pixel * r->size);
    }
}

static const mxdi_cpu_kind resize_kind = { resize_tasks, resize_run, NULL };

/* ---- where positions read (ONNX Resize, coordinate_transformation_mode and nearest_mode) ---- */

typedef double (*origin_fn)(double at, double scale, int64_t in, int64_t out);

static double asymmetric(double at, double scale, int64_t in, int64_t out)
{
    (void)in;
    (void)out;
    return at / scale;
}

static double half_pixel(double at, double scale, int64_t in, int64_t out)
{
    (void)in;
    (void)out;
    return (at + 0.5) / scale - 0.5;
}

static double pytorch_half_pixel(double at, double scale, int64_t in, int64_t out)
{
    return out > 1 ? half_pixel(at, scale, in, out) : 0.0;
}

static double align_corners(double at, double scale, int64_t in, int64_t out)
{
    const double length = (double)in * scale; /* not rounded */
    return out > 1 ? at * (double)(in - 1) / (length - 1.0) : 0.0;
}

static double half_pixel_symmetric(double at, double scale, int64_t in, int64_t out)
{
    const double adjustment = (double)out / (scale * (double)in), centre = (double)in / 2;
    return centre * (1.0 - adjustment) + (at + 0.5) / scale - 0.5;
}

static origin_fn origin_of(const mxd_node *n)
{
    static const struct {
        const char *name;
        origin_fn   fn;
    } modes[] = {
        { "half_pixel", half_pixel },
        { "pytorch_half_pixel", pytorch_half_pixel },
        { "align_corners", align_corners },
        { "asymmetric", asymmetric },
        { "half_pixel_symmetric", half_pixel_symmetric },
    };
    const char *const mode = mxd_node_string(n, "coordinate_transformation_mode",
                                             n->version < 11 ? "asymmetric" : "half_pixel");
    for (size_t k = 0; k < sizeof(modes) / sizeof(modes[0]); k++)
        if (strcmp(modes[k].name, mode) == 0)
            return modes[k].fn;
    return NULL;
}

static double rounded(const mxd_node *n, double v)
{
    const char *const mode =
        mxd_node_string(n, "nearest_mode", n->version < 11 ? "floor" : "round_prefer_floor");
    if (strcmp(mode, "floor") == 0)
        return floor(v);
    if (strcmp(mode, "ceil") == 0)
        return ceil(v);
    return strcmp(mode, "round_prefer_ceil") == 0 ? floor(v + 0.5) : ceil(v - 0.5);
}

static int32_t inside(double v, int64_t n)
{
    return (int32_t)(v < 0 ? 0 : v > (double)(n - 1) ? (double)(n - 1) : v);
}

/* The scale of axis k: given, or the ratio of the sizes. */
static double scale_of(const mxd_graph_view *g, const mxd_node *n, int32_t k)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const y = mxdi_cpu_out(g, n, 0);
    const mxd_value *const scales = mxdi_cpu_in(g, n, n->version < 11 ? 1 : 2);
    const mxd_attr *const  attr   = mxd_node_attr(n, "scales", MXD_ATTR_FLOATS);
    if (attr && attr->n == (uint32_t)x->rank)
        return (double)attr->floats[k];
    if (scales && scales->data && mxdi_cpu_count(scales) == x->rank)
        return mxdi_load_f64(scales->data, scales->dtype, k);
    return (double)y->dim[k] / (double)x->dim[k];
}

static mxd_status taps_of(const struct tap **out, mxdi_cpu_plan *p, const mxd_node *n, int32_t axis,
                          bool linear, mxd_error *err)
{
    const int64_t in         = mxdi_cpu_in(p->g, n, 0)->dim[axis],
                  count      = mxdi_cpu_out(p->g, n, 0)->dim[axis];
    struct tap *const t      = MXDI_NEW(&p->program->arena, struct tap, (size_t)count);
    const origin_fn   origin = origin_of(n);
    if (!t)
        return mxdi_nomem(err);
    for (int64_t k = 0; k < count; k++) {
        const double at  = origin((double)k, scale_of(p->g, n, axis), in, count),
                     low = linear ? floor(at) : rounded(n, at);
        t[k]             = (struct tap){ inside(low, in), inside(low + 1, in), (float)(at - low) };
    }
    *out = t;
    return MXD_OK;
}

/* Keys' kernel with parameter a. */
static double cubic_weight(double a, double t)
{
    const double d = fabs(t);
    return d <= 1.0  ? ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
           : d < 2.0 ? ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
                     : 0.0;
}

static mxd_status cubic_taps_of(const struct cubic_tap **out, mxdi_cpu_plan *p, const mxd_node *n,
                                int32_t axis, mxd_error *err)
{
    const int64_t in                    = mxdi_cpu_in(p->g, n, 0)->dim[axis],
                  count                 = mxdi_cpu_out(p->g, n, 0)->dim[axis];
    const double            a           = (double)mxd_node_float(n, "cubic_coeff_a", -0.75f);
    const bool              inside_only = mxd_node_int(n, "exclude_outside", 0) != 0;
    const origin_fn         origin      = origin_of(n);
    struct cubic_tap *const t = MXDI_NEW(&p->program->arena, struct cubic_tap, (size_t)count);
    if (!t)
        return mxdi_nomem(err);
    for (int64_t k = 0; k < count; k++) {
        const double at = origin((double)k, scale_of(p->g, n, axis), in, count), low = floor(at);
        double       weight[4], sum                                                  = 0.0;
        for (int i = 0; i < 4; i++) {
            const double place  = low + i - 1;
            const bool   out_of = place < 0.0 || place > (double)(in - 1);
            weight[i]           = inside_only && out_of ? 0.0 : cubic_weight(a, at - place);
            t[k].at[i]          = inside(place, in);
            sum += weight[i];
        }
        for (int i = 0; i < 4; i++)
            t[k].weight[i] = (float)(inside_only && sum != 0.0 ? weight[i] / sum : weight[i]);
    }
    *out = t;
    return MXD_OK;
}

mxd_status mxdi_cpu_lower_resize(mxdi_cpu_plan *p, const mxd_node *n, mxd_error *err)
{
    const mxd_value *const x  = mxdi_cpu_in(p->g, n, 0);
    struct resize *const   op = MXDI_CPU_NEW_OP(p, struct resize);
    if (!op)
        return mxdi_nomem(err);
    op->linear       = strcmp(mxd_node_string(n, "mode", "nearest"), "linear") == 0;
    op->size         = mxd_dtype_bits(mxdi_cpu_stored(x->dtype)) / 8;
    const bool cubic = strcmp(mxd_node_string(n, "mode", "nearest"), "cubic") == 0;
    if (cubic) {
        MXD_TRY(cubic_taps_of(&op->cubic_rows, p, n, 2, err));
        MXD_TRY(cubic_taps_of(&op->cubic_columns, p, n, 3, err));
    } else {
        MXD_TRY(taps_of(&op->rows, p, n, 2, op->linear, err));
        MXD_TRY(taps_of(&op->columns, p, n, 3, op->linear, err));
    }
    MXD_TRY(mxdi_cpu_get_blocked(&op->x, p, n->in[0], err));
    MXD_TRY(mxdi_cpu_make_blocked(&op->y, p, n->out[0], err));
    const mxdi_cpu_emission e = { .kind     = &resize_kind,
                                  .op       = op,
                                  .in       = &op->x,
                                  .n_in     = 1,
                                  .out      = &op->y,
                                  .n_out    = 1,
                                  .kernel   = cubic        ? "resize_cubic"
                                              : op->linear ? "resize_linear"
                                                           : "resize_nearest",
                                  .computed = cubic || op->linear ? "f32" : "copy" };
    return mxdi_cpu_emit(p, &e, err);
}

const char *mxdi_cpu_check_resize(const mxd_graph_view *g, const mxd_node *n)
{
    const mxd_value *const x = mxdi_cpu_in(g, n, 0), *const y = mxdi_cpu_out(g, n, 0);
    const char *const why = mxdi_cpu_check_shapes(g, n);
    if (why)
        return why;
    const char *const mode   = mxd_node_string(n, "mode", "nearest");
    const bool        blends = strcmp(mode, "linear") == 0 || strcmp(mode, "cubic") == 0;
    mxdi_blocked      lx, ly;
    if (x->rank != 4 || !mxdi_cpu_can_block(x) || !mxdi_cpu_can_block(y) ||
        x->dim[0] != y->dim[0] || x->dim[1] != y->dim[1] ||
        (blends ? x->dtype != MXD_F32 : strcmp(mode, "nearest") != 0) || !origin_of(n) ||
        mxd_node_int(n, "antialias", 0))
        return "no CPU kernel for this form of Resize: runs in the reference interpreter";
    if (mxdi_cpu_layout_of(&lx, x, g->max_batch, NULL) != MXD_OK ||
        mxdi_cpu_layout_of(&ly, y, g->max_batch, NULL) != MXD_OK || lx.pitch != ly.pitch)
        return "no CPU kernel for Resize between a pixel and an image: runs in the reference interpreter";
    const mxd_value *const scales = mxdi_cpu_in(g, n, n->version < 11 ? 1 : 2);
    return scales && !scales->data ? "scales are not constant: runs in the reference interpreter"
                                   : NULL;
}
