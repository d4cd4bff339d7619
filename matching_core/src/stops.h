/* Stops: orders that wait until the last trade price comes to their stop price, then are placed.
 *
 * They stand in two sides of their own, by stop price and age. `low_ticks` and `high_ticks` span the trade prices that no
 * stop was checked against yet, so a price that was only passed counts too. One stop is triggered at a time and runs to
 * its end; its trades widen the span, and so a cascade goes on in the order of price and age.
 */
#ifndef MC_STOPS_H
#define MC_STOPS_H

#include "match.h"

#undef MC_FILE
#define MC_FILE 7

/* The stop to trigger next, or NONE: the highest falling one that is met, then the lowest rising one. */
static uint32_t next_met_stop(struct run *run)
{
    const mc_book *book = run->book;
    const uint32_t loss = book->best[LOSS_STOPS - 1];
    const uint32_t entry = book->best[ENTRY_STOPS - 1];
    if (book->last_price_ticks == 0) {
        return NONE;
    }
    if (loss != NONE && level_at(run, loss)->price_ticks >= book->low_ticks) {
        return level_at(run, loss)->head;
    }
    if (entry != NONE && level_at(run, entry)->price_ticks <= book->high_ticks) {
        return level_at(run, entry)->head;
    }
    return NONE;
}

/* A stop order of a PLACE waits from now on; its age is that of its ACCEPTED. */
static void wait_for_price(struct run *run, struct taker *taker, const struct command *command)
{
    struct order *order = &taker->order;
    const uint32_t side = stop_side(command);
    order->node->opened = run->book->sequence;
    order->extra.limit_ticks = command->price_ticks;
    order->extra.funds = command->funds;
    order->extra.collar_bp = command->collar_bp;
    order->extra.order_type = command->order_type;
    order->extra.time_in_force = command->time_in_force;
    order->price_ticks = command->stop_price_ticks;
    rest_order(run, order, side, level_find(run, side, order->price_ticks));
}

/* The order that waited, as a taker. Only what it needs on the book stays in its extra. */
static void read_stop(struct run *run, uint32_t index, struct taker *taker)
{
    const struct extra *extra = &run->extras[index];
    REQUIRE(extra->order_type == STOP_LIMIT || extra->order_type == STOP_MARKET);
    *taker = (struct taker){.order = {.price_ticks = extra->limit_ticks,
                                      .extra = {.display = extra->display, .expire_at_ms = extra->expire_at_ms}},
        .limit_ticks = limit_for(node_at(run, index)->side, extra->limit_ticks), .funds = extra->funds,
        .collar_bp = is_market(extra->order_type) ? extra->collar_bp : 0, .order_type = extra->order_type,
        .can_rest = may_rest(extra->order_type, extra->time_in_force), .by_funds = extra->funds > 0};
    set_node(run, &taker->order);
    *taker->order.node = *node_at(run, index);
    if (extra->display == 0 && extra->expire_at_ms == 0) {
        taker->order.node->flags = 0;
    }
}

/* Answers how many makers it met. */
static uint32_t trigger(struct run *run, uint32_t index)
{
    struct taker taker;
    const struct node *node = node_at(run, index);
    const int64_t stop_price_ticks = level_at(run, node->level)->price_ticks;
    read_stop(run, index, &taker);
    emit_order(run, TRIGGERED, 0, FLAG_STOP | funds_flag(&taker), node, stop_price_ticks, node->lots, taker.funds);
    const uint64_t hash_of_id = id_hash(&node->order_id);
    remove_order(run, index, hash_of_id, id_spot_of(run, index, hash_of_id));
    if (taker.can_rest) {
        taker.own_level = level_find(run, taker.order.node->side, taker.order.price_ticks);
        if (is_too_large(taker.order.price_ticks, taker.order.node->lots + total_at(run, taker.own_level))) {
            emit_taker(run, DONE, LEVEL_FULL, &taker, 0);
            return 0;
        }
    }
    enter(run, &taker);
    return taker.touched;
}

#endif
