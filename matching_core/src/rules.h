/* Whether a PLACE is refused, and why: the checks in the order of enum reject_code, the first that applies counts.
 * Reads the book, never changes it. (An AMEND's checks stand in amend.h, in the same order.)
 */
#ifndef MC_RULES_H
#define MC_RULES_H

#include "orders.h"

#undef MC_FILE
#define MC_FILE 5

/* An order on its way through the book: of a PLACE, of an AMEND that lost its place, of a stop that was triggered. */
struct taker {
    struct order order;   /* node->lots: still to be traded; 0 for an order by funds */
    int64_t limit_ticks;  /* no price beyond it; ANY_PRICE for a buy, 0 for a sell that takes any */
    int64_t funds;        /* ticks x lots still to be spent, by funds only */
    uint32_t own_level;   /* the level at its own price and side, or NONE */
    uint32_t touched;     /* makers that it met */
    uint16_t collar_bp; /* of a market order */
    uint8_t order_type, can_rest, by_funds;
};

static inline uint32_t other_side(uint32_t side)
{
    return BUY + SELL - side;
}

/* Whether an order of `side` that goes no further than `limit_ticks` trades at this price. Sides come at random, so this is
 * arithmetic: for a sell both numbers are negated. */
static inline int crosses(uint32_t side, int64_t limit_ticks, int64_t price_ticks)
{
    const int64_t negate = -(int64_t)(side == SELL);
    return ((price_ticks ^ negate) - negate) <= ((limit_ticks ^ negate) - negate);
}

static inline int64_t best_price(struct run *run, uint32_t side)
{
    const uint32_t best = run->book->best[side - 1];
    REQUIRE(best <= run->book->capacity);
    return run->levels[best].price_ticks; /* level 0 stands for none and has price 0 */
}

/* Whether a limit order of `side` would trade at once, own orders included. */
static inline int would_trade(struct run *run, uint32_t side, int64_t limit_ticks)
{
    const int64_t best = best_price(run, other_side(side));
    return (best != 0) & crosses(side, limit_ticks, best);
}

#define ANY_PRICE INT64_MAX

static inline int64_t limit_for(uint32_t side, int64_t price_ticks)
{
    return price_ticks == 0 && side == BUY ? ANY_PRICE : price_ticks;
}

static inline int is_nil(const struct order_id *id)
{
    return (id->word[0] | id->word[1]) == 0;
}

/* Whether one number at least is negative. */
static inline int any_negative(const struct command *command)
{
    return (command->price_ticks | command->size_lots | command->funds | command->stop_price_ticks |
            command->display_lots | command->expire_at_ms | command->issued_at_ms) < 0;
}

static inline int is_stop(const struct command *command)
{
    return command->order_type >= STOP_LIMIT;
}

static inline int is_market(unsigned order_type)
{
    return order_type == MARKET || order_type == STOP_MARKET;
}

static inline int may_rest(unsigned order_type, unsigned time_in_force)
{
    return !is_market(order_type) && time_in_force <= GTT;
}

/* A number that is no value of its field. Zero is none of side and type, and none of a limit order's time in force. */
static inline int has_unknown_value(const struct command *command)
{
    const unsigned lowest_tif = is_market(command->order_type) ? 0 : GTC;
    return (command->side - 1u > SELL - 1u) | (command->order_type - 1u > STOP_MARKET - 1u) |
           (command->time_in_force < lowest_tif) | (command->time_in_force > FOK) | (command->stp > CANCEL_BOTH) |
           (command->flags > (POST_ONLY | STOP_ENTRY)) | (command->collar_bp > MC_MAX_COLLAR_BP);
}

static int is_malformed_market(const struct command *command)
{
    return (command->size_lots == 0) == (command->funds == 0) || (command->flags & POST_ONLY) != 0 ||
           command->display_lots != 0;
}

static int is_malformed_limit(const struct command *command)
{
    if (command->price_ticks == 0 || command->size_lots == 0 || command->funds != 0) {
        return 1;
    }
    if (command->time_in_force >= IOC) {
        return (command->flags & POST_ONLY) != 0 || command->display_lots != 0;
    }
    return (command->time_in_force == GTT) != (command->expire_at_ms != 0);
}

