/* Plays commands that a fuzzer wrote to a market, and checks it after each batch.
 *
 * The input is a run of 12-byte instructions. Numbers are indexes into small tables, so that orders meet, ids come twice and
 * limits are hit exactly; one instruction can stand for hundreds of orders, and one brings a raw record.
 *
 *    0  low nibble: what (enum what); 16: sell; 32: post-only; 64: stop entry; 128: the batch ends behind it
 *    1  order type (2 bits), time in force (3 bits), self-trade prevention (3 bits); for MODE: which command
 *    2  order id; for MANY the step from price to price
 *    3  account (3 bits), how long ago it was issued (2 bits), 128: an id of MANY's, counted backwards
 *    4  price    5  size    6  funds    7  stop price    8  display    9  end    10  collar
 *   11  how many (MANY), room for events (END_NARROW), milliseconds to the next batch
 */
#ifndef MC_FUZZ_PLAY_H
#define MC_FUZZ_PLAY_H

#include "check.h"

enum what {
    PUT_UP_TO = 5, /* 0..5: PLACE */
    TAKE_BACK = 6,
    CHANGE,
    TAKE_ALL_BACK,
    MODE,
    BIG_STEP, /* of time */
    MANY,
    END_NARROW,
    END,
    TWIN,
    RAW
};

enum { INSTRUCTION_BYTES = 12, MOST_COMMANDS = 2500 };
#define START_MS INT64_C(1700000000000)

struct player {
    struct market market;
    struct command batch[MOST_BATCH];
    int64_t count, total, room;
    uint64_t many_ids;
    struct event *events, *twin_events;
    unsigned char *work;
};

static const int64_t EDGES[] = {
    -1, INT64_MIN, INT64_MAX, MC_MAX_NOTIONAL, MC_MAX_NOTIONAL - 1, MC_MAX_NOTIONAL + 1, MC_MAX_NOTIONAL / 2,
    MC_MAX_NOTIONAL / 1000, MC_MAX_NOTIONAL / 1000 + 1, MC_MAX_NOTIONAL / 16384, 1, 2, 3, 63, 64, 255, 256, 400, 401, 1000,
    4096, 10000, 16384, 17384, 33768, 1 << 20, (1 << 20) + 1, INT32_MAX, INT64_C(1) << 32, INT64_C(1) << 40,
    INT64_C(3) << 40, INT64_C(1) << 45, INT64_C(1) << 52, INT64_C(1) << 61};

static int64_t edge(unsigned char value)
{
    return EDGES[(size_t)(value - 200) % (sizeof EDGES / sizeof *EDGES)];
}

static int64_t price_of(unsigned char value)
{
    return value == 0 ? 0 : value < 200 ? 900 + value : edge(value);
}

static int64_t lots_of(unsigned char value)
{
    return value < 200 ? value : edge(value);
}

static int64_t funds_of(unsigned char value)
{
    return value < 200 ? (int64_t)value * 500 : edge(value);
}

static int64_t end_of(unsigned char value, int64_t at_ms)
{
    return value == 0 ? 0 : value < 200 ? at_ms + value - 20 : edge(value);
}

static uint16_t collar_of(unsigned char value)
{
    static const uint16_t odd[] = {1, 10000, 10001, 65535, 25};
    return value <= 250 ? (uint16_t)(value * 40) : odd[value - 251];
}

static struct command command_of(const struct player *player, const unsigned char *code, enum command_kind kind)
{
    static const int64_t ages[] = {0, 240000, 240001, 0};
    static const unsigned char times[] = {0, 1, 2, 3, 4, 1, 1, 2};
    static const unsigned char stps[] = {0, 1, 2, 3, 4, 1, 2, 1};
    const int64_t at_ms = player->market.at_ms;
    struct command command = {
        .kind = kind, .side = code[0] & 16 ? SELL : BUY, .order_type = (code[1] & 3) + 1,
        .time_in_force = times[code[1] >> 2 & 7], .stp = stps[code[1] >> 5],
        .flags = code[0] >> 5 & 3, .collar_bp = collar_of(code[10]), .account = code[3] & 7,
        .price_ticks = price_of(code[4]), .size_lots = lots_of(code[5]), .funds = funds_of(code[6]),
        .stop_price_ticks = price_of(code[7]), .display_lots = lots_of(code[8]), .expire_at_ms = end_of(code[9], at_ms),
        .issued_at_ms = (code[3] >> 3 & 3) == 3 ? -1 : at_ms - ages[code[3] >> 3 & 3]};
    if (code[3] & 128) {
        command.order_id.word[0] = player->many_ids - code[2];
        command.order_id.word[1] = 1;
    } else {
        command.order_id.word[0] = code[2];
    }
    return command;
}

