/* Order id -> node: open addressing, linear probing, deletion by shifting back, so there are no tombstones and the
 * probe length depends on the load alone. A slot carries 32 bits of the id's hash: they tell other orders apart without a
 * look at their nodes, and say where an entry's home is. The table grows with the orders on the book, not with the block's
 * capacity, and is between a quarter and half full: a small book keeps it in the cache.
 */
#ifndef MC_IDS_H
#define MC_IDS_H

#include "hash.h"

#undef MC_FILE
#define MC_FILE 1

static inline int same_id(const struct order_id *a, const struct order_id *b)
{
    return ((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1])) == 0;
}

/* The slot that holds `id`, or the empty one where it would go. */
static inline uint32_t id_slot(struct run *run, const struct order_id *id, uint32_t hash)
{
    uint32_t slot = hash & run->id_mask;
    for (uint32_t steps = 0;; steps++) {
        REQUIRE(steps <= run->id_mask);
        const struct id_slot there = run->ids[slot];
        if (there.node == NONE) {
            return slot;
        }
        REQUIRE(there.node <= run->book->capacity);
        if (there.hash == hash && same_id(&run->nodes[there.node].order_id, id)) {
            return slot;
        }
        slot = (slot + 1) & run->id_mask;
    }
}

static inline uint32_t id_find(struct run *run, const struct order_id *id)
{
    return run->ids[id_slot(run, id, (uint32_t)id_hash(id))].node;
}

/* The first empty slot from the hash's home on, for an id that is not in the table. */
static inline uint32_t id_empty_slot(struct run *run, uint32_t hash)
{
    uint32_t slot = hash & run->id_mask;
    for (uint32_t steps = 0; run->ids[slot].node != NONE; steps++) {
        REQUIRE(steps <= run->id_mask);
        slot = (slot + 1) & run->id_mask;
    }
    return slot;
}

/* Twice as many slots. The old table is read from behind the new one's end: no other memory is used. */
__attribute__((noinline)) static void grow_ids(struct run *run)
{
    mc_book *book = run->book;
    const uint32_t slots = book->id_slots;
    struct id_slot *old = run->ids + 2 * (size_t)slots;
    REQUIRE(2 * slots <= most_id_slots(book->capacity));
    memcpy(old, run->ids, slots * sizeof *old);
    memset(run->ids, 0, 2 * (size_t)slots * sizeof *old);
    book->id_slots = 2 * slots;
    run->id_mask = book->id_slots - 1;
    for (uint32_t i = 0; i < slots; i++) {
        if (old[i].node != NONE) {
            run->ids[id_empty_slot(run, old[i].hash)] = old[i];
        }
    }
}

/* `hash`: id_hash of its id. */
static inline void id_add(struct run *run, uint32_t node, uint64_t hash)
{
    if (__builtin_expect(2 * run->book->order_count >= run->book->id_slots, 0)) {
        grow_ids(run);
    }
    run->ids[id_empty_slot(run, (uint32_t)hash)] = (struct id_slot){.hash = (uint32_t)hash, .node = node};
}

static inline void id_remove(struct run *run, uint32_t node, uint64_t hash)
{
    uint32_t hole = (uint32_t)hash & run->id_mask;
    while (run->ids[hole].node != node) {
        REQUIRE(run->ids[hole].node != NONE);
        hole = (hole + 1) & run->id_mask;
    }
    uint32_t slot = hole;
    for (uint32_t steps = 0;; steps++) {
        REQUIRE(steps <= run->id_mask);
        slot = (slot + 1) & run->id_mask;
        const struct id_slot other = run->ids[slot];
        if (other.node == NONE) {
            break;
        }
        /* It may move into the hole unless its home lies behind the hole. */
        if (((slot - other.hash) & run->id_mask) >= ((slot - hole) & run->id_mask)) {
            run->ids[hole] = other;
            hole = slot;
        }
    }
    run->ids[hole].node = NONE;
}

#endif
