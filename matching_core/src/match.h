/* A taker's way through the book: per maker TRADE (and what becomes of the maker) or what self-trade prevention does,
 * then OPENED or DONE. The events' room is checked before each maker; between two checks at most MC_EVENT_SLACK records
 * are written, so nothing is written outside the buffer and the batch is taken back as a whole.
 */
#ifndef MC_MATCH_H
#define MC_MATCH_H

#include "rules.h"

#undef MC_FILE
#define MC_FILE 6

enum { RAN_OUT = NOT_DONE, NO_ROOM = 255 };

static inline int has_room(const struct run *run)
{
    return run->event <= run->last_event;
}

/* An event with its head: kind, side, code, flags, index of the command, sequence. All else is the caller's to write. */
static inline struct event *emit(struct run *run, enum event_kind kind, unsigned side, unsigned code, unsigned flags)
{
    struct event *event = run->event++;
    REQUIRE(event < run->events_end);
    event->head = (uint64_t)kind | (uint64_t)side << 8 | (uint64_t)code << 16 | (uint64_t)flags << 24 | run->index_bits;
    event->sequence = run->book->sequence;
    return event;
}

/* An event that only says that something is so. */
static void emit_mode(struct run *run, enum event_kind kind, int64_t price_ticks)
{
    struct event *event = emit(run, kind, 0, 0, 0);
    memset(&event->trade_id, 0, sizeof *event - offsetof(struct event, trade_id));
    event->price_ticks = price_ticks;
}

/* All of an order's event but its head and sequence. */
static inline void write_order_event(struct event *event, const struct order_id *id, uint64_t account, int64_t price_ticks,
                                     int64_t size_lots, int64_t remaining)
{
    event->trade_id = 0;
    event->order_id = *id;
    event->maker_order_id = (struct order_id){.word = {0, 0}};
    event->account = account;
    event->maker_account = 0;
    event->price_ticks = price_ticks;
    event->size_lots = size_lots;
    event->remaining = remaining;
}

/* An event of one order. Advances the sequence. */
static inline void emit_order(struct run *run, enum event_kind kind, unsigned code, unsigned flags,
                              const struct node *node, int64_t price_ticks, int64_t size_lots, int64_t remaining)
{
    run->book->sequence++;
    struct event *event = emit(run, kind, node->side, code, flags);
    write_order_event(event, &node->order_id, node->account, price_ticks, size_lots, remaining);
}

static inline unsigned funds_flag(const struct taker *taker)
{
    return taker->by_funds * (unsigned)FLAG_BY_FUNDS;
}

static inline void emit_taker(struct run *run, enum event_kind kind, unsigned code, const struct taker *taker,
                              int64_t remaining)
{
    emit_order(run, kind, code, funds_flag(taker), taker->order.node, taker->order.price_ticks, taker->order.node->lots,
               remaining);
}

/* A waiting stop or an iceberg is done. The price is its limit; a waiting stop's level is its stop price. */
__attribute__((noinline)) static void emit_extra_done(struct run *run, uint32_t index, enum done_reason reason)
{
    const struct node *node = node_at(run, index);
    const struct extra *extra = &run->extras[index];
    if (is_waiting(run, index)) {
        const unsigned flags = extra->funds > 0 ? FLAG_STOP | FLAG_BY_FUNDS : FLAG_STOP;
        emit_order(run, DONE, reason, flags, node, extra->limit_ticks, node->lots, extra->funds);
    } else {
        emit_order(run, DONE, reason, FLAG_RESTED, node, level_at(run, node->level)->price_ticks,
                   reason == FILLED ? 0 : lots_left(run, index), 0);
    }
}

