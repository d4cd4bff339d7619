/* Changes of resting orders by command: cancel, cancel all of an account, amend. */
#ifndef MC_AMEND_H
#define MC_AMEND_H

#include "auction.h"

#undef MC_FILE
#define MC_FILE 9

static void emit_rejected(struct run *run, const struct command *command, enum reject_code code)
{
    if (command->kind == PLACE) {
        run->book->sequence++;
    }
    struct event *event = emit(run, REJECTED, command->side, code, command->kind);
    event->trade_id = 0;
    event->order_id = command->order_id;
    event->maker_order_id = (struct order_id){.word = {0, 0}};
    event->account = command->account;
    event->maker_account = 0;
    event->price_ticks = command->price_ticks;
    event->size_lots = command->size_lots;
    event->remaining = 0;
}

/* The order that a CANCEL or AMEND names, if it is the account's; account 0 is whoever owns it. */
static inline uint32_t find_for(struct run *run, const struct command *command, uint64_t hash_of_id, struct id_spot *spot)
{
    const uint32_t index = id_find(run, &command->order_id, hash_of_id, spot);
    if (index == NONE || (command->account != 0 && command->account != run->nodes[index].account)) {
        return NONE;
    }
    return index;
}

__attribute__((noinline)) static void cancel(struct run *run, const struct command *command, uint64_t hash_of_id)
{
    struct id_spot spot;
    const uint32_t index = find_for(run, command, hash_of_id, &spot);
    if (__builtin_expect(index == NONE, 0)) {
        emit_rejected(run, command, is_nil(&command->order_id) ? MALFORMED : UNKNOWN_ORDER);
        return;
    }
    finish_found(run, index, hash_of_id, spot, CANCELED);
}

/* The youngest of the kept orders comes to the top, so that an older one can take its place. */
static void sift_youngest_down(struct run *run, uint32_t *kept, uint32_t count)
{
    const uint32_t moving = kept[0];
    uint32_t at = 0;
    for (uint32_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && run->nodes[kept[child + 1]].opened > run->nodes[kept[child]].opened) {
            child++;
        }
        if (run->nodes[kept[child]].opened < run->nodes[moving].opened) {
            break;
        }
        kept[at] = kept[child];
        at = child;
    }
    kept[at] = moving;
}

static void sift_youngest_up(struct run *run, uint32_t *kept, uint32_t at)
{
    const uint32_t moving = kept[at];
    for (; at > 0 && run->nodes[kept[(at - 1) / 2]].opened < run->nodes[moving].opened; at = (at - 1) / 2) {
        kept[at] = kept[(at - 1) / 2];
    }
    kept[at] = moving;
}

/* Whether a node is on the book: a free one, or one that this batch took off, is not the answer to its own id. */
static inline int is_on_book(struct run *run, uint32_t index)
{
    const struct order_id *id = &run->nodes[index].order_id;
    struct id_spot spot;
    return id_find(run, id, id_hash(id), &spot) == index;
}

/* The account's oldest orders, oldest first. One pass over the arena: accounts are not indexed, that would cost every
 * order, and this command is rare. */
static uint32_t find_oldest(struct run *run, uint64_t account, uint32_t *kept)
{
    uint32_t count = 0;
    for (uint32_t index = 1; index <= run->book->node_used; index++) {
        const struct node *node = &run->nodes[index];
        if ((account != 0 && node->account != account) || !is_on_book(run, index)) {
            continue;
        }
        if (count < MC_MAX_FILLS) {
            kept[count] = index;
            sift_youngest_up(run, kept, count++);
        } else if (node->opened < run->nodes[kept[0]].opened) {
            kept[0] = index;
            sift_youngest_down(run, kept, count);
        }
    }
    for (uint32_t last = count; last > 1; last--) {
        const uint32_t youngest = kept[0];
        kept[0] = kept[last - 1];
        sift_youngest_down(run, kept, last - 1);
        kept[last - 1] = youngest;
    }
    return count;
}

static void cancel_all(struct run *run, const struct command *command)
{
    uint32_t kept[MC_MAX_FILLS];
    const uint32_t count = find_oldest(run, command->account, kept);
    for (uint32_t i = 0; i < count && has_room(run); i++) {
        finish_resting(run, kept[i], CANCELED);
    }
}

