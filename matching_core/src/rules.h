/* Whether a command is refused, and why: the checks in the order of enum reject_code, the first that applies counts.
 * Reads the book, never changes it.
 */
#ifndef MC_RULES_H
#define MC_RULES_H

#include "orders.h"

#undef MC_FILE
#define MC_FILE 4

/* The order that a PLACE brings, while it is on its way through the book. */
struct taker {
    struct node order;    /* lots: still to be traded; 0 for an order by funds */
    int64_t funds;        /* ticks x lots still to be spent, by funds only */
    uint32_t own_level;   /* the level at its own price and side, or NONE */
    uint8_t order_type, time_in_force, stp, flags;
    int by_funds, traded;
};

static inline uint32_t other_side(uint32_t side)
{
    return BUY + SELL - side;
}

static inline int crosses(const struct taker *taker, int64_t price_ticks)
{
    const int64_t limit = taker->order.price_ticks;
    if (taker->order.side == SELL) {
        return price_ticks >= limit; /* 0 = no worst price */
    }
    return price_ticks <= limit || limit == 0;
}

static inline int is_nil(const struct order_id *id)
{
    return id->word[0] == 0 && id->word[1] == 0;
}

static inline int outside(unsigned value, unsigned first, unsigned last)
{
    return value < first || value > last;
}

static int is_malformed_place(const struct command *command)
{
    const unsigned lowest_tif = command->order_type == MARKET || command->order_type == STOP_MARKET ? 0 : GTC;
    if (outside(command->side, BUY, SELL) || outside(command->order_type, LIMIT, STOP_MARKET) ||
        outside(command->time_in_force, lowest_tif, FOK) || outside(command->stp, 0, CANCEL_BOTH) ||
        outside(command->flags, 0, POST_ONLY) || command->reserved != 0) {
        return 1;
    }
    if (is_nil(&command->order_id) || command->account == 0 || command->price_ticks < 0 || command->size_lots < 0 ||
        command->funds < 0 || command->stop_price_ticks < 0 || command->display_lots < 0 ||
        command->expire_at_ms < 0 || command->issued_at_ms < 0) {
        return 1;
    }
    if (command->order_type == MARKET || command->order_type == STOP_MARKET) {
        if ((command->size_lots == 0) == (command->funds == 0) || command->flags != 0) {
            return 1;
        }
    } else if (command->price_ticks == 0 || command->size_lots == 0 || command->funds != 0 ||
               (command->flags == POST_ONLY && command->time_in_force >= IOC)) {
        return 1;
    }
    const int is_stop = command->order_type >= STOP_LIMIT;
    return is_stop != (command->stop_price_ticks > 0);
}

static int is_unsupported_place(const struct command *command)
{
    return command->order_type >= STOP_LIMIT || (command->order_type == LIMIT && command->time_in_force == GTT) ||
           command->display_lots != 0 || command->expire_at_ms != 0;
}

/* Whether the numbers could leave 62 bits: price x size, and for an order that may rest, price x all on its level. */
static int is_too_large(struct run *run, const struct command *command, uint32_t own_level)
{
    int64_t lots = command->size_lots;
    if (lots > MC_MAX_NOTIONAL || command->funds > MC_MAX_NOTIONAL || command->price_ticks > MC_MAX_NOTIONAL) {
        return 1;
    }
    if (own_level != NONE) {
        lots += level_at(run, own_level)->lots; /* below 2^63: both are at most 2^62 - 1 */
    }
    int64_t notional;
    return __builtin_mul_overflow(command->price_ticks, lots, &notional) || notional > MC_MAX_NOTIONAL;
}

/* Whether the book would fill the whole size now: other accounts' orders only, at most MC_MAX_FILLS touched. An own
 * order in the way stops the taker unless its stp cancels the oldest. */
static int is_fillable(struct run *run, const struct taker *taker)
{
    int64_t wanted = taker->order.lots;
    uint32_t touched = 0;
    uint32_t index = run->book->best[other_side(taker->order.side) - 1];
    while (index != NONE && crosses(taker, level_at(run, index)->price_ticks)) {
        uint32_t next = level_at(run, index)->head;
        while (next != NONE) {
            const struct node *maker = node_at(run, next);
            if (touched == MC_MAX_FILLS) {
                return 0;
            }
            touched++;
            if (maker->account != taker->order.account) {
                if (maker->lots >= wanted) {
                    return 1;
                }
                wanted -= maker->lots;
            } else if (taker->stp != CANCEL_OLDEST) {
                return 0;
            }
            next = maker->next;
        }
        index = level_at(run, index)->worse;
    }
    return 0;
}

static enum reject_code check_place(struct run *run, const struct command *command, struct taker *taker)
{
    if (is_malformed_place(command)) {
        return MALFORMED;
    }
    if (is_unsupported_place(command)) {
        return UNSUPPORTED;
    }
    if (run->book->at_ms - command->issued_at_ms > MC_STALE_AFTER_MS) {
        return STALE;
    }
    if (id_find(run, &command->order_id) != NONE) {
        return DUPLICATE_ORDER_ID;
    }
    if (run->book->halted) {
        return MARKET_HALTED;
    }
    *taker = (struct taker){
        .order = {.order_id = command->order_id, .account = command->account, .price_ticks = command->price_ticks,
                  .lots = command->size_lots, .side = command->side},
        .funds = command->funds, .by_funds = command->funds > 0, .order_type = command->order_type,
        .time_in_force = command->time_in_force, .flags = command->flags,
        .stp = command->stp == 0 ? DECREASE_AND_CANCEL : command->stp};
    if (command->order_type == LIMIT && command->time_in_force == GTC) {
        taker->own_level = level_find(run, command->side, command->price_ticks);
    }
    if (is_too_large(run, command, taker->own_level)) {
        return TOO_LARGE;
    }
    if (command->flags & POST_ONLY) {
        const uint32_t best = run->book->best[other_side(command->side) - 1];
        if (best != NONE && crosses(taker, level_at(run, best)->price_ticks)) {
            return POST_ONLY_WOULD_CROSS;
        }
    }
    if (command->order_type == LIMIT && command->time_in_force == FOK && !is_fillable(run, taker)) {
        return FOK_NOT_FILLABLE;
    }
    return NOT_REJECTED;
}

#endif
