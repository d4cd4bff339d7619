/* What must hold of any book after any commands, checked from outside: through the entry points and the records alone.
 *
 * A market here is two blocks: `main` lives on, `twin` was built from a snapshot at some time and gets the same commands.
 * They must answer the same bytes, so nothing that a snapshot leaves out can matter. The state hash is computed a second
 * time, from the snapshot's records.
 */
#ifndef MC_FUZZ_CHECK_H
#define MC_FUZZ_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#include "core.c"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define CLOSE(at, bytes) ASAN_POISON_MEMORY_REGION(at, bytes)
#define OPEN_AGAIN(at, bytes) ASAN_UNPOISON_MEMORY_REGION(at, bytes)
#endif
#endif
#ifndef CLOSE
#define CLOSE(at, bytes) ((void)(at), (void)(bytes))
#define OPEN_AGAIN(at, bytes) ((void)(at), (void)(bytes))
#endif

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                 \
        }                                                                            \
    } while (0)

enum { SIZES = 14, MOST_ORDERS = 1 << (SIZES - 2), MOST_ROOM = 30000, MOST_BATCH = 1100 };

struct book {
    void *block, *blocks[SIZES];
    int64_t bytes;
    uint32_t capacity;
};

struct side_levels {
    int64_t count;
    mc_level levels[MOST_ORDERS];
};

struct market {
    struct book main, twin;
    struct side_levels shown[SIDES];
    int64_t at_ms;
};

static void *allocate(int64_t bytes)
{
    void *memory = aligned_alloc(64, ((size_t)bytes + 63) & ~(size_t)63);
    CHECK(memory != NULL);
    return memory;
}

/* A book's memory is zero when it was cleared, all of it. */
static void check_clear(const struct book *book)
{
    CHECK(mc_clear(book->block, book->bytes) == 0);
    const uint64_t *words = book->block;
    uint64_t found = 0;
    for (int64_t i = 0; i < book->bytes / 8; i++) {
        found |= words[i];
    }
    CHECK(found == 0);
}

/* Zeroed memory for a book with room for so many orders or some more, of exactly the block's size, so that a step over its
 * end is seen. Each book has one block of each size, which is used again. */
static void new_block(struct book *book, uint32_t orders)
{
    unsigned size = 0;
    while ((1u << size) < orders) {
        size++;
    }
    CHECK(size < SIZES);
    book->capacity = 1u << size;
    book->bytes = mc_block_bytes(book->capacity);
    const int is_new = book->blocks[size] == NULL;
    if (is_new) {
        CHECK(book->bytes > 0);
        book->blocks[size] = allocate(book->bytes);
    }
    book->block = book->blocks[size];
    if (!is_new && mc_snapshot_bytes(book->block) >= 0) {
        check_clear(book);
    } else {
        memset(book->block, 0, (size_t)book->bytes);
    }
}

static mc_book *head_of(const struct book *book)
{
    return book->block;
}

struct snapshot {
    unsigned char *bytes;
    int64_t size;
};

static struct snapshot snapshot_of(const struct book *book)
{
    const int64_t size = mc_snapshot_bytes(book->block);
    CHECK(size >= (int64_t)sizeof(struct snapshot_header));
    struct snapshot snapshot = {allocate(size), size};
    CHECK(mc_snapshot(book->block, snapshot.bytes, size) == size);
    return snapshot;
}

static int same_snapshot(struct snapshot a, struct snapshot b)
{
    return a.size == b.size && memcmp(a.bytes, b.bytes, (size_t)a.size) == 0;
}

/* --- the state hash again, from the records */

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

static uint64_t word_at(const unsigned char *bytes, int64_t at)
{
    uint64_t word;
    memcpy(&word, bytes + at, sizeof word);
    return word;
}

