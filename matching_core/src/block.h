/* One market's book: one flat block of memory, addressed by indexes, so that it may be copied or moved.
 *
 *   block  +-------------------+
 *          | mc_book           | figures, heads of the free lists, best levels, roots of the tries
 *          | nodes[capacity+1] | 64 B each: the orders
 *          | links[cap.+1]     |  8 B each: their neighbours, in priority order inside their level
 *          | levels[cap.+1]    | 64 B each: a price with orders on it, linked better <-> worse
 *          | forks[cap.+1]     | 288 B each: inner nodes of the tries price -> level
 *          | extras[cap.+1]    | 48 B each: what only icebergs, orders with an end and waiting stops have; as its node
 *          | timed[cap.+1]     |  4 B each: heap of the orders with an end, the next to end first
 *          | spare[cap.+1]     |  4 B each: nodes that are free again, the last freed on top
 *          | leaves[4][256]    |  4 B each: 64 prices side by side -> their fork, direct-mapped in front of the trie
 *          | ids[3 * 2^k]      | 64 B each: buckets of the hash table order id -> node, and room to rebuild it
 *          +-------------------+
 *
 * A book has four sides: bids, asks, and the stops that wait for a falling and for a rising price; all four are kept alike.
 * Index 0 means none everywhere, so zeroed memory is an empty book. The memory must be zero before mc_create: nothing
 * is cleared here, and pages that are never used are never touched. A live level has an order, so capacity levels and
 * forks always suffice, whatever the prices.
 */
#ifndef MC_BLOCK_H
#define MC_BLOCK_H

#include <setjmp.h>
#include <string.h>

#include "records.h"

#define LEAVES 256u
#define ID_PLACES 7u
#define FEWEST_ID_BUCKETS 128u
#define NEW_NODES 64u
#define BLOCK_MAGIC UINT64_C(0x324b4c4258434d00)
#define NONE 0u
#define ANY_BATCH UINT64_MAX

enum { LOSS_STOPS = 3, ENTRY_STOPS = 4, SIDES = 4 };
enum { NODE_POST_ONLY = 1, NODE_EXTRA = 2 };

struct node {
    struct order_id order_id;
    uint64_t account;
    int64_t lots;    /* what the book shows of it */
    uint64_t opened; /* the sequence of the event that gave it its place: its age, unique */
    int64_t traded;
    uint64_t share; /* its part of the book's order_sum; only while it stands on the book */
    uint32_t level;
    union {
        struct {
            uint8_t side, stp, flags, reserved;
        };
        uint32_t meta; /* the four, written and hashed as one word */
    };
};

/* Its neighbours in its level's queue. Apart from the nodes: orders come and go beside others that nobody looks at, and eight
 * of their links are one cache line. */
struct links {
    uint32_t prev, next;
};

/* It begins with what is noted of it before a batch's first change (struct touch). */
struct level {
    int64_t price_ticks, lots;
    uint32_t orders, side; /* side: 1..4 */
    int64_t hidden;
    uint64_t batch; /* the last batch that touched it; of stops ANY_BATCH */
    uint32_t head, tail, better, worse;
    uint64_t reserved;
};

/* `limit_ticks`, `funds`, `collar_bp`, `order_type` and `time_in_force` are a waiting stop's, else 0. */
struct extra {
    int64_t hidden, display, expire_at_ms, limit_ticks, funds;
    uint16_t collar_bp;
    uint8_t order_type, time_in_force;
    uint32_t heap_at; /* where in `timed` it stands; 0 without an end */
};

/* Six bits of the price, `shift` bits from its end, decide; see prices.h. */
struct fork {
    uint64_t used, prefix; /* which children there are; the price bits above */
    uint64_t leaf_key;     /* of a fork that decides the last bits: its prices and side in one word; else 0 */
    uint32_t shift, next_free;
    uint32_t child[64];
};

