/* What the workloads cost without any rule: the row "bare sketch" of bench.core, for scale.
 *
 * It reads the core's commands, hashes their ids and writes the core's events, 96 bytes each, and that is all. It trusts every
 * command: no checks, no accounts, no self-trade prevention, no LEVEL events, no state hash, no assertions. Nothing can be taken
 * back, saved or grown, and only the prices 1..PRICES - 1 exist: on either side an array of levels, and two bitmaps above each other
 * that tell which are used. Bids stand there mirrored, so the best is the lowest on both sides. It answers the lots that were traded.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../matching_core/src/records.h"

#define PRICES (1u << 21)
#define HASHES_AHEAD 8
#define NODES_AHEAD 4
#define RING 16

struct order {
    uint64_t id[2];
    uint32_t lots, level, prev, next; /* level: twice its place, and 1 on the asks' side */
};

struct queue {
    uint32_t head, tail;
};

struct place {
    uint32_t hash, order;
};

struct half {
    uint64_t used[PRICES / 64], groups[PRICES / 4096];
    struct queue levels[PRICES];
    uint32_t best; /* 0: none */
};

struct sketch {
    struct half halves[2];
    struct order *orders;
    struct place *places;
    struct event *events, *event;
    uint64_t sequence, trades;
    uint32_t mask, capacity, used, free;
};

