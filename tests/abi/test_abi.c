/* SPDX-License-Identifier: Apache-2.0
 *
 * What compiled programs, plug-ins and engine files rely on: values of enums here, layouts in
 * abi_layout.h. A line may be added; one that has to change breaks somebody, and needs a new number
 * in MXD_BACKEND_ABI, the soname or the engine format.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "abi/abi_layout.h"

/* ---- values ---- */

#define SAME(name, value) _Static_assert((name) == (value), #name " has another value")
SAME(MXD_OK, 0);
SAME(MXD_E_NOMEM, -1);
SAME(MXD_E_IO, -2);
SAME(MXD_E_PARSE, -3);
SAME(MXD_E_INVAL, -4);
SAME(MXD_E_SHAPE, -5);
SAME(MXD_E_DTYPE, -6);
SAME(MXD_E_RANGE, -7);
SAME(MXD_E_USAGE, -8);
SAME(MXD_E_UNSUPPORTED, -9);
SAME(MXD_E_STALE, -10);
SAME(MXD_E_CANCELLED, -11);
SAME(MXD_E_MISMATCH, -12);

/* They stand in engine files: docs/engine-format.md. */
SAME(MXD_NONE, 0);
SAME(MXD_F32, 1);
SAME(MXD_F16, 2);
SAME(MXD_BF16, 3);
SAME(MXD_F8E4M3, 4);
SAME(MXD_S8, 5);
SAME(MXD_U8, 6);
SAME(MXD_S4, 7);
SAME(MXD_U4, 8);
SAME(MXD_S16, 9);
SAME(MXD_S32, 10);
SAME(MXD_S64, 11);
SAME(MXD_BOOL, 12);
SAME(MXD_F64, 13);
SAME(MXD_U16, 14);
SAME(MXD_ATTR_INT, 0);
SAME(MXD_ATTR_FLOAT, 1);
SAME(MXD_ATTR_STRING, 2);
SAME(MXD_ATTR_INTS, 3);
SAME(MXD_ATTR_FLOATS, 4);
SAME(MXD_ATTR_TENSOR, 5);
SAME(MXD_MAX_RANK, 8);
SAME(MXD_NO_VALUE, UINT32_MAX);
SAME(MXD_BACKEND_ABI, 1);
SAME(MXD_PASS, 0);
SAME(MXD_FAIL, 1);
SAME(MXD_REFUSED, 2);

/* ---- what says how large it is says it first ---- */

#define FIRST(type) \
    _Static_assert(offsetof(type, struct_size) == 0, #type " does not begin with struct_size")
FIRST(mxd_build_options);
FIRST(mxd_session_options);
FIRST(mxd_bench_options);
FIRST(mxd_calibrate_options);
FIRST(mxd_quantize_options);
FIRST(mxd_verify_options);
FIRST(mxd_host_api);
FIRST(mxd_constraints);
FIRST(mxd_claim);
FIRST(mxd_compile_options);
FIRST(mxd_run_options);

static void names_and_texts(void **state)
{
    (void)state;
    for (int k = 0; k >= MXD_E_MISMATCH; k--)
        assert_true(strlen(mxd_status_text((mxd_status)k)) > 3);
    assert_string_equal(mxd_status_text(MXD_OK), "success");
    assert_non_null(mxd_status_text((mxd_status)-99));
    assert_non_null(mxd_status_text((mxd_status)99));
    assert_string_equal(mxd_dtype_name(MXD_BF16), "bf16");
    assert_string_equal(mxd_dtype_name((mxd_dtype)99), "none");
    assert_true(mxd_dtype_bits(MXD_U4) == 4 && mxd_dtype_bits(MXD_NONE) == 0);
}

static mxd_status refit_nothing(mxd_program *program, const mxd_graph_view *part, mxd_error *err)
{
    (void)program;
    (void)part;
    (void)err;
    return MXD_OK;
}

/* A table of an older plug-in lacks what came later. */
static void optional_slots(void **state)
{
    (void)state;
    mxd_backend_api api = { .abi = MXD_BACKEND_ABI, .struct_size = sizeof(api) };
    assert_false(MXD_BACKEND_HAS(&api, refit));
    api.refit = refit_nothing;
    assert_true(MXD_BACKEND_HAS(&api, refit));
    api.struct_size = offsetof(mxd_backend_api, refit);
    assert_false(MXD_BACKEND_HAS(&api, refit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_texts),
        cmocka_unit_test(optional_slots),
    };
    return cmocka_run_group_tests_name("abi", tests, NULL, NULL);
}
