/* One command: its events, and what it does to the book.
 *
 * A PLACE answers ACCEPTED, then per maker TRADE (and DONE of a maker that is filled) or what self-trade prevention
 * does, then OPENED or DONE. The events' room is checked before each maker; a step writes at most MC_EVENT_SLACK records,
 * so nothing is written outside the buffer and the batch is taken back as a whole.
 */
#ifndef MC_MATCH_H
#define MC_MATCH_H

#include "rules.h"

#undef MC_FILE
#define MC_FILE 5

enum { RAN_OUT = NOT_DONE, NO_ROOM = 255 };

static inline int has_room(const struct run *run)
{
    return run->event_count <= run->event_capacity;
}

static inline struct event *emit(struct run *run, enum event_kind kind)
{
    REQUIRE(run->event_count < run->event_capacity + MC_EVENT_SLACK);
    struct event *event = &run->events[run->event_count++];
    *event = (struct event){.kind = kind, .command_index = run->command_index, .sequence = run->book->sequence};
    return event;
}

/* An event of one order: of the taker, or of a resting order (FLAG_RESTED). Advances the sequence. */
static inline struct event *emit_order(struct run *run, enum event_kind kind, const struct node *order, unsigned flags)
{
    run->book->sequence++;
    struct event *event = emit(run, kind);
    event->side = (uint8_t)order->side;
    event->flags = (uint8_t)flags;
    event->order_id = order->order_id;
    event->account = order->account;
    event->price_ticks = order->price_ticks;
    event->size_lots = order->lots;
    return event;
}

static inline unsigned taker_flags(const struct taker *taker)
{
    return taker->by_funds ? FLAG_BY_FUNDS : 0;
}

static void emit_rejected(struct run *run, const struct command *command, enum reject_code code)
{
    if (command->kind == PLACE) {
        run->book->sequence++;
    }
    struct event *event = emit(run, REJECTED);
    event->side = command->side;
    event->code = (uint8_t)code;
    event->flags = command->kind;
    event->order_id = command->order_id;
    event->account = command->account;
    event->price_ticks = command->price_ticks;
    event->size_lots = command->size_lots;
}

static void emit_taker_done(struct run *run, const struct taker *taker, enum done_reason reason)
{
    struct event *event = emit_order(run, DONE, &taker->order, taker_flags(taker));
    event->code = (uint8_t)reason;
    event->remaining = taker->funds;
}

/* Takes a resting order off the book and says why. */
static void finish_resting(struct run *run, uint32_t index, enum done_reason reason)
{
    struct event *event = emit_order(run, DONE, node_at(run, index), FLAG_RESTED);
    event->code = (uint8_t)reason;
    if (reason == FILLED) {
        event->size_lots = 0;
    }
    remove_order(run, index);
}

static void trade(struct run *run, struct taker *taker, uint32_t index, int64_t affordable)
{
    const struct node *maker = node_at(run, index);
    const int64_t lots = affordable < maker->lots ? affordable : maker->lots;
    REQUIRE(lots > 0 && maker->side != taker->order.side && maker->account != taker->order.account);
    run->book->sequence++;
    run->book->last_trade_id++;
    struct event *event = emit(run, TRADE);
    event->side = (uint8_t)maker->side;
    event->flags = (uint8_t)taker_flags(taker);
    event->trade_id = run->book->last_trade_id;
    event->order_id = taker->order.order_id;
    event->maker_order_id = maker->order_id;
    event->account = taker->order.account;
    event->maker_account = maker->account;
    event->price_ticks = maker->price_ticks;
    event->size_lots = lots;
    event->remaining = maker->lots - lots;
    if (taker->by_funds) {
        taker->funds -= lots * maker->price_ticks; /* lots <= funds / price */
    } else {
        taker->order.lots -= lots;
    }
    REQUIRE(taker->funds >= 0 && taker->order.lots >= 0);
    taker->traded = 1;
    if (lots == maker->lots) {
        finish_resting(run, index, FILLED);
    } else {
        reduce_order(run, index, lots);
    }
}

/* Decrease and cancel: both lose the smaller's lots without a trade; the smaller is done, both when they are equal. */
static enum done_reason decrease_and_cancel(struct run *run, struct taker *taker, uint32_t index, int64_t affordable)
{
    const struct node *maker = node_at(run, index);
    if (affordable == maker->lots) {
        finish_resting(run, index, SELF_TRADE);
        return SELF_TRADE;
    }
    if (affordable < maker->lots) {
        const int64_t before = maker->lots;
        reduce_order(run, index, affordable);
        emit_order(run, REDUCED, maker, FLAG_RESTED)->remaining = before;
        return SELF_TRADE;
    }
    const int64_t before = taker->order.lots;
    if (taker->by_funds) {
        taker->funds -= maker->lots * maker->price_ticks;
    } else {
        taker->order.lots -= maker->lots;
    }
    emit_order(run, REDUCED, &taker->order, taker_flags(taker))->remaining = taker->by_funds ? taker->funds : before;
    finish_resting(run, index, SELF_TRADE);
    return NOT_DONE;
}

