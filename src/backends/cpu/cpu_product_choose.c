/* SPDX-License-Identifier: Apache-2.0
 *
 * Direct or Winograd convolution, where shapes alone do not tell.
 */
#include <stdio.h>

#include "backends/cpu/cpu_product.h"
#include "backends/cpu/cpu_timing.h"

enum { DIRECT, WINOGRAD, ALGORITHMS, SHAPE_TEXT = 256 };
static const char *const algorithm_names[ALGORITHMS] = { "direct", "winograd" };
_Static_assert(MXDI_CONV_Q8_DIRECT == DIRECT + 1 && MXDI_CONV_Q8_WINOGRAD == WINOGRAD + 1 &&
                   MXDI_CONV_F32_DIRECT == DIRECT + 1 && MXDI_CONV_F32_WINOGRAD == WINOGRAD + 1,
               "a candidate is an algorithm behind AUTO");

/* Where both can be; text of all that their times depend on. */
static bool has_contest(mxdi_cpu_contest *out, char text[SHAPE_TEXT], const char *op,
                        const mxdi_cpu_plan *p, const mxdi_cpu_product *c, const char *type)
{
    const mxdi_cpu_tensor *const x = &p->program->tensor[c->x], *const y =
                                                                    &p->program->tensor[c->y];
    const mxdi_window2d *const w = &c->window;
    if (w->kh != 3 || w->kw != 3 || w->sh != 1 || w->sw != 1 || w->dh != 1 || w->dw != 1 ||
        c->groups != 1)
        return false;
    (void)snprintf(text, SHAPE_TEXT, "%lldx%dx%dx%d -> %dx%dx%d, 3x3, pads %d %d, blocks of %d%s%s",
                   (long long)x->images, x->l.channels, x->l.h, x->l.w, y->l.channels, y->l.h,
                   y->l.w, w->ph, w->pw, x->l.block, type,
                   c->r == MXD_NO_VALUE ? "" : ", plus a residual");
    *out = (mxdi_cpu_contest){ op, text, algorithm_names, ALGORITHMS };
    return true;
}

static mxd_status time_product(uint32_t *best, mxdi_cpu_plan *p, const mxdi_cpu_product *c,
                               const mxdi_cpu_contest *contest, const mxdi_cpu_candidate *candidate,
                               mxd_error *err)
{
    const uint32_t tensor[] = { c->x, c->y, c->r };
    return mxdi_cpu_time(best, p, contest, candidate, tensor, c->r == MXD_NO_VALUE ? 2 : 3, err);
}

mxd_status mxdi_cpu_choose_conv_q8(int32_t *algorithm, mxdi_cpu_plan *p, const mxdi_cpu_product *c,
                                   mxdi_conv_q8_desc d, mxd_error *err)
{
    const mxd_program *const g                     = p->program;
    mxdi_cpu_conv_q8         op[ALGORITHMS]        = { { .x = c->x, .r = c->r, .y = c->y },
                                                       { .x = c->x, .r = c->r, .y = c->y } };
    mxdi_cpu_candidate       candidate[ALGORITHMS] = { { .op = &op[0] }, { .op = &op[1] } };
    char                     text[SHAPE_TEXT];
    mxdi_cpu_contest         contest;
    if (!has_contest(&contest, text, "conv_q8", p, c, d.epilogue.y_float ? ", f32 result" : ""))
        return MXD_OK;
    uint32_t   best = mxdi_cpu_known(p, &contest), made = 0;
    mxd_status st = MXD_OK;
    for (; best == ALGORITHMS && p->timed && st == MXD_OK && made < ALGORITHMS; made++) {
        d.algorithm = (int32_t)made + 1;
        st          = mxdi_conv_q8_create(&op[made].k, &d, g->isa, g->alloc, err);
        if (st != MXD_OK ||
            (made == WINOGRAD && mxdi_cpu_over_cap(p, mxdi_conv_q8_bytes(op[made].k),
                                                   mxdi_conv_q8_scratch(op[made].k))))
            break;
        candidate[made].kind    = &mxdi_cpu_conv_q8_kind;
        candidate[made].scratch = mxdi_conv_q8_scratch(op[made].k);
    }
    if (made == ALGORITHMS)
        st = time_product(&best, p, c, &contest, candidate, err);
    for (uint32_t k = 0; k < ALGORITHMS; k++)
        mxdi_conv_q8_destroy(op[k].k);
    *algorithm = best < ALGORITHMS ? (int32_t)best + 1 : *algorithm;
    return st == MXD_E_UNSUPPORTED ? MXD_OK : st;
}

mxd_status mxdi_cpu_choose_conv_f32(int32_t *algorithm, mxdi_cpu_plan *p, const mxdi_cpu_product *c,
                                    mxdi_conv_f32_desc d, mxd_error *err)
{
    const mxd_program *const g                     = p->program;
    mxdi_cpu_conv_f32        op[ALGORITHMS]        = { { .x = c->x, .r = c->r, .y = c->y },
                                                       { .x = c->x, .r = c->r, .y = c->y } };
    mxdi_cpu_candidate       candidate[ALGORITHMS] = { { .op = &op[0] }, { .op = &op[1] } };
    char                     text[SHAPE_TEXT];
    mxdi_cpu_contest         contest;
    if (d.bf16 || d.exact || !has_contest(&contest, text, "conv_f32", p, c, ""))
        return MXD_OK;
    uint32_t   best = mxdi_cpu_known(p, &contest), made = 0;
    mxd_status st = MXD_OK;
    for (; best == ALGORITHMS && p->timed && st == MXD_OK && made < ALGORITHMS; made++) {
        d.algorithm = (int32_t)made + 1;
        st          = mxdi_conv_f32_create(&op[made].k, &d, g->isa, g->alloc, err);
        if (st != MXD_OK ||
            (made == WINOGRAD && mxdi_cpu_over_cap(p, mxdi_conv_f32_bytes(op[made].k),
                                                   mxdi_conv_f32_scratch(op[made].k))))
            break;
        candidate[made].kind    = &mxdi_cpu_conv_f32_kind;
        candidate[made].scratch = mxdi_conv_f32_scratch(op[made].k);
    }
    if (made == ALGORITHMS)
        st = time_product(&best, p, c, &contest, candidate, err);
    for (uint32_t k = 0; k < ALGORITHMS; k++)
        mxdi_conv_f32_destroy(op[k].k);
    *algorithm = best < ALGORITHMS ? (int32_t)best + 1 : *algorithm;
    return st == MXD_E_UNSUPPORTED ? MXD_OK : st;
}
