/* SPDX-License-Identifier: Apache-2.0
 *
 * AdaRound of one layer against its definition: the gradient against finite differences, and what
 * comes out against the errors of the columns themselves.
 */
#include "graph_case.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/rng.h"
#include "train/adaround.h"
#include "train/adaround_impl.h"

/* ---- the gradient ---- */

enum { ROWS = 3, K = 21, STRIDE = 25 };

typedef struct relaxed {
    float                 gram[K * K], base[ROWS * STRIDE], step[ROWS * STRIDE];
    float                 target[ROWS * STRIDE], w[ROWS * STRIDE], weight[ROWS];
    float                 v[ROWS * STRIDE], m1[ROWS * STRIDE], m2[ROWS * STRIDE];
    mxdi_adaround_case    c;
    mxdi_adaround_soft    soft;
    mxdi_adaround_kernels kernels;
    void                 *room;
} relaxed;

static relaxed *relaxed_begin(void)
{
    relaxed *const p   = calloc(1, sizeof(*p));
    mxdi_rng       rng = mxdi_rng_seed(5);
    float          a[K * K];
    assert_non_null(p);
    for (int i = 0; i < K * K; i++)
        a[i] = mxdi_rng_f32(&rng) - 0.3f;
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++)
            for (int k = 0; k < K; k++)
                p->gram[i * K + j] += a[i * K + k] * a[j * K + k] / K;
    for (int i = 0; i < ROWS * STRIDE; i++) {
        p->step[i]   = 0.05f + 0.1f * (float)(i / STRIDE);
        p->base[i]   = -mxdi_rng_f32(&rng) * p->step[i];
        p->target[i] = 0.01f * (mxdi_rng_f32(&rng) - 0.5f);
        p->w[i]      = mxdi_rng_f32(&rng) - 0.5f;
    }
    p->c       = (mxdi_adaround_case){ .rows   = ROWS,
                                       .k      = K,
                                       .stride = STRIDE,
                                       .gram   = p->gram,
                                       .base   = p->base,
                                       .step   = p->step,
                                       .target = p->target,
                                       .w      = p->w,
                                       .weight = p->weight };
    p->soft    = (mxdi_adaround_soft){ p->v, p->m1, p->m2 };
    p->kernels = (mxdi_adaround_kernels){ mxdi_unary_f32_select(mxdi_cpu_isa()), mxdi_cpu_isa() };
    p->room    = mxdi_alloc(NULL, mxdi_adaround_room(K, &p->kernels), 1);
    assert_non_null(p->room);
    mxdi_adaround_start(&p->soft, &p->c, &p->kernels, p->room);
    return p;
}

static void relaxed_end(relaxed *p)
{
    mxdi_free(NULL, p->room);
    free(p);
}

static double how_far_up(double v)
{
    return fmin(fmax(1.2 / (1.0 + exp(-v)) - 0.1, 0.0), 1.0);
}

static double loss(const relaxed *p, int row, const double *v, double beta)
{
    double d[K], sum = 0.0, quadratic = 0.0;
    for (int i = 0; i < K; i++) {
        const double h = how_far_up(v[i]);
        d[i]           = (double)p->base[row * STRIDE + i] + (double)p->step[row * STRIDE + i] * h;
        sum += beta > 0.0 ? 0.01 * (1.0 - pow(fabs(2.0 * h - 1.0), beta)) : 0.0;
    }
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++)
            quadratic += d[i] * d[j] * (double)p->gram[i * K + j];
    for (int i = 0; i < K; i++)
        quadratic -= 2.0 * d[i] * (double)p->target[row * STRIDE + i];
    return sum + (double)p->weight[row] * quadratic;
}

