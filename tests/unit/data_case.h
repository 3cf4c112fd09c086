/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of data sets share: opening one that must open, and one that must be refused.
 */
#ifndef TESTS_UNIT_DATA_CASE_H
#define TESTS_UNIT_DATA_CASE_H

#include <string.h>

#include "base/file.h"
#include "data/data.h"
#include "failing_alloc.h"

static inline mxdi_data *open_set(const char *spec)
{
    mxdi_data *d   = NULL;
    mxd_error  err = MXD_ERROR_INIT;
    if (mxdi_data_open(&d, spec, NULL, &err) != MXD_OK)
        fail_msg("'%s': %s", spec, err.msg);
    return d;
}

static inline void refuses(const char *spec, mxd_status status, const char *says)
{
    mxdi_data *d   = NULL;
    mxd_error  err = MXD_ERROR_INIT;
    assert_int_equal(mxdi_data_open(&d, spec, NULL, &err), status);
    assert_null(d);
    if (!strstr(err.msg, says))
        fail_msg("'%s': '%s' does not say '%s'", spec, err.msg, says);
}

static inline void write_bytes(const char *path, const void *data, size_t n)
{
    assert_int_equal(mxdi_file_write(path, data, n, NULL), MXD_OK);
}

static inline void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

/* Opens the set and reads its first sample into out, refusing allocation 1, then 2 ... until one
 * run gets through. */
static inline void refuse_each_allocation(const char *spec, void *out)
{
    mxd_status st = MXD_E_NOMEM;
    for (long n = 0; st != MXD_OK; n++) {
        struct failing_alloc f = { n, 0 };
        const mxd_allocator  a = { failing_alloc_get, failing_alloc_free, &f };
        mxdi_data           *d = NULL;
        st                     = mxdi_data_open(&d, spec, &a, NULL);
        if (st == MXD_OK)
            st = mxdi_data_read(d, 0, 0, 1, out, NULL);
        else
            assert_null(d);
        assert_true(st == MXD_OK || st == MXD_E_NOMEM);
        mxdi_data_close(d);
        assert_int_equal(f.live, 0);
    }
}
#endif
