/* Snapshot: the orders in priority order behind a header, then what only some of them have; little-endian.
 *
 *    0 u64 magic         8 u32 version      12 u32 bytes per order   16 u32 bytes per extra   20 u32 zero
 *   24 u64 orders of the four sides: bids, asks, loss stops, entry stops                      56 u64 extras
 *   64 u64 sequence     72 u64 last_trade_id                         80 i64 at_ms             88 u64 mode
 *   96 i64 last_price  104 i64 low         112 i64 high             120 i64 auction_price
 *  128 u64 state_hash  136 u64 checksum over all other words, in four chains side by side (version 2: in one)
 *  144 per order, side by side, best first (stops: next to trigger first), oldest first inside a level:
 *      16B order_id    u64 account   i64 price_ticks (stops: stop price)   i64 lots   u64 opened   i64 traded
 *      u8 side   u8 stp   u8 flags (1 post-only, 2 extra)   u8 zero   u32 zero
 *      per order with flag 2, in their order:
 *      i64 hidden   i64 display   i64 expire_at_ms   i64 limit_ticks   i64 funds
 *      u16 collar_bp   u8 order_type   u8 time_in_force   u32 zero
 *
 * The same book gives the same bytes whatever its capacity and history: no index or free list is written.
 */
#ifndef MC_SNAPSHOT_H
#define MC_SNAPSHOT_H

#include "changes.h"

#undef MC_FILE
#define MC_FILE 12

#define SNAPSHOT_MAGIC UINT64_C(0x004b4f4f42584c00)
#define SNAPSHOT_VERSION 3u
#define OLDER_VERSION 2u /* still read */
#define CHAINS 4u
#define LANES 16u

struct snapshot_header {
    uint64_t magic;
    uint32_t version, order_bytes, extra_bytes, zero;
    uint64_t orders[SIDES], extras;
    uint64_t sequence, last_trade_id;
    int64_t at_ms;
    uint64_t mode;
    int64_t last_price_ticks, low_ticks, high_ticks, auction_price_ticks;
    uint64_t state_hash, checksum;
};

struct snapshot_order {
    struct order_id order_id;
    uint64_t account;
    int64_t price_ticks, lots;
    uint64_t opened;
    int64_t traded;
    uint8_t side, stp, flags, zero;
    uint32_t zeros;
};

_Static_assert(sizeof(struct snapshot_header) == 144 && sizeof(struct snapshot_order) == 64, "snapshot records");

/* What a node and a record have alike, side by side: id and account; lots, opened and traded. */
#define OWNER_BYTES offsetof(struct snapshot_order, price_ticks)
#define STATE_BYTES (offsetof(struct snapshot_order, side) - offsetof(struct snapshot_order, lots))
_Static_assert(offsetof(struct node, lots) == OWNER_BYTES && offsetof(struct node, share) - OWNER_BYTES == STATE_BYTES,
               "a node has the fields in the record's order");

static uint64_t checksum_word(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * K3; /* each step is one-to-one in the word: one changed word always shows */
    return sum ^ (sum >> 32);
}

static inline uint64_t checksum_at(uint64_t sum, const unsigned char *bytes, int64_t at)
{
    uint64_t word;
    memcpy(&word, bytes + at, sizeof word);
    return checksum_word(sum, word);
}

/* Over whole words; the header's last, which is the checksum, is left out. A chain waits for its last step: so many are summed side
 * by side, the header in the first, and their ends make one more chain. */
__attribute__((always_inline)) static inline uint64_t checksum_in(const unsigned char *bytes, int64_t size, unsigned chains)
{
    uint64_t sums[CHAINS];
    int64_t at = 0;
    for (unsigned i = 0; i < chains; i++) {
        sums[i] = K0 ^ (uint64_t)size ^ i;
    }
    for (; at < (int64_t)offsetof(struct snapshot_header, checksum); at += 8) {
        sums[0] = checksum_at(sums[0], bytes, at);
    }
    for (at += 8; at + 8 * (int64_t)chains <= size; at += 8 * (int64_t)chains) {
        for (unsigned i = 0; i < chains; i++) {
            sums[i] = checksum_at(sums[i], bytes, at + 8 * (int64_t)i);
        }
    }
    for (unsigned i = 0; at + 8 <= size; at += 8, i++) {
        sums[i] = checksum_at(sums[i], bytes, at);
    }
    for (unsigned i = 1; i < chains; i++) {
        sums[0] = checksum_word(sums[0], sums[i]);
    }
    return sums[0];
}

static uint64_t snapshot_checksum(const unsigned char *bytes, int64_t size, uint32_t version)
{
    return version == OLDER_VERSION ? checksum_in(bytes, size, 1) : checksum_in(bytes, size, CHAINS);
}

/* Where an order's record begins. */
static int64_t order_offset(uint64_t number)
{
    return (int64_t)(sizeof(struct snapshot_header) + number * sizeof(struct snapshot_order));
}