/* Takes an order off the book and says why; where its id stands is known, and so is that it is a node. */
static inline void finish_found(struct run *run, uint32_t index, uint64_t hash_of_id, struct id_spot spot,
                                enum done_reason reason)
{
    const struct node *node = &run->nodes[index];
    if (__builtin_expect((node->flags & NODE_EXTRA) != 0, 0)) {
        emit_extra_done(run, index, reason);
    } else {
        const struct level *level = level_at(run, node->level);
        emit_order(run, DONE, reason, FLAG_RESTED, node, level->price_ticks, reason == FILLED ? 0 : node->lots, 0);
    }
    remove_order(run, index, hash_of_id, spot);
}

__attribute__((noinline)) static void finish_resting(struct run *run, uint32_t index, enum done_reason reason)
{
    const uint64_t hash_of_id = id_hash(&node_at(run, index)->order_id);
    finish_found(run, index, hash_of_id, id_spot_of(run, index, hash_of_id), reason);
}

/* A resting order trades `lots` of what it shows: it is done, comes again with its next part, or shows less. */
static inline void fill_resting(struct run *run, uint32_t index, int64_t lots)
{
    const struct node *node = node_at(run, index);
    if (lots < node->lots) {
        fill_part(run, index, lots);
    } else if (hidden_lots(run, index) == 0) {
        finish_resting(run, index, FILLED);
    } else {
        const int64_t price_ticks = level_at(run, node->level)->price_ticks;
        refresh_order(run, index, run->book->sequence + 1);
        emit_order(run, OPENED, 0, FLAG_RESTED, node, price_ticks, node->lots, hidden_lots(run, index));
    }
}

static inline void note_trade_price(mc_book *book, int64_t price_ticks)
{
    if (book->last_price_ticks == 0) {
        book->low_ticks = book->high_ticks = price_ticks;
    }
    book->last_price_ticks = price_ticks;
    book->low_ticks = price_ticks < book->low_ticks ? price_ticks : book->low_ticks;
    book->high_ticks = price_ticks > book->high_ticks ? price_ticks : book->high_ticks;
}

static inline void emit_trade(struct run *run, const struct node *taker, const struct node *maker, unsigned flags,
                              int64_t price_ticks, int64_t lots)
{
    REQUIRE(lots > 0 && lots <= maker->lots && maker->side != taker->side && maker->account != taker->account);
    run->book->sequence++;
    run->book->last_trade_id++;
    struct event *event = emit(run, TRADE, maker->side, 0, flags);
    event->trade_id = run->book->last_trade_id;
    event->order_id = taker->order_id;
    event->maker_order_id = maker->order_id;
    event->account = taker->account;
    event->maker_account = maker->account;
    event->price_ticks = price_ticks;
    event->size_lots = lots;
    event->remaining = maker->lots - lots;
    note_trade_price(run->book, price_ticks);
}

/* The taker has `lots` less to trade at this price. */
static inline void spend(struct run *run, struct taker *taker, int64_t lots, int64_t price_ticks)
{
    if (taker->by_funds) {
        taker->funds -= lots * price_ticks; /* lots <= funds / price */
    } else {
        taker->order.node->lots -= lots;
    }
    REQUIRE(taker->funds >= 0 && taker->order.node->lots >= 0);
}

/* The makers behind this one are on their way into the cache before a taker comes to them: the third one's node, and where the id
 * of the second one stands. Behind the last one any node is looked at. */
__attribute__((always_inline)) static inline void look_at_makers(const struct run *run, uint32_t index)
{
    const uint32_t second = run->links[run->links[index].next].next;
    const uint32_t third = run->links[second].next;
    __builtin_prefetch(&run->nodes[third], 1);
    __builtin_prefetch(&run->links[third], 1);
    __builtin_prefetch(&run->ids[(uint32_t)id_hash(&run->nodes[second].order_id) & run->id_mask], 1);
}

/* The first order of a level has traded whole. It is off the book but for what `sweep` does for all that it takes from the level;
 * answers the one behind it. */