static uint64_t hash_of(const uint64_t *id)
{
    __extension__ const unsigned __int128 product = (unsigned __int128)(id[0] ^ UINT64_C(0xa0761d6478bd642f)) *
                                                    (id[1] ^ UINT64_C(0xe7037ed1a0b428db));
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Zeroed, in large pages where the kernel has them, as the core's memory is. */
static void *zeroed(size_t bytes)
{
    const size_t page = (size_t)1 << 21;
    bytes = (bytes + page - 1) / page * page;
    void *memory = aligned_alloc(page, bytes);
    if (memory == NULL)
        abort();
    madvise(memory, bytes, MADV_HUGEPAGE);
    return memset(memory, 0, bytes);
}

/* Room for `orders` at once, twice as many as are expected: the table of ids is then half full. */
struct sketch *sketch_new(uint32_t orders, uint32_t events)
{
    struct sketch *book = zeroed(sizeof *book);
    uint32_t places = 1024;
    while (places < orders)
        places *= 2;
    book->mask = places - 1;
    book->capacity = orders;
    book->orders = zeroed((orders + 1) * sizeof *book->orders);
    book->places = zeroed(places * sizeof *book->places);
    book->events = zeroed(events * sizeof *book->events);
    return book;
}

void sketch_free(struct sketch *book)
{
    free(book->orders);
    free(book->places);
    free(book->events);
    free(book);
}

/* Where a price stands among its side's levels. Its own inverse. */
static uint32_t level_of(int side, uint32_t price)
{
    return side == SELL ? price : PRICES - price;
}

/* The lowest used level from this one on, or 0. */
static uint32_t next_used(const struct half *half, uint32_t level)
{
    uint64_t bits = half->used[level / 64] >> level % 64 << level % 64;
    if (bits != 0)
        return level / 64 * 64 + (uint32_t)__builtin_ctzll(bits);
    for (uint32_t word = level / 64 + 1; word < PRICES / 64; word = (word / 64 + 1) * 64) {
        bits = half->groups[word / 64] >> word % 64 << word % 64;
        if (bits != 0) {
            word = word / 64 * 64 + (uint32_t)__builtin_ctzll(bits);
            return word * 64 + (uint32_t)__builtin_ctzll(half->used[word]);
        }
    }
    return 0;
}

static void open_level(struct half *half, uint32_t level)
{
    half->used[level / 64] |= UINT64_C(1) << level % 64;
    half->groups[level / 4096] |= UINT64_C(1) << level / 64 % 64;
    if (half->best == 0 || level < half->best)
        half->best = level;
}

static void drop_level(struct half *half, uint32_t level)
{
    if ((half->used[level / 64] &= ~(UINT64_C(1) << level % 64)) == 0)
        half->groups[level / 4096] &= ~(UINT64_C(1) << level / 64 % 64);
    if (half->best == level)
        half->best = next_used(half, level);
}

/* Word by word: of a struct's literal gcc makes `rep stos`, 7 ns for each event. */
static inline struct event *tell(struct sketch *book, uint64_t head, const uint64_t *id, uint64_t account, int64_t price, int64_t lots)
{
    struct event *event = book->event++;
    event->head = head;
    event->sequence = ++book->sequence;
    event->trade_id = 0;
    event->order_id = (struct order_id){{id[0], id[1]}};
    event->maker_order_id = (struct order_id){{0, 0}};
    event->account = account;
    event->maker_account = 0;
    event->price_ticks = price;
    event->size_lots = lots;
    event->remaining = 0;
    return event;
}

static uint32_t find(const struct sketch *book, const uint64_t *id, uint32_t hash)
{
    for (uint32_t at = hash & book->mask;; at = (at + 1) & book->mask) {
        const struct order *order = &book->orders[book->places[at].order];
        if (book->places[at].hash == hash && order->id[0] == id[0] && order->id[1] == id[1])
            return at;
    }
}

static void put(struct sketch *book, uint32_t hash, uint32_t order)
{
    uint32_t at = hash & book->mask;
    while (book->places[at].order != 0)
        at = (at + 1) & book->mask;
    book->places[at] = (struct place){.hash = hash, .order = order};
}

/* Whoever stands behind the emptied place and would be found from it moves up. */
static void take_out(struct sketch *book, uint32_t at)
{
    for (uint32_t next = (at + 1) & book->mask; book->places[next].order != 0; next = (next + 1) & book->mask) {
        if (((next - book->places[next].hash) & book->mask) >= ((next - at) & book->mask)) {
            book->places[at] = book->places[next];
            at = next;
        }
    }
    book->places[at] = (struct place){0};
}

static void join(struct sketch *book, uint32_t index, int side, uint32_t price)
{
    const uint32_t level = level_of(side, price);
    struct half *half = &book->halves[side - 1];
    struct queue *queue = &half->levels[level];
    struct order *order = &book->orders[index];
    order->level = level << 1 | (side == SELL);
    order->prev = queue->tail;
    order->next = 0;
    if (queue->tail != 0) {
        book->orders[queue->tail].next = index;
    } else {
        queue->head = index;
        open_level(half, level);
    }
    queue->tail = index;
}

static int side_of(const struct order *order)
{
    return (order->level & 1) != 0 ? SELL : BUY;
}

static void leave(struct sketch *book, uint32_t index)
{
    const struct order *order = &book->orders[index];
    struct half *half = &book->halves[side_of(order) - 1];
    struct queue *queue = &half->levels[order->level >> 1];
    *(order->prev != 0 ? &book->orders[order->prev].next : &queue->head) = order->next;
    *(order->next != 0 ? &book->orders[order->next].prev : &queue->tail) = order->prev;
    if (queue->head == 0)
        drop_level(half, order->level >> 1);
}

static void give_back(struct sketch *book, uint32_t index)
{
    book->orders[index].next = book->free;
    book->free = index;
}

static int64_t trade(struct sketch *book, const struct command *command, uint64_t index_bits)
{
    const int side = command->side == SELL ? BUY : SELL;
    struct half *half = &book->halves[side - 1];
    const uint32_t last = level_of(side, (uint32_t)command->price_ticks);
    int64_t left = command->size_lots;
    while (left > 0 && half->best != 0 && half->best <= last) {
        const uint32_t price = level_of(side, half->best), index = half->levels[half->best].head;
        struct order *maker = &book->orders[index];
        const uint32_t lots = left < maker->lots ? (uint32_t)left : maker->lots;
        struct event *event = tell(book, TRADE | index_bits, command->order_id.word, command->account, price, lots);
        event->trade_id = ++book->trades;
        event->maker_order_id = (struct order_id){{maker->id[0], maker->id[1]}};
        event->remaining = maker->lots -= lots;
        left -= lots;
        if (maker->lots == 0) {
            tell(book, DONE | index_bits, maker->id, 0, price, 0);
            take_out(book, find(book, maker->id, (uint32_t)hash_of(maker->id)));
            leave(book, index);
            give_back(book, index);
        }
    }
    return left;
}

static void place(struct sketch *book, const struct command *command, uint32_t hash, uint64_t index_bits, int64_t lots)
{
    const uint32_t index = book->free != 0 ? book->free : ++book->used;
    struct order *order = &book->orders[index];
    if (index > book->capacity)
        abort();
    book->free = book->free != 0 ? order->next : 0;
    memcpy(order->id, command->order_id.word, sizeof order->id);
    order->lots = (uint32_t)lots;
    join(book, index, command->side, (uint32_t)command->price_ticks);
    put(book, hash, index);
    tell(book, OPENED | index_bits, command->order_id.word, command->account, command->price_ticks, lots);
}

/* A batch, whose events overwrite the last one's. */
int64_t sketch_batch(struct sketch *book, const struct command *commands, int64_t count)
{
    uint32_t hashes[RING];
    int64_t traded = 0;
    book->event = book->events;
    for (int64_t i = -HASHES_AHEAD; i < count; i++) {
        if (i + HASHES_AHEAD < count) {
            const uint32_t hash = (uint32_t)hash_of(commands[i + HASHES_AHEAD].order_id.word);
            hashes[(i + HASHES_AHEAD) % RING] = hash;
            __builtin_prefetch(&book->places[hash & book->mask]);
        }
        if (i + NODES_AHEAD >= 0 && i + NODES_AHEAD < count)
            __builtin_prefetch(&book->orders[book->places[hashes[(i + NODES_AHEAD) % RING] & book->mask].order]);
        if (i < 0)
            continue;
        const struct command *command = &commands[i];
        const uint64_t index_bits = (uint64_t)i << 32;
        const uint32_t hash = hashes[i % RING];
        if (command->kind == PLACE) {
            tell(book, ACCEPTED | index_bits, command->order_id.word, command->account, command->price_ticks, command->size_lots);
            const int64_t left = trade(book, command, index_bits);
            traded += command->size_lots - left;
            if (left > 0 && command->time_in_force == GTC)
                place(book, command, hash, index_bits, left);
            else
                tell(book, DONE | index_bits, command->order_id.word, command->account, command->price_ticks, left);
            continue;
        }
        const uint32_t at = find(book, command->order_id.word, hash), index = book->places[at].order;
        const struct order *order = &book->orders[index];
        const int side = side_of(order);
        leave(book, index);
        if (command->kind == CANCEL) {
            tell(book, DONE | index_bits, order->id, command->account, level_of(side, order->level >> 1), order->lots);
            take_out(book, at);
            give_back(book, index);
        } else {
            tell(book, AMENDED | index_bits, order->id, command->account, command->price_ticks, order->lots);
            tell(book, OPENED | index_bits, order->id, command->account, command->price_ticks, order->lots);
            join(book, index, side, (uint32_t)command->price_ticks);
        }
    }
    return traded;
}
