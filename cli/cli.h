/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands share: option tables, the context, results as JSON or text. One file per
 * command; main.c has the table of commands. Only public headers of the library are used.
 */
#ifndef MIXDOWN_CLI_H
#define MIXDOWN_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "mixdown/mixdown.h"

/* ---- options ---- */
typedef enum opt_kind {
    OPT_FLAG, /* bool */
    OPT_STR,  /* const char * */
    OPT_INT,  /* int64_t, not negative */
    OPT_NUM,  /* double */
    OPT_LIST, /* struct words: may be given again */
    OPT_ARG,  /* const char *: the next positional, required */
    OPT_REST  /* struct words: the other positionals, at least one */
} opt_kind;

struct words {
    const char *at[256];
    int         n;
};

struct opt {
    opt_kind    kind;
    const char *name;   /* without dashes */
    char        letter; /* -o; 0: none */
    void       *target;
    bool        required;
    const char *meta; /* "FILE"; NULL for flags */
    const char *help;
};
#define OPT_END                                    \
    {                                              \
        OPT_FLAG, NULL, 0, NULL, false, NULL, NULL \
    }

/* ---- what a command gets ---- */
struct cli {
    mxd_context *ctx;
    json_t      *result; /* an object; what --json prints */
    mxd_error    err;
    bool         json, quiet;
    int64_t      threads;   /* 0: the machine's cores */
    int64_t      threads_b; /* of `compare --threads X,Y`: Y; 0: as threads */
    const char  *threads_text;
    const char  *isa, *backend;
    int64_t      seed;
    int          exit_code; /* of a command that worked and whose answer is no: 1 */
};

struct cmd {
    const char *name;
    mxd_status (*run)(struct cli *c);
    const struct opt *opts;
    const char       *summary, *details;
};
extern const struct cmd cmd_inspect, cmd_verify, cmd_calibrate, cmd_quantize, cmd_train, cmd_build,
    cmd_run, cmd_eval, cmd_bench, cmd_compare, cmd_audit, cmd_backends;

/* Fill the targets of both tables from argv (after the command). MXD_E_USAGE names the nearest
 * option. *help: --help was there. */
mxd_status cli_parse(const struct opt *own, const struct opt *common, int argc, char **argv,
                     bool *help, mxd_error *err);
void       cli_help(const struct cmd *cmd, const struct opt *common);
/* The nearest of n words by edit distance, NULL when none is near. */
const char *cli_nearest(const char *word, const char *const *candidate, size_t n);
mxd_status  cli_fail(struct cli *c, mxd_status status, const char *format, ...) MXD_PRINTF(3, 4);

/* ---- specifications in options ---- */
mxd_status cli_shape(mxd_shape *out, char *storage, size_t size, const char *text,
                     struct cli *c);                                     /* NAME=1x3x224x224 */
mxd_status cli_batches(int64_t out[8], const char *text, struct cli *c); /* 1,8,128 */
/* Options that name a build: backend, isa, threads from `c`. */
mxd_build_options cli_build_options(const struct cli *c);

/* ---- results ---- */
json_t *cli_text(
    const char *s);           /* a JSON string; bytes that are no UTF-8 become '?'; null for NULL */
json_t *cli_number(double v); /* null for NaN and infinity */
json_t *cli_ints(const int64_t *v, int32_t n);
/* A table on stdout whose columns line up: rows of `columns` cells; numbers (a cell that starts
 * with a digit, + or -) to the right. */
struct table {
    char **cell;
    int    n, cap, columns;
    bool   failed;
};
void table_row(struct table *t, const char *format, ...)
    MXD_PRINTF(2, 3); /* cells separated by tabs; the first row is the head */
void table_print(const struct cli *c, struct table *t); /* nothing with --json; frees in any case */
/* "1.23 M", "4.5 KiB" */
const char *human_count(char out[32], double v);
const char *human_bytes(char out[32], double v);

/* ---- work that takes time ---- */
bool cli_interrupted(void);                 /* SIGINT was seen */
int  cli_stop(void *user);                  /* the same as a callback of the library */
int  cli_progress(void *user, double done); /* user: struct cli; a bar on a terminal after two
                                               seconds; non-zero: interrupted */

/* Audit rows as JSON and as a table. */
json_t *cli_audit_json(const mxd_engine *engine);
void    cli_audit_table(const struct cli *c, const mxd_engine *engine);
#endif
