/* The commands that most are, straight through: a PLACE of a limit order, GTC or IOC, without any option; a CANCEL of such an
 * order; its AMEND to another price, where it trades with nobody; none refused.
 *
 * They look at everything first and answer 0 before they change anything; then `place` (commands.h), `cancel` or `amend` does the
 * command, refusals included. What they do themselves is what these would do, event by event.
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
    const uint64_t fixed = (command->head & ~free_bits) ^ (PLACE | LIMIT << 16 | GTC << 24);
    const uint64_t unused = (uint64_t)(command->funds | command->stop_price_ticks | command->display_lots | command->expire_at_ms);
    const uint64_t most = ((uint64_t)command->price_ticks - 1) | ((uint64_t)command->size_lots - 1);
    return (fixed | unused | most >> 62) == 0 && command->side - 1u < SELL && command->stp <= CANCEL_BOTH &&
           command->issued_at_ms >= run->fresh_from_ms && command->account != 0 && !is_nil(&command->order_id);
}

/* Whether an id that is not in the table yet may go into the bucket without a look at others. */
static inline int is_open_for(const struct bucket *bucket, uint32_t hash)
{
    return (places_of(bucket, hash) | bucket->passed) == 0 && bucket->used != ALL_PLACES;
}

/* The order in its node. */
static inline void write_plain(struct node *node, const struct command *command)
{
    node->order_id = command->order_id;
    node->account = command->account;
    node->lots = command->size_lots;
    node->traded = 0;
    node->meta = meta_for(command->side, command->stp + (command->stp == 0), 0);
}

/* The order trades with what it crosses; what is left of it rests or is done. Where the usual does not go on, `enter` does. */
__attribute__((noinline)) static void take_plain(struct run *run, const struct command *command, uint32_t own_level)
{
    struct taker taker;
    set_node(run, &taker.order);
    struct node *const node = taker.order.node;
    const uint32_t side = command->side;
    const uint32_t *const best = &run->book->best[other_side(side) - 1];
    uint32_t touched = 0;
    emit_order(run, ACCEPTED, 0, 0, node, command->price_ticks, command->size_lots, 0);
    while (node->lots > 0 && would_trade(run, side, command->price_ticks)) {
        const uint32_t met = sweep(run, node, *best, MC_MAX_FILLS - touched);
        touched += met;
        if (met == 0) {
            break;
        }
    }
    if (node->lots == 0) {
        emit_order(run, DONE, FILLED, 0, node, command->price_ticks, 0, 0);
        return;
    }
    taker.order.price_ticks = taker.limit_ticks = command->price_ticks;
    taker.funds = 0;
    taker.own_level = own_level;
    taker.touched = touched;
    taker.collar_bp = 0;
    taker.order_type = LIMIT;
    taker.can_rest = command->time_in_force == GTC;
    taker.by_funds = 0;
    enter(run, &taker);
}

enum plain { NOT_PLAIN, RESTED, TAKEN };

/* What became of the command: left to `place`, resting without a trade, or gone through the book. */
static inline enum plain place_plain(struct run *run, const struct command *command, const struct ahead *ahead)
{
    const uint64_t hash_of_id = ahead->hash;
    mc_book *const book = run->book;
    struct bucket *const bucket = &run->ids[(uint32_t)hash_of_id & run->id_mask];
    if (!is_plain(run, command) || book->mode != OPEN || !is_open_for(bucket, (uint32_t)hash_of_id) || are_ids_crowded(run)) {
        return NOT_PLAIN;
    }
    const uint32_t side = command->side;
    const int64_t price_ticks = command->price_ticks;
    const int64_t lots = command->size_lots;
    const int can_rest = command->time_in_force == GTC;
    uint32_t level_index = __builtin_expect(can_rest, 1) ? level_find(run, side, price_ticks) : NONE;
    if (is_too_large(price_ticks, lots + total_at(run, level_index))) {
        return NOT_PLAIN;
    }
    /* From here on it is done. */
    const uint32_t index = next_free_node(run);
    struct node *const node = &run->nodes[index];
    write_plain(node, command);
    if (__builtin_expect(!can_rest || would_trade(run, side, price_ticks), 0)) {
        take_plain(run, command, level_index);
        return TAKEN;
    }
    if (__builtin_expect(level_index == NONE, 0)) {
        level_index = level_add(run, side, price_ticks);
    }
    struct event *const accepted = run->event;
    struct event *const opened = accepted + 1;
    const uint64_t sequence = book->sequence + 1;
    REQUIRE(opened < run->events_end);
    run->event = accepted + 2;
    book->sequence = sequence + 1;
    accepted->head = ACCEPTED | side << 8 | run->index_bits;
    opened->head = OPENED | side << 8 | run->index_bits;
    accepted->sequence = sequence;
    opened->sequence = node->opened = sequence + 1;
    write_order_event(accepted, &command->order_id, command->account, price_ticks, lots, 0);
    write_order_event(opened, &command->order_id, command->account, price_ticks, lots, 0);
    node->share = plain_hash(hash_of_id, command->account, node->meta, price_ticks, lots, sequence + 1, 0);
    book->order_sum += node->share;
    id_put_here(bucket, index, hash_of_id);
    book->spare_count--; /* the node of next_free_node */
    touch_level(run, &run->levels[level_index]);
    join_level(run, index, level_index);
    book->order_count++;
    note_rest(run, index);
    return RESTED;
}