static void gradient_is_that_of_the_loss(void **state)
{
    (void)state;
    static const float betas[] = { 0.0f, 2.0f, 7.5f, 20.0f };
    relaxed *const     p       = relaxed_begin();
    float              g[ROWS * STRIDE];
    for (int i = 0; i < ROWS; i++) {
        double variance = 0.0;
        for (int a = 0; a < K; a++)
            for (int b = 0; b < K; b++)
                variance += (double)p->w[i * STRIDE + a] * (double)p->w[i * STRIDE + b] *
                            (double)p->gram[a * K + b];
        assert_true(fabs((double)p->weight[i] * variance - 1.0) < 1e-4);
        for (int k = 0; k < K; k++) /* the weights themselves: d = 0 */
            assert_true(fabs((double)p->base[i * STRIDE + k] +
                             (double)p->step[i * STRIDE + k] *
                                 how_far_up((double)p->v[i * STRIDE + k])) < 2e-2);
    }
    for (int i = 0; i < ROWS * STRIDE; i++)
        p->v[i] += (float)(i % 7 - 3) * 0.4f;
    for (size_t b = 0; b < sizeof(betas) / sizeof(betas[0]); b++) {
        mxdi_adaround_gradient(g, &p->soft, &p->c, betas[b], &p->kernels, p->room);
        for (int row = 0; row < ROWS; row++) {
            double v[K], largest = 0.0;
            for (int i = 0; i < K; i++) {
                v[i]    = (double)p->v[row * STRIDE + i];
                largest = fmax(largest, fabs((double)g[row * STRIDE + i]));
            }
            for (int i = 0; i < K; i++) {
                const double at = v[i], h = 1e-5;
                v[i]               = at + h;
                const double up    = loss(p, row, v, (double)betas[b]);
                v[i]               = at - h;
                const double slope = (up - loss(p, row, v, (double)betas[b])) / (2.0 * h);
                v[i]               = at;
                /* powers are interpolated in 256 steps: off by beta^2 / 2^19 of 1 */
                assert_true(fabs((double)g[row * STRIDE + i] - slope) < 2e-3 * largest);
            }
        }
    }
    relaxed_end(p);
}

/* ---- a layer ---- */

typedef struct problem {
    int64_t             groups, rows, k, n;
    float              *x, *off, *w, *scale; /* (groups, k, n), (groups * rows, k) */
    double             *mean_x, *mean_off;
    int8_t             *nearest, *q;
    mxdi_rounding_layer layer;
} problem;

/* Inputs that go together, as those of a network do; what the float layer reads differs a little.
 */
static problem *problem_begin(int64_t groups, int64_t rows, int64_t k, int64_t n, int32_t q_max,
                              bool free_mean)
{
    problem *const p   = calloc(1, sizeof(*p));
    mxdi_rng       rng = mxdi_rng_seed(11);
    const int64_t  m   = groups * rows * k;
    assert_non_null(p);
    *p =
        (problem){ groups, rows, k, n, .layer = { groups, rows, k, NULL, NULL, q_max, free_mean } };
    p->x        = calloc((size_t)(groups * k * n), sizeof(float));
    p->off      = calloc((size_t)(groups * k * n), sizeof(float));
    p->w        = calloc((size_t)m, sizeof(float));
    p->scale    = calloc((size_t)m, sizeof(float));
    p->mean_x   = calloc((size_t)(groups * k), sizeof(double));
    p->mean_off = calloc((size_t)(groups * k), sizeof(double));
    p->nearest  = calloc((size_t)m, 1);
    p->q        = calloc((size_t)m, 1);
    assert_true(p->x && p->off && p->w && p->scale && p->mean_x && p->mean_off && p->nearest &&
                p->q);
    for (int64_t g = 0; g < groups; g++)
        for (int64_t j = 0; j < n; j++) {
            const float common = mxdi_rng_f32(&rng);
            for (int64_t i = 0; i < k; i++) {
                const int64_t at = (g * k + i) * n + j;
                p->x[at]         = common + 0.3f * mxdi_rng_f32(&rng);
                p->off[at]       = 0.35f / (float)q_max * (mxdi_rng_f32(&rng) - 0.3f);
                p->mean_x[g * k + i] += (double)p->x[at] / (double)n;
                p->mean_off[g * k + i] += (double)p->off[at] / (double)n;
            }
        }
    for (int64_t i = 0; i < m; i++) {
        p->w[i]     = mxdi_rng_f32(&rng) - 0.5f;
        p->scale[i] = 0.48f / (float)q_max; /* some weights lie beyond */
        p->nearest[i] =
            (int8_t)fminf(fmaxf(rintf(p->w[i] / p->scale[i]), (float)-q_max), (float)q_max);
        p->q[i] = p->nearest[i];
    }
    p->layer.w     = p->w;
    p->layer.scale = p->scale;
    return p;
}

