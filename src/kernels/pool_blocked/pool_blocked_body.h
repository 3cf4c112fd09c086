/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_blocked over the vectors of simd/vec_<variant>.h. The taps inside the image are a rectangle,
 * found once per output pixel; lanes go in vectors, and each vector through the taps row by row. */
#include <math.h>

#include "kernels/pool_blocked/pool_taps.h"
#include "kernels/quantize_u8/quantize_u8_vec.h"

/* n lanes of one output; x is where the first tap's lanes are. */
typedef void (*pool_run)(void *y, const void *x, size_t n, const struct mxdi_pool_taps *t,
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
            const struct mxdi_pool_taps t = mxdi_pool_taps_make(d, oy, ox);
            for (int64_t r = 0; r < runs; r++)
                run(to + (ox * mxdi_blocked_pixel(ly) + r * ly->pitch) * size64,
                    from + (t.first + r * lx->pitch) * size64, lanes, &t, d);
        }
    }
}

static inline vu8 max_u8_taps(const uint8_t *x, const struct mxdi_pool_taps *t, size_t tail)
{
    vu8 v = vu8_zero();
    for (int32_t ky = 0; ky < t->rows; ky++)
        for (int32_t kx = 0; kx < t->cols; kx++) {
            const uint8_t *p = x + ky * t->dy + kx * t->dx;
            v                = vu8_max(v, tail ? vu8_load_tail(p, tail) : vu8_load(p));
        }
    return v;
}

static void max_u8_run(void *y, const void *x, size_t n, const struct mxdi_pool_taps *t,
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

static inline vf32 max_f32_taps(const float *x, const struct mxdi_pool_taps *t, size_t tail)
{
    vf32 v = vf32_set1(-INFINITY);
    for (int32_t ky = 0; ky < t->rows; ky++)
        for (int32_t kx = 0; kx < t->cols; kx++) {
            const float *p = x + ky * t->dy + kx * t->dx;
            v              = vf32_max(tail ? vf32_load_tail(p, tail) : vf32_load(p), v);
        }
    return v;
}

static void max_f32_run(void *y, const void *x, size_t n, const struct mxdi_pool_taps *t,
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

static inline vi32 sum_u8_taps(const uint8_t *x, const struct mxdi_pool_taps *t, size_t tail)
{
    vi32 v = vi32_set1(0);
    for (int32_t ky = 0; ky < t->rows; ky++)
        for (int32_t kx = 0; kx < t->cols; kx++) {
            const uint8_t *p = x + ky * t->dy + kx * t->dx;
            v                = vi32_add(v, tail ? vi32_load_u8_tail(p, tail) : vi32_load_u8(p));
        }
    return v;
}

static void average_u8_run(void *y, const void *x, size_t n, const struct mxdi_pool_taps *t,
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

static inline vf32 sum_f32_taps(const float *x, const struct mxdi_pool_taps *t, size_t tail)
{
    vf32 v = vf32_set1(0);
    for (int32_t ky = 0; ky < t->rows; ky++)
        for (int32_t kx = 0; kx < t->cols; kx++) {
            const float *p = x + ky * t->dy + kx * t->dx;
            v              = vf32_add(v, tail ? vf32_load_tail(p, tail) : vf32_load(p));
        }
    return v;
}

static void average_f32_run(void *y, const void *x, size_t n, const struct mxdi_pool_taps *t,
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
