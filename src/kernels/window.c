/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans of equal taps, sums of weights over them, and walks over rectangles of outputs.
 */
#include "kernels/window.h"

#include "base/error.h"

/* The taps of output `o` that lie inside the image; an empty range is always [0, 0). */
static mxdi_span span_at(const mxdi_window1d *axis, int32_t o)
{
    const int64_t d    = axis->dilation;
    const int64_t from = (int64_t)o * axis->stride - axis->pad; /* input position of tap 0 */
    const int64_t lo   = from < 0 ? (-from + d - 1) / d : 0;
    const int64_t last = from < axis->in ? (axis->in - 1 - from) / d + 1 : 0;
    const int64_t hi   = last < axis->kernel ? last : axis->kernel;
    if (lo >= hi)
        return (mxdi_span){ o, o + 1, 0, 0 };
    return (mxdi_span){ o, o + 1, (int32_t)lo, (int32_t)hi };
}

int32_t mxdi_spans(mxdi_span *spans, const mxdi_window1d *axis)
{
    int32_t   n    = 0;
    mxdi_span open = span_at(axis, 0);
    for (int32_t o = 1; o <= axis->out; o++) {
        const mxdi_span s = o < axis->out ? span_at(axis, o) : (mxdi_span){ o, o, -1, -1 };
        if (s.k_begin == open.k_begin && s.k_end == open.k_end) {
            open.end = s.end;
            continue;
        }
        if (spans)
            spans[n] = open;
        n++;
        open = s;
    }
    return n;
}

void mxdi_window_axes(mxdi_window1d *rows, mxdi_window1d *cols, const mxdi_blocked *x,
                      const mxdi_blocked *y, const mxdi_window2d *window)
{
    *rows = (mxdi_window1d){ y->h, x->h, window->kh, window->sh, window->dh, window->ph };
    *cols = (mxdi_window1d){ y->w, x->w, window->kw, window->sw, window->dw, window->pw };
}

static mxd_status check_layout(const char *place, const char *name, const mxdi_blocked *l,
                               mxd_error *err)
{
    if (l->h < 1 || l->w < 1 || l->channels < 1 || (l->block != 1 && l->block != 8))
        return mxdi_fail(err, MXD_E_SHAPE,
                         "%s: %s: expected sizes >= 1 and block 1 or 8, got (%d, %d, %d) block %d",
                         place, name, (int)l->h, (int)l->w, (int)l->channels, (int)l->block);
    if (l->pitch < l->channels || l->block_stride / l->h / l->w / l->block < l->pitch)
        return mxdi_fail(
            err, MXD_E_SHAPE,
            "%s: %s: pitch %lld or block stride %lld too small for (%d, %d, %d) block %d", place,
            name, (long long)l->pitch, (long long)l->block_stride, (int)l->h, (int)l->w,
            (int)l->channels, (int)l->block);
    return MXD_OK;
}

mxd_status mxdi_window_check(const char *place, const mxdi_blocked *x, const mxdi_blocked *y,
                             const mxdi_window2d *window, mxd_error *err)
{
    MXD_TRY(check_layout(place, "x", x, err));
    MXD_TRY(check_layout(place, "y", y, err));
    if (x->block != y->block)
        return mxdi_fail(err, MXD_E_SHAPE, "%s: expected y in blocks of %d like x, got %d", place,
                         (int)x->block, (int)y->block);
    if (window->kh < 1 || window->kw < 1 || window->sh < 1 || window->sw < 1 || window->dh < 1 ||
        window->dw < 1)
        return mxdi_fail(err, MXD_E_SHAPE,
                         "%s: expected kernel, strides and dilations >= 1, got %dx%d, %dx%d, %dx%d",
                         place, (int)window->kh, (int)window->kw, (int)window->sh, (int)window->sw,
                         (int)window->dh, (int)window->dw);
    return MXD_OK;
}

static void swap(int64_t *v, int32_t i)
{
    const int64_t first = v[0];
    v[0]                = v[i];
    v[i]                = first;
}

void mxdi_walk_simplify(mxdi_walk *walk, int64_t rows)
{
    int32_t rank = 0;
    for (int32_t i = 0; i < walk->rank; i++) {
        if (walk->n[i] == 1)
            continue;
        if (rank && walk->x[i] == walk->n[rank - 1] * walk->x[rank - 1] &&
            walk->y[i] == walk->n[rank - 1] * walk->y[rank - 1]) {
            walk->n[rank - 1] *= walk->n[i];
            continue;
        }
        walk->n[rank] = walk->n[i];
        walk->x[rank] = walk->x[i];
        walk->y[rank] = walk->y[i];
        rank++;
    }
    if (rank == 0) {
        walk->n[0] = 1;
        walk->x[0] = walk->y[0] = 0;
        rank                    = 1;
    }
    int32_t best = 0;
    for (int32_t i = 1; i < rank; i++) {
        if (4 * walk->n[best] < rows && walk->n[i] > walk->n[best])
            best = i;
    }
    if (best) {
        swap(walk->n, best);
        swap(walk->x, best);
        swap(walk->y, best);
    }
    walk->rank = rank;
}

void mxdi_window_sums(uint32_t *sums, uint32_t *prefix, const uint32_t *w,
                      const mxdi_window2d *window, const mxdi_span *y, int32_t n_y,
                      const mxdi_span *x, int32_t n_x)
{
    const size_t row = (size_t)window->kw + 1;
    for (size_t i = 0; i < row; i++)
        prefix[i] = 0;
    for (size_t ky = 0; ky < (size_t)window->kh; ky++) {
        uint32_t line          = 0;
        prefix[(ky + 1) * row] = 0;
        for (size_t kx = 0; kx + 1 < row; kx++) {
            line += w[ky * (row - 1) + kx];
            prefix[(ky + 1) * row + kx + 1] = prefix[ky * row + kx + 1] + line;
        }
    }
    for (int32_t i = 0; i < n_y; i++) {
        const uint32_t *top    = prefix + (size_t)y[i].k_begin * row,
                       *bottom = prefix + (size_t)y[i].k_end * row;
        for (int32_t j = 0; j < n_x; j++)
            *sums++ =
                bottom[x[j].k_end] - bottom[x[j].k_begin] - top[x[j].k_end] + top[x[j].k_begin];
    }
}
