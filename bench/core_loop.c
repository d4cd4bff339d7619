/* Feeds a run of operations to a peer's C functions, so that a peer is measured without Python in between (core_peers.py).
 *
 * `calls` holds the peer's functions in the order that each loop names. A loop answers the lots that were traded, -1 where
 * a call failed, and 0 where the peer does not say what was traded.
 */
#include <stdint.h>

enum { REST, CANCEL, TAKE, MOVE };
enum { SELL = 2 };

struct operation {
    uint8_t kind, side;
    uint16_t makers;
    uint32_t number;
    int64_t price_ticks, lots;
};

struct orderly_trade {
    uint64_t taker_id, maker_id, price;
    uint32_t lots, maker_remaining;
    int32_t taker_side;
};

enum { KEPT_TRADES = 4096 };

struct kept_trades {
    uint64_t count;
    struct orderly_trade ring[KEPT_TRADES];
};

/* A trade callback for orderly-chaos that writes each trade down, as one that passes events on would. */
void keep_orderly_trade(const struct orderly_trade *trade, void *kept)
{
    struct kept_trades *trades = kept;
    trades->ring[trades->count++ % KEPT_TRADES] = *trade;
}

/* orderly-chaos: limit, market, cancel. A move is cancel and limit. */
int64_t orderly_chaos(void *const *calls, void *book, const struct operation *operation, int64_t count)
{
    int32_t (*limit)(void *, int32_t, uint64_t, uint32_t, uint64_t, uint32_t *) = calls[0];
    int32_t (*market)(void *, int32_t, uint64_t, uint32_t, uint32_t *) = calls[1];
    int32_t (*cancel)(void *, uint64_t) = calls[2];
    int64_t traded = 0;
    int32_t failed = 0;
    for (const struct operation *end = operation + count; operation < end; operation++) {
        int32_t side = operation->side == SELL ? 0 : 1;
        uint32_t lots = (uint32_t)operation->lots, filled = 0;
        if (operation->kind == TAKE) {
            failed |= market(book, side, operation->number, lots, &filled);
            traded += filled;
            continue;
        }
        if (operation->kind != REST)
            failed |= cancel(book, operation->number);
        if (operation->kind != CANCEL)
            failed |= limit(book, side, operation->number, lots, (uint64_t)operation->price_ticks, &filled);
    }
    return failed ? -1 : traded;
}

/* limit-order-book: limit, market, cancel, which answer nothing. A move is cancel and limit. No events. */
int64_t limit_order_book(void *const *calls, void *book, const struct operation *operation, int64_t count)
{
    void (*limit)(void *, _Bool, uint64_t, uint32_t, uint64_t) = calls[0];
    void (*market)(void *, _Bool, uint64_t, uint32_t) = calls[1];
    void (*cancel)(void *, uint64_t) = calls[2];
    for (const struct operation *end = operation + count; operation < end; operation++) {
        _Bool buy = operation->side != SELL;
        uint32_t lots = (uint32_t)operation->lots;
        if (operation->kind == TAKE) {
            market(book, buy, operation->number, lots);
            continue;
        }
        if (operation->kind != REST)
            cancel(book, operation->number);
        if (operation->kind != CANCEL)
            limit(book, buy, operation->number, lots, (uint64_t)operation->price_ticks);
    }
    return 0;
}

struct obook_event {
    int32_t kind, reason, aggressor, padding;
    int64_t order_id, user, price, lots, maker_id, taker_id;
};

enum { OBOOK_TRADE = 3, OBOOK_IOC = 1, OBOOK_REJECTED = 5, OBOOK_EVENTS = 256 };

/* obook: submit, cancel, replace, events, and an array of its order ids by number. Its events are drained each call. */
int64_t obook(void *const *calls, void *book, const struct operation *operation, int64_t count)
{
    int32_t (*submit)(int64_t, int64_t, int32_t, int32_t, int64_t, int64_t, int32_t, int32_t, int64_t *, int32_t *,
                      int32_t *) = calls[0];
    int32_t (*cancel)(int64_t, int64_t, int64_t, int32_t *, int32_t *) = calls[1];
    int32_t (*replace)(int64_t, int64_t, int64_t, int32_t, int32_t, int64_t, int64_t, int32_t, int32_t, int64_t *, int32_t *,
                       int32_t *) = calls[2];
    int32_t (*events)(int64_t, struct obook_event *, int32_t) = calls[3];
    int64_t *ids = calls[4], handle = (int64_t)(intptr_t)book, traded = 0;
    struct obook_event buffer[OBOOK_EVENTS];
    int32_t failed = 0, status, reason, there;
    for (const struct operation *end = operation + count; operation < end; operation++) {
        int32_t side = operation->side == SELL;
        int64_t user = 1 + operation->number % 1000, *id = ids + operation->number;
        if (operation->kind == CANCEL)
            failed |= cancel(handle, *id, user, &status, &reason);
        else if (operation->kind == MOVE)
            failed |= replace(handle, *id, user, side, 0, operation->price_ticks, operation->lots, 0, 0, id, &status, &reason);
        else
            failed |= submit(handle, operation->kind == TAKE ? 1000000 : user, side, 0, operation->price_ticks,
                             operation->lots, operation->kind == TAKE ? OBOOK_IOC : 0, 0, id, &status, &reason);
        failed |= status == OBOOK_REJECTED;
        do {
            there = events(handle, buffer, OBOOK_EVENTS);
            for (int32_t at = 0; at < there; at++)
                traded += buffer[at].kind == OBOOK_TRADE ? buffer[at].lots : 0;
        } while (there == OBOOK_EVENTS);
    }
    return failed ? -1 : traded;
}
