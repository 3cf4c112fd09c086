/* SPDX-License-Identifier: Apache-2.0
 *
 * mixdown: the table of commands, options that all of them have, and how results and errors leave
 * the program.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static const struct cmd *const commands[] = {
    &cmd_inspect, &cmd_calibrate, &cmd_quantize, &cmd_train, &cmd_build,  &cmd_run,
    &cmd_eval,    &cmd_bench,     &cmd_compare,  &cmd_audit, &cmd_verify, &cmd_backends,
};
enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static struct cli   cli = { .backend = NULL };
static bool         show_version;
static struct words plugins;

static const struct opt common[] = {
    { OPT_STR, "threads", 0, &cli.threads_text, false, "N",
      "threads to use (default: the machine's cores)" },
    { OPT_STR, "isa", 0, &cli.isa, false, "NAME",
      "cap the instruction set: scalar avx2 avxvnni avx512 avx512vnni avx512bf16 amx neon dotprod i8mm" },
    { OPT_STR, "backend", 0, &cli.backend, false, "NAME",
      "cpu (default) or interp, the reference executor" },
    { OPT_LIST, "plugin", 0, &plugins, false, "FILE",
      "shared object with one more backend, for --backend; may be given again" },
    { OPT_INT, "seed", 0, &cli.seed, false, "N", "seed of whatever is random (default: 0)" },
    { OPT_FLAG, "json", 0, &cli.json, false, NULL, "one JSON object on stdout" },
    { OPT_FLAG, "quiet", 'q', &cli.quiet, false, NULL, "no progress" },
    { OPT_FLAG, "version", 0, &show_version, false, NULL, "print the version" },
    OPT_END,
};

/* ---- interruption ---- */

static volatile sig_atomic_t interrupts;

static volatile sig_atomic_t asks; /* the work at hand asks now and then whether to stop */

static void say(int fd, const char *text)
{
    for (size_t n = strlen(text); n > 0;) {
        const ssize_t written = write(fd, text, n);
        if (written <= 0)
            return;
        text += written;
        n -= (size_t)written;
    }
}

/* The first one asks work that listens to stop. Nothing else waits: files half written are removed,
 * and that is the end. */
static void on_interrupt(int signal)
{
    (void)signal;
    if (asks && interrupts++ == 0)
        return;
    mxd_abandon_files();
    say(STDERR_FILENO, "mixdown: interrupted\n");
    if (cli.json)
        say(STDOUT_FILENO,
            "{\"error\": {\"message\": \"interrupted\", \"code\": \"E_CANCELLED\"}}\n");
    _exit(130);
}

bool cli_interrupted(void)
{
    return interrupts > 0;
}

int cli_stop(void *user)
{
    (void)user;
    asks = 1;
    return interrupts > 0;
}

int cli_progress(void *user, double done)
{
    static time_t           began;
    const struct cli *const c   = user;
    const time_t            now = time(NULL);
    if (done <= 0.0 || began == 0)
        began = now;
    if (!c->quiet && isatty(STDERR_FILENO) && now - began >= 2 && done > 0.0) {
        const double left = (double)(now - began) * (1.0 - done) / done;
        fprintf(stderr, "\r%3.0f %%, %.0f s left ", done * 100.0, left);
        if (done >= 1.0)
            fputs("\r                         \r", stderr);
    }
    return cli_stop(NULL);
}

/* ---- errors ---- */

mxd_status cli_fail(struct cli *c, mxd_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->err.msg, sizeof(c->err.msg), format, args);
    va_end(args);
    c->err.status = status;
    return status;
}

static int exit_code(mxd_status status)
{
    switch (status) {
    case MXD_OK:
        return 0;
    case MXD_E_USAGE:
        return 2;
    case MXD_E_UNSUPPORTED:
        return 3;
    case MXD_E_CANCELLED:
        return 130;
    default:
        return 1;
    }
}

static const char *code_name(mxd_status status)
{
    switch (status) {
#define MXD_X(name, value, text) \
    case MXD_##name:             \
        return #name;
        MXD_STATUS_MAP(MXD_X)
#undef MXD_X
    }
    return "E_INVAL";
}

/* The end of every run: what was printed has to have arrived. */
static int leave(int code)
{
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == 0) {
        fprintf(stderr, "mixdown: stdout: cannot be written\n");
        code = 1;
    }
    json_decref(cli.result);
    mxd_context_destroy(cli.ctx);
    return code;
}

