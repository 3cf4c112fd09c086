/* SPDX-License-Identifier: Apache-2.0
 *
 * Calibration: what is seen of each tensor, samples that are no numbers, interruption, and files
 * that read back to the same bits.
 */
#include "quant_case.h"

#include <math.h>
#include <unistd.h>

static void what_is_seen(void **state)
{
    (void)state;
    quant_case *const              c = quant_begin("residual.onnx");
    const mxdi_tensor_stats *const x = mxdi_calibration_find(c->calibration, "x");
    const mxdi_tensor_stats *const b = mxdi_calibration_find(c->calibration, "b");
    const mxdi_tensor_stats *const y = mxdi_calibration_find(c->calibration, "y");
    float  low[2] = { INFINITY, INFINITY }, high[2] = { -INFINITY, -INFINITY };
    double sum[2] = { 0, 0 };
    assert_true(x && b && y);
    for (int k = 0; k < QUANT_SAMPLES * QUANT_SAMPLE; k++) {
        const int ch = k / 36 % 2;
        low[ch]      = fminf(low[ch], c->x[k]);
        high[ch]     = fmaxf(high[ch], c->x[k]);
        sum[ch] += (double)c->x[k];
    }
    assert_true(x->channels == 2 && x->observer->count == QUANT_SAMPLES * QUANT_SAMPLE);
    assert_true(x->per_channel == QUANT_SAMPLES * 36);
    for (int ch = 0; ch < 2; ch++) {
        assert_true(x->channel_min[ch] == low[ch] && x->channel_max[ch] == high[ch]);
        assert_true(fabs(x->channel_sum[ch] - sum[ch]) < 1e-9 * QUANT_SAMPLES * 36);
    }
    assert_true(x->min == fminf(low[0], low[1]) && x->max == fmaxf(high[0], high[1]));
    assert_true(x->low == x->min && x->high == x->max); /* minmax */
    assert_true(b->min == 0.0f && b->max > 0.0f && b->channels == 4);
    assert_int_equal(c->calibration->samples, QUANT_SAMPLES);
    assert_null(mxdi_calibration_find(c->calibration, "stem.weight"));
    assert_int_equal(c->calibration->n_inputs, 1);
    assert_true(c->calibration->input[0].dim[0] == -1 && c->calibration->input[0].dim[1] == 2);
    quant_end(c);
}

static void as_many_as_asked(void **state)
{
    (void)state;
    quant_case *const            c   = quant_begin("residual.onnx");
    const mxdi_calibrate_options o   = { .method = MXDI_MINMAX, .batches = 1, .threads = 1 };
    mxdi_calibration            *one = NULL;
    assert_int_equal(quant_calibrate(&one, c, &o, NULL), MXD_OK);
    assert_int_equal(one->samples, 32);
    mxdi_calibration_destroy(one);
    quant_end(c);
}

static void samples_that_are_no_numbers(void **state)
{
    (void)state;
    static const struct {
        float       v;
        const char *word;
    } bad[]                           = { { NAN, "NaN" }, { INFINITY, "infinity" } };
    const mxdi_calibrate_options o    = { .method = MXDI_MINMAX, .threads = 1 };
    quant_case *const            c    = quant_begin("residual.onnx");
    mxdi_calibration            *none = NULL;
    mxd_error                    err;
    for (int k = 0; k < 2; k++) {
        c->x[35 * QUANT_SAMPLE + 7] = bad[k].v;
        assert_int_equal(quant_calibrate(&none, c, &o, &err), MXD_E_RANGE);
        assert_null(none);
        ASSERT_SAYS(err, "sample 35");
        ASSERT_SAYS(err, "'x'");
        ASSERT_SAYS(err, bad[k].word);
    }
    quant_end(c);
}

static int stop_at_half(void *user, double done)
{
    *(double *)user = done;
    return done >= 0.5;
}

static void interrupted(void **state)
{
    (void)state;
    double                       done = 0.0;
    const mxdi_calibrate_options o    = {
           .method = MXDI_MINMAX, .threads = 1, .progress = stop_at_half, .user = &done
    };
    quant_case *const c    = quant_begin("residual.onnx");
    mxdi_calibration *none = NULL;
    mxd_error         err  = MXD_ERROR_INIT;
    assert_int_equal(quant_calibrate(&none, c, &o, &err), MXD_E_CANCELLED);
    assert_null(none);
    assert_true(done >= 0.5 && done < 1.0);
    quant_end(c);
}

/* ---- files ---- */

