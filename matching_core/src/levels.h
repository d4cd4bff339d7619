/* The levels of a side, the same for bids, asks and the two kinds of stops: a list from the best price to the worst.
 *
 *   list  best -> worse -> ... : what matching walks; the next level is one load away
 *   trie  finds a level by its price, and a new level's neighbour in the list (prices.h)
 */
#ifndef MC_LEVELS_H
#define MC_LEVELS_H

#include "prices.h"

#undef MC_FILE
#define MC_FILE 3

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

/* The level with this price, or NONE. */
static inline uint32_t level_find(struct run *run, uint32_t side, int64_t price_ticks)
{
    return price_find(run, side, (uint64_t)price_ticks);
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

/* A new, empty level, linked in at its place. Where it has no neighbour, level 0 is written, whose links nobody reads:
 * which neighbours there are, and on which side, comes at random, so there is no branch on it. */
static uint32_t level_add(struct run *run, uint32_t side, int64_t price_ticks)
{
    const uint32_t index = take_level(run);
    struct level *level = &run->levels[index];
    *level = (struct level){.price_ticks = price_ticks, .side = side, .batch = side > SELL ? ANY_BATCH : 0};
    uint32_t *best = &run->book->best[side - 1];
    int higher = 0;
    const uint32_t beside = price_add(run, side, index, (uint64_t)price_ticks, &higher);
    if (beside == NONE) {
        REQUIRE(*best == NONE);
        *best = index;
        return index;
    }
    const uint32_t its_better = level_at(run, beside)->better;
    const uint32_t its_worse = run->levels[beside].worse;
    const int is_better = higher == highest_first(side);
    const uint32_t better = pick(is_better, its_better, beside);
    const uint32_t worse = pick(is_better, beside, its_worse);
    level->better = better;
    level->worse = worse;
    run->levels[better].worse = index;
    run->levels[worse].better = index;
    *best = pick(better == NONE, index, *best);
    return index;
}

static void level_drop(struct run *run, uint32_t index)
{
    struct level *level = level_at(run, index);
    const uint32_t side = level->side;
    uint32_t *best = &run->book->best[side - 1];
    REQUIRE((level->lots | level->hidden) == 0 && (level->head | level->tail | level->orders) == NONE);
    REQUIRE((level->better == NONE) == (*best == index));
    run->levels[level->better].worse = level->worse;
    run->levels[level->worse].better = level->better;
    *best = pick(level->better == NONE, level->worse, *best);
    price_remove(run, side, index, (uint64_t)level->price_ticks);
    level->worse = run->book->level_free;
    run->book->level_free = index;
}

#endif