static void problem_end(problem *p)
{
    free(p->x);
    free(p->off);
    free(p->w);
    free(p->scale);
    free(p->mean_x);
    free(p->mean_off);
    free(p->nearest);
    free(p->q);
    free(p);
}

static void solve(problem *p, unsigned threads)
{
    const mxdi_progress       silent = { NULL, NULL, 0.0, 1.0 };
    const mxdi_rounding_means means  = { p->mean_x, p->mean_off, p->n };
    mxdi_pool                *pool   = NULL;
    void                     *state  = NULL;
    assert_int_equal(mxdi_pool_create(&pool, threads, NULL), MXD_OK);
    assert_int_equal(mxdi_adaround.open(&state, &p->layer, pool, NULL, NULL), MXD_OK);
    for (int64_t g = 0; g < p->groups; g++)
        assert_int_equal(mxdi_adaround.add(state, g, p->x + g * p->k * p->n,
                                           p->off + g * p->k * p->n, p->n, NULL),
                         MXD_OK);
    assert_int_equal(mxdi_adaround.solve(state, p->q, &means, &silent, NULL), MXD_OK);
    mxdi_adaround.close(state);
    mxdi_pool_destroy(pool);
}

/* Mean square of how far a channel is off, about the mean where a bias takes that up. */
static double error_of(const problem *p, int64_t row, const int8_t *q)
{
    const int64_t group = row / p->rows;
    double        sum = 0.0, square = 0.0;
    for (int64_t j = 0; j < p->n; j++) {
        double off = 0.0;
        for (int64_t i = 0; i < p->k; i++) {
            const int64_t at = (group * p->k + i) * p->n + j, w = row * p->k + i;
            off += (double)p->w[w] * ((double)p->x[at] + (double)p->off[at]) -
                   (double)p->scale[w] * (double)q[w] * (double)p->x[at];
        }
        sum += off / (double)p->n;
        square += off * off / (double)p->n;
    }
    return p->layer.free_mean ? square - sum * sum : square;
}

static void check(const problem *p, double share)
{
    double nearest = 0.0, chosen = 0.0;
    for (int64_t r = 0; r < p->groups * p->rows; r++) {
        const double a = error_of(p, r, p->nearest), b = error_of(p, r, p->q);
        assert_true(b <= a * 1.02); /* the objective has a hundredth more on its diagonal */
        nearest += a;
        chosen += b;
    }
    if (!(chosen < share * nearest))
        fail_msg("error %g of %g rounded to nearest", chosen, nearest);
    for (int64_t i = 0; i < p->groups * p->rows * p->k; i++) {
        const double u = (double)p->w[i] / (double)p->scale[i];
        assert_in_range(p->q[i] + p->layer.q_max, 0, 2 * p->layer.q_max);
        if (fabs(u) < (double)p->layer.q_max)
            assert_true(fabs((double)p->q[i] - u) < 1.0 + 1e-6);
    }
}

static void comes_closer_than_nearest(void **state)
{
    (void)state;
    static const struct {
        int64_t groups, rows, k, n;
        int32_t q_max;
        bool    free_mean;
    } cases[] = {
        { 1, 5, 36, 500, 7, true }, { 1, 5, 36, 500, 7, false },
        { 3, 2, 9, 300, 3, true },  { 1, MXDI_ADAROUND_ROWS * 2 + 3, 17, 200, 127, true },
        { 8, 1, 9, 300, 7, false }, { 1, 1, 1, 10, 7, false },
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        problem *const p = problem_begin(cases[k].groups, cases[k].rows, cases[k].k, cases[k].n,
                                         cases[k].q_max, cases[k].free_mean);
        solve(p, 1);
        check(p, cases[k].k == 1 ? 1.001 : 0.8);
        problem_end(p);
    }
}

