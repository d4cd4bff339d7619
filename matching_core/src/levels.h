/* Price -> level, and the levels of a side in order of price; the same for bids, asks and the two kinds of stops.
 *
 * Three structures hold the same levels:
 *   list  best -> worse -> ... : what matching walks; the next level is one load away
 *   tree  a crit-bit tree over the price, one per side: finds a level, and a new level's neighbour, in at most 63 steps
 *         and one fork per level, whatever prices anybody sends
 *   near  a direct-mapped table in front of the tree: the prices in use are found in two loads; a miss costs a walk
 */
#ifndef MC_LEVELS_H
#define MC_LEVELS_H

#include "block.h"

#undef MC_FILE
#define MC_FILE 2

static inline uint32_t *near_slot(struct run *run, uint32_t side, int64_t price_ticks)
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

static inline int is_level_ref(uint32_t ref)
{
    return (int)(ref & 1u);
}

static inline struct fork *fork_at(struct run *run, uint32_t ref)
{
    REQUIRE(ref != 0 && !is_level_ref(ref) && (ref >> 1) <= run->book->capacity);
    return &run->forks[ref >> 1];
}

static inline struct level *level_at(struct run *run, uint32_t level)
{
    REQUIRE(level != NONE && level <= run->book->capacity);
    return &run->levels[level];
}

/* The level that the tree leads to for this price: the one with it, or a neighbour in the sense of bits. */
static uint32_t tree_walk(struct run *run, uint32_t side, int64_t price_ticks)
{
    uint32_t ref = run->book->root[side - 1];
    uint32_t above = 64;
    while (!is_level_ref(ref)) {
        const struct fork *fork = fork_at(run, ref);
        REQUIRE(fork->bit < above);
        above = fork->bit;
        ref = fork->child[((uint64_t)price_ticks >> fork->bit) & 1u];
    }
    return ref >> 1;
}

static inline uint32_t level_find(struct run *run, uint32_t side, int64_t price_ticks)
{
    uint32_t *slot = near_slot(run, side, price_ticks);
    if (*slot != NONE && level_at(run, *slot)->price_ticks == price_ticks) {
        return *slot;
    }
    if (run->book->root[side - 1] == 0) {
        return NONE;
    }
    const uint32_t level = tree_walk(run, side, price_ticks);
    if (level_at(run, level)->price_ticks != price_ticks) {
        return NONE;
    }
    *slot = level;
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

static uint32_t take_fork(struct run *run)
{
    mc_book *book = run->book;
    uint32_t fork = book->fork_free;
    if (fork != NONE) {
        REQUIRE(fork <= book->capacity);
        book->fork_free = run->forks[fork].next_free;
    } else {
        fork = ++book->fork_used;
    }
    REQUIRE(fork <= book->capacity);
    return fork;
}

/* Hangs the level into the tree. Answers a level beside it in price (NONE if it is the only one); *higher: whether the
 * new one's price is the higher of the two. */
static uint32_t tree_add(struct run *run, uint32_t side, uint32_t level, int64_t price_ticks, int *higher)
{
    uint32_t *slot = &run->book->root[side - 1];
    if (*slot == 0) {
        *slot = level << 1 | 1u;
        return NONE;
    }
    const uint64_t difference =
        (uint64_t)(price_ticks ^ level_at(run, tree_walk(run, side, price_ticks))->price_ticks);
    REQUIRE(difference != 0);
    const uint32_t bit = 63u - (uint32_t)__builtin_clzll(difference);
    while (!is_level_ref(*slot) && fork_at(run, *slot)->bit > bit) {
        struct fork *fork = fork_at(run, *slot);
        slot = &fork->child[((uint64_t)price_ticks >> fork->bit) & 1u];
    }
    const uint32_t sibling = *slot;
    const uint32_t index = take_fork(run);
    const uint32_t direction = ((uint64_t)price_ticks >> bit) & 1u;
    struct fork *fork = &run->forks[index];
    fork->bit = bit;
    fork->child[direction] = level << 1 | 1u;
    fork->child[1 - direction] = sibling;
    *slot = index << 1;
    /* All prices under the sibling share the bits above: the one nearest to the new price is at its facing edge. */
    uint32_t ref = sibling;
    uint32_t above = bit;
    while (!is_level_ref(ref)) {
        REQUIRE(fork_at(run, ref)->bit < above);
        above = fork_at(run, ref)->bit;
        ref = fork_at(run, ref)->child[direction];
    }
    *higher = (int)direction;
    return ref >> 1;
}

static void tree_remove(struct run *run, uint32_t side, uint32_t level, int64_t price_ticks)
{
    uint32_t *slot = &run->book->root[side - 1];
    uint32_t *parent_slot = NULL;
    uint32_t above = 64;
    while (!is_level_ref(*slot)) {
        struct fork *fork = fork_at(run, *slot);
        REQUIRE(fork->bit < above);
        above = fork->bit;
        parent_slot = slot;
        slot = &fork->child[((uint64_t)price_ticks >> fork->bit) & 1u];
    }
    REQUIRE(*slot >> 1 == level);
    if (parent_slot == NULL) {
        *slot = 0;
        return;
    }
    const uint32_t index = *parent_slot >> 1;
    struct fork *fork = &run->forks[index];
    *parent_slot = slot == &fork->child[0] ? fork->child[1] : fork->child[0];
    fork->next_free = run->book->fork_free;
    run->book->fork_free = index;
}

/* A new, empty level, linked in at its place. */
static uint32_t level_add(struct run *run, uint32_t side, int64_t price_ticks)
{
    const uint32_t index = take_level(run);
    struct level *level = &run->levels[index];
    *level = (struct level){.price_ticks = price_ticks, .side = side};
    int higher = 0;
    const uint32_t beside = tree_add(run, side, index, price_ticks, &higher);
    if (beside == NONE) {
        REQUIRE(run->book->best[side - 1] == NONE);
    } else if (higher == highest_first(side)) { /* better than the one beside it */
        level->worse = beside;
        level->better = level_at(run, beside)->better;
    } else {
        level->better = beside;
        level->worse = level_at(run, beside)->worse;
    }
    if (level->better != NONE) {
        level_at(run, level->better)->worse = index;
    } else {
        run->book->best[side - 1] = index;
    }
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
    if (level->better != NONE) {
        level_at(run, level->better)->worse = level->worse;
    } else {
        REQUIRE(run->book->best[side - 1] == index);
        run->book->best[side - 1] = level->worse;
    }
    if (level->worse != NONE) {
        level_at(run, level->worse)->better = level->better;
    }
    tree_remove(run, side, index, level->price_ticks);
    uint32_t *slot = near_slot(run, side, level->price_ticks);
    if (*slot == index) {
        *slot = NONE;
    }
    level->worse = run->book->level_free;
    run->book->level_free = index;
}

#endif