static uint64_t record_hash(const unsigned char *order, const unsigned char *extra, int side)
{
    const uint64_t kinds = word_at(order, 56);
    const uint64_t ident = fold(word_at(order, 0) ^ K0, word_at(order, 8) ^ K1) ^
                           fold(word_at(order, 16) ^ K2, word_at(order, 40) ^ K3) ^
                           fold(word_at(order, 24) ^ K4, (kinds & 0xffffff) ^ K5);
    const uint64_t hash = fold(ident ^ word_at(order, 32), word_at(order, 48) ^ K1);
    if (extra == NULL) {
        return hash;
    }
    const uint64_t waits = (word_at(extra, 40) & 0xffffffff) | (uint64_t)(side == 4) << 32 | (uint64_t)(side >= 3) << 40;
    return fold(hash ^ fold(word_at(extra, 0) ^ K0, word_at(extra, 8) ^ K2) ^
                    fold(word_at(extra, 16) ^ K3, word_at(extra, 24) ^ K4),
                fold(word_at(extra, 32) ^ K5, waits ^ K1));
}

/* The hash that the header should carry; the counts and the length must fit. */
static uint64_t hash_of_records(struct snapshot snapshot)
{
    const unsigned char *bytes = snapshot.bytes;
    const unsigned char *order = bytes + 144;
    uint64_t orders = 0;
    for (int side = 1; side <= 4; side++) {
        orders += word_at(bytes, 24 + 8 * (side - 1));
    }
    const unsigned char *extra = bytes + 144 + 64 * (int64_t)orders;
    const unsigned char *end = bytes + snapshot.size;
    uint64_t sum = 0;
    for (int side = 1; side <= 4; side++) {
        for (uint64_t left = word_at(bytes, 24 + 8 * (side - 1)); left > 0; left--, order += 64) {
            const int has_extra = (order[58] & 2) != 0 && end - extra >= 48;
            sum += record_hash(order, has_extra ? extra : NULL, side);
            extra += has_extra ? 48 : 0;
        }
    }
    uint64_t hash = fold(sum ^ K0, orders ^ K1);
    hash = fold(hash ^ word_at(bytes, 64) ^ K2, word_at(bytes, 72) ^ K3);
    hash = fold(hash ^ word_at(bytes, 80) ^ K4, word_at(bytes, 88) ^ K5);
    hash = fold(hash ^ word_at(bytes, 96) ^ K2, word_at(bytes, 104) ^ K1);
    return fold(hash ^ word_at(bytes, 112) ^ K3, word_at(bytes, 120) ^ K0);
}

/* --- the book at rest */

static int comes_first(int side, int64_t a, int64_t b)
{
    return side == 1 || side == 3 ? a > b : a < b;
}

static void read_levels(const struct book *book, int side, struct side_levels *into)
{
    into->count = mc_levels(book->block, side, MOST_ORDERS, into->levels);
    CHECK(into->count >= 0);
    for (int64_t i = 0; i < into->count; i++) {
        const mc_level *level = &into->levels[i];
        CHECK(level->price_ticks > 0 && level->orders > 0 && level->lots >= (side <= 2 ? (int64_t)level->orders : 0));
        CHECK(level->price_ticks <= MC_MAX_NOTIONAL && level->lots <= MC_MAX_NOTIONAL);
        CHECK(i == 0 || comes_first(side, into->levels[i - 1].price_ticks, level->price_ticks));
    }
    mc_level first[3];
    const int64_t few = mc_levels(book->block, side, 3, first);
    CHECK(few == (into->count < 3 ? into->count : 3));
    CHECK(memcmp(first, into->levels, (size_t)few * sizeof *first) == 0);
}