/* Whether a command names an order without an extra, which stands where it was guessed and is the account's. */
static inline int names_plain(const struct run *run, const struct command *command, const struct ahead *ahead)
{
    const struct node *const node = &run->nodes[ahead->node];
    return stands_ahead(run, &command->order_id, ahead) && (node->flags & NODE_EXTRA) == 0 &&
           (command->account == 0 || command->account == node->account);
}

/* What a move comes to: its new level, or NONE, and the lots that are left of it. */
struct plain_move {
    uint32_t level;
    int64_t lots;
};

/* Whether an AMEND moves such an order, which trades with nobody and is not refused. */
static inline int is_plain_move(struct run *run, const struct command *command, const struct ahead *ahead, struct plain_move *move)
{
    const struct node *const node = &run->nodes[ahead->node];
    const uint64_t most = ((uint64_t)command->price_ticks - 1) | (uint64_t)command->size_lots;
    if (!names_plain(run, command, ahead) || most >> 62 != 0 || run->book->mode != OPEN ||
        command->issued_at_ms < run->fresh_from_ms || command->collar_bp > MC_MAX_COLLAR_BP) {
        return 0;
    }
    move->lots = command->size_lots != 0 ? command->size_lots - node->traded : node->lots;
    move->level = level_find(run, node->side, command->price_ticks);
    return move->level != node->level && move->lots > 0 &&
           !is_outside_band(run, node->side, command->price_ticks, command->collar_bp) &&
           !is_too_large(command->price_ticks, move->lots + total_at(run, move->level)) &&
           !would_trade(run, node->side, command->price_ticks);
}

/* The order leaves its queue for the one at its new price; its node and its id stay. Answers whether this was done. */
static inline int move_plain(struct run *run, const struct command *command, const struct ahead *ahead)
{
    struct plain_move move;
    if (!is_plain_move(run, command, ahead, &move)) {
        return 0;
    }
    mc_book *const book = run->book;
    const uint32_t index = ahead->node;
    struct node *const node = &run->nodes[index];
    const uint32_t side = node->side;
    const int64_t price_ticks = command->price_ticks;
    struct event *const amended = run->event;
    struct event *const opened = amended + 1;
    const uint64_t sequence = book->sequence + 1;
    REQUIRE(opened < run->events_end);
    run->event = amended + 2;
    book->sequence = sequence + 1;
    amended->head = AMENDED | side << 8 | run->index_bits;
    opened->head = OPENED | side << 8 | run->index_bits;
    amended->sequence = sequence;
    opened->sequence = sequence + 1;
    write_order_event(amended, &node->order_id, node->account, price_ticks, move.lots, node->lots);
    write_order_event(opened, &node->order_id, node->account, price_ticks, move.lots, 0);
    touch_level(run, &run->levels[node->level]);
    note_move(run, index);
    leave_level(run, index);
    node->lots = move.lots;
    node->opened = sequence + 1;
    book->order_sum -= node->share;
    node->share = plain_hash(ahead->hash, node->account, node->meta, price_ticks, move.lots, sequence + 1, node->traded);
    book->order_sum += node->share;
    if (move.level == NONE) {
        move.level = level_add(run, side, price_ticks);
    }
    touch_level(run, &run->levels[move.level]);
    join_level(run, index, move.level);
    return 1;
}

/* Takes such an order off the book. Answers whether this was done. It leaves its queue as by `leave_queue`, whose second look at the
 * order's flags and level takes half a nanosecond. */
static inline int cancel_plain(struct run *run, const struct command *command, const struct ahead *ahead)
{
    if (!names_plain(run, command, ahead)) {
        return 0;
    }
    const uint32_t index = ahead->node;
    const struct node *const node = &run->nodes[index];
    struct level *const level = &run->levels[node->level];
    emit_order(run, DONE, CANCELED, FLAG_RESTED, node, level->price_ticks, node->lots, 0);
    run->ids[(uint32_t)ahead->hash & run->id_mask].used ^= 1u << ahead->place;
    touch_level(run, level);
    note_removal(run, index, level);
    run->book->order_count--;
    leave_level(run, index);
    return 1;
}

#endif
