/* The PLACE that most are, straight through: a limit order, GTC or IOC, without any option, that is not refused.
 *
 * `place_plain` looks at everything first and answers 0 before it changes anything; then `place` (commands.h) does the command,
 * refusals included. What it does itself is what `place` would do, event by event.
 */
#ifndef MC_PLAIN_H
#define MC_PLAIN_H

#include "amend.h"

#undef MC_FILE
#define MC_FILE 15

/* Whether a command is such an order, sound and in time. Kind, side, type, time in force, stp, flags and collar are compared
 * in one word: three of them may vary. */
static inline int is_plain(const struct run *run, const struct command *command)
{
    const uint64_t free_bits = UINT64_C(0x0000000702000300); /* stp 0..7, IOC beside GTC, side 0..3 */
    return (command->head & ~free_bits) == (PLACE | LIMIT << 16 | GTC << 24) && command->side - 1u < SELL &&
           command->stp <= CANCEL_BOTH && (uint64_t)command->price_ticks - 1 < MC_MAX_NOTIONAL &&
           (uint64_t)command->size_lots - 1 < MC_MAX_NOTIONAL &&
           (command->funds | command->stop_price_ticks | command->display_lots | command->expire_at_ms) == 0 &&
           command->issued_at_ms >= run->fresh_from_ms && command->account != 0 && !is_nil(&command->order_id);
}

/* Whether an id that is not in the table yet may go into the bucket without a look at others. */
static inline int is_open_for(const struct bucket *bucket, uint32_t hash)
{
    return (places_of(bucket, hash) | bucket->passed) == 0 && bucket->used != ALL_PLACES;
}

/* The order in its node. */
static inline void write_plain(struct node *node, const struct command *command, uint32_t meta)
{
    node->order_id = command->order_id;
    node->account = command->account;
    node->lots = command->size_lots;
    node->traded = 0;
    node->meta = meta;
}

/* The order trades with what it crosses; what is left of it rests or is done. */
__attribute__((noinline)) static void take_plain(struct run *run, const struct command *command, uint32_t own_level)
{
    struct taker taker;
    set_node(run, &taker.order);
    taker.order.price_ticks = taker.limit_ticks = command->price_ticks;
    taker.funds = 0;
    taker.own_level = own_level;
    taker.touched = 0;
    taker.collar_bp = 0;
    taker.order_type = LIMIT;
    taker.can_rest = command->time_in_force == GTC;
    taker.by_funds = 0;
    enter(run, &taker);
}

enum plain { NOT_PLAIN, RESTED, TAKEN };

/* What became of the command: left to `place`, resting without a trade, or gone through the book. */
static inline enum plain place_plain(struct run *run, const struct command *command, uint64_t hash_of_id)
{
    mc_book *const book = run->book;
    struct bucket *const bucket = &run->ids[(uint32_t)hash_of_id & run->id_mask];
    if (!is_plain(run, command) || book->mode != OPEN || !is_open_for(bucket, (uint32_t)hash_of_id) || are_ids_crowded(book)) {
        return NOT_PLAIN;
    }
    const uint32_t side = command->side;
    const int64_t price_ticks = command->price_ticks;
    const int64_t lots = command->size_lots;
    const int can_rest = command->time_in_force == GTC;
    uint32_t level_index = can_rest ? level_find(run, side, price_ticks) : NONE;
    if (is_too_large(price_ticks, lots + total_at(run, level_index))) {
        return NOT_PLAIN;
    }
    /* From here on it is done: ACCEPTED first. */
    const uint32_t index = next_free_node(run);
    struct node *const node = &run->nodes[index];
    struct event *const event = run->event;
    const uint64_t accepted = book->sequence + 1;
    const uint64_t head = ACCEPTED | side << 8 | run->index_bits;
    REQUIRE(event + 1 < run->events_end);
    event->head = head;
    event->sequence = accepted;
    write_order_event(event, &command->order_id, command->account, price_ticks, lots, 0);
    const uint32_t meta = meta_for(side, command->stp + (command->stp == 0), 0);
    write_plain(node, command, meta);
    if (!can_rest || would_trade(run, side, price_ticks)) {
        run->event = event + 1;
        book->sequence = accepted;
        take_plain(run, command, level_index);
        return TAKEN;
    }
    if (level_index == NONE) {
        level_index = level_add(run, side, price_ticks);
    }
    event[1].head = head ^ (ACCEPTED ^ OPENED);
    event[1].sequence = accepted + 1;
    write_order_event(event + 1, &command->order_id, command->account, price_ticks, lots, 0);
    run->event = event + 2;
    book->sequence = accepted + 1;
    node->opened = accepted + 1;
    touch_level(run, &run->levels[level_index]);
    book->spare_count--; /* the node of next_free_node */
    join_queue(run, index, lots, level_index);
    id_put_here(bucket, index, hash_of_id);
    node->share = plain_hash(hash_of_id, command->account, meta, price_ticks, lots, accepted + 1, 0);
    book->order_sum += node->share;
    note_rest(run, index);
    return RESTED;
}

#endif