/* Every range that could be chosen later is the same number. */
static void saved_and_loaded(void **state)
{
    (void)state;
    char              path[] = "/tmp/mixdown_test_XXXXXX";
    quant_case *const c      = quant_begin("residual.onnx");
    mxdi_calibration *again  = NULL;
    mxd_error         err    = MXD_ERROR_INIT;
    const int         fd     = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    if (mxdi_calibration_save(c->calibration, path, &err) != MXD_OK ||
        mxdi_calibration_load(&again, path, NULL, &err) != MXD_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(again->n_tensors, c->calibration->n_tensors);
    assert_true(again->method == c->calibration->method && again->samples == QUANT_SAMPLES);
    for (uint32_t k = 0; k < again->n_tensors; k++) {
        const mxdi_tensor_stats *const a = &c->calibration->tensor[k], *const b = &again->tensor[k];
        assert_string_equal(a->name, b->name);
        assert_true(a->min == b->min && a->max == b->max && a->low == b->low && a->high == b->high);
        assert_memory_equal(a->observer->bin, b->observer->bin, sizeof(a->observer->bin));
        assert_true(a->observer->limit == b->observer->limit &&
                    a->observer->count == b->observer->count);
        assert_true(a->channels == b->channels &&
                    memcmp(a->channel_min, b->channel_min, a->channels * sizeof(float)) == 0);
        for (int method = -1; method <= MXDI_ENTROPY; method++)
            for (uint32_t bits = 4; bits <= 8; bits += 2) {
                float low[2], high[2];
                mxdi_calibration_range(&low[0], &high[0], c->calibration, a, method, bits,
                                       bits == 4);
                mxdi_calibration_range(&low[1], &high[1], again, b, method, bits, bits == 4);
                assert_true(low[0] == low[1] && high[0] == high[1]);
            }
    }
    assert_memory_equal(again->input[0].dim, c->calibration->input[0].dim, 4 * sizeof(int64_t));
    mxdi_calibration_destroy(again);
    assert_int_equal(unlink(path), 0);
    quant_end(c);
}

static mxd_status parse(mxdi_calibration **c, const char *json, mxd_error *err)
{
    *err = (mxd_error)MXD_ERROR_INIT;
    const mxd_status st =
        mxdi_calibration_parse(c, (mxdi_view){ (const uint8_t *)json, strlen(json) }, NULL, err);
    assert_true((st == MXD_OK) == (*c != NULL));
    return st;
}

#define HEAD \
    "{\"mixdown_calibration\": 1, \"method\": \"mse\", \"samples\": 1, \"inputs\": {}, \"tensors\": "

/* A file with ranges alone, as written by hand. */
static void ranges_without_histograms(void **state)
{
    (void)state;
    mxdi_calibration *c = NULL;
    mxd_error         err;
    float             low, high;
    if (parse(&c, HEAD "[{\"name\": \"x\", \"min\": 1, \"max\": 5, \"low\": 1.5, \"high\": 4}]}",
              &err) != MXD_OK)
        fail_msg("%s", err.msg);
    mxdi_calibration_range(&low, &high, c, &c->tensor[0], MXDI_ENTROPY, 8, false);
    assert_true(low == 0.0f && high == 4.0f); /* zero is always inside */
    mxdi_calibration_range(&low, &high, c, &c->tensor[0], -1, 8, true);
    assert_true(low == -4.0f && high == 4.0f);
    mxdi_calibration_destroy(c);
}

static void broken_files(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        mxd_status  status;
        const char *word;
    } cases[] = {
        { "", MXD_E_PARSE, "line 1" },
        { "[]", MXD_E_INVAL, "version 1" },
        { "{\"mixdown_calibration\": 2, \"method\": \"mse\", \"tensors\": []}", MXD_E_INVAL,
          "version 1" },
        { "{\"mixdown_calibration\": 1, \"method\": \"mes\", \"tensors\": []}", MXD_E_INVAL,
          "method" },
        { HEAD "[{}]}", MXD_E_INVAL, "tensor 0" },
        { HEAD "[{\"name\": \"x\", \"min\": 1, \"max\": 0, \"low\": 0, \"high\": 1}]}", MXD_E_INVAL,
          "'x'" },
        { HEAD "[{\"name\": \"x\", \"min\": 0, \"max\": 1, \"low\": 1, \"high\": 0}]}", MXD_E_INVAL,
          "'x'" },
        { HEAD "[{\"name\": \"x\", \"min\": 0, \"max\": 1e200, \"low\": 0, \"high\": 1}]}",
          MXD_E_INVAL, "'x'" },
        { HEAD
          "[{\"name\": \"x\", \"min\": 0, \"max\": 1, \"low\": 0, \"high\": 1, \"histogram\": {\"limit\": 1, \"first\": 2048, \"counts\": [1]}}]}",
          MXD_E_INVAL, "2048 bins" },
        { HEAD
          "[{\"name\": \"x\", \"min\": 0, \"max\": 1, \"low\": 0, \"high\": 1, \"histogram\": {\"limit\": 1, \"first\": -1, \"counts\": [1]}}]}",
          MXD_E_INVAL, "2048 bins" },
        { HEAD
          "[{\"name\": \"x\", \"min\": 0, \"max\": 1, \"low\": 0, \"high\": 1, \"histogram\": {\"limit\": 1, \"first\": 0, \"counts\": [-1]}}]}",
          MXD_E_INVAL, "negative" },
        { HEAD
          "[{\"name\": \"x\", \"min\": 0, \"max\": 1, \"low\": 0, \"high\": 1, \"histogram\": {\"limit\": -1, \"first\": 0, \"counts\": []}}]}",
          MXD_E_INVAL, "'x'" },
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        mxdi_calibration *c = NULL;
        mxd_error         err;
        if (parse(&c, cases[k].json, &err) != cases[k].status)
            fail_msg("%s: %s", cases[k].json, err.msg);
        ASSERT_SAYS(err, cases[k].word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_seen),
        cmocka_unit_test(as_many_as_asked),
        cmocka_unit_test(samples_that_are_no_numbers),
        cmocka_unit_test(interrupted),
        cmocka_unit_test(saved_and_loaded),
        cmocka_unit_test(ranges_without_histograms),
        cmocka_unit_test(broken_files),
    };
    return cmocka_run_group_tests_name("quant_calibration", tests, NULL, NULL);
}