/* The last words of the two halves are no places, but are compared with the others: `used` masks them. */
struct bucket {
    uint32_t hash[ID_PLACES], passed; /* passed: how many ids found no place here and went on */
    uint32_t node[ID_PLACES], used;   /* used: one bit for each place that holds an id */
};

_Static_assert(sizeof(struct node) == 64 && sizeof(struct links) == 8 && sizeof(struct level) == 64 && sizeof(struct fork) == 288 &&
                   sizeof(struct extra) == 48 && sizeof(struct bucket) == 64,
               "block layout");

typedef struct {
    uint64_t sequence, last_trade_id;
    int64_t at_ms;
    uint64_t mode;
    int64_t last_price_ticks, low_ticks, high_ticks, auction_price_ticks;
    uint64_t order_sum;
    /* up to here a refused batch restores it by copy */
    uint64_t order_count, broken_at;
    uint64_t magic, batch;
    uint32_t capacity, id_buckets;
    uint32_t node_used, spare_count, level_free, level_used, fork_free, fork_used;
    uint32_t timed_count, stop_count, extra_count, extra_used; /* extra_used: the highest that was ever written */
    uint32_t best[SIDES], root[SIDES];
} mc_book;

/* Before the first change of a level in a batch: what it was, so that only real changes are reported. */
struct touch {
    int64_t price_ticks, lots;
    uint32_t orders, side;
};

/* A touch's place in the order of the LEVEL events, and the touch. */
struct touch_key {
    uint64_t key, touch;
};

/* One step to take back when the events do not fit. */
enum undo_kind { UNDO_REST = 1, UNDO_REMOVE, UNDO_REDUCE, UNDO_FILL, UNDO_REFRESH, UNDO_MOVE };
struct undo {
    uint32_t kind, node;
    int64_t a, b; /* REMOVE: price, side of the level; REDUCE: visible, hidden; FILL: lots; REFRESH: lots, opened; MOVE: price */
};

/* What lies under a MOVE, in the place of one note. */
struct stood {
    struct links links;
    int64_t lots;
    uint64_t opened;
};
_Static_assert(sizeof(struct stood) == sizeof(struct undo), "a move is two notes");

/* One call: where the block's parts are, where the events go, what is to be taken back if they do not fit. */
struct run {
    mc_book *book;
    struct node *nodes;
    struct links *links;
    struct level *levels;
    struct fork *forks;
    struct extra *extras;
    struct bucket *ids;
    uint32_t *timed, *spare, *leaves;
    uint64_t index_bits; /* the command's index where it stands in an event's head */
    uint32_t id_mask;
    uint64_t most_ids; /* that the table takes before it grows */
    int64_t fresh_from_ms; /* a PLACE or an AMEND issued before is stale */
    struct event *events, *event;         /* the first, the next to write */
    struct event *last_event, *events_end; /* the last that fits; behind the spare records */
    struct touch *touches, *touch, *touches_end;
    struct touch_key *keys; /* two arrays, to sort from one into the other */
    struct undo *undos, *undo, *undos_end;
    uint32_t *removed, *next_removed; /* nodes that are free when the batch stands */
    int64_t entries; /* of each of these arrays */
    jmp_buf broken;
};

/* Assertions stay on in release: a broken one marks the block and leaves the call with MC_INVARIANT_BROKEN. A build that
 * measures coverage leaves them out: their other side is out of reach of any input. */
#ifdef MC_COVERAGE
#define REQUIRE(condition) ((void)0)
#define BROKEN_CALLS_RETURN(run) ((void)0)
#else
#define REQUIRE(condition)                                                    \
    do {                                                                      \
        if (__builtin_expect(!(condition), 0)) {                              \
            invariant_broken(run, (uint64_t)MC_FILE * 10000u + __LINE__);     \
        }                                                                     \
    } while (0)

/* In an entry point: where a broken assertion comes back to. */
#define BROKEN_CALLS_RETURN(run)                                              \
    do {                                                                      \
        if (setjmp((run)->broken) != 0) {                                     \
            return MC_INVARIANT_BROKEN;                                       \
        }                                                                     \
    } while (0)

