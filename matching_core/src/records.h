/* The records that cross the border: commands in, events out, and the numbers in them.
 *
 * The same bytes stand in the queue's messages and in the journal, little-endian; the structs are the records.
 * The enums have the numbers of exchange/commands.py and exchange/events.py (tests compare them).
 */
#ifndef MC_RECORDS_H
#define MC_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#define MC_CORE_VERSION 2
#define MC_MAX_FILLS 400 /* makers that one taker touches at most; orders that one CANCEL_ALL takes off at most */
#define MC_MAX_BACKGROUND 50 /* a step of waiting work begins only below so many steps of it in one command */
#define MC_MAX_UNCROSS 200 /* pairs that one RESUME or UNCROSS trades at most */
#define MC_MAX_COMMAND_EVENTS 2700 /* more than one command can give, LEVEL events included */
#define MC_MAX_COLLAR_BP 10000
#define MC_MAX_ORDERS (1u << 24)
#define MC_EVENT_SLACK 4 /* records that must be writable behind the stated capacity */
#define MC_STALE_AFTER_MS 240000
#define MC_MAX_NOTIONAL ((INT64_C(1) << 62) - 1)

/* What a call returns instead of a count. Apart from MC_INVARIANT_BROKEN the book is as before the call. */
enum {
    MC_EVENTS_FULL = -1,
    MC_BOOK_FULL = -2,
    MC_BAD_INPUT = -3,
    MC_TIME_RAN_BACKWARDS = -4,
    MC_INVARIANT_BROKEN = -5,
    MC_SNAPSHOT_TRUNCATED = -6,
    MC_SNAPSHOT_UNKNOWN_FORMAT = -7,
    MC_SNAPSHOT_CHECKSUM = -8,
    MC_SNAPSHOT_FIGURES = -9,
    MC_SNAPSHOT_ORDER = -10,
    MC_SNAPSHOT_STATE_HASH = -11
};

enum command_kind { PLACE = 1, CANCEL, TICK, HALT, RESUME, CANCEL_ALL, AMEND, AUCTION, UNCROSS };
enum side { BUY = 1, SELL };
enum order_type { LIMIT = 1, MARKET, STOP_LIMIT, STOP_MARKET };
enum time_in_force { GTC = 1, GTT, IOC, FOK };
enum stp { DECREASE_AND_CANCEL = 1, CANCEL_OLDEST, CANCEL_NEWEST, CANCEL_BOTH };
enum mode { OPEN, HALTED_MODE, AUCTION_MODE, UNCROSSING };
enum { POST_ONLY = 1, STOP_ENTRY = 2 };

enum event_kind {
    ACCEPTED = 1,
    REJECTED,
    OPENED,
    TRADE,
    DONE,
    REDUCED,
    TRIGGERED,
    LEVEL,
    HALTED,
    RESUMED,
    AMENDED,
    COLLECTING
};
enum { FLAG_RESTED = 1, FLAG_BY_FUNDS = 2, FLAG_STOP = 4, FLAG_AUCTION = 8 };

/* Why a command is refused; checked in this order. */
enum reject_code {
    NOT_REJECTED = 0,
    MALFORMED,
    STALE, /* EXPIRED in Python */
    DUPLICATE_ORDER_ID,
    UNKNOWN_ORDER,
    STOP_WAITING,
    MARKET_HALTED,
    OUTSIDE_BAND,
    TOO_LARGE, /* OVERFLOW in Python; math.h owns that name */
    POST_ONLY_WOULD_CROSS,
    FOK_NOT_FILLABLE
};

enum done_reason {
    NOT_DONE = 0,
    FILLED,
    CANCELED,
    IOC_REMAINDER,
    NO_LIQUIDITY,
    SELF_TRADE,
    FILL_LIMIT,
    EXPIRED_ORDER,
    LEVEL_FULL
};

struct order_id {
    uint64_t word[2];
};

/* What is written or compared as one word stands in a union: a copy of its bytes would make the compiler load again whatever it
 * knows of other memory. */
struct command {
    union {
        struct {
            uint8_t kind, side, order_type, time_in_force, stp, flags;
            uint16_t collar_bp;
        };
        uint64_t head;
    };
    struct order_id order_id;
    uint64_t account;
    int64_t price_ticks, size_lots, funds, stop_price_ticks, display_lots, expire_at_ms, issued_at_ms;
    uint32_t maker_fee_ppm, taker_fee_ppm;
    struct order_id client_oid;
};

struct event {
    union {
        struct {
            uint8_t kind, side, code, flags;
            uint32_t command_index;
        };
        uint64_t head;
    };
    uint64_t sequence, trade_id;
    struct order_id order_id, maker_order_id;
    uint64_t account, maker_account;
    int64_t price_ticks, size_lots, remaining;
};

_Static_assert(sizeof(struct command) == 112 && offsetof(struct command, client_oid) == 96, "command record");
_Static_assert(sizeof(struct event) == 96 && offsetof(struct event, remaining) == 88, "event record");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the records are little-endian and used in place");

typedef struct {
    int64_t price_ticks, lots;
    uint32_t orders, reserved;
} mc_level;

#endif