/* The taker meets an order of its own account. NOT_DONE: it goes on. */
static enum done_reason prevent_self_trade(struct run *run, struct taker *taker, uint32_t index, int64_t affordable)
{
    switch (taker->stp) {
    case CANCEL_OLDEST:
        finish_resting(run, index, SELF_TRADE);
        return NOT_DONE;
    case CANCEL_NEWEST:
        return SELF_TRADE;
    case CANCEL_BOTH:
        finish_resting(run, index, SELF_TRADE);
        return SELF_TRADE;
    default:
        REQUIRE(taker->stp == DECREASE_AND_CANCEL);
        return decrease_and_cancel(run, taker, index, affordable);
    }
}

/* Walks the other side best first. Answers why the taker is done, RAN_OUT of orders it may trade with, or NO_ROOM. */
static unsigned match(struct run *run, struct taker *taker)
{
    const uint32_t *best = &run->book->best[other_side(taker->order.side) - 1];
    for (uint32_t touched = 0;; touched++) {
        if (taker->by_funds ? taker->funds == 0 : taker->order.lots == 0) {
            return FILLED;
        }
        if (*best == NONE || !crosses(taker, level_at(run, *best)->price_ticks)) {
            return RAN_OUT;
        }
        const struct level *level = level_at(run, *best);
        const int64_t affordable = taker->by_funds ? taker->funds / level->price_ticks : taker->order.lots;
        if (affordable == 0) {
            return taker->traded ? FILLED : NO_LIQUIDITY;
        }
        if (touched == MC_MAX_FILLS) {
            return FILL_LIMIT;
        }
        if (!has_room(run)) {
            return NO_ROOM;
        }
        const uint32_t maker = level->head;
        if (node_at(run, maker)->account != taker->order.account) {
            trade(run, taker, maker, affordable);
            continue;
        }
        const enum done_reason reason = prevent_self_trade(run, taker, maker, affordable);
        if (reason != NOT_DONE) {
            return reason;
        }
    }
}

static void place(struct run *run, const struct command *command)
{
    struct taker taker;
    const enum reject_code code = check_place(run, command, &taker);
    if (code != NOT_REJECTED) {
        emit_rejected(run, command, code);
        return;
    }
    emit_order(run, ACCEPTED, &taker.order, taker_flags(&taker))->remaining = taker.funds;
    unsigned outcome = match(run, &taker);
    if (outcome == NO_ROOM) {
        return;
    }
    if (outcome == RAN_OUT && taker.order_type == LIMIT && taker.time_in_force == GTC) {
        const struct event *opened = emit_order(run, OPENED, &taker.order, 0);
        taker.order.opened = opened->sequence;
        rest_order(run, &taker.order, taker.own_level);
        return;
    }
    if (outcome == RAN_OUT) {
        outcome = taker.order_type == MARKET ? NO_LIQUIDITY : IOC_REMAINDER;
        REQUIRE(taker.order_type == MARKET || taker.time_in_force == IOC);
    }
    emit_taker_done(run, &taker, (enum done_reason)outcome);
}

static void cancel(struct run *run, const struct command *command)
{
    if (is_nil(&command->order_id)) {
        emit_rejected(run, command, MALFORMED);
        return;
    }
    const uint32_t index = id_find(run, &command->order_id);
    if (index == NONE || (command->account != 0 && command->account != node_at(run, index)->account)) {
        emit_rejected(run, command, UNKNOWN_ORDER);
        return;
    }
    finish_resting(run, index, CANCELED);
}

static void execute(struct run *run, const struct command *command)
{
    switch (command->kind) {
    case PLACE:
        place(run, command);
        break;
    case CANCEL:
        cancel(run, command);
        break;
    case TICK: /* only its time counts */
        break;
    case HALT:
        run->book->halted = 1;
        emit(run, HALTED);
        break;
    case RESUME:
        run->book->halted = 0;
        emit(run, RESUMED);
        break;
    case CANCEL_ALL:
    case AMEND:
    case AUCTION:
    case UNCROSS:
        emit_rejected(run, command, UNSUPPORTED);
        break;
    default:
        emit_rejected(run, command, MALFORMED);
        break;
    }
}

#endif