static inline uint32_t finish_first(struct run *run, uint32_t index, const struct level *level)
{
    const struct node *const node = &run->nodes[index];
    const uint64_t hash_of_id = id_hash(&node->order_id);
    const uint32_t next = run->links[index].next;
    REQUIRE(run->links[index].prev == NONE);
    emit_order(run, DONE, FILLED, FLAG_RESTED, node, level->price_ticks, 0, 0);
    id_remove(run, index, hash_of_id, id_spot_of(run, index, hash_of_id));
    note_removal(run, index, level);
    run->links[next].prev = NONE;
    return next;
}

/* Trades with the usual makers of a level, first to last: orders without an extra, of other accounts. What they have in common
 * is done once. Ends before the first that is not usual, or when the order has all that it wants, after `most` makers, or where
 * no room is left. Answers how many it met. Not for an order by funds. */
__attribute__((noinline)) static uint32_t sweep(struct run *run, struct node *order, uint32_t level_index, uint32_t most)
{
    struct level *const level = level_at(run, level_index);
    int64_t left = order->lots;
    uint32_t index = level->head;
    uint32_t met = 0;
    uint32_t taken = 0;
    touch_level(run, level);
    while (left > 0 && index != NONE && met < most && has_room(run)) {
        const struct node *const maker = node_at(run, index);
        if ((maker->flags & NODE_EXTRA) != 0 || maker->account == order->account) {
            break;
        }
        look_at_makers(run, index);
        const int64_t lots = left < maker->lots ? left : maker->lots;
        emit_trade(run, order, maker, 0, level->price_ticks, lots);
        left -= lots;
        met++;
        if (lots < maker->lots) {
            fill_node(run, index, level, lots);
            break;
        }
        index = finish_first(run, index, level);
        taken++;
    }
    const int64_t traded = order->lots - left;
    REQUIRE(traded <= level->lots && taken <= level->orders && (index == NONE) == (taken == level->orders));
    order->lots = left;
    order->traded += traded;
    run->book->order_count -= taken;
    level->lots -= traded;
    level->orders -= taken;
    level->head = index;
    if (index == NONE) {
        level->tail = NONE;
        level_drop(run, level_index);
    }
    return met;
}

static inline void trade(struct run *run, struct taker *taker, uint32_t index, int64_t price_ticks, int64_t affordable)
{
    const struct node *maker = node_at(run, index);
    look_at_makers(run, index);
    const int64_t lots = affordable < maker->lots ? affordable : maker->lots;
    emit_trade(run, taker->order.node, maker, funds_flag(taker), price_ticks, lots);
    spend(run, taker, lots, price_ticks);
    taker->order.node->traded += lots;
    fill_resting(run, index, lots);
}

/* Decrease and cancel: both lose the smaller's lots without a trade; the smaller is done, both when they are equal. */
static enum done_reason decrease_and_cancel(struct run *run, struct taker *taker, uint32_t index, int64_t price_ticks,
                                            int64_t affordable)
{
    const int64_t maker_lots = lots_left(run, index);
    if (affordable == maker_lots) {
        finish_resting(run, index, SELF_TRADE);
        return SELF_TRADE;
    }
    if (affordable < maker_lots) {
        reduce_order(run, index, affordable);
        emit_order(run, REDUCED, 0, FLAG_RESTED, node_at(run, index), price_ticks, lots_left(run, index), maker_lots);
        return SELF_TRADE;
    }
    const int64_t before = taker->order.node->lots;
    spend(run, taker, maker_lots, price_ticks);
    emit_taker(run, REDUCED, 0, taker, taker->by_funds ? taker->funds : before);
    finish_resting(run, index, SELF_TRADE);
    return NOT_DONE;
}

/* The taker meets an order of its own account. NOT_DONE: it goes on. */
static enum done_reason prevent_self_trade(struct run *run, struct taker *taker, uint32_t index, int64_t price_ticks,
                                           int64_t affordable)
{
    switch (taker->order.node->stp) {
    case CANCEL_OLDEST:
        finish_resting(run, index, SELF_TRADE);
        return NOT_DONE;
    case CANCEL_NEWEST:
        return SELF_TRADE;
    case CANCEL_BOTH:
        finish_resting(run, index, SELF_TRADE);
        return SELF_TRADE;
    default:
        REQUIRE(taker->order.node->stp == DECREASE_AND_CANCEL);
        return decrease_and_cancel(run, taker, index, price_ticks, affordable);
    }
}

