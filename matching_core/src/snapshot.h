/* Snapshot and restore: the resting orders in priority order behind a header, little-endian.
 *
 *    0 u64 magic        8 u32 version     12 u32 bytes per order   16 u64 bids      24 u64 asks
 *   32 u64 sequence    40 u64 last_trade_id                        48 i64 at_ms     56 u64 halted
 *   64 u64 state_hash  72 u64 zero        80 u64 zero              88 u64 checksum over all other bytes
 *   96 per order, bids then asks, best first, oldest first inside a level:
 *      16B order_id    u64 account        i64 price_ticks          i64 lots         u64 opened (sequence)
 *
 * The same book gives the same bytes whatever its capacity and history: no index or free list is written. Restoring
 * builds the book order by order and believes nothing: lengths, checksum, each number, the order of priority, ids
 * unique, sides not crossed, and the state hash at the end.
 */
#ifndef MC_SNAPSHOT_H
#define MC_SNAPSHOT_H

#include "changes.h"

#undef MC_FILE
#define MC_FILE 7

#define SNAPSHOT_MAGIC UINT64_C(0x004b4f4f42584c00)
#define SNAPSHOT_VERSION 1u

struct snapshot_header {
    uint64_t magic;
    uint32_t version, order_bytes;
    uint64_t orders[2];
    uint64_t sequence, last_trade_id;
    int64_t at_ms;
    uint64_t halted, state_hash, reserved[2], checksum;
};

struct snapshot_order {
    struct order_id order_id;
    uint64_t account;
    int64_t price_ticks, lots;
    uint64_t opened;
};

_Static_assert(sizeof(struct snapshot_header) == 96 && sizeof(struct snapshot_order) == 48, "snapshot records");

static uint64_t checksum_word(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * K3; /* each step is one-to-one in the word: one changed word always shows */
    return sum ^ (sum >> 32);
}

/* Over whole words; the checksum's own word is left out. */
static uint64_t snapshot_checksum(const unsigned char *bytes, int64_t size)
{
    uint64_t sum = K0 ^ (uint64_t)size;
    for (int64_t at = 0; at + 8 <= size; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof word);
        if (at != (int64_t)offsetof(struct snapshot_header, checksum)) {
            sum = checksum_word(sum, word);
        }
    }
    return sum;
}

static int64_t snapshot_size(uint64_t orders)
{
    return (int64_t)(sizeof(struct snapshot_header) + orders * sizeof(struct snapshot_order));
}

static void write_side(struct run *run, uint32_t side, struct snapshot_header *header, unsigned char *bytes)
{
    uint64_t written = header->orders[0] + header->orders[1];
    for (uint32_t index = run->book->best[side - 1]; index != NONE; index = level_at(run, index)->worse) {
        for (uint32_t next = level_at(run, index)->head; next != NONE; next = node_at(run, next)->next) {
            const struct node *node = node_at(run, next);
            REQUIRE(written < run->book->order_count);
            const struct snapshot_order order = {.order_id = node->order_id, .account = node->account,
                .price_ticks = node->price_ticks, .lots = node->lots, .opened = node->opened};
            memcpy(bytes + snapshot_size(written), &order, sizeof order);
            written++;
            header->orders[side - 1]++;
        }
    }
}

static void write_snapshot(struct run *run, unsigned char *bytes, int64_t size)
{
    const mc_book *book = run->book;
    struct snapshot_header header = {.magic = SNAPSHOT_MAGIC, .version = SNAPSHOT_VERSION,
        .order_bytes = sizeof(struct snapshot_order), .sequence = book->sequence,
        .last_trade_id = book->last_trade_id, .at_ms = book->at_ms, .halted = book->halted,
        .state_hash = state_hash(book)};
    write_side(run, BUY, &header, bytes);
    write_side(run, SELL, &header, bytes);
    REQUIRE(header.orders[0] + header.orders[1] == book->order_count);
    memcpy(bytes, &header, sizeof header);
    header.checksum = snapshot_checksum(bytes, size);
    memcpy(bytes, &header, sizeof header);
}

