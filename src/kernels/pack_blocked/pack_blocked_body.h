/* SPDX-License-Identifier: Apache-2.0
 *
 * pack_blocked over the vectors of simd/vec_<variant>.h. One line is a transpose: block * pitch
 * lanes, each a row of w neighbours in (N, C, H, W) or nothing, against w pixels of neighbouring
 * lanes. It goes in square tiles of 128-bit pieces, 16 x 16 for u8 and 4 x 4 for f32, with fewer
 * rows where the pixel ends. Maps of one pixel are only copied. */
#include "kernels/pack_blocked/pack_blocked.h"
#include "kernels/quantize_u8/quantize_u8_vec.h"

/* Bytes of a piece; vectors of f32 that become one piece of u8. */
enum { PIECE = 16, PARTS = PIECE / VF32_LANES };

/* How elements are changed on the way. Below, `size` is the bytes of an element of the blocked
 * side. */
struct conversion {
    q128            flip;
    vf32            scale;
    struct vdivisor divisor;
    vi32            zero_point;
    struct vclampq  clampq;
};

/* PIECE / size elements of a row from pixel x on, the first k of them if k is not 0. */
typedef q128 (*load_piece)(const void *row, int64_t x, size_t k, const struct conversion *c);
typedef void (*store_piece)(void *row, int64_t x, size_t k, q128 v, const struct conversion *c);

static inline q128 load_quantize(const void *row, int64_t x, size_t k, const struct conversion *c)
{
    const float *from = (const float *)row + x;
    vi32         q[PARTS];
    for (size_t i = 0; i < PARTS; i++) {
        const size_t at   = i * VF32_LANES;
        const size_t rest = k > at ? k - at : 0;
        const vf32   v =
            k == 0 || rest >= VF32_LANES ? vf32_load(from + at) : vf32_load_tail(from + at, rest);
        q[i] = vclampq(vdivide(v, &c->divisor), &c->clampq);
    }
    return q128_narrow(q);
}

static inline q128 load_u8(const void *row, int64_t x, size_t k, const struct conversion *c)
{
    const uint8_t *from = (const uint8_t *)row + x;
    return q128_xor(k ? q128_load_tail(from, k) : q128_load(from), c->flip);
}

static inline q128 load_f32(const void *row, int64_t x, size_t k, const struct conversion *c)
{
    const float *from = (const float *)row + x;
    (void)c;
    return k ? q128_load_tail(from, k * sizeof(float)) : q128_load(from);
}

static inline void store_dequantize(void *row, int64_t x, size_t k, q128 v,
                                    const struct conversion *c)
{
    float *to = (float *)row + x;
    for (size_t i = 0; i < PARTS; i++) {
        const size_t at   = i * VF32_LANES;
        const size_t rest = k > at ? k - at : 0;
        const vi32   d    = vi32_sub(vi32_widen(v, (int)i), c->zero_point);
        const vf32   f    = vf32_mul(vf32_from_i32(d), c->scale);
        if (k == 0 || rest >= VF32_LANES)
            vf32_store(to + at, f);
        else
            vf32_store_tail(to + at, f, rest);
    }
}

static inline void store_u8(void *row, int64_t x, size_t k, q128 v, const struct conversion *c)
{
    uint8_t *to = (uint8_t *)row + x;
    if (k)
        q128_store_tail(to, q128_xor(v, c->flip), k);
    else
        q128_store(to, q128_xor(v, c->flip));
}

static inline void store_f32(void *row, int64_t x, size_t k, q128 v, const struct conversion *c)
{
    float *to = (float *)row + x;
    (void)c;
    if (k)
        q128_store_tail(to, v, k * sizeof(float));
    else
        q128_store(to, v);
}

/* n rows (1, 2, 4 .. ) become one row of columns: each round interleaves the first half with the
 * second. */
static inline void interleave(q128 *v, size_t n, size_t size)
{
    for (size_t round = 1; round < n; round *= 2) {
        q128 next[PIECE];
        for (size_t i = 0; i < n / 2; i++) {
            const q128 a = v[i], b = v[i + n / 2];
            next[2 * i]     = size == 1 ? q128_zip_lo_u8(a, b) : q128_zip_lo_f32(a, b);
            next[2 * i + 1] = size == 1 ? q128_zip_hi_u8(a, b) : q128_zip_hi_f32(a, b);
        }
        for (size_t i = 0; i < n; i++)
            v[i] = next[i];
    }
}

/* The line of a layout that a call works on. */
struct line {
    const mxdi_blocked *l;
    int64_t             images, block, row;
};

/* The first element of lane j's row in (N, C, H, W), or -1: a lane past the channels, or of an
 * image that is not there. */