/* Each of the two is the better one by its own measure. */
static void the_mean_counts_where_no_bias_takes_it(void **state)
{
    (void)state;
    problem *const with = problem_begin(1, 12, 36, 500, 7, true), *const without = problem_begin(
                                                                      1, 12, 36, 500, 7, false);
    double errors[2][2] = { { 0.0 } };
    solve(with, 1);
    solve(without, 1);
    for (int64_t r = 0; r < 12; r++) {
        errors[0][0] += error_of(with, r, with->q);
        errors[0][1] += error_of(with, r, without->q);
        errors[1][0] += error_of(without, r, with->q);
        errors[1][1] += error_of(without, r, without->q);
    }
    assert_true(errors[0][0] < errors[0][1] && errors[1][1] < errors[1][0]);
    problem_end(with);
    problem_end(without);
}

static void long_rows_go_in_blocks(void **state)
{
    (void)state;
    problem *const p = problem_begin(1, 2, MXDI_ADAROUND_BLOCK + 31, 64, 7, true);
    solve(p, 2);
    check(p, 0.95);
    problem_end(p);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    problem *const a = problem_begin(1, 40, 30, 400, 7, true), *const b = problem_begin(
                                                                   1, 40, 30, 400, 7, true);
    solve(a, 1);
    solve(b, 3);
    assert_memory_equal(a->q, b->q, 40 * 30);
    assert_memory_not_equal(a->q, a->nearest, 40 * 30);
    problem_end(a);
    problem_end(b);
}

/* Nothing was seen, or always zeros: what there is stays. */
static void dead_inputs(void **state)
{
    (void)state;
    problem *const p = problem_begin(1, 4, 10, 50, 7, true);
    memset(p->x, 0, 10 * 50 * sizeof(float));
    memset(p->off, 0, 10 * 50 * sizeof(float));
    memset(p->mean_x, 0, 10 * sizeof(double));
    memset(p->mean_off, 0, 10 * sizeof(double));
    solve(p, 1);
    assert_memory_equal(p->q, p->nearest, 40);
    p->n = 0;
    solve(p, 1);
    assert_memory_equal(p->q, p->nearest, 40);
    problem_end(p);
}

static int stop(void *user, double done)
{
    *(double *)user = done;
    return 1;
}

static void stops_when_told(void **state)
{
    (void)state;
    problem *const            p     = problem_begin(1, 4, 10, 50, 7, true);
    const mxdi_rounding_means means = { p->mean_x, p->mean_off, p->n };
    double                    done  = 0.0;
    const mxdi_progress       told  = { stop, &done, 0.5, 1.0 };
    void                     *s     = NULL;
    assert_int_equal(mxdi_adaround.open(&s, &p->layer, NULL, NULL, NULL), MXD_OK);
    assert_int_equal(mxdi_adaround.add(s, 0, p->x, p->off, p->n, NULL), MXD_OK);
    assert_int_equal(mxdi_adaround.solve(s, p->q, &means, &told, NULL), MXD_E_CANCELLED);
    assert_true(done > 0.5 && done < 0.6);
    assert_memory_equal(p->q, p->nearest, 40);
    mxdi_adaround.close(s);
    problem_end(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_is_that_of_the_loss),
        cmocka_unit_test(comes_closer_than_nearest),
        cmocka_unit_test(the_mean_counts_where_no_bias_takes_it),
        cmocka_unit_test(long_rows_go_in_blocks),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(dead_inputs),
        cmocka_unit_test(stops_when_told),
    };
    return cmocka_run_group_tests_name("train_adaround", tests, NULL, NULL);
}