static int finish(mxd_status status)
{
    if (status != MXD_OK) {
        const char *const msg = cli.err.msg[0] ? cli.err.msg : mxd_status_text(status);
        fprintf(stderr, "mixdown: %s\n", msg);
        json_decref(cli.result);
        cli.result = json_pack("{s:{s:o, s:s}}", "error", "message", cli_text(msg), "code",
                               code_name(status));
    } else if (cli.exit_code && cli.err.msg[0]) {
        fprintf(stderr, "mixdown: %s\n", cli.err.msg);
        json_object_set_new(cli.result, "error",
                            json_pack("{s:o, s:s}", "message", cli_text(cli.err.msg), "code",
                                      code_name(cli.err.status)));
    }
    if (cli.json) {
        json_dumpf(cli.result, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
        putchar('\n');
    }
    return leave(status == MXD_OK ? cli.exit_code : exit_code(status));
}

/* ---- commands ---- */

static void usage(FILE *to)
{
    fputs(
        "mixdown: mixed-precision engines that are really faster\n\nusage: mixdown COMMAND [ARGUMENT...] [--OPTION VALUE]\n\n",
        to);
    for (int k = 0; k < N_COMMANDS; k++)
        fprintf(to, "  %-10s %s\n", commands[k]->name, commands[k]->summary);
    fputs(
        "\n`mixdown COMMAND --help` has the options of each. Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 not supported here, 130 interrupted.\n",
        to);
}

static const struct cmd *find_command(const char *name)
{
    const char *names[N_COMMANDS];
    for (int k = 0; k < N_COMMANDS; k++) {
        names[k] = commands[k]->name;
        if (strcmp(name, names[k]) == 0)
            return commands[k];
    }
    const char *const near = cli_nearest(name, names, N_COMMANDS);
    if (near)
        cli_fail(&cli, MXD_E_USAGE, "no command '%s', perhaps '%s'; `mixdown --help` lists them",
                 name, near);
    else
        cli_fail(&cli, MXD_E_USAGE, "no command '%s'; `mixdown --help` lists them", name);
    return NULL;
}

/* --json counts wherever it stands, so that wrong usage is told as JSON too. */
static bool asks_for_json(int argc, char **argv)
{
    for (int k = 1; k < argc; k++)
        if (strcmp(argv[k], "--json") == 0)
            return true;
    return false;
}

/* "N", or "X,Y" for compare. */
static mxd_status read_threads(const struct cmd *cmd)
{
    long long  a = 0, b = 0;
    char       end;
    const int  n    = cli.threads_text ? sscanf(cli.threads_text, "%lld,%lld%c", &a, &b, &end) : 0;
    const bool good = n == 1
                          ? !strchr(cli.threads_text, ',') &&
                                strspn(cli.threads_text, "0123456789") == strlen(cli.threads_text)
                          : n == 2 && cmd == &cmd_compare;
    if (cli.threads_text && (!good || a < 1 || a > 1024 || b < 0 || b > 1024))
        return cli_fail(&cli, MXD_E_USAGE, "--threads: a number from 1 to 1024 expected, got '%s'",
                        cli.threads_text);
    cli.threads   = a;
    cli.threads_b = b;
    return MXD_OK;
}

static mxd_status run(const struct cmd *cmd, int argc, char **argv, bool *help)
{
    mxd_status st = cli_parse(cmd->opts, common, argc, argv, help, &cli.err);
    if (*help || st != MXD_OK)
        return st;
    st = read_threads(cmd);
    if (st != MXD_OK)
        return st;
    st = mxd_context_create(&cli.ctx, NULL, &cli.err);
    for (int k = 0; k < plugins.n && st == MXD_OK; k++)
        st = mxd_context_load_backend(cli.ctx, plugins.at[k], &cli.err);
    return st == MXD_OK ? cmd->run(&cli) : st;
}

int main(int argc, char **argv)
{
    const struct sigaction action = { .sa_handler = on_interrupt };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a write that fails says so by its result */
    signal(SIGXFSZ, SIG_IGN);
    cli.result = json_object();
    cli.json   = asks_for_json(argc, argv);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        const struct cmd *const asked = argc > 2 ? find_command(argv[2]) : NULL;
        if (argc > 2 && !asked)
            return finish(MXD_E_USAGE);
        if (asked)
            cli_help(asked, common);
        else
            usage(argc < 2 ? stderr : stdout);
        return leave(argc < 2 ? 2 : 0);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("mixdown %s\n", mxd_version());
        return leave(0);
    }
    const struct cmd *const cmd = find_command(argv[1]);
    if (!cmd)
        return finish(MXD_E_USAGE);
    bool             help = false;
    const mxd_status st   = run(cmd, argc - 2, argv + 2, &help);
    if (help) {
        cli_help(cmd, common);
        return leave(0);
    }
    if (show_version)
        printf("mixdown %s\n", mxd_version());
    return finish(st);
}
