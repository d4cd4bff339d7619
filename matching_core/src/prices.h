/* Price -> level, in the order of price: one trie per side.
 *
 * A fork decides six bits of the price: a word says which of its 64 children there are, so the neighbour of a price is
 * found with one bit scan. Forks with a single child do not exist: prices close to each other share few forks however
 * far they are from others, and as many forks as levels always suffice, whatever prices anybody sends.
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
static void split(struct run *run, uint32_t *slot, uint64_t price, uint64_t difference, uint32_t level)
{
    const uint32_t ref = *slot;
    const uint32_t shift = shift_for(difference);
    const uint32_t index = take_fork(run);
    struct fork *fork = &run->forks[index];
    fork->shift = shift;
    fork->prefix = prefix_of(price, shift);
    set_child(fork, child_of(price, shift), level << 1 | 1u);
    set_child(fork, child_of(price ^ difference, shift), ref);
    *slot = index << 1;
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
static uint32_t price_add(struct run *run, uint32_t *root, uint32_t level, uint64_t price, int *higher)
{
    uint32_t *slot = root;
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
            split(run, slot, price, difference, level);
            break;
        }
        REQUIRE(!is_level);
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

static void price_remove(struct run *run, uint32_t *root, uint32_t level, uint64_t price)
{
    uint32_t *slot = root;
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
        fork->next_free = run->book->fork_free;
        run->book->fork_free = index;
    }
}

/* The level with this price, or NONE. */
static uint32_t price_find(struct run *run, uint32_t ref, uint64_t price)
{
    while (ref != 0 && !is_level_ref(ref)) {
        const struct fork *fork = fork_at(run, ref);
        ref = prefix_of(price, fork->shift) == fork->prefix ? fork->child[child_of(price, fork->shift)] : 0;
    }
    return ref != 0 && (uint64_t)run->levels[ref >> 1].price_ticks == price ? ref >> 1 : NONE;
}

#endif