/* Walks the other side best first. Answers why the taker is done, RAN_OUT of orders it may trade with, or NO_ROOM. */
static unsigned match(struct run *run, struct taker *taker)
{
    const uint32_t side = taker->order.node->side;
    const uint32_t *best = &run->book->best[other_side(side) - 1];
    for (;; taker->touched++) {
        if (taker->by_funds ? taker->funds == 0 : taker->order.node->lots == 0) {
            return FILLED;
        }
        if (*best == NONE) {
            return RAN_OUT;
        }
        const struct level *level = level_at(run, *best);
        const int64_t price_ticks = level->price_ticks;
        if (!crosses(side, taker->limit_ticks, price_ticks)) {
            return RAN_OUT;
        }
        const int64_t affordable = taker->by_funds ? taker->funds / price_ticks : taker->order.node->lots;
        if (affordable == 0) {
            return taker->order.node->traded > 0 ? FILLED : NO_LIQUIDITY;
        }
        if (taker->touched == MC_MAX_FILLS) {
            return FILL_LIMIT;
        }
        if (!has_room(run)) {
            return NO_ROOM;
        }
        const uint32_t met = taker->by_funds ? 0 : sweep(run, taker->order.node, *best, MC_MAX_FILLS - taker->touched);
        if (met > 0) {
            taker->touched += met - 1;
            continue;
        }
        const uint32_t maker = level->head;
        if (is_due(run, maker)) {
            finish_resting(run, maker, EXPIRED_ORDER);
        } else if (node_at(run, maker)->account != taker->order.node->account) {
            trade(run, taker, maker, price_ticks, affordable);
        } else {
            const enum done_reason reason = prevent_self_trade(run, taker, maker, price_ticks, affordable);
            if (reason != NOT_DONE) {
                taker->touched++;
                return reason;
            }
        }
    }
}

/* A market order goes at most its collar away from the price that it finds. */
static void set_collar(struct run *run, struct taker *taker)
{
    const uint32_t side = taker->order.node->side;
    const int64_t touch = best_price(run, other_side(side));
    if (touch == 0) {
        return;
    }
    const int64_t collar = part_of_price(touch, taker->collar_bp);
    const int64_t furthest = side == BUY ? touch + collar : touch - collar;
    if (crosses(side, taker->limit_ticks, furthest)) {
        taker->limit_ticks = furthest;
    }
}

static void rest_taker(struct run *run, struct taker *taker)
{
    struct node *node = taker->order.node;
    node->opened = run->book->sequence + 1;
    const int64_t lots = node->lots;
    rest_order(run, &taker->order, node->side, taker->own_level);
    emit_order(run, OPENED, 0, 0, node, taker->order.price_ticks, node->lots, lots - node->lots);
}

/* The taker trades with what it crosses; what is left of it rests or is done. */
static void enter(struct run *run, struct taker *taker)
{
    unsigned outcome = RAN_OUT;
    if (run->book->mode == OPEN) {
        if (taker->collar_bp > 0) {
            set_collar(run, taker);
        }
        if (would_trade(run, taker->order.node->side, taker->limit_ticks)) {
            outcome = match(run, taker);
        }
    }
    if (outcome == NO_ROOM) {
        return;
    }
    if (outcome != RAN_OUT) {
        emit_taker(run, DONE, outcome, taker, taker->funds);
    } else if (taker->can_rest) {
        rest_taker(run, taker);
    } else {
        emit_taker(run, DONE, is_market(taker->order_type) ? NO_LIQUIDITY : IOC_REMAINDER, taker, taker->funds);
    }
}

#endif