/* The header if length, format, checksum and figures are sound; else a code. */
static int64_t read_snapshot_header(const unsigned char *bytes, int64_t size, struct snapshot_header *header)
{
    if (size < (int64_t)sizeof *header) {
        return MC_SNAPSHOT_TRUNCATED;
    }
    memcpy(header, bytes, sizeof *header);
    if (header->magic != SNAPSHOT_MAGIC || header->version != SNAPSHOT_VERSION ||
        header->order_bytes != sizeof(struct snapshot_order)) {
        return MC_SNAPSHOT_UNKNOWN_FORMAT;
    }
    if (header->orders[0] > MC_MAX_ORDERS || header->orders[1] > MC_MAX_ORDERS ||
        header->orders[0] + header->orders[1] > MC_MAX_ORDERS) {
        return MC_SNAPSHOT_FIGURES;
    }
    if (size != snapshot_size(header->orders[0] + header->orders[1])) {
        return MC_SNAPSHOT_TRUNCATED;
    }
    if (header->checksum != snapshot_checksum(bytes, size)) {
        return MC_SNAPSHOT_CHECKSUM;
    }
    if (header->halted > 1 || header->at_ms < 0 || header->sequence > INT64_MAX ||
        header->last_trade_id > header->sequence || header->reserved[0] != 0 || header->reserved[1] != 0) {
        return MC_SNAPSHOT_FIGURES;
    }
    return (int64_t)(header->orders[0] + header->orders[1]);
}

/* Whether `order` may stand behind the last one of its side: each number in range, worse price or younger. */
static int is_next_in_priority(struct run *run, uint32_t side, uint32_t last_level, const struct node *order)
{
    if (is_nil(&order->order_id) || order->account == 0 || order->price_ticks <= 0 || order->lots <= 0 ||
        order->lots > MC_MAX_NOTIONAL || order->opened == 0 || order->opened > run->book->sequence ||
        id_find(run, &order->order_id) != NONE) {
        return 0;
    }
    int64_t level_lots = order->lots;
    if (last_level != NONE) {
        const struct level *level = level_at(run, last_level);
        if (level->price_ticks == order->price_ticks) {
            if (node_at(run, level->tail)->opened >= order->opened) {
                return 0;
            }
            level_lots += level->lots;
        } else if ((level->price_ticks > order->price_ticks) != (side == BUY)) {
            return 0;
        }
    }
    int64_t notional;
    return !__builtin_mul_overflow(order->price_ticks, level_lots, &notional) && notional <= MC_MAX_NOTIONAL;
}

static int64_t read_side(struct run *run, uint32_t side, const unsigned char *bytes, uint64_t first, uint64_t count)
{
    uint32_t last_level = NONE;
    for (uint64_t i = first; i < first + count; i++) {
        struct snapshot_order saved;
        memcpy(&saved, bytes + snapshot_size(i), sizeof saved);
        const struct node order = {.order_id = saved.order_id, .account = saved.account,
            .price_ticks = saved.price_ticks, .lots = saved.lots, .opened = saved.opened, .side = side};
        if (!is_next_in_priority(run, side, last_level, &order)) {
            return MC_SNAPSHOT_ORDER;
        }
        if (last_level != NONE && level_at(run, last_level)->price_ticks != order.price_ticks) {
            last_level = NONE;
        }
        last_level = append_order(run, &order, last_level);
    }
    return 0;
}

static int is_crossed(struct run *run)
{
    const uint32_t bid = run->book->best[BUY - 1];
    const uint32_t ask = run->book->best[SELL - 1];
    return bid != NONE && ask != NONE && level_at(run, bid)->price_ticks >= level_at(run, ask)->price_ticks;
}

static int64_t read_snapshot(struct run *run, const unsigned char *bytes, const struct snapshot_header *header)
{
    run->book->sequence = header->sequence;
    run->book->last_trade_id = header->last_trade_id;
    run->book->at_ms = header->at_ms;
    run->book->halted = header->halted;
    int64_t code = read_side(run, BUY, bytes, 0, header->orders[0]);
    if (code == 0) {
        code = read_side(run, SELL, bytes, header->orders[0], header->orders[1]);
    }
    if (code != 0 || is_crossed(run)) {
        return MC_SNAPSHOT_ORDER;
    }
    return state_hash(run->book) == header->state_hash ? 0 : MC_SNAPSHOT_STATE_HASH;
}

#endif
