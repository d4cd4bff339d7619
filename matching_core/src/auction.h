/* The call auction: orders collect on a book that may be crossed; then all that crosses trades at one price.
 *
 * Opening the market (RESUME, UNCROSS) trades pair by pair, the first of the bids with the first of the asks, at the price
 * that lets most lots trade. It stops after MC_MAX_UNCROSS pairs; the rest goes on as waiting work (commands.h) in mode
 * UNCROSSING, in which nothing is placed. The older order of a pair is the maker.
 */
#ifndef MC_AUCTION_H
#define MC_AUCTION_H

#include "stops.h"

#undef MC_FILE
#define MC_FILE 8

static int is_crossed(struct run *run)
{
    const int64_t bid = best_price(run, BUY);
    const int64_t ask = best_price(run, SELL);
    return bid != 0 && ask != 0 && bid >= ask;
}

/* The price at which most lots trade, nearest to the last trade price, or in the middle where there is none. 0 and no lots
 * when nothing crosses. What trades counts up to MC_MAX_NOTIONAL lots. */
static int64_t equilibrium(struct run *run, int64_t *lots)
{
    const struct level *bid = &run->levels[run->book->best[BUY - 1]];
    const struct level *ask = &run->levels[run->book->best[SELL - 1]];
    int64_t bid_lots = level_total(bid);
    int64_t ask_lots = level_total(ask);
    int64_t highest = 0;
    int64_t lowest = 0;
    *lots = 0;
    while (bid_lots > 0 && ask_lots > 0 && bid->price_ticks >= ask->price_ticks) {
        const int64_t pair = bid_lots < ask_lots ? bid_lots : ask_lots;
        *lots = pair < MC_MAX_NOTIONAL - *lots ? *lots + pair : MC_MAX_NOTIONAL;
        highest = bid->price_ticks;
        lowest = ask->price_ticks;
        bid_lots -= pair;
        ask_lots -= pair;
        if (bid_lots == 0) { /* level 0 stands for none and holds nothing */
            bid = &run->levels[bid->worse];
            bid_lots = level_total(bid);
        }
        if (ask_lots == 0) {
            ask = &run->levels[ask->worse];
            ask_lots = level_total(ask);
        }
    }
    const int64_t last = run->book->last_price_ticks;
    if (last == 0) {
        return lowest + (highest - lowest) / 2;
    }
    return last < lowest ? lowest : last > highest ? highest : last;
}

static void open_market(struct run *run)
{
    run->book->mode = OPEN;
    emit_mode(run, RESUMED, run->book->auction_price_ticks);
    run->book->auction_price_ticks = 0;
}

static void uncross_pair(struct run *run, uint32_t bid, uint32_t ask)
{
    const int is_bid_older = node_at(run, bid)->opened < node_at(run, ask)->opened;
    const uint32_t maker = is_bid_older ? bid : ask;
    const uint32_t taker = is_bid_older ? ask : bid;
    if (node_at(run, bid)->account == node_at(run, ask)->account) {
        finish_resting(run, taker, SELF_TRADE);
        return;
    }
    const int64_t bid_lots = node_at(run, bid)->lots;
    const int64_t ask_lots = node_at(run, ask)->lots;
    const int64_t lots = bid_lots < ask_lots ? bid_lots : ask_lots;
    emit_trade(run, node_at(run, taker), node_at(run, maker), FLAG_AUCTION, run->book->auction_price_ticks, lots);
    fill_resting(run, maker, lots);
    fill_resting(run, taker, lots);
}

/* One step towards an open market. */
static void uncross_step(struct run *run)
{
    mc_book *book = run->book;
    if (!is_crossed(run)) {
        open_market(run);
        return;
    }
    const struct level *bids = level_at(run, book->best[BUY - 1]);
    const struct level *asks = level_at(run, book->best[SELL - 1]);
    if (is_due(run, bids->head)) {
        finish_resting(run, bids->head, EXPIRED_ORDER);
        return;
    }
    if (is_due(run, asks->head)) {
        finish_resting(run, asks->head, EXPIRED_ORDER);
        return;
    }
    if (book->auction_price_ticks < asks->price_ticks || book->auction_price_ticks > bids->price_ticks) {
        int64_t lots;
        book->auction_price_ticks = equilibrium(run, &lots);
    }
    uncross_pair(run, bids->head, asks->head);
}

/* RESUME and UNCROSS. */
static void uncross(struct run *run)
{
    if (!is_crossed(run)) {
        open_market(run);
        return;
    }
    run->book->mode = UNCROSSING;
    for (int steps = 0; steps < MC_MAX_UNCROSS && run->book->mode == UNCROSSING && has_room(run); steps++) {
        uncross_step(run);
    }
}

/* HALT and AUCTION: whatever was going on ends. */
static void set_mode(struct run *run, enum mode mode, enum event_kind kind)
{
    run->book->mode = mode;
    run->book->auction_price_ticks = 0;
    emit_mode(run, kind, 0);
}

#endif