static inline int64_t row_of(const struct line *at, int64_t j)
{
    const mxdi_blocked *l     = at->l;
    const int64_t       image = at->block * l->block + j / l->pitch, c = j % l->pitch;
    return image < at->images && c < l->channels
               ? ((image * l->channels + c) * l->h + at->row) * l->w
               : -1;
}

/* `rows` lanes, a power of two of which `width` exist, of all pixels of a line, from lane j on. */
static inline void pack_lanes(char *y, const char *x, size_t x_size, size_t size, size_t rows,
                              const struct line *at, int64_t j, size_t width, load_piece load,
                              const struct conversion *c)
{
    const int64_t step = PIECE / (int64_t)size, lanes = mxdi_blocked_pixel(at->l), w = at->l->w;
    const char   *row[PIECE];
    for (size_t r = 0; r < rows; r++) {
        const int64_t first = r < width ? row_of(at, j + (int64_t)r) : -1;
        row[r]              = first < 0 ? NULL : x + first * (int64_t)x_size;
    }
    for (int64_t px = 0; px < w; px += step) {
        const size_t k  = w - px < step ? (size_t)(w - px) : 0;
        const size_t n  = k ? k : (size_t)step;
        char        *to = y + (px * lanes + j) * (int64_t)size;
        q128         v[PIECE];
        for (size_t r = 0; r < rows; r++)
            v[r] = row[r] ? load(row[r], px, k, c) : q128_zero();
        interleave(v, rows, size);
        if (rows * size == PIECE && width == rows) {
            for (size_t i = 0; i < n; i++)
                q128_store(to + (int64_t)i * lanes * (int64_t)size, v[i]);
            continue;
        }
        char pixels[PIECE * PIECE];
        for (size_t r = 0; r < rows; r++)
            q128_store(pixels + r * PIECE, v[r]);
        if (lanes == (int64_t)rows)
            memcpy(to, pixels, n * rows * size);
        else
            for (size_t i = 0; i < n; i++)
                memcpy(to + (int64_t)i * lanes * (int64_t)size, pixels + i * rows * size,
                       width * size);
    }
}

static inline void pack_line(char *y, const char *x, size_t x_size, size_t size,
                             const struct line *at, load_piece load, const struct conversion *c)
{
    const int64_t lanes = mxdi_blocked_pixel(at->l), full = PIECE / (int64_t)size;
    for (int64_t j = 0; j < lanes; j += full) {
        const size_t width = (size_t)(lanes - j < full ? lanes - j : full);
        if (width == 1)
            pack_lanes(y, x, x_size, size, 1, at, j, width, load, c);
        else if (width == 2)
            pack_lanes(y, x, x_size, size, 2, at, j, width, load, c);
        else if (width <= 4)
            pack_lanes(y, x, x_size, size, 4, at, j, width, load, c);
        else if (width <= 8)
            pack_lanes(y, x, x_size, size, 8, at, j, width, load, c);
        else
            pack_lanes(y, x, x_size, size, PIECE, at, j, width, load, c);
    }
}

static inline void unpack_line(char *y, const char *x, size_t y_size, size_t size,
                               const struct line *at, store_piece store, const struct conversion *c)
{
    const int64_t step = PIECE / (int64_t)size, lanes = mxdi_blocked_pixel(at->l), w = at->l->w;
    for (int64_t j = 0; j < lanes; j += step) {
        const size_t width = (size_t)(lanes - j < step ? lanes - j : step);
        char        *row[PIECE];
        for (size_t r = 0; r < width; r++) {
            const int64_t first = row_of(at, j + (int64_t)r);
            row[r]              = first < 0 ? NULL : y + first * (int64_t)y_size;
        }
        for (int64_t px = 0; px < w; px += step) {
            const size_t k = w - px < step ? (size_t)(w - px) : 0;
            q128         v[PIECE];
            for (size_t i = 0; i < (size_t)step; i++) {
                const char *from = x + ((px + (int64_t)i) * lanes + j) * (int64_t)size;
                v[i]             = k && i >= k             ? q128_zero()
                                   : width * size == PIECE ? q128_load(from)
                                                           : q128_load_tail(from, width * size);
            }
            interleave(v, (size_t)step, size);
            for (size_t r = 0; r < width; r++)
                if (row[r])
                    store(row[r], px, k, v[r], c);
        }
    }
}

static struct conversion conversion_make(const mxdi_quantize_u8_params *p, uint8_t flip)
{
    const mxdi_quantize_u8_params  same = { 1, 0, 0, 255, 0 };
    const mxdi_quantize_u8_params *q    = p ? p : &same;
    return (struct conversion){ q128_set1_u8(flip), vf32_set1(q->scale), vdivisor_make(q->scale),
                                vi32_set1(q->zero_point),
                                vclampq_make(q->zero_point, q->q_min, q->q_max) };
}

