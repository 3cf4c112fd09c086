/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_blocked over the vectors of simd/vec_<variant>.h. The taps inside the image are a rectangle,
 * found once per output pixel; lanes go in vectors, and each vector through the taps row by row. */
#include <math.h>

#include "kernels/pool_blocked/pool_blocked.h"
#include "kernels/quantize_u8/quantize_u8_vec.h"

/* The taps inside the image of one output pixel. */
struct taps {
    int64_t first;      /* elements from the block's start to the first of them */
    int32_t rows, cols; /* 0 where there is none */
    int64_t dy, dx;     /* elements between two of them */
    int32_t count;      /* taps that count for the average */
};

/* One dimension: taps at at + k*step, k < n. */
struct span {
    int32_t first, inside, count;
};

static struct span span_make(int32_t at, int32_t step, int32_t n, int32_t size, int32_t after,
                             int32_t include_pad)
{
    const int32_t first = at < 0 ? (-at + step - 1) / step : 0;
    /* Taps before the end of the image, and of the padding behind it. */
    const int32_t below = at < size ? (size - 1 - at) / step + 1 : 0;
    const int32_t all   = at < size + after ? (size + after - 1 - at) / step + 1 : 0;
    const int32_t last  = below < n ? below : n;
    struct span   s     = { first, last > first ? last - first : 0, 0 };
    s.count             = include_pad ? (all < n ? all : n) : s.inside;
    return s;
}

static struct taps taps_make(const mxdi_pool_desc *d, int32_t oy, int32_t ox)
{
    const mxdi_window2d *k   = &d->window;
    const int32_t        pad = d->count_include_pad;
    const int32_t        iy = oy * k->sh - k->ph, ix = ox * k->sw - k->pw;
    const struct span    v   = span_make(iy, k->dh, k->kh, d->x.h, d->ph_end, pad);
    const struct span    h   = span_make(ix, k->dw, k->kw, d->x.w, d->pw_end, pad);
    const int64_t        row = mxdi_blocked_row(&d->x), pixel = mxdi_blocked_pixel(&d->x);
    struct taps t = { 0, v.inside, h.inside, k->dh * row, k->dw * pixel, v.count * h.count };
    t.first       = (iy + v.first * k->dh) * row + (ix + h.first * k->dw) * pixel;
    if (t.rows == 0 || t.cols == 0)
        t.rows = t.cols = 0;
    if (t.rows == 0)
        t.first = 0; /* points nowhere, and is not read */
    return t;
}

/* n lanes of one output; x is where the first tap's lanes are. */
typedef void (*pool_run)(void *y, const void *x, size_t n, const struct taps *t,
                         const mxdi_pool_desc *d);

static inline void pool_lines(void *y, const void *x, size_t size, const mxdi_pool_desc *d,
                              int64_t begin, int64_t end, pool_run run)
{
    const mxdi_blocked *lx = &d->x, *ly = &d->y;
    const int           whole  = lx->pitch == ly->pitch && ly->channels == ly->pitch;
    const int64_t       runs   = whole ? 1 : ly->block;
    const size_t        lanes  = (size_t)(whole ? ly->block * ly->pitch : ly->channels);
    const int64_t       size64 = (int64_t)size;
    for (int64_t line = begin; line < end; line++) {
        const int64_t block = line / ly->h;
        const int32_t oy    = (int32_t)(line % ly->h);
        const char   *from  = (const char *)x + block * lx->block_stride * size64;
        char *to = (char *)y + (block * ly->block_stride + oy * mxdi_blocked_row(ly)) * size64;
        for (int32_t ox = 0; ox < ly->w; ox++) {
            const struct taps t = taps_make(d, oy, ox);
            for (int64_t r = 0; r < runs; r++)
                run(to + (ox * mxdi_blocked_pixel(ly) + r * ly->pitch) * size64,
                    from + (t.first + r * lx->pitch) * size64, lanes, &t, d);
        }
    }
}

static inline vu8 max_u8_taps(const uint8_t *x, const struct taps *t, size_t tail)
{
    vu8 v = vu8_zero();
    for (int32_t ky = 0; ky < t->rows; ky++)
        for (int32_t kx = 0; kx < t->cols; kx++) {
            const uint8_t *p = x + ky * t->dy + kx * t->dx;
            v                = vu8_max(v, tail ? vu8_load_tail(p, tail) : vu8_load(p));
        }
    return v;
}

static void max_u8_run(void *y, const void *x, size_t n, const struct taps *t,
                       const mxdi_pool_desc *d)
{
    const uint8_t *from = x;
    uint8_t       *to   = y;
    size_t         i    = 0;
    (void)d;
    for (; i + VU8_LANES <= n; i += VU8_LANES)
        vu8_store(to + i, max_u8_taps(from + i, t, 0));
    if (i < n)
        vu8_store_tail(to + i, max_u8_taps(from + i, t, n - i), n - i);
}

