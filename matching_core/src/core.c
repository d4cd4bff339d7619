/* The core's entry points: check the arguments, open the block, run, answer a count or a code.
 *
 * One translation unit; the headers hold its parts in the order records, block, hash, ids, levels, orders, rules, match,
 * changes, snapshot, each built on those before. No allocation, clock, float, global or recursion anywhere.
 */
#include "snapshot.h"

#undef MC_FILE
#define MC_FILE 8

static int64_t mc_block_bytes(uint32_t capacity)
{
    return capacity < 1 || capacity > MC_MAX_ORDERS ? MC_BAD_INPUT : layout_for(capacity).end;
}

/* Work space of a call with room for so many events: the notes of touched levels, then of changes to take back. */
static int64_t mc_work_bytes(int64_t event_capacity)
{
    if (event_capacity < 0 || event_capacity > INT32_MAX) {
        return MC_BAD_INPUT;
    }
    return (event_capacity + MC_EVENT_SLACK) * (int64_t)(sizeof(struct touch) + sizeof(struct undo));
}

/* An empty book in zeroed memory. */
static int64_t mc_create(void *block, int64_t block_bytes, uint32_t capacity)
{
    if (block == NULL || ((uintptr_t)block & 63u) != 0 || mc_block_bytes(capacity) < 0 ||
        block_bytes < mc_block_bytes(capacity)) {
        return MC_BAD_INPUT;
    }
    mc_book *book = block;
    *book = (mc_book){.magic = BLOCK_MAGIC, .capacity = capacity, .id_slots = id_slots_for(capacity)};
    return 0;
}

static int64_t count_places(const struct command *commands, int64_t command_count)
{
    int64_t places = 0;
    for (int64_t i = 0; i < command_count; i++) {
        places += commands[i].kind == PLACE;
    }
    return places;
}

/* Runs the commands; the number of events, or a code and the book as before. */
static int64_t run_batch(struct run *run, int64_t at_ms, const struct command *commands, int64_t command_count)
{
    const mc_book before = *run->book;
    run->book->batch++;
    run->book->at_ms = at_ms;
    for (int64_t i = 0; i < command_count && has_room(run); i++) {
        run->command_index = (uint32_t)i;
        execute(run, &commands[i]);
    }
    if (has_room(run)) {
        emit_level_changes(run);
    }
    if (has_room(run)) {
        settle_undos(run);
        return run->event_count;
    }
    take_back(run);
    REQUIRE(run->book->order_count == before.order_count);
    run->book->sequence = before.sequence;
    run->book->last_trade_id = before.last_trade_id;
    run->book->at_ms = before.at_ms;
    run->book->halted = before.halted;
    run->book->order_sum = before.order_sum;
    return MC_EVENTS_FULL;
}

/* Applies a batch. `events` has room for event_capacity + MC_EVENT_SLACK records, `work` for mc_work_bytes. */
static int64_t mc_apply(void *block, int64_t at_ms, const void *commands, int64_t command_count, void *events,
                        int64_t event_capacity, void *work)
{
    if (!is_book(block) || command_count < 0 || command_count > INT32_MAX || mc_work_bytes(event_capacity) < 0 ||
        (((uintptr_t)commands | (uintptr_t)events | (uintptr_t)work) & 7u) != 0 || at_ms < 0) {
        return MC_BAD_INPUT;
    }
    struct run run;
    open_run(&run, block);
    if (run.book->broken_at != 0) {
        return MC_INVARIANT_BROKEN;
    }
    if (at_ms < run.book->at_ms) {
        return MC_TIME_RAN_BACKWARDS;
    }
    if (count_places(commands, command_count) > (int64_t)free_nodes(run.book)) {
        return MC_BOOK_FULL;
    }
    run.events = events;
    run.event_capacity = event_capacity;
    run.touches = work;
    run.undos = (struct undo *)(void *)(run.touches + event_capacity + MC_EVENT_SLACK);
    if (setjmp(run.broken) != 0) {
        return MC_INVARIANT_BROKEN;
    }
    return run_batch(&run, at_ms, commands, command_count);
}

static uint64_t mc_state_hash(const void *block)
{
    return is_book(block) ? state_hash(block) : 0;
}

/* The side's levels, best first, at most `limit`. */
static int64_t mc_levels(void *block, int side, int64_t limit, mc_level *levels)
{
    if (!is_book(block) || (side != BUY && side != SELL) || limit < 0) {
        return MC_BAD_INPUT;
    }
    struct run run;
    open_run(&run, block);
    if (setjmp(run.broken) != 0) {
        return MC_INVARIANT_BROKEN;
    }
    int64_t count = 0;
    for (uint32_t index = run.book->best[side - 1]; index != NONE && count < limit; count++) {
        const struct level *level = level_at(&run, index);
        levels[count] = (mc_level){.price_ticks = level->price_ticks, .lots = level->lots, .orders = level->orders};
        index = level->worse;
    }
    return count;
}

static int64_t mc_snapshot_bytes(const void *block)
{
    const mc_book *book = block;
    return is_book(book) && book->order_count <= book->capacity ? snapshot_size(book->order_count) : MC_BAD_INPUT;
}

static int64_t mc_snapshot(void *block, void *snapshot, int64_t snapshot_bytes)
{
    if (mc_snapshot_bytes(block) < 0 || snapshot_bytes != mc_snapshot_bytes(block)) {
        return MC_BAD_INPUT;
    }
    struct run run;
    open_run(&run, block);
    if (setjmp(run.broken) != 0) {
        return MC_INVARIANT_BROKEN;
    }
    write_snapshot(&run, snapshot, snapshot_bytes);
    return snapshot_bytes;
}

/* How many orders a sound snapshot holds; a code for a damaged one. */
static int64_t mc_snapshot_orders(const void *snapshot, int64_t snapshot_bytes)
{
    struct snapshot_header header;
    return read_snapshot_header(snapshot, snapshot_bytes, &header);
}

/* Builds the snapshot's book in zeroed memory. 0, or a code and memory that holds no book. */
static int64_t mc_restore(void *block, int64_t block_bytes, uint32_t capacity, const void *snapshot,
                          int64_t snapshot_bytes)
{
    struct snapshot_header header;
    const int64_t orders = read_snapshot_header(snapshot, snapshot_bytes, &header);
    if (orders < 0) {
        return orders;
    }
    if (orders > (int64_t)capacity) {
        return MC_BOOK_FULL;
    }
    int64_t code = mc_create(block, block_bytes, capacity);
    if (code < 0) {
        return code;
    }
    struct run run;
    open_run(&run, block);
    if (setjmp(run.broken) != 0) {
        return MC_INVARIANT_BROKEN;
    }
    code = read_snapshot(&run, snapshot, &header);
    if (code < 0) {
        run.book->magic = 0;
    }
    return code;
}
