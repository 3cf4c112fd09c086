/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of peak.h. In assembly, since a compiler would see that nothing comes of them: twelve
 * chains, as two units of a latency of four or five need, from registers that hold zeros. A new
 * instruction set is a row and a line. */
#include "base/cpu.h"
#include "kernels/peak/peak.h"

static void read_words(const void *from, size_t bytes)
{
    const volatile uint64_t *const p   = from;
    uint64_t                       sum = 0;
    for (size_t k = 0; k < bytes / sizeof(p[0]); k++)
        sum += p[k];
    (void)sum;
}

#if defined(__x86_64__)

#include "kernels/simd/amx.h"

#define CLOBBERS                                                                             \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* `body` again and again; all registers begin with zeros. */
#define LOOP(name, body)                             \
    static void name(size_t rounds)                  \
    {                                                \
        __asm__ volatile("vzeroall" ::: CLOBBERS);   \
        for (size_t k = 0; k < rounds; k++)          \
            __asm__ volatile(body ::: CLOBBERS);     \
        __asm__ volatile("vzeroupper" ::: CLOBBERS); \
    }

/* clang-format off */
#define TIMES_12(X, r) \
    X(r, "0") X(r, "1") X(r, "2") X(r, "3") X(r, "4") X(r, "5") \
    X(r, "6") X(r, "7") X(r, "8") X(r, "9") X(r, "10") X(r, "11")
#define TIMES_6_TWICE(X, r) \
    X(r, "0", "6") X(r, "1", "7") X(r, "2", "8") X(r, "3", "9") X(r, "4", "10") X(r, "5", "11") \
    X(r, "0", "6") X(r, "1", "7") X(r, "2", "8") X(r, "3", "9") X(r, "4", "10") X(r, "5", "11")
/* clang-format on */

#define STEP(op, r, acc)  op " %%" r "12, %%" r "13, %%" r acc "\n"
#define FMA(r, acc)       STEP("vfmadd231ps", r, acc)
#define BF16(r, acc)      STEP("vdpbf16ps", r, acc)
#define BYTES(r, acc)     STEP("vpdpbusd", r, acc)
#define BYTES_VEX(r, acc) STEP("%{vex%} vpdpbusd", r, acc)
#define PAIRS(r, acc)     STEP("vpdpwssd", r, acc)
#define PAIRS_VEX(r, acc) STEP("%{vex%} vpdpwssd", r, acc)
#define MADD(r, acc, product) \
    STEP("vpmaddwd", r, product) "vpaddd %%" r product ", %%" r acc ", %%" r acc "\n"

LOOP(fma_ymm, TIMES_12(FMA, "ymm"))
LOOP(fma_zmm, TIMES_12(FMA, "zmm"))
LOOP(bf16_zmm, TIMES_12(BF16, "zmm"))
LOOP(madd_ymm, TIMES_6_TWICE(MADD, "ymm"))
LOOP(madd_zmm, TIMES_6_TWICE(MADD, "zmm"))
LOOP(bytes_ymm, TIMES_12(BYTES_VEX, "ymm"))
LOOP(bytes_zmm, TIMES_12(BYTES, "zmm"))
LOOP(pairs_ymm, TIMES_12(PAIRS_VEX, "ymm"))
LOOP(pairs_zmm, TIMES_12(PAIRS, "zmm"))

/* Four products as in a tile of two by two, which is what the unit needs. */
#define TILE_LOOP(name, dot)                                                        \
    static void name(size_t rounds)                                                 \
    {                                                                               \
        const struct amx_shape shape = amx_shape_of(AMX_ROWS, AMX_ROWS, AMX_WORDS); \
        amx_configure(&shape);                                                      \
        for (size_t k = 0; k < rounds; k++) {                                       \
            dot(0, 4, 6);                                                           \
            dot(1, 4, 7);                                                           \
            dot(2, 5, 6);                                                           \
            dot(3, 5, 7);                                                           \
        }                                                                           \
        amx_release();                                                              \
    }
TILE_LOOP(bf16_tiles, amx_dot_bf16)
TILE_LOOP(bytes_tiles, amx_dot_u8s8)