static inline vf32 max_f32_taps(const float *x, const struct taps *t, size_t tail)
{
    vf32 v = vf32_set1(-INFINITY);
    for (int32_t ky = 0; ky < t->rows; ky++)
        for (int32_t kx = 0; kx < t->cols; kx++) {
            const float *p = x + ky * t->dy + kx * t->dx;
            v              = vf32_max(tail ? vf32_load_tail(p, tail) : vf32_load(p), v);
        }
    return v;
}

static void max_f32_run(void *y, const void *x, size_t n, const struct taps *t,
                        const mxdi_pool_desc *d)
{
    const float *from = x;
    float       *to   = y;
    size_t       i    = 0;
    (void)d;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        vf32_store(to + i, max_f32_taps(from + i, t, 0));
    if (i < n)
        vf32_store_tail(to + i, max_f32_taps(from + i, t, n - i), n - i);
}

static inline vi32 sum_u8_taps(const uint8_t *x, const struct taps *t, size_t tail)
{
    vi32 v = vi32_set1(0);
    for (int32_t ky = 0; ky < t->rows; ky++)
        for (int32_t kx = 0; kx < t->cols; kx++) {
            const uint8_t *p = x + ky * t->dy + kx * t->dx;
            v                = vi32_add(v, tail ? vi32_load_u8_tail(p, tail) : vi32_load_u8(p));
        }
    return v;
}

static void average_u8_run(void *y, const void *x, size_t n, const struct taps *t,
                           const mxdi_pool_desc *d)
{
    const uint8_t       *from  = x;
    uint8_t             *to    = y;
    const struct vclampq c     = vclampq_make(d->y_zero_point, d->q_min, d->q_max);
    const vi32           zeros = vi32_set1(t->rows * t->cols * d->x_zero_point);
    const vf32           m     = vf32_set1(d->m[t->count]);
    size_t               i     = 0;
    for (; i + VF32_LANES <= n; i += VF32_LANES) {
        const vi32 sum = vi32_sub(sum_u8_taps(from + i, t, 0), zeros);
        vi32_store_u8(to + i, vclampq(vf32_mul(vf32_from_i32(sum), m), &c));
    }
    if (i < n) {
        const vi32 sum = vi32_sub(sum_u8_taps(from + i, t, n - i), zeros);
        vi32_store_u8_tail(to + i, vclampq(vf32_mul(vf32_from_i32(sum), m), &c), n - i);
    }
}

static inline vf32 sum_f32_taps(const float *x, const struct taps *t, size_t tail)
{
    vf32 v = vf32_set1(0);
    for (int32_t ky = 0; ky < t->rows; ky++)
        for (int32_t kx = 0; kx < t->cols; kx++) {
            const float *p = x + ky * t->dy + kx * t->dx;
            v              = vf32_add(v, tail ? vf32_load_tail(p, tail) : vf32_load(p));
        }
    return v;
}

static void average_f32_run(void *y, const void *x, size_t n, const struct taps *t,
                            const mxdi_pool_desc *d)
{
    const float *from  = x;
    float       *to    = y;
    const vf32   count = vf32_set1(t->count ? (float)t->count : 1); /* the sum of no tap is 0 */
    size_t       i     = 0;
    (void)d;
    for (; i + VF32_LANES <= n; i += VF32_LANES)
        vf32_store(to + i, vf32_div(sum_f32_taps(from + i, t, 0), count));
    if (i < n)
        vf32_store_tail(to + i, vf32_div(sum_f32_taps(from + i, t, n - i), count), n - i);
}

static void max_u8(uint8_t *y, const uint8_t *x, const mxdi_pool_desc *d, int64_t begin,
                   int64_t end)
{
    pool_lines(y, x, sizeof(*y), d, begin, end, max_u8_run);
}

static void max_f32(float *y, const float *x, const mxdi_pool_desc *d, int64_t begin, int64_t end)
{
    pool_lines(y, x, sizeof(*y), d, begin, end, max_f32_run);
}

static void average_u8(uint8_t *y, const uint8_t *x, const mxdi_pool_desc *d, int64_t begin,
                       int64_t end)
{
    pool_lines(y, x, sizeof(*y), d, begin, end, average_u8_run);
}

static void average_f32(float *y, const float *x, const mxdi_pool_desc *d, int64_t begin,
                        int64_t end)
{
    pool_lines(y, x, sizeof(*y), d, begin, end, average_f32_run);
}

const mxdi_pool_blocked MXD_VARIANT(mxdi_pool_blocked) = { MXD_VARIANT_NAME("pool_blocked"), max_u8,
                                                           max_f32, average_u8, average_f32 };