static int is_malformed_stop(const struct command *command)
{
    return command->stop_price_ticks == 0 || (command->flags & POST_ONLY) != 0 ||
           (command->order_type == STOP_LIMIT && command->time_in_force == FOK);
}

static int is_malformed_place(const struct command *command)
{
    if (has_unknown_value(command) || is_nil(&command->order_id) || command->account == 0 || any_negative(command)) {
        return 1;
    }
    if (is_market(command->order_type) ? is_malformed_market(command) : is_malformed_limit(command)) {
        return 1;
    }
    return is_stop(command) ? is_malformed_stop(command)
                            : command->stop_price_ticks != 0 || (command->flags & STOP_ENTRY) != 0;
}

static inline int is_stale(const struct run *run, const struct command *command)
{
    return run->book->at_ms - command->issued_at_ms > MC_STALE_AFTER_MS;
}

/* Whether no order may be placed or amended now; in an auction's collecting phase those may that can rest. */
static inline int is_closed(const struct run *run, int can_rest)
{
    const uint64_t mode = run->book->mode;
    return mode != OPEN && (mode != AUCTION_MODE || !can_rest);
}

/* `bp` hundredths of a percent of a price, rounded down; both are in range, so nothing overflows. */
static inline int64_t part_of_price(int64_t price_ticks, int64_t bp)
{
    return price_ticks / 10000 * bp + price_ticks % 10000 * bp / 10000;
}

/* Whether a limit price is further beyond the last trade than its band allows. */
static inline int is_outside_band(const struct run *run, uint32_t side, int64_t price_ticks, int64_t collar_bp)
{
    const int64_t last = run->book->last_price_ticks;
    if (collar_bp == 0 || last == 0) {
        return 0;
    }
    const int64_t band = part_of_price(last, collar_bp);
    return side == BUY ? price_ticks > last + band : price_ticks < last - band;
}

/* Whether price x lots leaves 62 bits; neither is negative. */
static inline int is_too_large(int64_t price_ticks, int64_t lots)
{
    int64_t notional;
    return __builtin_mul_overflow(price_ticks, lots, &notional) || notional > MC_MAX_NOTIONAL;
}

static inline int64_t total_at(struct run *run, uint32_t level)
{
    return level_total(&run->levels[level]); /* level 0 is empty */
}

/* A number beyond 62 bits; price x size; for an order that may rest now, price x all on its level. Sums of two such
 * numbers fit 63 bits. */
static inline int overflows(struct run *run, const struct command *command, uint32_t own_level)
{
    return command->size_lots > MC_MAX_NOTIONAL || command->price_ticks > MC_MAX_NOTIONAL ||
           is_too_large(command->price_ticks, command->size_lots + total_at(run, own_level));
}

static inline uint32_t stop_side(const struct command *command)
{
    return (command->flags & STOP_ENTRY) != 0 ? ENTRY_STOPS : LOSS_STOPS;
}

/* The same of an order that is not plain; the lots that wait at one stop price stay within 62 bits too. */
static int overflows_beside(struct run *run, const struct command *command)
{
    if (command->funds > MC_MAX_NOTIONAL || command->stop_price_ticks > MC_MAX_NOTIONAL) {
        return 1;
    }
    return is_stop(command) &&
           command->size_lots + total_at(run, level_find(run, stop_side(command), command->stop_price_ticks)) > MC_MAX_NOTIONAL;
}

/* What others' icebergs on a level hide that are not over, and how many parts it comes in. */
static int64_t hidden_for(struct run *run, const struct level *level, uint64_t account, int64_t *parts)
{
    int64_t hidden = 0;
    for (uint32_t next = level->head; next != NONE; next = run->links[next].next) {
        const struct extra *extra = &run->extras[next];
        if (hidden_lots(run, next) > 0 && node_at(run, next)->account != account && !is_due(run, next)) {
            hidden += extra->hidden;
            *parts += (extra->hidden - 1) / extra->display + 1;
        }
    }
    return hidden;
}

/* Whether the book would fill the whole size now: other accounts' orders only, at most MC_MAX_FILLS touched. An own
 * order in the way stops the taker unless its stp cancels the oldest. Icebergs' hidden parts come after all that the
 * level shows, and count as touched all together: near the limit a FOK is rather refused than filled in part. */
