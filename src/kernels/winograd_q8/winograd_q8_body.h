/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of integer Winograd over the vectors and products of simd/q8_<variant>.h. Products of
 * two vectors take as many rows as leave registers for the weights and one input. */
#include "kernels/post_q8/post_q8_vec.h"
#include "kernels/winograd_q8/winograd_q8.h"

enum { Q16_LANES = 2 * VF32_LANES };

/* ---- inputs ---- */

/* o = B^T d, lanes of 16 bits */
MXD_INLINE void input_6(vi32 o[6], const vi32 d[6])
{
    const vi32 a = q16_sub(d[4], q16_sll(d[2], 2)), b = q16_sub(d[3], q16_sll(d[1], 2));
    const vi32 c = q16_sub(d[4], d[2]), e = q16_sub(d[3], d[1]), e2 = q16_add(e, e);
    o[0] = q16_add(q16_sll(q16_sub(d[0], d[2]), 2), c);
    o[1] = q16_add(a, b);
    o[2] = q16_sub(a, b);
    o[3] = q16_add(c, e2);
    o[4] = q16_sub(c, e2);
    o[5] = q16_sub(q16_sub(d[5], d[3]), q16_add(e2, e2));
}

/* One vector of channels. `inside`: all elements are in the image. */
MXD_INLINE void input_vector(const mxdi_winograd_q8_input *p, int32_t c, const bool inside)
{
    const vi32 outside = q8_set1_s16(p->outside);
    vi32       w[6][6];
    MXD_UNROLL
    for (int j = 0; j < 6; j++) {
        vi32 d[6], o[6];
        MXD_UNROLL
        for (int i = 0; i < 6; i++) {
            if (!inside && (i < p->y0 || i >= p->y1 || j < p->x0 || j >= p->x1))
                d[i] = outside;
            else
                d[i] = q16_load_u8(p->x + i * p->row + j * p->pixel + c);
        }
        input_6(o, d);
        MXD_UNROLL
        for (int i = 0; i < 6; i++)
            w[i][j] = o[i];
    }
    int16_t *v = p->v + c;
    MXD_UNROLL
    for (int i = 0; i < 6; i++) {
        vi32 o[6];
        input_6(o, w[i]);
        MXD_UNROLL
        for (int j = 0; j < 6; j++, v += p->plane)
            q16_store(v, o[j]);
    }
}

static void input(const mxdi_winograd_q8_input *p)
{
    if (p->y0 == 0 && p->y1 == 6 && p->x0 == 0 && p->x1 == 6) {
        for (int32_t c = 0; c < p->channels; c += Q16_LANES)
            input_vector(p, c, true);
    } else {
        for (int32_t c = 0; c < p->channels; c += Q16_LANES)
            input_vector(p, c, false);
    }
}

/* ---- products ---- */

/* Row i of a product is p[i / 4] + (i % 4) rows, which few registers can address. */
MXD_INLINE const uint8_t *row_at(const uint8_t *const p[4], int i, int64_t row)
{
    return p[i / 4] + (i % 4) * row;
}

MXD_INLINE void product(const int R, const int V, const mxdi_winograd_q8_product *t)
{
    const int64_t  row = t->v_row * (int64_t)sizeof(int16_t);
    const uint8_t *v = (const uint8_t *)t->v, *u = (const uint8_t *)t->u;
    const uint8_t *p[4] = { v, v + 4 * row, v + 8 * row, v + 12 * row };
    vi32           acc[MXDI_WINOGRAD_Q8_MAX_ROWS][2];
    MXD_UNROLL
    for (int i = 0; i < R; i++)
        MXD_UNROLL
    for (int k = 0; k < V; k++)
        acc[i][k] = q8_load(t->init + k * VF32_LANES);
    const uint8_t *next0 = t->next[0], *next1 = t->next[1];
    for (int32_t left = t->pairs; left > 0; left--) {
        __builtin_prefetch(next0);
        __builtin_prefetch(next1);
        __builtin_prefetch(next1 + 64);
        next0 += t->next_step[0];
        next1 += t->next_step[1];
        vi32 b[2];
        MXD_UNROLL
        for (int k = 0; k < V; k++)
            b[k] = q8_load((const int32_t *)(const void *)u + k * VF32_LANES);
        MXD_UNROLL
        for (int i = 0; i < R; i++) {
            const vi32 a = q8_spread(row_at(p, i, row));
            MXD_UNROLL
            for (int k = 0; k < V; k++)
                acc[i][k] = q8_dot_s16(acc[i][k], a, b[k]);
        }
        MXD_UNROLL
        for (int g = 0; g < (R + 3) / 4; g++)
            p[g] += 4;
        u += V * VF32_LANES * 4;
    }
    MXD_UNROLL
    for (int i = 0; i < R; i++)
        MXD_UNROLL
    for (int k = 0; k < V; k++) {
        MXD_OPAQUE(acc[i][k]);
        q8_store(t->m + i * t->m_row + k * VF32_LANES, acc[i][k]);
    }
}

#define PRODUCT(V, R)                                                   \
    static void product_##V##x##R(const mxdi_winograd_q8_product *args) \
    {                                                                   \
        product(R, V, args);                                            \
    }
#define PRODUCT_1(R) PRODUCT(1, R)
#define PRODUCT_2(R) PRODUCT(2, R)
Q16_EACH_ROWS(PRODUCT_1)
Q16_EACH_ROWS(PRODUCT_2)

/* ---- outputs ---- */

