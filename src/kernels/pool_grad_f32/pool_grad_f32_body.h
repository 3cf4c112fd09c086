/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_grad_f32 over the vectors of simd/vec_<variant>.h: output by output, each vector of lanes
 * goes through the taps inside the image row by row, and adds to dx. */
#include "kernels/pool_blocked/pool_taps.h"
#include "kernels/pool_grad_f32/pool_grad_f32.h"

/* One output's lanes: x and dx at its first tap, the others its own. */
struct place {
    float       *dx;
    const float *dy, *x, *y;
};

/* The first k lanes of one output, all of a vector if k is 0. */
static inline void max_vector(const struct place *p, const struct mxdi_pool_taps *t, size_t k)
{
    const vf32 dy = vf32_load_k(p->dy, k), y = vf32_load_k(p->y, k);
    vmask      done = vmask_none();
    for (int32_t ky = 0; ky < t->rows; ky++)
        for (int32_t kx = 0; kx < t->cols; kx++) {
            const int64_t at  = ky * t->dy + kx * t->dx;
            const vmask   hit = vmask_andnot(vf32_eq(vf32_load_k(p->x + at, k), y), done);
            const vf32    old = vf32_load_k(p->dx + at, k);
            done              = vmask_or(done, hit);
            vf32_store_k(p->dx + at, vf32_select(hit, vf32_add(old, dy), old), k);
        }
}

static inline void average_vector(const struct place *p, const struct mxdi_pool_taps *t, size_t k)
{
    const vf32 v = vf32_div(vf32_load_k(p->dy, k), vf32_set1((float)t->count));
    for (int32_t ky = 0; ky < t->rows; ky++)
        for (int32_t kx = 0; kx < t->cols; kx++) {
            float *const at = p->dx + ky * t->dy + kx * t->dx;
            vf32_store_k(at, vf32_add(vf32_load_k(at, k), v), k);
        }
}

typedef void (*grad_vector)(const struct place *p, const struct mxdi_pool_taps *t, size_t k);

/* All outputs of one block. */
static inline void block_outputs(const struct place *block, const mxdi_pool_desc *d,
                                 grad_vector vector)
{
    const mxdi_blocked *lx = &d->x, *ly = &d->y;
    const int           whole = lx->channels == lx->pitch && lx->pitch == ly->pitch;
    const int64_t       runs  = whole ? 1 : ly->block;
    const int64_t       lanes = whole ? ly->block * ly->pitch : ly->channels;
    for (int32_t oy = 0; oy < ly->h; oy++)
        for (int32_t ox = 0; ox < ly->w; ox++) {
            const struct mxdi_pool_taps t = mxdi_pool_taps_make(d, oy, ox);
            for (int64_t r = 0; r < runs && t.rows > 0; r++) {
                const int64_t from = t.first + r * lx->pitch;
                const int64_t to =
                    oy * mxdi_blocked_row(ly) + ox * mxdi_blocked_pixel(ly) + r * ly->pitch;
                for (int64_t i = 0; i < lanes; i += VF32_LANES) {
                    const struct place p = { block->dx + from + i, block->dy + to + i,
                                             block->x ? block->x + from + i : NULL,
                                             block->y ? block->y + to + i : NULL };
                    vector(&p, &t, lanes - i < VF32_LANES ? (size_t)(lanes - i) : 0);
                }
            }
        }
}

static void clear_block(float *dx, const mxdi_blocked *l)
{
    for (int64_t i = 0; i < (int64_t)l->h * l->w * l->block; i++)
        memset(dx + i * l->pitch, 0, (size_t)l->channels * sizeof(*dx));
}

static void max(float *dx, const float *dy, const float *x, const float *y, const mxdi_pool_desc *d,
                int accumulate, int64_t begin, int64_t end)
{
    for (int64_t b = begin; b < end; b++) {
        const int64_t      in = b * d->x.block_stride, out = b * d->y.block_stride;
        const struct place p = { dx + in, dy + out, x + in, y + out };
        if (!accumulate)
            clear_block(p.dx, &d->x);
        block_outputs(&p, d, max_vector);
    }
}

static void average(float *dx, const float *dy, const mxdi_pool_desc *d, int accumulate,
                    int64_t begin, int64_t end)
{
    for (int64_t b = begin; b < end; b++) {
        const struct place p = { dx + b * d->x.block_stride, dy + b * d->y.block_stride, NULL,
                                 NULL };
        if (!accumulate)
            clear_block(p.dx, &d->x);
        block_outputs(&p, d, average_vector);
    }
}

const mxdi_pool_grad_f32 MXD_VARIANT(mxdi_pool_grad_f32) = { MXD_VARIANT_NAME("pool_grad_f32"), max,
                                                             average };