static inline struct line line_of(const mxdi_blocked *l, int64_t images, int64_t line)
{
    return (struct line){ l, images, line / l->h, line % l->h };
}

static inline int64_t blocked_at(const struct line *at)
{
    return at->block * at->l->block_stride + at->row * mxdi_blocked_row(at->l);
}

/* The only pixel of a map: the channels of an image are neighbours on both sides. */
static inline void pack_pixel(char *y, const char *x, size_t x_size, size_t size,
                              const struct line *at, load_piece load, const struct conversion *c)
{
    const mxdi_blocked *l    = at->l;
    const int64_t       step = PIECE / (int64_t)size;
    for (int64_t b = 0; b < l->block; b++) {
        const int64_t first    = row_of(at, b * l->pitch);
        const int64_t channels = first < 0 ? 0 : l->channels;
        char         *to       = y + b * l->pitch * (int64_t)size;
        for (int64_t i = 0; i < channels; i += step) {
            const size_t k = channels - i < step ? (size_t)(channels - i) : 0;
            const q128   v = load(x + first * (int64_t)x_size, i, k, c);
            if (k)
                q128_store_tail(to + i * (int64_t)size, v, k * size);
            else
                q128_store(to + i * (int64_t)size, v);
        }
        memset(to + channels * (int64_t)size, 0, (size_t)(l->pitch - channels) * size);
    }
}

static inline void unpack_pixel(char *y, const char *x, size_t y_size, size_t size,
                                const struct line *at, store_piece store,
                                const struct conversion *c)
{
    const mxdi_blocked *l    = at->l;
    const int64_t       step = PIECE / (int64_t)size;
    for (int64_t b = 0; b < l->block; b++) {
        const int64_t first = row_of(at, b * l->pitch);
        for (int64_t i = 0; first >= 0 && i < l->channels; i += step) {
            const size_t k    = l->channels - i < step ? (size_t)(l->channels - i) : 0;
            const char  *from = x + (b * l->pitch + i) * (int64_t)size;
            store(y + first * (int64_t)y_size, i, k,
                  k ? q128_load_tail(from, k * size) : q128_load(from), c);
        }
    }
}

static inline void pack(char *y, const char *x, size_t x_size, size_t size, const mxdi_blocked *l,
                        int64_t images, int64_t begin, int64_t end, load_piece load,
                        const struct conversion *c)
{
    for (int64_t i = begin; i < end; i++) {
        const struct line at = line_of(l, images, i);
        char             *to = y + blocked_at(&at) * (int64_t)size;
        if ((int64_t)l->h * l->w == 1)
            pack_pixel(to, x, x_size, size, &at, load, c);
        else
            pack_line(to, x, x_size, size, &at, load, c);
    }
}

static inline void unpack(char *y, const char *x, size_t y_size, size_t size, const mxdi_blocked *l,
                          int64_t images, int64_t begin, int64_t end, store_piece store,
                          const struct conversion *c)
{
    for (int64_t i = begin; i < end; i++) {
        const struct line at   = line_of(l, images, i);
        const char       *from = x + blocked_at(&at) * (int64_t)size;
        if ((int64_t)l->h * l->w == 1)
            unpack_pixel(y, from, y_size, size, &at, store, c);
        else
            unpack_line(y, from, y_size, size, &at, store, c);
    }
}

/* ---- pixels of four bytes, which are words: pictures quantized ---- */

enum { WORD = 4, IMAGES = 8 /* of a block at most */ };

/* The words of k <= VF32_LANES pixels from x on, a row of floats for each channel, NULL: zeros. */
static inline vi32 words_at(const float *const row[WORD], int64_t x, size_t k,
                            const struct conversion *c)
{
    vi32 words = vi32_set1(0);
    for (int ch = WORD; ch-- > 0;) {
        words = vi32_sll(words, 8);
        if (!row[ch])
            continue;
        const vf32 v = k == VF32_LANES ? vf32_load(row[ch] + x) : vf32_load_tail(row[ch] + x, k);
        words        = vi32_xor(words, vclampq(vdivide(v, &c->divisor), &c->clampq));
    }
    return words;
}