static int is_fillable(struct run *run, const struct taker *taker)
{
    const struct node *wants = taker->order.node;
    int64_t wanted = wants->lots;
    int64_t touched = 0;
    uint32_t index = run->book->best[other_side(wants->side) - 1];
    while (index != NONE && crosses(wants->side, taker->limit_ticks, level_at(run, index)->price_ticks)) {
        const struct level *level = level_at(run, index);
        for (uint32_t next = level->head; next != NONE; next = run->links[next].next) {
            const struct node *maker = node_at(run, next);
            if (touched == MC_MAX_FILLS) {
                return 0;
            }
            touched++;
            if (is_due(run, next)) {
                continue;
            }
            if (maker->account != wants->account) {
                if (maker->lots >= wanted) {
                    return 1;
                }
                wanted -= maker->lots;
            } else if (wants->stp != CANCEL_OLDEST) {
                return 0;
            }
        }
        if (level->hidden > 0) {
            const int64_t hidden = hidden_for(run, level, wants->account, &touched);
            if (touched > MC_MAX_FILLS) {
                return 0;
            }
            if (hidden >= wanted) {
                return 1;
            }
            wanted -= hidden;
        }
        index = level->worse;
    }
    return 0;
}

/* The order that a sound PLACE brings. */
static void read_order(struct run *run, const struct command *command, struct taker *taker)
{
    const int64_t display = command->display_lots < command->size_lots ? command->display_lots : 0;
    const int has_extra = display > 0 || command->expire_at_ms > 0 || is_stop(command);
    *taker = (struct taker){.order = {.price_ticks = command->price_ticks},
        .limit_ticks = limit_for(command->side, command->price_ticks), .funds = command->funds,
        .collar_bp = is_market(command->order_type) ? command->collar_bp : 0, .order_type = command->order_type,
        .can_rest = may_rest(command->order_type, command->time_in_force), .by_funds = command->funds > 0};
    set_node(run, &taker->order);
    struct node *node = taker->order.node;
    node->order_id = command->order_id;
    node->account = command->account;
    node->lots = command->size_lots;
    node->opened = 0;
    node->traded = 0;
    node->meta = meta_for(command->side, command->stp == 0 ? DECREASE_AND_CANCEL : command->stp,
                          (command->flags & POST_ONLY) | (has_extra ? NODE_EXTRA : 0u));
    if (has_extra) {
        taker->order.extra = (struct extra){.display = display, .expire_at_ms = command->expire_at_ms};
    }
}

/* What an order may be refused for besides, when it is not plain. */
static enum reject_code check_option(struct run *run, const struct command *command, const struct taker *taker)
{
    if ((command->flags & POST_ONLY) != 0 && would_trade(run, command->side, command->price_ticks)) {
        return POST_ONLY_WOULD_CROSS;
    }
    if (command->order_type == LIMIT && command->time_in_force == FOK && !is_fillable(run, taker)) {
        return FOK_NOT_FILLABLE;
    }
    return NOT_REJECTED;
}

static enum reject_code check_place(struct run *run, const struct command *command, uint64_t hash_of_id, struct taker *taker)
{
    struct id_spot spot;
    if (is_malformed_place(command)) {
        return MALFORMED;
    }
    if (is_stale(run, command) || (command->expire_at_ms > 0 && command->expire_at_ms <= run->book->at_ms)) {
        return STALE;
    }
    if (id_find(run, &command->order_id, hash_of_id, &spot) != NONE) {
        return DUPLICATE_ORDER_ID;
    }
    if (is_closed(run, may_rest(command->order_type, command->time_in_force) | is_stop(command))) {
        return MARKET_HALTED;
    }
    read_order(run, command, taker);
    if (command->order_type == LIMIT && is_outside_band(run, command->side, command->price_ticks, command->collar_bp)) {
        return OUTSIDE_BAND;
    }
    if (taker->can_rest && command->order_type == LIMIT) {
        taker->own_level = level_find(run, command->side, command->price_ticks);
    }
    if (overflows(run, command, taker->own_level) || overflows_beside(run, command)) {
        return TOO_LARGE;
    }
    return check_option(run, command, taker);
}

#endif
