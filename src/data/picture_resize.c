/* SPDX-License-Identifier: Apache-2.0
 *
 * Bilinear resizing, columns then rows. Where it shrinks, the triangle is widened by the same
 * factor, so that every pixel counts: networks are trained on pictures made that way, and plain
 * bilinear aliases. Pixel centres are at i + 1/2.
 */
#include <math.h>

#include "base/error.h"
#include "data/data_impl.h"

/* One output place: weights of the n inputs from `first` on; they sum to 1. */
struct tap {
    int64_t first, n;
    float  *weight;
};

/* Fill tap[to]; all weights lie in `weight`, which has room for `most` each. */
static void make_taps(struct tap *tap, float *weight, int64_t most, int64_t from, int64_t to)
{
    const double scale = (double)from / (double)to, widen = scale > 1 ? scale : 1;
    for (int64_t i = 0; i < to; i++) {
        const double centre = ((double)i + 0.5) * scale;
        int64_t      first  = (int64_t)floor(centre - widen + 0.5);
        int64_t      end    = (int64_t)floor(centre + widen + 0.5);
        double       sum    = 0;
        first               = first < 0 ? 0 : first;
        end                 = end > from ? from : end;
        tap[i]              = (struct tap){ first, end - first, weight + i * most };
        for (int64_t k = 0; k < tap[i].n; k++) {
            const double away = fabs(((double)(first + k) + 0.5 - centre) / widen);
            const double w    = away < 1 ? 1 - away : 0;
            tap[i].weight[k]  = (float)w;
            sum += w;
        }
        for (int64_t k = 0; k < tap[i].n; k++)
            tap[i].weight[k] = (float)(tap[i].weight[k] / sum);
    }
}

/* Weighted sum of bytes `step` apart, rounded to the nearest byte. */
static uint8_t blend(const uint8_t *x, int64_t step, const struct tap *t)
{
    float sum = 0.5f;
    for (int64_t k = 0; k < t->n; k++)
        sum += t->weight[k] * (float)x[(t->first + k) * step];
    return sum > 255 ? 255 : (uint8_t)sum;
}

static void resize_columns(uint8_t *out, const mxdi_picture *p, const struct tap *tap, int64_t w)
{
    for (int64_t y = 0; y < p->h; y++)
        for (int64_t x = 0; x < w; x++)
            for (int64_t c = 0; c < 3; c++)
                out[(y * w + x) * 3 + c] = blend(p->pixels + y * p->w * 3 + c, 3, &tap[x]);
}

static void resize_rows(uint8_t *out, const mxdi_picture *p, const struct tap *tap, int64_t h)
{
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < p->w * 3; x++)
            out[y * p->w * 3 + x] = blend(p->pixels + x, p->w * 3, &tap[y]);
}

/* One direction: `to` columns or rows instead of `from`. */
static mxd_status resize_one(mxdi_picture *p, bool columns, int64_t to, const mxd_allocator *alloc,
                             mxd_error *err)
{
    const int64_t from = columns ? p->w : p->h, most = 2 * (from / to + 1) + 2;
    const int64_t h = columns ? p->h : to, w = columns ? to : p->w;
    if (from == to)
        return MXD_OK;
    struct tap *const tap    = MXDI_ALLOC(alloc, struct tap, (size_t)to);
    float *const      weight = mxdi_alloc(alloc, (size_t)to, (size_t)most * sizeof(float));
    uint8_t *const    pixels = mxdi_alloc(alloc, (size_t)h, (size_t)w * 3);
    const bool        ok     = tap && weight && pixels;
    if (ok) {
        make_taps(tap, weight, most, from, to);
        (columns ? resize_columns : resize_rows)(pixels, p, tap, to);
        mxdi_free(alloc, p->pixels);
        *p = (mxdi_picture){ pixels, h, w };
    } else {
        mxdi_free(alloc, pixels);
    }
    mxdi_free(alloc, tap);
    mxdi_free(alloc, weight);
    return ok ? MXD_OK : mxdi_nomem(err);
}

mxd_status mxdi_picture_resize(mxdi_picture *p, int64_t h, int64_t w, const mxd_allocator *alloc,
                               mxd_error *err)
{
    enum { MOST = 1 << 14 };
    if (h < 1 || w < 1 || h > MOST || w > MOST)
        return mxdi_fail(err, MXD_E_RANGE, "resize: expected 1 to %d pixels, got %lldx%lld", MOST,
                         (long long)h, (long long)w);
    MXD_TRY(resize_one(p, true, w, alloc, err));
    return resize_one(p, false, h, alloc, err);
}