/* Words of k pixels of four images, which stand `step` bytes apart behind each other in y. */
static inline void store_words(char *y, int64_t step, uint32_t (*words)[VF32_LANES], int64_t k)
{
    for (int64_t px = 0; px < k; px += WORD, y += WORD * step) {
        const q128 w0 = q128_load(words[0] + px), w1 = q128_load(words[1] + px);
        const q128 w2 = q128_load(words[2] + px), w3 = q128_load(words[3] + px);
        const q128 lo02 = q128_zip_lo_f32(w0, w2), hi02 = q128_zip_hi_f32(w0, w2);
        const q128 lo13 = q128_zip_lo_f32(w1, w3), hi13 = q128_zip_hi_f32(w1, w3);
        q128_store(y, q128_zip_lo_f32(lo02, lo13));
        if (px + 1 < k)
            q128_store(y + step, q128_zip_hi_f32(lo02, lo13));
        if (px + 2 < k)
            q128_store(y + 2 * step, q128_zip_lo_f32(hi02, hi13));
        if (px + 3 < k)
            q128_store(y + 3 * step, q128_zip_hi_f32(hi02, hi13));
    }
}

static inline void pack_words(char *y, const float *x, const struct line *at,
                              const struct conversion *c)
{
    const mxdi_blocked *l     = at->l;
    const int64_t       block = l->block, w = l->w, map = (int64_t)l->h * w;
    const float        *row[IMAGES][WORD] = { { NULL } };
    for (int64_t b = 0; b < block && at->block * block + b < at->images; b++)
        for (int64_t ch = 0; ch < l->channels; ch++)
            row[b][ch] = x + ((at->block * block + b) * l->channels + ch) * map + at->row * w;
    for (int64_t px = 0; px < w; px += VF32_LANES) {
        const size_t k  = w - px < VF32_LANES ? (size_t)(w - px) : VF32_LANES;
        char *const  to = y + px * block * WORD;
        uint32_t     words[IMAGES][VF32_LANES];
        if (block == 1 && k == VF32_LANES) {
            vu8_store((uint8_t *)to, words_at(row[0], px, k, c));
            continue;
        }
        for (int64_t image = 0; image < block; image++)
            vu8_store((uint8_t *)words[image], words_at(row[image], px, k, c));
        if (block == 1)
            memcpy(to, words[0], k * WORD);
        else
            for (int64_t image = 0; image < IMAGES; image += 4)
                store_words(to + image * WORD, IMAGES * WORD, words + image, (int64_t)k);
    }
}

static void pack_quantize(uint8_t *y, const float *x, const mxdi_blocked *l, int64_t images,
                          const mxdi_quantize_u8_params *p, int64_t begin, int64_t end)
{
    const struct conversion c = conversion_make(p, 0);
    if (l->pitch == WORD && (l->block == 1 || l->block == IMAGES) && (int64_t)l->h * l->w > 1) {
        for (int64_t i = begin; i < end; i++) {
            const struct line at = line_of(l, images, i);
            pack_words((char *)y + blocked_at(&at), x, &at, &c);
        }
        return;
    }
    pack((char *)y, (const char *)x, sizeof(*x), sizeof(*y), l, images, begin, end, load_quantize,
         &c);
}

static void pack_f32(float *y, const float *x, const mxdi_blocked *l, int64_t images, int64_t begin,
                     int64_t end)
{
    const struct conversion c = conversion_make(NULL, 0);
    pack((char *)y, (const char *)x, sizeof(*x), sizeof(*y), l, images, begin, end, load_f32, &c);
}

static void pack_u8(uint8_t *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                    uint8_t flip, int64_t begin, int64_t end)
{
    const struct conversion c = conversion_make(NULL, flip);
    pack((char *)y, (const char *)x, sizeof(*x), sizeof(*y), l, images, begin, end, load_u8, &c);
}

static void unpack_dequantize(float *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                              const mxdi_quantize_u8_params *p, int64_t begin, int64_t end)
{
    const struct conversion c = conversion_make(p, 0);
    unpack((char *)y, (const char *)x, sizeof(*y), sizeof(*x), l, images, begin, end,
           store_dequantize, &c);
}

static void unpack_f32(float *y, const float *x, const mxdi_blocked *l, int64_t images,
                       int64_t begin, int64_t end)
{
    const struct conversion c = conversion_make(NULL, 0);
    unpack((char *)y, (const char *)x, sizeof(*y), sizeof(*x), l, images, begin, end, store_f32,
           &c);
}

static void unpack_u8(uint8_t *y, const uint8_t *x, const mxdi_blocked *l, int64_t images,
                      uint8_t flip, int64_t begin, int64_t end)
{
    const struct conversion c = conversion_make(NULL, flip);
    unpack((char *)y, (const char *)x, sizeof(*y), sizeof(*x), l, images, begin, end, store_u8, &c);
}

const mxdi_pack_blocked MXD_VARIANT(mxdi_pack_blocked) = { MXD_VARIANT_NAME("pack_blocked"),
                                                           pack_quantize,
                                                           pack_f32,
                                                           pack_u8,
                                                           unpack_dequantize,
                                                           unpack_f32,
                                                           unpack_u8 };
