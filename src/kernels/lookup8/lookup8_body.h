/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup8 over the vectors of simd/vec_<variant>.h and a struct table: table_load takes 256
 * entries, table_at looks a vector of bytes up in them.
 *
 * With a table for each channel, a vector must hold one channel of many rows. Blocks of as many
 * rows and channels as a vector has bytes are transposed, looked up and transposed back, the pieces
 * of vectors first and then, a column of pieces at a time, the bytes in them. */
#include "kernels/lookup8/lookup8.h"

enum { PIECE = 16, PIECES = VU8_LANES / PIECE };

static void lookup(uint8_t *y, const uint8_t *x, size_t n, const uint8_t *table)
{
    size_t i = 0;
    if (n >= VU8_LANES) {
        struct table t;
        table_load(&t, table);
        for (; i + VU8_LANES <= n; i += VU8_LANES)
            vu8_store(y + i, table_at(&t, vu8_load(x + i)));
    }
    for (; i < n; i++)
        y[i] = table[x[i]];
}

/* Byte j of v[i] and byte i of v[j] change places in every piece: each round interleaves the first
 * half with the second. */
static inline void transpose(vu8 v[PIECE])
{
    for (int round = 0; round < 4; round++) {
        vu8 next[PIECE];
        for (int i = 0; i < PIECE / 2; i++) {
            next[2 * i]     = vu8_zip_lo(v[i], v[i + PIECE / 2]);
            next[2 * i + 1] = vu8_zip_hi(v[i], v[i + PIECE / 2]);
        }
        for (int i = 0; i < PIECE; i++)
            v[i] = next[i];
    }
}

/* A whole block, of which the first n channels are looked up. */
static inline void lookup_block(uint8_t *y, const uint8_t *x, int64_t n, int64_t pitch,
                                const uint8_t *table)
{
    vu8 v[PIECES][PIECE], part[PIECES];
    for (int i = 0; i < PIECE; i++) {
        for (int p = 0; p < PIECES; p++)
            part[p] = vu8_load(x + (p * PIECE + i) * pitch);
        vu8_swap_pieces(part);
        for (int p = 0; p < PIECES; p++)
            v[p][i] = part[p];
    }
    for (int p = 0; p < PIECES; p++) {
        transpose(v[p]);
        for (int c = 0; c < PIECE && p * PIECE + c < n; c++) {
            struct table t;
            table_load(&t, table + 256 * (p * PIECE + c));
            for (int k = 0; k < 256; k += 64) /* of the next block */
                __builtin_prefetch(table + 256 * (VU8_LANES + p * PIECE + c) + k);
            v[p][c] = table_at(&t, v[p][c]);
        }
        transpose(v[p]);
    }
    for (int i = 0; i < PIECE; i++) {
        for (int p = 0; p < PIECES; p++)
            part[p] = v[p][i];
        vu8_swap_pieces(part);
        for (int p = 0; p < PIECES; p++)
            vu8_store(y + (p * PIECE + i) * pitch, part[p]);
    }
}

/* Fewer rows or channels: byte by byte when those are few, else by way of a whole block. */
static void lookup_edge(uint8_t *y, const uint8_t *x, int64_t rows, int64_t channels, int64_t pitch,
                        const uint8_t *table)
{
    if (rows * channels < VU8_LANES * VU8_LANES / 4) {
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < channels; c++)
                y[r * pitch + c] = table[256 * c + x[r * pitch + c]];
        return;
    }
    uint8_t block[VU8_LANES * VU8_LANES] = { 0 };
    for (int64_t r = 0; r < rows; r++)
        memcpy(block + r * VU8_LANES, x + r * pitch, (size_t)channels);
    lookup_block(block, block, channels, VU8_LANES, table);
    for (int64_t r = 0; r < rows; r++)
        memcpy(y + r * pitch, block + r * VU8_LANES, (size_t)channels);
}

static void lookup_rows(uint8_t *y, const uint8_t *x, int64_t rows, int64_t channels, int64_t pitch,
                        const uint8_t *table)
{
    for (int64_t c = 0; c < channels; c += VU8_LANES)
        for (int64_t r = 0; r < rows; r += VU8_LANES) {
            const int64_t at = r * pitch + c, m = rows - r, n = channels - c;
            if (m >= VU8_LANES && n >= VU8_LANES)
                lookup_block(y + at, x + at, VU8_LANES, pitch, table + 256 * c);
            else
                lookup_edge(y + at, x + at, m < VU8_LANES ? m : VU8_LANES,
                            n < VU8_LANES ? n : VU8_LANES, pitch, table + 256 * c);
        }
}

const mxdi_lookup8 MXD_VARIANT(mxdi_lookup8) = { MXD_VARIANT_NAME("lookup8"), lookup, lookup_rows };