/* What is played, for the naive core to play it too (tests/core/test_fuzz.py): i64 at_ms, i64 commands, then the commands;
 * or -1 and 0 for an empty book, -1 and the length of a snapshot for the book of the snapshot that follows. */
static void record(int64_t first, int64_t second, const void *bytes, int64_t size)
{
#ifdef MC_RECORD
    FILE *file = fopen(getenv("MC_RECORD"), "ab");
    CHECK(file != NULL);
    CHECK(fwrite(&first, sizeof first, 1, file) == 1 && fwrite(&second, sizeof second, 1, file) == 1);
    CHECK(fwrite(bytes, 1, (size_t)size, file) == (size_t)size);
    CHECK(fclose(file) == 0);
#else
    (void)first, (void)second, (void)bytes, (void)size;
#endif
}

/* --- a batch */

static int64_t apply(struct player *player, struct book *book, int64_t room, struct event *events)
{
    const int64_t most = (MOST_ROOM + MC_EVENT_SLACK) * (int64_t)sizeof *events;
    const int64_t open = (room + MC_EVENT_SLACK) * (int64_t)sizeof *events;
    const int64_t work = mc_work_bytes(room);
    CLOSE((unsigned char *)events + open, (size_t)(most - open));
    CLOSE(player->work + work, (size_t)(mc_work_bytes(MOST_ROOM) - work));
    const int64_t code = mc_apply(book->block, player->market.at_ms, player->batch, player->count, events, room, player->work);
    OPEN_AGAIN(events, (size_t)most);
    OPEN_AGAIN(player->work, (size_t)mc_work_bytes(MOST_ROOM));
    CHECK(code <= room);
    return code;
}

/* The block is replaced by a larger one with the same book, as book.py does it. */
static void enlarge(struct book *book, uint32_t capacity)
{
    const struct snapshot snapshot = snapshot_of(book);
    new_block(book, capacity);
    CHECK(mc_restore(book->block, book->bytes, book->capacity, snapshot.bytes, snapshot.size) == 0);
    free(snapshot.bytes);
}

/* Applies the batch; when it is refused the book is as it was. 0: refused for good. */
static int apply_or_grow(struct player *player, struct book *book, int64_t room, struct event *events, int64_t *count)
{
    const struct snapshot before = snapshot_of(book);
    while ((*count = apply(player, book, room, events)) == MC_BOOK_FULL) {
        if (2 * book->capacity > MOST_ORDERS) {
            break;
        }
        enlarge(book, 2 * book->capacity);
    }
    if (*count < 0) {
        CHECK(*count == MC_EVENTS_FULL || *count == MC_BOOK_FULL);
        const struct snapshot after = snapshot_of(book);
        CHECK(same_snapshot(before, after));
        free(after.bytes);
    }
    free(before.bytes);
    return *count >= 0;
}

static void run_commands(struct player *player)
{
    struct market *market = &player->market;
    int64_t count;
    int64_t of_twin;
    int64_t room = player->room;
    player->room = MOST_ROOM;
    const int was_narrow = room < MOST_ROOM;
    if (was_narrow && !apply_or_grow(player, &market->twin, room, player->twin_events, &count) && count == MC_BOOK_FULL) {
        player->count = 0;
        return;
    }
    if (was_narrow && count >= 0) { /* it fitted: the main book gets exactly so much room */
        room = count;
    } else {
        room = MOST_ROOM;
    }
    const mc_book before = *head_of(&market->main);
    if (!apply_or_grow(player, &market->main, room, player->events, &count)) {
        CHECK(count != MC_EVENTS_FULL || room == MOST_ROOM);
        CHECK(!was_narrow || room == MOST_ROOM);
        player->count = 0;
        return;
    }
    if (room == MOST_ROOM) {
        if (was_narrow && count > 0) { /* one record too few is too few */
            CHECK(!apply_or_grow(player, &market->twin, count - 1, player->twin_events, &of_twin));
        }
        CHECK(apply_or_grow(player, &market->twin, was_narrow ? count : room, player->twin_events, &of_twin));
        CHECK(of_twin == count);
    }
    CHECK(memcmp(player->events, player->twin_events, (size_t)count * sizeof *player->events) == 0);
    record(market->at_ms, player->count, player->batch, player->count * (int64_t)sizeof *player->batch);
    check_events(player->events, count, player->count, &before, market->shown, &market->main);
    player->count = 0;
    check_book(market);
}

