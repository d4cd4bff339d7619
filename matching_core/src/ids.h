/* Order id -> node: open addressing, linear probing, deletion by shifting back, so there are no tombstones and the
 * probe length depends on the load alone (at most one half).
 */
#ifndef MC_IDS_H
#define MC_IDS_H

#include "hash.h"

#undef MC_FILE
#define MC_FILE 1

static inline int same_id(const struct order_id *a, const struct order_id *b)
{
    return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

static inline uint32_t id_home(const struct run *run, const struct order_id *id)
{
    return (uint32_t)id_hash(id) & run->id_mask;
}

/* The slot that holds `id`, or the empty one where it would go. */
static inline uint32_t id_slot(struct run *run, const struct order_id *id)
{
    uint32_t slot = id_home(run, id);
    for (uint32_t steps = 0; steps <= run->id_mask; steps++) {
        const uint32_t node = run->ids[slot];
        if (node == NONE) {
            return slot;
        }
        REQUIRE(node <= run->book->capacity);
        if (same_id(&run->nodes[node].order_id, id)) {
            return slot;
        }
        slot = (slot + 1) & run->id_mask;
    }
    REQUIRE(!"the id table has no empty slot");
    return 0;
}

static inline uint32_t id_find(struct run *run, const struct order_id *id)
{
    return run->ids[id_slot(run, id)];
}

static inline void id_add(struct run *run, uint32_t node)
{
    const uint32_t slot = id_slot(run, &run->nodes[node].order_id);
    REQUIRE(run->ids[slot] == NONE);
    run->ids[slot] = node;
}

static inline void id_remove(struct run *run, uint32_t node)
{
    uint32_t hole = id_slot(run, &run->nodes[node].order_id);
    REQUIRE(run->ids[hole] == node);
    uint32_t slot = hole;
    for (uint32_t steps = 0; steps <= run->id_mask; steps++) {
        slot = (slot + 1) & run->id_mask;
        const uint32_t other = run->ids[slot];
        if (other == NONE) {
            break;
        }
        REQUIRE(other <= run->book->capacity);
        /* It may move into the hole unless its home lies behind the hole. */
        const uint32_t home = id_home(run, &run->nodes[other].order_id);
        if (((slot - home) & run->id_mask) >= ((slot - hole) & run->id_mask)) {
            run->ids[hole] = other;
            hole = slot;
        }
    }
    run->ids[hole] = NONE;
}

#endif