static int64_t snapshot_size(uint64_t orders, uint64_t extras)
{
    return order_offset(orders) + (int64_t)(extras * sizeof(struct extra));
}

/* One level's queue on its way into the snapshot: the next node, and the number of its record. */
struct lane {
    uint32_t node;
    uint64_t number;
    int64_t price_ticks;
};

/* A node's fields stand in the record's order; the price comes between them. Each is written straight to its place: a record
 * that is put together beside it would be read again before its parts are stored. `zeros` holds the node until its extra is
 * written. */
static inline void write_order(struct run *run, const struct lane *lane, unsigned char *bytes)
{
    const struct node *node = node_at(run, lane->node);
    unsigned char *to = bytes + order_offset(lane->number);
    const uint64_t last = node->meta | (uint64_t)((node->flags & NODE_EXTRA) != 0 ? lane->node : 0) << 32;
    REQUIRE(lane->number < run->book->order_count);
    memcpy(to, &node->order_id, OWNER_BYTES);
    memcpy(to + OWNER_BYTES, &lane->price_ticks, sizeof lane->price_ticks);
    memcpy(to + offsetof(struct snapshot_order, lots), &node->lots, STATE_BYTES);
    memcpy(to + offsetof(struct snapshot_order, side), &last, sizeof last);
}

/* What a lane reads next is on its way while the others have their turn. */
static inline void look_at_order(const struct run *run, uint32_t node)
{
    __builtin_prefetch(&run->nodes[node]);
    __builtin_prefetch(&run->links[node]);
}

/* The next level of a side into a lane; the level after it. */
static uint32_t fill_lane(struct run *run, uint32_t index, uint64_t *number, struct lane *lane)
{
    const struct level *level = level_at(run, index);
    *lane = (struct lane){.node = level->head, .number = *number, .price_ticks = level->price_ticks};
    *number += level->orders;
    look_at_order(run, level->head);
    return level->worse;
}

static uint64_t count_orders(struct run *run, uint32_t side)
{
    uint64_t orders = 0;
    for (uint32_t index = run->book->best[side - 1]; index != NONE; index = level_at(run, index)->worse) {
        orders += level_at(run, index)->orders;
    }
    return orders;
}

/* A queue is a chain: only one load at a time. So many levels are walked side by side, each to its place in the bytes. */
static void write_side(struct run *run, uint32_t side, uint64_t number, unsigned char *bytes)
{
    struct lane lanes[LANES];
    uint32_t next_level = run->book->best[side - 1];
    unsigned used = 0;
    while (used < LANES && next_level != NONE) {
        next_level = fill_lane(run, next_level, &number, &lanes[used++]);
    }
    while (used > 0) {
        for (unsigned i = 0; i < used; i++) {
            struct lane *lane = &lanes[i];
            write_order(run, lane, bytes);
            lane->number++;
            lane->node = run->links[lane->node].next;
            look_at_order(run, lane->node);
            if (lane->node != NONE) {
                continue;
            }
            if (next_level != NONE) {
                next_level = fill_lane(run, next_level, &number, lane);
            } else {
                *lane = lanes[--used];
                i--;
            }
        }
    }
}

static void write_extras(struct run *run, unsigned char *bytes)
{
    const uint64_t orders = run->book->order_count;
    unsigned char *to = bytes + order_offset(orders);
    for (uint64_t number = 0; number < orders; number++) {
        uint32_t node;
        unsigned char *zeros = bytes + order_offset(number) + offsetof(struct snapshot_order, zeros);
        memcpy(&node, zeros, sizeof node);
        if (node != NONE) {
            struct extra extra = run->extras[node];
            extra.heap_at = 0;
            memcpy(to, &extra, sizeof extra);
            to += sizeof extra;
            memset(zeros, 0, sizeof node);
        }
    }
}

static void write_snapshot(struct run *run, unsigned char *bytes, int64_t size)
{
    const mc_book *book = run->book;
    struct snapshot_header header = {.magic = SNAPSHOT_MAGIC, .version = SNAPSHOT_VERSION,
        .order_bytes = sizeof(struct snapshot_order), .extra_bytes = sizeof(struct extra), .extras = book->extra_count,
        .sequence = book->sequence, .last_trade_id = book->last_trade_id, .at_ms = book->at_ms, .mode = book->mode,
        .last_price_ticks = book->last_price_ticks, .low_ticks = book->low_ticks, .high_ticks = book->high_ticks,
        .auction_price_ticks = book->auction_price_ticks, .state_hash = state_hash(book)};
    uint64_t number = 0;
    for (uint32_t side = BUY; side <= SIDES; side++) {
        header.orders[side - 1] = count_orders(run, side);
        write_side(run, side, number, bytes);
        number += header.orders[side - 1];
    }
    REQUIRE(number == book->order_count);
    if (book->extra_count > 0) {
        write_extras(run, bytes);
    }
    memcpy(bytes, &header, sizeof header);
    header.checksum = snapshot_checksum(bytes, size, SNAPSHOT_VERSION);
    memcpy(bytes, &header, sizeof header);
}

#endif
