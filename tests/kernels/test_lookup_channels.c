/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup_channels: all bytes through random tables, in all layouts of pictures and pixels, blocks
 * that are partly used, lines in random ranges; and nothing else touched. */
#include "blocked_test.h"
#include "kernels/lookup_channels/lookup_channels.h"

struct lookup {
    const mxdi_lookup_channels *k;
    void                       *y;
    const uint8_t              *x;
    const mxdi_blocked         *l;
    int64_t                     images;
    bool                        last;
    const void                 *table;
    size_t                      size; /* of an element of y */
};

static void run(void *arg, size_t begin, size_t end)
{
    const struct lookup *const s = arg;
    if (s->size == 1)
        s->k->to_u8(s->y, s->x, s->l, s->images, s->last, s->table, (int64_t)begin, (int64_t)end);
    else
        s->k->to_f32(s->y, s->x, s->l, s->images, s->last, s->table, (int64_t)begin, (int64_t)end);
}

static void check(mxdi_rng *r, size_t v, const mxdi_blocked *l, int64_t images, bool last,
                  size_t size)
{
    const int64_t blocks = (images + l->block - 1) / l->block;
    const size_t  n      = (size_t)(images * l->channels * l->h * l->w),
                 entries = 256 * (size_t)l->channels,
                 bytes =
                     size * (size_t)((blocks - 1) * l->block_stride + l->h * mxdi_blocked_row(l));
    uint8_t *const x = malloc(n), *const table = malloc(entries * 4);
    assert_true(x && table);
    for (size_t i = 0; i < n; i++)
        x[i] = i % 3 ? random_u8(r) : (uint8_t)i;
    for (size_t i = 0; i < entries; i++)
        if (size == 1)
            table[i] = random_u8(r);
        else
            ((float *)(void *)table)[i] = random_f32(r, -3, 3);
    uint8_t *const exact = exact_copy(x, n), *const want = guarded_new(bytes),
                   *const got = guarded_new(bytes);
    struct lookup s = { &mxdi_lookup_channels_ref, want, exact, l, images, last, table, size };
    run(&s, 0, (size_t)(blocks * l->h));
    s.k = mxdi_lookup_channels_variants[v];
    s.y = got;
    in_random_ranges(r, (size_t)(blocks * l->h), run, &s);
    assert_guarded_equal(got, want, bytes);
    guarded_free(got);
    guarded_free(want);
    free(exact);
    free(table);
    free(x);
}

static void variants_match_ref(void **state)
{
    (void)state;
    mxdi_rng r = mxdi_rng_seed(5);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++) {
        if (!runs_here(v))
            continue;
        for (int32_t channels = 1; channels <= 5; channels++)
            for (int32_t w = 1; w <= 35; w += w < 19 ? 1 : 16)
                for (int form = 0; form < 16; form++) {
                    const int32_t      block = form & 1 ? 8 : 1;
                    const int64_t      pitch = form & 2 ? (channels + 3) / 4 * 4 : channels + 1;
                    const mxdi_blocked l     = blocked_layout(1 + w % 3, w, channels, block,
                                                              pitch - channels, form & 1 ? 64 : 0);
                    check(&r, v, &l, random_between(&r, 1, 2 * block + 3), form & 4,
                          form & 8 ? sizeof(float) : 1);
                }
    }
}

/* Pictures of more pixels than are looked up at once, rows apart and together. */
static void large_pictures(void **state)
{
    (void)state;
    mxdi_rng r = mxdi_rng_seed(6);
    for (size_t v = 1; v < MXDI_VEC_COUNT; v++)
        for (int form = 0; runs_here(v) && form < 8; form++) {
            const int32_t      channels = form & 1 ? 3 : 1, block = form & 2 ? 8 : 1;
            const mxdi_blocked l =
                blocked_layout(5, 331 + form, channels, block, 4 - channels, form & 2 ? 64 : 0);
            check(&r, v, &l, block + 3, form & 4, 1);
        }
}

/* The definition by hand: two images of two pixels and two channels, in a block of eight. */
static void ref_is_the_formula(void **state)
{
    (void)state;
    static const uint8_t last[] = { 1, 2, 3, 4, 5, 6, 7, 8 }, first[] = { 1, 3, 2, 4, 5, 7, 6, 8 };
    uint8_t              table[2 * 256], y[2 * 8 * 4];
    for (int i = 0; i < 256; i++) {
        table[i]       = (uint8_t)(10 * i);
        table[256 + i] = (uint8_t)(100 + i);
    }
    mxdi_blocked l = { 1, 2, 2, 8, 4, 64 };
    for (int form = 0; form < 2; form++) {
        memset(y, 1, sizeof(y));
        mxdi_lookup_channels_ref.to_u8(y, form ? first : last, &l, 2, !form, table, 0, 1);
        for (size_t i = 0; i < sizeof(y); i++) {
            static const uint8_t pixels[2][8] = { { 10, 102, 0, 0, 50, 106 },
                                                  { 30, 104, 0, 0, 70, 108 } };
            assert_int_equal(y[i], i % 32 < 8 ? pixels[i / 32][i % 32] : 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ref_is_the_formula),
                                        cmocka_unit_test(variants_match_ref),
                                        cmocka_unit_test(large_pictures) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
