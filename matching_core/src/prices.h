/* Price -> level, in the order of price: one trie per side.
 *
 * A fork decides six bits of the price: a word says which of its 64 children there are, so the neighbour of a price is
 * found with one bit scan. Forks with a single child do not exist: prices close to each other share few forks however
 * far they are from others, and as many forks as levels always suffice, whatever prices anybody sends. The forks of the last
 * six bits are remembered in a direct-mapped table: where prices are in use, a level is found, added and removed with
 * a look at one fork.
 */
#ifndef MC_PRICES_H
#define MC_PRICES_H

#include "block.h"

#undef MC_FILE
#define MC_FILE 2

#define FORK_BITS 6u

/* A reference is (index << 1) for a fork, (index << 1 | 1) for a level, 0 for none. */
static inline int is_level_ref(uint32_t ref)
{
    return (int)(ref & 1u);
}

static inline struct fork *fork_at(struct run *run, uint32_t ref)
{
    REQUIRE(ref != 0 && !is_level_ref(ref) && (ref >> 1) <= run->book->capacity);
    return &run->forks[ref >> 1];
}

/* The bits of a price above those that forks of this shift decide. */
static inline uint64_t prefix_of(uint64_t price, uint32_t shift)
{
    return price >> shift >> FORK_BITS;
}

static inline unsigned child_of(uint64_t price, uint32_t shift)
{
    return (unsigned)(price >> shift & 63u);
}

static inline unsigned lowest_child(uint64_t used)
{
    return (unsigned)__builtin_ctzll(used);
}

static inline unsigned highest_child(uint64_t used)
{
    return 63u - (unsigned)__builtin_clzll(used);
}

/* The shift of the fork that tells two prices apart, by their difference. */
static inline uint32_t shift_for(uint64_t difference)
{
    return highest_child(difference) / FORK_BITS * FORK_BITS;
}

static inline uint64_t leaf_key(uint32_t side, uint64_t price)
{
    return price >> FORK_BITS << 3 | side; /* never 0 */
}

static inline struct fork *remembered_leaf(const struct run *run, uint32_t side, uint64_t price)
{
    return &run->forks[run->leaves[(side - 1) * LEAVES + (price >> FORK_BITS & (LEAVES - 1))]];
}

/* The fork of the 64 prices around this one, if it is the one remembered; NONE may mean that it is another. */
static inline struct fork *known_leaf(struct run *run, uint32_t side, uint64_t price)
{
    struct fork *fork = remembered_leaf(run, side, price);
    return fork->leaf_key == leaf_key(side, price) ? fork : NULL;
}

static inline void remember_leaf(struct run *run, uint32_t side, uint64_t price, const struct fork *fork)
{
    if (fork->shift == 0) {
        run->leaves[(side - 1) * LEAVES + (price >> FORK_BITS & (LEAVES - 1))] = (uint32_t)(fork - run->forks);
    }
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
    REQUIRE(fork <= book->capacity && run->forks[fork].used == 0);
    return fork;
}

static inline void set_child(struct fork *fork, unsigned child, uint32_t ref)
{
    fork->child[child] = ref;
    fork->used |= UINT64_C(1) << child;
}

/* In place of `ref`, whose prices differ from `price` in `difference`: a fork with both. */
static void split(struct run *run, uint32_t side, uint32_t *slot, uint64_t price, uint64_t difference, uint32_t level)
{
    const uint32_t ref = *slot;
    const uint32_t shift = shift_for(difference);
    const uint32_t index = take_fork(run);
    struct fork *fork = &run->forks[index];
    fork->leaf_key = shift == 0 ? leaf_key(side, price) : 0;
    fork->shift = shift;
    fork->prefix = prefix_of(price, shift);
    set_child(fork, child_of(price, shift), level << 1 | 1u);
    set_child(fork, child_of(price ^ difference, shift), ref);
    *slot = index << 1;
    remember_leaf(run, side, price, fork);
}

/* The level of a subtree that is nearest to prices outside: its highest (`highest`) or lowest. */
static uint32_t edge_level(struct run *run, uint32_t ref, int highest)
{
    while (!is_level_ref(ref)) {
        const struct fork *fork = fork_at(run, ref);
        REQUIRE(fork->used != 0);
        ref = fork->child[highest ? highest_child(fork->used) : lowest_child(fork->used)];
    }
    return ref >> 1;
}

/* Adds a level, whose price has none yet. Answers a level beside it in price (NONE if it is the only one); `*higher`:
 * whether the new one's price is the higher of the two. */
