/* One market's book: one flat block of memory, addressed by indexes, so that it may be copied or moved.
 *
 *   block  +------------------+
 *          | mc_book          | figures, heads of the free lists, best levels, roots of the price trees
 *          | nodes[capacity+1]| 64 B each: the resting orders, doubly linked in priority order inside their level
 *          | levels[cap.+1]   | 48 B each: a price with orders on it, linked better <-> worse
 *          | forks[cap.+1]    | 16 B each: inner nodes of the crit-bit trees price -> level
 *          | ids[2^k]         |  4 B each: open-addressing table order id -> node, at most half full
 *          | near[2][16384]   |  4 B each: price -> level, direct-mapped in front of the tree
 *          +------------------+
 *
 * Index 0 means none everywhere, so zeroed memory is an empty book. The memory must be zero before mc_create: nothing
 * is cleared here, and pages that are never used are never touched. A live level has an order, so capacity levels and
 * forks always suffice, whatever the prices.
 */
#ifndef MC_BLOCK_H
#define MC_BLOCK_H

#include <setjmp.h>
#include <string.h>

#include "records.h"

#define NEAR_SLOTS 16384u
#define BLOCK_MAGIC UINT64_C(0x314b4c4258434d00)
#define NONE 0u

struct node {
    struct order_id order_id;
    uint64_t account;
    int64_t price_ticks, lots;
    uint64_t opened; /* the sequence of its OPENED event: its age, unique */
    uint32_t prev, next;
    uint32_t level, side;
};

struct level {
    int64_t price_ticks, lots;
    uint64_t batch; /* the last batch that touched it */
    uint32_t orders, head, tail;
    uint32_t better, worse;
    uint32_t side;
};

struct fork {
    uint32_t child[2]; /* (index << 1) for a fork, (index << 1 | 1) for a level */
    uint32_t bit;      /* the price bit that decides; falls on the way down */
    uint32_t next_free;
};

_Static_assert(sizeof(struct node) == 64 && sizeof(struct level) == 48 && sizeof(struct fork) == 16, "block layout");

typedef struct {
    uint64_t sequence, last_trade_id;
    int64_t at_ms;
    uint64_t halted, order_count, broken_at;
    /* hidden from Python from here on */
    uint64_t magic, order_sum, batch;
    uint32_t capacity, id_slots;
    uint32_t node_free, node_used, level_free, level_used, fork_free, fork_used;
    uint32_t best[2], root[2];
} mc_book;

/* Before the first change of a level in a batch: what it was, so that only real changes are reported. */
struct touch {
    int64_t price_ticks, lots;
    uint32_t orders, side, ordinal, reserved;
};

/* One step to take back when the events do not fit. */
enum undo_kind { UNDO_REST = 1, UNDO_REMOVE, UNDO_REDUCE };
struct undo {
    uint32_t kind, node;
    int64_t lots;
};

/* One call: where the block's parts are, where the events go, what is to be taken back if they do not fit. */
struct run {
    mc_book *book;
    struct node *nodes;
    struct level *levels;
    struct fork *forks;
    uint32_t *ids, *near[2];
    uint32_t id_mask;
    struct event *events;
    struct touch *touches;
    struct undo *undos;
    int64_t event_count, event_capacity;
    int64_t touch_count, undo_count;
    uint32_t command_index;
    jmp_buf broken;
};

/* Assertions stay on in release: a broken one marks the block and leaves the call with MC_INVARIANT_BROKEN. */
#define REQUIRE(condition)                                                    \
    do {                                                                      \
        if (__builtin_expect(!(condition), 0)) {                              \
            invariant_broken(run, (uint64_t)MC_FILE * 10000u + __LINE__);     \
        }                                                                     \
    } while (0)

__attribute__((noreturn, cold, noinline)) static void invariant_broken(struct run *run, uint64_t where)
{
    run->book->broken_at = where;
    longjmp(run->broken, 1);
}

static uint32_t id_slots_for(uint32_t capacity)
{
    uint32_t slots = 8;
    while (slots < 2 * capacity) {
        slots *= 2;
    }
    return slots;
}

static int64_t align64(int64_t bytes)
{
    return (bytes + 63) & ~INT64_C(63);
}

/* Byte offsets of the parts; the last is the size of the whole. */
struct layout {
    int64_t nodes, levels, forks, ids, near, end;
};

static struct layout layout_for(uint32_t capacity)
{
    struct layout at;
    const int64_t entries = (int64_t)capacity + 1;
    at.nodes = align64((int64_t)sizeof(mc_book));
    at.levels = align64(at.nodes + entries * (int64_t)sizeof(struct node));
    at.forks = align64(at.levels + entries * (int64_t)sizeof(struct level));
    at.ids = align64(at.forks + entries * (int64_t)sizeof(struct fork));
    at.near = align64(at.ids + (int64_t)id_slots_for(capacity) * (int64_t)sizeof(uint32_t));
    at.end = align64(at.near + 2 * (int64_t)NEAR_SLOTS * (int64_t)sizeof(uint32_t));
    return at;
}

static void open_run(struct run *run, void *block)
{
    unsigned char *bytes = block;
    mc_book *book = block;
    const struct layout at = layout_for(book->capacity);
    memset(run, 0, offsetof(struct run, broken));
    run->book = book;
    run->nodes = (struct node *)(void *)(bytes + at.nodes);
    run->levels = (struct level *)(void *)(bytes + at.levels);
    run->forks = (struct fork *)(void *)(bytes + at.forks);
    run->ids = (uint32_t *)(void *)(bytes + at.ids);
    run->near[0] = (uint32_t *)(void *)(bytes + at.near);
    run->near[1] = run->near[0] + NEAR_SLOTS;
    run->id_mask = book->id_slots - 1;
}

static int is_book(const mc_book *book)
{
    return book != NULL && ((uintptr_t)book & 7u) == 0 && book->magic == BLOCK_MAGIC && book->capacity >= 1 &&
           book->capacity <= MC_MAX_ORDERS && book->id_slots == id_slots_for(book->capacity);
}

#endif