/* The snapshot's orders are those of the levels, in their order, oldest first inside a level; and no number is odd. */
static void check_records(const mc_book *head, struct snapshot snapshot, const struct side_levels *sides)
{
    const struct snapshot_header *header = (const void *)snapshot.bytes;
    const struct snapshot_order *order = (const void *)(snapshot.bytes + sizeof *header);
    const struct extra *extra = (const void *)(order + head->order_count);
    const struct extra *end = (const void *)(snapshot.bytes + snapshot.size);
    CHECK(header->orders[0] + header->orders[1] + header->orders[2] + header->orders[3] == head->order_count);
    CHECK((uint64_t)(end - extra) == header->extras);
    for (int side = 1; side <= 4; side++) {
        uint64_t orders = 0;
        for (int64_t i = 0; i < sides[side - 1].count; i++) {
            const mc_level *level = &sides[side - 1].levels[i];
            int64_t lots = 0;
            uint64_t before = 0;
            for (uint32_t n = 0; n < level->orders; n++, order++) {
                CHECK(order->price_ticks == level->price_ticks && order->opened > before);
                CHECK(order->opened <= head->sequence && order->account != 0);
                CHECK(side > 2 ? order->side == 1 || order->side == 2 : order->side == side);
                CHECK(order->lots >= (side <= 2) && order->traded >= 0 && order->stp >= 1 && order->stp <= 4);
                before = order->opened;
                lots += order->lots;
                if ((order->flags & 2) != 0) {
                    CHECK(extra < end && extra->hidden >= 0 && (extra->hidden == 0 || extra->display > 0));
                    CHECK(side > 2 || extra->display == 0 || order->lots <= extra->display);
                    CHECK(extra->order_type == 0 || side > 2);
                    extra++;
                }
            }
            CHECK(lots == level->lots);
            orders += level->orders;
        }
        CHECK(header->orders[side - 1] == orders);
    }
    CHECK(extra == end);
}

static void check_figures(const mc_book *head, const struct side_levels *sides)
{
    CHECK(head->mode <= UNCROSSING && head->last_trade_id <= head->sequence && head->broken_at == 0);
    CHECK(head->low_ticks <= head->last_price_ticks && head->last_price_ticks <= head->high_ticks);
    CHECK((head->last_price_ticks > 0) == (head->last_trade_id > 0));
    CHECK(head->auction_price_ticks == 0 || head->mode == UNCROSSING);
    const int is_crossed_now = sides[0].count > 0 && sides[1].count > 0 &&
                               sides[0].levels[0].price_ticks >= sides[1].levels[0].price_ticks;
    CHECK(head->mode != OPEN || !is_crossed_now);
}

static void check_indicative(const struct book *book, const struct side_levels *sides)
{
    mc_level found;
    CHECK(mc_indicative(book->block, &found) == 0);
    const mc_level *bid = &sides[0].levels[0];
    const mc_level *ask = &sides[1].levels[0];
    if (sides[0].count == 0 || sides[1].count == 0 || bid->price_ticks < ask->price_ticks) {
        CHECK(found.price_ticks == 0 && found.lots == 0);
    } else {
        CHECK(found.price_ticks >= ask->price_ticks && found.price_ticks <= bid->price_ticks && found.lots > 0);
    }
}

/* An unfinished uncross waits, and so does a stop that is met; orders that are over are the snapshot's to tell. */
static void check_waiting(const struct market *market, const struct side_levels *sides)
{
    const mc_book *head = head_of(&market->main);
    const int64_t waits = mc_work_waits(market->main.block);
    CHECK(waits == mc_work_waits(market->twin.block) && (waits == 0 || waits == 1));
    CHECK(head->mode != UNCROSSING || waits == 1);
    const int is_loss_met = sides[2].count > 0 && sides[2].levels[0].price_ticks >= head->low_ticks;
    const int is_entry_met = sides[3].count > 0 && sides[3].levels[0].price_ticks <= head->high_ticks;
    const int is_met = head->last_price_ticks > 0 && (is_loss_met || is_entry_met);
    CHECK(head->mode != OPEN || !is_met || waits == 1);
}

/* Everything that must hold between batches. */
static void check_book(struct market *market)
{
    const mc_book *head = head_of(&market->main);
    for (int side = 1; side <= 4; side++) {
        read_levels(&market->main, side, &market->shown[side - 1]);
    }
    check_figures(head, market->shown);
    check_indicative(&market->main, market->shown);
    check_waiting(market, market->shown);
    const struct snapshot snapshot = snapshot_of(&market->main);
    const struct snapshot of_twin = snapshot_of(&market->twin);
    CHECK(same_snapshot(snapshot, of_twin));
    check_records(head, snapshot, market->shown);
    CHECK(hash_of_records(snapshot) == mc_state_hash(market->main.block));
    CHECK(hash_of_records(snapshot) == ((const struct snapshot_header *)(const void *)snapshot.bytes)->state_hash);
    free(snapshot.bytes);
    free(of_twin.bytes);
}

