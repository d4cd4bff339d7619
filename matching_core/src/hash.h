/* Hashes: of an id for the table, of an order and of the whole state for replay.
 *
 * The state hash is a sum over the orders, so it is kept up to date by adding and subtracting, plus the book's figures.
 * It covers what the rules look at (id, account, side, price, lots, age, what an iceberg hides, when an order ends, what a
 * stop waits for) and nothing of the memory layout. digest.py computes the same.
 */
#ifndef MC_HASH_H
#define MC_HASH_H

#include "block.h"

#define K0 UINT64_C(0xa0761d6478bd642f)
#define K1 UINT64_C(0xe7037ed1a0b428db)
#define K2 UINT64_C(0x8ebc6af09c88c6e3)
#define K3 UINT64_C(0x589965cc75374cc3)
#define K4 UINT64_C(0x1d8e4e27c47d124f)
#define K5 UINT64_C(0xeb44accab455d165)

/* Both halves of the 128-bit product, folded. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t id_hash(const struct order_id *id)
{
    return mix(id->word[0] ^ K0, id->word[1] ^ K1);
}

/* The share of an order without an extra; `meta`: its side, stp and flags in one word. */
static inline uint64_t plain_hash(uint64_t hash_of_id, uint64_t account, uint32_t meta, int64_t price_ticks, int64_t lots,
                                  uint64_t opened, int64_t traded)
{
    const uint64_t identity = hash_of_id ^ mix(account ^ K2, opened ^ K3) ^ mix((uint64_t)price_ticks ^ K4, meta ^ K5);
    return mix(identity ^ (uint64_t)lots, (uint64_t)traded ^ K1);
}

static uint64_t extra_hash(uint64_t hash, const struct extra *extra, uint32_t level_side)
{
    const uint64_t kinds = extra->collar_bp | (uint64_t)extra->order_type << 16 | (uint64_t)extra->time_in_force << 24 |
                           (uint64_t)(level_side == ENTRY_STOPS) << 32 | (uint64_t)(level_side >= LOSS_STOPS) << 40;
    return mix(hash ^ mix((uint64_t)extra->hidden ^ K0, (uint64_t)extra->display ^ K2) ^
                   mix((uint64_t)extra->expire_at_ms ^ K3, (uint64_t)extra->limit_ticks ^ K4),
               mix((uint64_t)extra->funds ^ K5, kinds ^ K1));
}

static uint64_t state_hash(const mc_book *book)
{
    uint64_t hash = mix(book->order_sum ^ K0, book->order_count ^ K1);
    hash = mix(hash ^ book->sequence ^ K2, book->last_trade_id ^ K3);
    hash = mix(hash ^ (uint64_t)book->at_ms ^ K4, book->mode ^ K5);
    hash = mix(hash ^ (uint64_t)book->last_price_ticks ^ K2, (uint64_t)book->low_ticks ^ K1);
    return mix(hash ^ (uint64_t)book->high_ticks ^ K3, (uint64_t)book->auction_price_ticks ^ K0);
}

#endif