static uint32_t price_add_by_walk(struct run *run, uint32_t side, uint32_t level, uint64_t price, int *higher)
{
    uint32_t *slot = &run->book->root[side - 1];
    uint32_t below = 0;
    uint32_t above = 0;
    while (*slot != 0) {
        const uint32_t ref = *slot;
        const int is_level = is_level_ref(ref);
        struct fork *fork = is_level ? NULL : fork_at(run, ref);
        const uint64_t difference = is_level ? price ^ (uint64_t)run->levels[ref >> 1].price_ticks
                                             : (prefix_of(price, fork->shift) ^ fork->prefix) << FORK_BITS << fork->shift;
        if (difference != 0) {
            const int is_above_all = (int)(price >> highest_child(difference) & 1u);
            below = is_above_all ? ref : below;
            above = is_above_all ? above : ref;
            split(run, side, slot, price, difference, level);
            break;
        }
        REQUIRE(!is_level);
        remember_leaf(run, side, price, fork);
        const unsigned child = child_of(price, fork->shift);
        const uint64_t lower = fork->used & ((UINT64_C(1) << child) - 1);
        const uint64_t upper = fork->used & ~((UINT64_C(2) << child) - 1);
        below = lower != 0 ? fork->child[highest_child(lower)] : below;
        above = upper != 0 ? fork->child[lowest_child(upper)] : above;
        slot = &fork->child[child];
        fork->used |= UINT64_C(1) << child;
    }
    if (*slot == 0) {
        *slot = level << 1 | 1u;
    }
    *higher = below != 0;
    if (below != 0) {
        return edge_level(run, below, 1);
    }
    return above != 0 ? edge_level(run, above, 0) : NONE;
}

static inline uint32_t price_add(struct run *run, uint32_t side, uint32_t level, uint64_t price, int *higher)
{
    struct fork *leaf = known_leaf(run, side, price);
    if (leaf == NULL) {
        return price_add_by_walk(run, side, level, price, higher);
    }
    const unsigned child = child_of(price, 0);
    const uint64_t lower = leaf->used & ((UINT64_C(1) << child) - 1);
    REQUIRE(leaf->child[child] == 0);
    *higher = lower != 0;
    const unsigned below = highest_child(lower | 1); /* both are looked for: which there is comes at random */
    const unsigned above = lowest_child(leaf->used);
    const uint32_t beside = leaf->child[lower != 0 ? below : above];
    set_child(leaf, child, level << 1 | 1u);
    return beside >> 1;
}

static void price_remove_by_walk(struct run *run, uint32_t side, uint32_t level, uint64_t price)
{
    uint32_t *slot = &run->book->root[side - 1];
    uint32_t *fork_slot = NULL;
    while (!is_level_ref(*slot)) {
        struct fork *fork = fork_at(run, *slot);
        fork_slot = slot;
        slot = &fork->child[child_of(price, fork->shift)];
    }
    REQUIRE(*slot >> 1 == level);
    *slot = 0;
    if (fork_slot == NULL) {
        return;
    }
    const uint32_t index = *fork_slot >> 1;
    struct fork *fork = &run->forks[index];
    fork->used &= ~(UINT64_C(1) << child_of(price, fork->shift));
    REQUIRE(fork->used != 0);
    if ((fork->used & (fork->used - 1)) == 0) { /* one is left: it takes the fork's place */
        const unsigned child = lowest_child(fork->used);
        *fork_slot = fork->child[child];
        fork->child[child] = 0;
        fork->used = 0;
        fork->leaf_key = 0;
        fork->next_free = run->book->fork_free;
        run->book->fork_free = index;
    }
}

static inline void price_remove(struct run *run, uint32_t side, uint32_t level, uint64_t price)
{
    struct fork *leaf = known_leaf(run, side, price);
    const unsigned child = child_of(price, 0);
    const uint64_t rest = leaf != NULL ? leaf->used & ~(UINT64_C(1) << child) : 0;
    if ((rest & (rest - 1)) == 0) { /* fewer than two would be left: the fork goes */
        price_remove_by_walk(run, side, level, price);
        return;
    }
    REQUIRE(leaf->child[child] == (level << 1 | 1u));
    leaf->child[child] = 0;
    leaf->used = rest;
}

/* The level with this price, or NONE. */
static uint32_t price_find_by_walk(struct run *run, uint32_t side, uint64_t price)
{
    uint32_t ref = run->book->root[side - 1];
    while (ref != 0 && !is_level_ref(ref)) {
        const struct fork *fork = fork_at(run, ref);
        const int is_under = prefix_of(price, fork->shift) == fork->prefix;
        if (is_under) {
            remember_leaf(run, side, price, fork);
        }
        ref = is_under ? fork->child[child_of(price, fork->shift)] : 0;
    }
    return ref != 0 && (uint64_t)run->levels[ref >> 1].price_ticks == price ? ref >> 1 : NONE;
}

static inline uint32_t price_find(struct run *run, uint32_t side, uint64_t price)
{
    const struct fork *leaf = known_leaf(run, side, price);
    return leaf != NULL ? leaf->child[child_of(price, 0)] >> 1 : price_find_by_walk(run, side, price);
}

#endif
