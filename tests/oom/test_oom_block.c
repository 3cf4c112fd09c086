/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizing with roundings chosen block by block, with every allocation refused in turn.
 */
#include "../unit/block_case.h"

#include "refuse.h"

/* A few iterations in place of thousands, each of which allocates. */
static mxdi_block shortened;

static mxd_status open_shortened(void **state, const mxdi_block *block, const mxd_allocator *alloc,
                                 mxd_error *err)
{
    shortened            = *block;
    shortened.iterations = 3;
    return mxdi_adaround_blocks.open(state, &shortened, alloc, err);
}

static mxd_status work_block(void *state, uint64_t *result, mxd_error *err)
{
    const quant_case *const c      = state;
    mxdi_reconstruction     blocks = mxdi_adaround_blocks;
    mxdi_graph             *q      = NULL;
    mxdi_bytes              bytes  = MXDI_BYTES_INIT;
    mxdi_quantize_result    r;
    blocks.open   = open_shortened;
    mxd_status st = block_quantize(&q, &r, c, "w3a8", &blocks, 1, NULL, NULL, err);
    if (st == MXD_OK)
        st = mxdi_onnx_write(&bytes, q, err);
    if (st == MXD_OK) {
        assert_int_equal(r.n_blocks, 1);
        assert_null(r.block[0].why);
        *result = refuse_hash(REFUSE_SEED, bytes.data, bytes.size);
    }
    mxdi_bytes_free(&bytes);
    mxdi_graph_destroy(q);
    return st;
}

static void blocks(void **state)
{
    (void)state;
    quant_case *const c = quant_begin_with(block_network(0, 1));
    refuse_each("roundings by blocks", work_block, c, 7, true);
    quant_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(blocks) };
    return cmocka_run_group_tests_name("oom_block", tests, NULL, NULL);
}