#define LOAD_8(op, r, step)                                                                      \
    op " 0*" step "(%0), %%" r "0\n" op " 1*" step "(%0), %%" r "1\n" op " 2*" step "(%0), %%" r \
       "2\n" op " 3*" step "(%0), %%" r "3\n" op " 4*" step "(%0), %%" r "4\n" op " 5*" step     \
       "(%0), %%" r "5\n" op " 6*" step "(%0), %%" r "6\n" op " 7*" step "(%0), %%" r "7\n"

static void read_ymm(const void *from, size_t bytes)
{
    for (const uint8_t *p = from, *const end = p + bytes; p < end; p += 256)
        __asm__ volatile(LOAD_8("vmovdqa", "ymm", "32")::"r"(p) : CLOBBERS);
    __asm__ volatile("vzeroupper" ::: CLOBBERS);
}

static void read_zmm(const void *from, size_t bytes)
{
    for (const uint8_t *p = from, *const end = p + bytes; p < end; p += 512)
        __asm__ volatile(LOAD_8("vmovdqa64", "zmm", "64")::"r"(p) : CLOBBERS);
    __asm__ volatile("vzeroupper" ::: CLOBBERS);
}

enum {
    AVX2       = MXDI_ISA_AVX2,
    AVXVNNI    = MXDI_ISA_AVX2 | MXDI_ISA_AVXVNNI,
    AVX512     = MXDI_ISA_AVX2 | MXDI_ISA_AVX512,
    AVX512VNNI = AVX512 | MXDI_ISA_AVX512VNNI,
    AVX512BF16 = AVX512 | MXDI_ISA_AVX512BF16,
    AMX        = AVX512VNNI | AVX512BF16 | MXDI_ISA_AMX,
    TILE_MACS  = 4 * AMX_ROWS * AMX_LANES * AMX_WORDS /* of four products, of words */
};

/* Twelve instructions, tiles four; operations of one are lanes of 32 bits times 2, 4 or 8. */
const mxdi_peak_row mxdi_peak_rows[] = {
    { "f32", "vfmadd231ps ymm", AVX2, 12 * 8 * 2, fma_ymm },
    { "f32", "vfmadd231ps zmm", AVX512, 12 * 16 * 2, fma_zmm },
    { "bf16", "vdpbf16ps zmm", AVX512BF16, 12 * 16 * 4, bf16_zmm },
    { "bf16", "tdpbf16ps tmm", AMX, TILE_MACS * 4, bf16_tiles },
    { "s16", "vpmaddwd, vpaddd ymm", AVX2, 12 * 8 * 4, madd_ymm },
    { "s16", "vpdpwssd ymm", AVXVNNI, 12 * 8 * 4, pairs_ymm },
    { "s16", "vpmaddwd, vpaddd zmm", AVX512, 12 * 16 * 4, madd_zmm },
    { "s16", "vpdpwssd zmm", AVX512VNNI, 12 * 16 * 4, pairs_zmm },
    { "u8s8", "vpmaddwd, vpaddd ymm", AVX2, 12 * 8 * 4, madd_ymm },
    { "u8s8", "vpdpbusd ymm", AVXVNNI, 12 * 8 * 8, bytes_ymm },
    { "u8s8", "vpmaddwd, vpaddd zmm", AVX512, 12 * 16 * 4, madd_zmm },
    { "u8s8", "vpdpbusd zmm", AVX512VNNI, 12 * 16 * 8, bytes_zmm },
    { "u8s8", "tdpbusd tmm", AMX, TILE_MACS * 8, bytes_tiles },
};
const size_t mxdi_peak_n_rows = sizeof(mxdi_peak_rows) / sizeof(mxdi_peak_rows[0]);

const mxdi_peak_reader mxdi_peak_readers[] = {
    { "mov", 0, read_words },
    { "vmovdqa ymm", AVX2, read_ymm },
    { "vmovdqa64 zmm", AVX512, read_zmm },
};

#else

const mxdi_peak_row    mxdi_peak_rows[1]   = { { "", "", 0, 0.0, NULL } };
const size_t           mxdi_peak_n_rows    = 0;
const mxdi_peak_reader mxdi_peak_readers[] = { { "words", 0, read_words } };

#endif

const size_t mxdi_peak_n_readers = sizeof(mxdi_peak_readers) / sizeof(mxdi_peak_readers[0]);