static int is_malformed_amend(const struct command *command)
{
    const int64_t asked = command->price_ticks | command->size_lots;
    return is_nil(&command->order_id) || (asked | command->issued_at_ms) < 0 || asked == 0 ||
           command->collar_bp > MC_MAX_COLLAR_BP;
}

/* The order to amend, or why there is none. */
static inline enum reject_code check_amend(struct run *run, const struct command *command, uint64_t hash_of_id,
                                           uint32_t *index, struct id_spot *spot)
{
    if (is_malformed_amend(command)) {
        return MALFORMED;
    }
    if (is_stale(run, command)) {
        return STALE;
    }
    *index = find_for(run, command, hash_of_id, spot);
    if (*index == NONE || is_due(run, *index)) {
        return UNKNOWN_ORDER;
    }
    if (is_waiting(run, *index)) {
        return STOP_WAITING;
    }
    return is_closed(run, 1) ? MARKET_HALTED : NOT_REJECTED;
}

/* Whether the order may come to its new price and size. */
static enum reject_code check_move(struct run *run, const struct command *command, const struct node *node,
                                   int64_t from_price, int64_t price_ticks, int64_t left, int64_t old_left)
{
    if (price_ticks != from_price && is_outside_band(run, node->side, price_ticks, command->collar_bp)) {
        return OUTSIDE_BAND;
    }
    if (command->size_lots > MC_MAX_NOTIONAL || price_ticks > MC_MAX_NOTIONAL) {
        return TOO_LARGE;
    }
    const uint32_t own_level = price_ticks == from_price ? node->level : level_find(run, node->side, price_ticks);
    const int64_t others = total_at(run, own_level) - (price_ticks == from_price ? old_left : 0);
    if (is_too_large(price_ticks, left + others)) {
        return TOO_LARGE;
    }
    if ((node->flags & NODE_POST_ONLY) != 0 && would_trade(run, node->side, price_ticks)) {
        return POST_ONLY_WOULD_CROSS;
    }
    return NOT_REJECTED;
}

/* Takes the order off and lets it come in anew, behind the others of its price. */
__attribute__((noinline)) static void move(struct run *run, uint32_t index, uint64_t hash_of_id, struct id_spot spot, int64_t price_ticks,
                        int64_t left, int64_t old_left)
{
    const struct node *node = node_at(run, index);
    struct taker taker;
    set_node(run, &taker.order);
    *taker.order.node = *node;
    taker.order.node->lots = left;
    taker.order.price_ticks = taker.limit_ticks = price_ticks;
    if ((node->flags & NODE_EXTRA) != 0) {
        taker.order.extra = run->extras[index];
        taker.order.extra.hidden = 0;
    }
    taker.funds = 0;
    taker.touched = 0;
    taker.collar_bp = 0;
    taker.order_type = LIMIT;
    taker.can_rest = 1;
    taker.by_funds = 0;
    emit_order(run, AMENDED, 0, 0, node, price_ticks, left, old_left);
    remove_order(run, index, hash_of_id, spot);
    taker.own_level = level_find(run, taker.order.node->side, price_ticks);
    enter(run, &taker);
}

__attribute__((noinline)) static void amend(struct run *run, const struct command *command, uint64_t hash_of_id)
{
    uint32_t index;
    struct id_spot spot;
    enum reject_code code = check_amend(run, command, hash_of_id, &index, &spot);
    if (code != NOT_REJECTED) {
        emit_rejected(run, command, code);
        return;
    }
    const struct node *node = node_at(run, index);
    const int64_t from_price = level_at(run, node->level)->price_ticks;
    const int64_t old_left = lots_left(run, index);
    const int64_t price_ticks = command->price_ticks != 0 ? command->price_ticks : from_price;
    const int64_t left = command->size_lots != 0 ? command->size_lots - node->traded : old_left;
    if (left <= 0) {
        finish_resting(run, index, CANCELED);
        return;
    }
    if (price_ticks == from_price && left <= old_left) {
        reduce_order(run, index, old_left - left);
        emit_order(run, AMENDED, 0, FLAG_RESTED, node, price_ticks, left, old_left);
        return;
    }
    code = check_move(run, command, node, from_price, price_ticks, left, old_left);
    if (code != NOT_REJECTED) {
        emit_rejected(run, command, code);
        return;
    }
    move(run, index, hash_of_id, spot, price_ticks, left, old_left);
}

#endif