__attribute__((noreturn, cold, noinline)) static void invariant_broken(struct run *run, uint64_t where)
{
    run->book->broken_at = where;
    longjmp(run->broken, 1);
}
#endif

/* The table that so many orders fill at most half. */
static uint32_t most_id_buckets(uint32_t orders)
{
    const uint32_t wanted = (2 * orders + ID_PLACES - 1) / ID_PLACES; /* at most 2^24 orders */
    return wanted <= FEWEST_ID_BUCKETS ? FEWEST_ID_BUCKETS : 2u << (31 - __builtin_clz(wanted - 1));
}

/* `a` or `b`, without a branch: for conditions that come at random. */
static inline uint32_t pick(int condition, uint32_t a, uint32_t b)
{
    return __builtin_expect_with_probability(condition != 0, 1, 0.5) ? a : b;
}

static int64_t align64(int64_t bytes)
{
    return (bytes + 63) & ~INT64_C(63);
}

/* Byte offsets of the parts; the last is the size of the whole. */
struct layout {
    int64_t nodes, links, levels, forks, extras, timed, spare, leaves, ids, end;
};

static struct layout layout_for(uint32_t capacity)
{
    struct layout at;
    const int64_t entries = (int64_t)capacity + 1;
    at.nodes = align64((int64_t)sizeof(mc_book));
    at.links = align64(at.nodes + entries * (int64_t)sizeof(struct node));
    at.levels = align64(at.links + entries * (int64_t)sizeof(struct links));
    at.forks = align64(at.levels + entries * (int64_t)sizeof(struct level));
    at.extras = align64(at.forks + entries * (int64_t)sizeof(struct fork));
    at.timed = align64(at.extras + entries * (int64_t)sizeof(struct extra));
    at.spare = align64(at.timed + entries * (int64_t)sizeof(uint32_t));
    at.leaves = align64(at.spare + entries * (int64_t)sizeof(uint32_t));
    at.ids = align64(at.leaves + SIDES * (int64_t)LEAVES * (int64_t)sizeof(uint32_t));
    /* Half as much again: the old table stands behind the new one while it grows. */
    at.end = align64(at.ids + (int64_t)most_id_buckets(capacity) / 2 * 3 * (int64_t)sizeof(struct bucket));
    return at;
}

static void set_id_table(struct run *run, uint32_t buckets)
{
    run->id_mask = buckets - 1;
    run->most_ids = buckets * (uint64_t)ID_PLACES / 2;
}

static void open_run(struct run *run, void *block)
{
    unsigned char *bytes = block;
    mc_book *book = block;
    const struct layout at = layout_for(book->capacity);
    run->book = book;
    run->nodes = (struct node *)(void *)(bytes + at.nodes);
    run->links = (struct links *)(void *)(bytes + at.links);
    run->levels = (struct level *)(void *)(bytes + at.levels);
    run->forks = (struct fork *)(void *)(bytes + at.forks);
    run->extras = (struct extra *)(void *)(bytes + at.extras);
    run->timed = (uint32_t *)(void *)(bytes + at.timed);
    run->spare = (uint32_t *)(void *)(bytes + at.spare);
    run->leaves = (uint32_t *)(void *)(bytes + at.leaves);
    run->ids = (struct bucket *)(void *)(bytes + at.ids);
    set_id_table(run, book->id_buckets);
    run->index_bits = 0;
    run->fresh_from_ms = 0;
}

static int is_book(const mc_book *book)
{
    return book != NULL && ((uintptr_t)book & 63u) == 0 && book->magic == BLOCK_MAGIC && book->capacity >= 1 &&
           book->capacity <= MC_MAX_ORDERS && book->id_buckets >= FEWEST_ID_BUCKETS &&
           book->id_buckets <= most_id_buckets(book->capacity) && (book->id_buckets & (book->id_buckets - 1)) == 0;
}

#endif