static void add(struct player *player, const struct command *command)
{
    if (player->total >= MOST_COMMANDS) {
        return;
    }
    if (player->count == MOST_BATCH) {
        run_commands(player);
    }
    player->total++;
    player->batch[player->count++] = *command;
}

static void add_many(struct player *player, const unsigned char *code)
{
    struct command command = command_of(player, code, PLACE);
    const int64_t step = (signed char)code[2];
    for (int n = 0; n < 2 * code[11] + 2; n++) {
        command.order_id = (struct order_id){{++player->many_ids, 1}};
        add(player, &command);
        if (command.price_ticks > 0 && command.price_ticks < INT64_C(1) << 60) {
            command.price_ticks += step;
        }
        if (command.stop_price_ticks > 0 && command.stop_price_ticks < INT64_C(1) << 60) {
            command.stop_price_ticks += step;
        }
    }
}

static void add_mode(struct player *player, const unsigned char *code)
{
    static const unsigned char kinds[] = {TICK, HALT, RESUME, AUCTION, UNCROSS, RESUME, AUCTION, 0, 10, 255, UNCROSS};
    struct command command = command_of(player, code, TICK);
    command.kind = kinds[code[1] % sizeof kinds];
    add(player, &command);
}

/* A time before the book's is refused and changes nothing. */
static void try_the_past(struct player *player)
{
    struct market *market = &player->market;
    if (market->at_ms > 0) {
        CHECK(mc_apply(market->main.block, market->at_ms - 1, NULL, 0, player->events, 0, player->work) ==
              MC_TIME_RAN_BACKWARDS || head_of(&market->main)->at_ms < market->at_ms);
    }
}

static int64_t time_step(unsigned char value)
{
    static const int64_t steps[] = {239999, 240000, 240001, 1000000, 0, 1, 20};
    return value < 200 ? value : steps[(value - 200) % 7];
}

static void play_instruction(struct player *player, const unsigned char *code)
{
    const unsigned what = code[0] & 15;
    struct command command;
    switch (what) {
    case TAKE_BACK:
        command = command_of(player, code, CANCEL);
        add(player, &command);
        break;
    case CHANGE:
        command = command_of(player, code, AMEND);
        add(player, &command);
        break;
    case TAKE_ALL_BACK:
        command = command_of(player, code, CANCEL_ALL);
        add(player, &command);
        break;
    case MODE:
        add_mode(player, code);
        break;
    case MANY:
        add_many(player, code);
        break;
    case END_NARROW:
        player->room = code[11];
        run_commands(player);
        break;
    case BIG_STEP:
    case END:
        run_commands(player);
        player->market.at_ms += what == END ? time_step(code[11]) : (int64_t)code[11] * 1000;
        break;
    case TWIN:
        run_commands(player);
        try_the_past(player);
        restore_twin(&player->market);
        break;
    default:
        command = command_of(player, code, PLACE);
        add(player, &command);
        break;
    }
    if ((code[0] & 128) != 0) {
        run_commands(player);
    }
}

static void play(struct player *player, const unsigned char *data, size_t size)
{
    while (size >= INSTRUCTION_BYTES) {
        if ((data[0] & 15) == RAW && size >= 1 + sizeof(struct command)) {
            struct command command;
            memcpy(&command, data + 1, sizeof command);
            add(player, &command);
            data += 1 + sizeof command;
            size -= 1 + sizeof command;
            continue;
        }
        play_instruction(player, data);
        data += INSTRUCTION_BYTES;
        size -= INSTRUCTION_BYTES;
    }
    run_commands(player);
}

/* The one player of this process, with a book of `capacity` yet to be made. */
static struct player *new_player(uint32_t capacity)
{
    static struct player player;
    if (player.events == NULL) {
        player.events = allocate((MOST_ROOM + MC_EVENT_SLACK) * (int64_t)sizeof(struct event));
        player.twin_events = allocate((MOST_ROOM + MC_EVENT_SLACK) * (int64_t)sizeof(struct event));
        player.work = allocate(mc_work_bytes(MOST_ROOM));
    }
    player.count = player.total = 0;
    player.room = MOST_ROOM;
    player.many_ids = 0;
    player.market.at_ms = START_MS;
    new_block(&player.market.main, capacity);
    return &player;
}

#endif