/* The twin anew: the main book's snapshot, restored into a block of another size, gives the same snapshot. */
static void restore_twin(struct market *market)
{
    const struct snapshot snapshot = snapshot_of(&market->main);
    const int64_t orders = mc_snapshot_orders(snapshot.bytes, snapshot.size);
    CHECK(orders == (int64_t)head_of(&market->main)->order_count);
    new_block(&market->twin, (uint32_t)orders + 300);
    CHECK(mc_restore(market->twin.block, market->twin.bytes, market->twin.capacity, snapshot.bytes, snapshot.size) == 0);
    CHECK(mc_state_hash(market->twin.block) == mc_state_hash(market->main.block));
    const struct snapshot again = snapshot_of(&market->twin);
    CHECK(same_snapshot(snapshot, again));
    free(snapshot.bytes);
    free(again.bytes);
}

/* --- the events of a batch */

/* The LEVEL events are exactly the differences between the levels before and after, in order. */
static void check_level_events(const struct event *event, const struct event *end, const struct side_levels *before,
                               const struct book *book)
{
    for (int side = 1; side <= 2; side++) {
        static struct side_levels after;
        read_levels(book, side, &after);
        const mc_level *old = before[side - 1].levels;
        const mc_level *const old_end = old + before[side - 1].count;
        const mc_level *new = after.levels;
        const mc_level *const new_end = new + after.count;
        while (old < old_end || new < new_end) {
            const int is_gone = new == new_end || (old < old_end && comes_first(side, old->price_ticks, new->price_ticks));
            const int is_new = !is_gone && (old == old_end || comes_first(side, new->price_ticks, old->price_ticks));
            const mc_level empty = {.price_ticks = is_gone ? old->price_ticks : 0};
            const mc_level *const now = is_gone ? &empty : new;
            if (is_gone || is_new || now->lots != old->lots || now->orders != old->orders) {
                CHECK(event < end && event->side == side && event->price_ticks == now->price_ticks);
                CHECK(event->size_lots == now->lots && event->remaining == (int64_t)now->orders);
                CHECK(event->command_index == 0);
                event++;
            }
            old += !is_new;
            new += !is_gone;
        }
    }
    CHECK(event == end);
}

static void check_events(const struct event *events, int64_t count, int64_t commands, const mc_book *before,
                         const struct side_levels *levels_before, const struct book *book)
{
    uint64_t sequence = before->sequence;
    uint64_t trade_id = before->last_trade_id;
    uint32_t index = 0;
    int64_t i = 0;
    for (; i < count && events[i].kind != LEVEL; i++) {
        const struct event *event = &events[i];
        CHECK(event->kind >= ACCEPTED && event->kind <= COLLECTING);
        const int is_silent = event->kind == HALTED || event->kind == RESUMED || event->kind == COLLECTING ||
                              (event->kind == REJECTED && event->flags != PLACE);
        sequence += !is_silent;
        CHECK(event->sequence == sequence && event->command_index >= index && event->command_index < commands);
        index = event->command_index;
        if (event->kind == TRADE) {
            CHECK(event->trade_id == ++trade_id && event->size_lots > 0 && event->price_ticks > 0);
            CHECK(event->account != event->maker_account && event->remaining >= 0);
        } else {
            CHECK(event->trade_id == 0 && event->maker_account == 0);
        }
    }
    CHECK(sequence == head_of(book)->sequence && trade_id == head_of(book)->last_trade_id);
    for (int64_t j = i; j < count; j++) {
        CHECK(events[j].kind == LEVEL && events[j].sequence == sequence);
    }
    CHECK(commands > 1 || count <= MC_MAX_COMMAND_EVENTS);
    check_level_events(events + i, events + count, levels_before, book);
}

#endif
