/* Hashes: of an id for the table, of an order and of the whole state for replay.
 *
 * The state hash is a sum over the resting orders, so it is kept up to date by adding and subtracting, plus the book's
 * figures. It covers what a trader could see (id, account, side, price, lots, age) and nothing of the memory layout.
 * naive.py computes the same from its own data.
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

static inline uint64_t order_hash(const struct node *node)
{
    const uint64_t identity = id_hash(&node->order_id) ^ mix(node->account ^ K2, (uint64_t)node->price_ticks ^ K3) ^
                              mix(node->opened ^ K4, node->side ^ K5);
    return mix(identity ^ K1, (uint64_t)node->lots ^ K4);
}

static uint64_t state_hash(const mc_book *book)
{
    uint64_t hash = mix(book->order_sum ^ K0, book->order_count ^ K1);
    hash = mix(hash ^ book->sequence ^ K2, book->last_trade_id ^ K3);
    return mix(hash ^ (uint64_t)book->at_ms ^ K4, book->halted ^ K5);
}

#endif