/* o = A^T m */
MXD_INLINE void output_4(vi32 o[4], const vi32 m[6])
{
    const vi32 a = vi32_add(m[1], m[2]), b = vi32_sub(m[1], m[2]);
    const vi32 c = vi32_add(m[3], m[4]), d = vi32_sub(m[3], m[4]), d2 = vi32_add(d, d);
    o[0] = vi32_add(m[0], vi32_add(a, c));
    o[1] = vi32_add(b, d2);
    o[2] = vi32_add(a, vi32_sll(c, 2));
    o[3] = vi32_add(b, vi32_sll(vi32_add(d2, m[5]), 2));
}

/* What the vectors of a tile have in common behind the sums. */
struct finish {
    struct vpost   post;
    vf32           factor, bias;
    uint8_t       *y;
    const uint8_t *r;
    size_t         n; /* channels of the vector */
};

/* Four pixels of a row, of which x1 exist. */
MXD_INLINE void finish_row(const mxdi_post_q8_kind kind, const mxdi_winograd_q8_output *p,
                           const struct finish *f, int64_t at, const vi32 o[4])
{
    const vi32 ninth = vi32_set1(0x38E38E39); /* 9 * this = 1 modulo 2^32 */
    vi32       q[4];
    MXD_UNROLL
    for (int j = 0; j < 4; j++) {
        const vi32 acc = q8_mul(o[j], ninth);
        if (kind == MXDI_POST_Q8_FLOAT) {
            float *y = (float *)(void *)(f->y + at + j * p->pixel);
            if (j < p->x1 && f->n == VF32_LANES)
                vf32_store(y, vpost_float(&f->post, acc, f->factor, f->bias));
            else if (j < p->x1)
                vf32_store_tail(y, vpost_float(&f->post, acc, f->factor, f->bias), f->n);
            continue;
        }
        const int64_t column = j < p->x1 ? j : 0; /* something that is there */
        const vi32    r =
            kind == MXDI_POST_Q8_PLAIN ? acc : vi32_load_u8(f->r + at + column * p->pixel);
        q[j] = vpost_steps(kind, &f->post, acc, f->factor, f->bias, r);
    }
    if (kind == MXDI_POST_Q8_FLOAT)
        return;
    const vu8 narrow = q8_narrow(q[0], q[1], q[2], q[3], f->post.y_zero_point, f->post.q_min);
    q8_store_four(f->y + at, p->pixel, p->x1, q8_rows(narrow), f->n);
}

/* One vector of output channels from lane `lane` on. */
MXD_INLINE void output_vector(const mxdi_post_q8_kind kind, const mxdi_winograd_q8_output *p,
                              const struct finish *f, size_t lane)
{
    vi32 w[4][6];
    MXD_UNROLL
    for (int j = 0; j < 6; j++) {
        vi32 m[6], o[4];
        MXD_UNROLL
        for (int i = 0; i < 6; i++)
            m[i] = q8_load(p->m + (i * 6 + j) * p->plane + lane);
        output_4(o, m);
        MXD_UNROLL
        for (int i = 0; i < 4; i++)
            w[i][j] = o[i];
    }
    MXD_UNROLL
    for (int i = 0; i < 4; i++) {
        vi32 o[4];
        output_4(o, w[i]);
        if (i < p->y1)
            finish_row(kind, p, f, i * p->row, o);
    }
}

MXD_INLINE void output_panel(const mxdi_post_q8_kind kind, const mxdi_winograd_q8_output *p)
{
    const size_t  size = kind == MXDI_POST_Q8_FLOAT ? sizeof(float) : 1;
    struct finish f    = { .post = vpost_make(p->post) };
    for (size_t lane = 0; lane < p->n; lane += VF32_LANES) {
        f.factor = vf32_load(p->factor + lane);
        f.bias   = vf32_load(p->bias_float + lane);
        f.y      = p->y + lane * size;
        f.r      = p->r ? p->r + lane : NULL;
        f.n      = p->n - lane < VF32_LANES ? p->n - lane : VF32_LANES;
        output_vector(kind, p, &f, lane);
    }
    if (kind != MXDI_POST_Q8_FLOAT || p->pads == 0)
        return;
    for (int32_t i = 0; i < p->y1; i++)
        for (int32_t j = 0; j < p->x1; j++)
            memset(p->y + i * p->row + j * p->pixel + p->n * size, 0, p->pads * size);
}

static void output(const mxdi_winograd_q8_output *p)
{
    switch (p->post->kind) {
    case MXDI_POST_Q8_PLAIN:
        output_panel(MXDI_POST_Q8_PLAIN, p);
        break;
    case MXDI_POST_Q8_RESIDUAL:
        output_panel(MXDI_POST_Q8_RESIDUAL, p);
        break;
    case MXDI_POST_Q8_MID:
        output_panel(MXDI_POST_Q8_MID, p);
        break;
    case MXDI_POST_Q8_MID_FIRST:
        output_panel(MXDI_POST_Q8_MID_FIRST, p);
        break;
    case MXDI_POST_Q8_FLOAT:
        output_panel(MXDI_POST_Q8_FLOAT, p);
        break;
    }
}

#define ENTRY_1(R) [R] = product_1x##R,
#define ENTRY_2(R) [R] = product_2x##R,
extern const struct mxdi_winograd_q8 MXD_VARIANT(mxdi_winograd_q8);
const struct mxdi_winograd_q8        MXD_VARIANT(mxdi_winograd_q8) = {
           .name    = MXD_VARIANT_NAME("conv_q8_winograd"),
           .rows    = Q16_ROWS,
           .input   = input,
           .product = { { Q16_EACH_ROWS(ENTRY_1) }, { Q16_EACH_ROWS(ENTRY_2) } },
           .output  = output,
};
