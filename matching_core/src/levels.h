/* The levels of a side, the same for bids, asks and the two kinds of stops: a list from the best price to the worst.
 *
 *   list  best -> worse -> ... : what matching walks; the next level is one load away
 *   trie  finds a level by its price, and a new level's neighbour in the list (prices.h)
 *   near  a direct-mapped table in front of the trie: the prices in use are found in two loads; a miss costs a walk
 */
#ifndef MC_LEVELS_H
#define MC_LEVELS_H

#include "prices.h"

#undef MC_FILE
#define MC_FILE 3

static inline uint32_t *near_slot(const struct run *run, uint32_t side, int64_t price_ticks)
{
    return &run->near[(side - 1) * NEAR_SLOTS + ((uint64_t)price_ticks & (NEAR_SLOTS - 1))];
}

/* Bids and loss stops: the highest price comes first. Asks and entry stops: the lowest. */
static inline int highest_first(uint32_t side)
{
    return side == BUY || side == LOSS_STOPS;
}

/* Whether price `a` comes before price `b`, or is the same. */
static inline int at_least_as_good(uint32_t side, int64_t a, int64_t b)
{
    return highest_first(side) ? a >= b : a <= b;
}

static inline struct level *level_at(struct run *run, uint32_t level)
{
    REQUIRE(level != NONE && level <= run->book->capacity);
    return &run->levels[level];
}

/* The level with this price, or NONE. Level 0 has price 0, which no order has. */
static inline uint32_t level_find(struct run *run, uint32_t side, int64_t price_ticks)
{
    uint32_t *slot = near_slot(run, side, price_ticks);
    if (run->levels[*slot].price_ticks == price_ticks) {
        return *slot;
    }
    const uint32_t level = price_find(run, run->book->root[side - 1], (uint64_t)price_ticks);
    if (level != NONE) {
        *slot = level;
    }
    return level;
}

static uint32_t take_level(struct run *run)
{
    mc_book *book = run->book;
    uint32_t level = book->level_free;
    if (level != NONE) {
        book->level_free = level_at(run, level)->worse;
    } else {
        level = ++book->level_used;
    }
    REQUIRE(level <= book->capacity);
    return level;
}

/* A new, empty level, linked in at its place. */
static uint32_t level_add(struct run *run, uint32_t side, int64_t price_ticks)
{
    const uint32_t index = take_level(run);
    struct level *level = &run->levels[index];
    *level = (struct level){.price_ticks = price_ticks, .side = side};
    uint32_t *best = &run->book->best[side - 1];
    int higher = 0;
    const uint32_t beside = price_add(run, &run->book->root[side - 1], index, (uint64_t)price_ticks, &higher);
    if (beside == NONE) {
        REQUIRE(*best == NONE);
    } else if (higher == highest_first(side)) { /* better than the one beside it */
        level->worse = beside;
        level->better = level_at(run, beside)->better;
    } else {
        level->better = beside;
        level->worse = level_at(run, beside)->worse;
    }
    uint32_t *from_better = level->better != NONE ? &level_at(run, level->better)->worse : best;
    REQUIRE(*from_better == level->worse);
    *from_better = index;
    if (level->worse != NONE) {
        level_at(run, level->worse)->better = index;
    }
    *near_slot(run, side, price_ticks) = index;
    return index;
}

static void level_drop(struct run *run, uint32_t index)
{
    struct level *level = level_at(run, index);
    const uint32_t side = level->side;
    REQUIRE(level->orders == 0 && level->lots == 0 && level->hidden == 0);
    REQUIRE(level->head == NONE && level->tail == NONE);
    uint32_t *from_better = level->better != NONE ? &level_at(run, level->better)->worse : &run->book->best[side - 1];
    REQUIRE(*from_better == index);
    *from_better = level->worse;
    if (level->worse != NONE) {
        level_at(run, level->worse)->better = level->better;
    }
    price_remove(run, &run->book->root[side - 1], index, (uint64_t)level->price_ticks);
    uint32_t *slot = near_slot(run, side, level->price_ticks);
    if (*slot == index) {
        *slot = NONE;
    }
    level->worse = run->book->level_free;
    run->book->level_free = index;
}

#endif
