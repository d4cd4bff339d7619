/* The core's entry points: check the arguments, open the block, run, answer a count or a code.
 *
 * One translation unit; the headers hold its parts in the order records, block, hash, ids, expiry, levels, orders, rules, match,
 * stops, auction, amend, plain, commands, changes, snapshot, restore, each built on those before. No allocation, clock, float,
 * global or recursion anywhere.
 */
#include "restore.h"

#undef MC_FILE
#define MC_FILE 14

#define LOOK_AHEAD 4
#define AHEAD (4u * LOOK_AHEAD)
#ifndef LOOK_FURTHER_FROM /* tests look further from a few orders on */
#define LOOK_FURTHER_FROM 30000u /* orders: levels and links of a smaller book stay in the cache by themselves */
#endif

static int64_t mc_block_bytes(uint32_t capacity)
{
    return capacity < 1 || capacity > MC_MAX_ORDERS ? MC_BAD_INPUT : layout_for(capacity).end;
}

/* Work space of a call with room for so many events: notes of touched levels, two arrays of keys to sort
 * them by, notes of changes to take back, removed nodes. Each note stands beside an event. */
static int64_t mc_work_bytes(int64_t event_capacity)
{
    if (event_capacity < 0 || event_capacity > INT32_MAX) {
        return MC_BAD_INPUT;
    }
    const size_t bytes = sizeof(struct touch) + 2 * sizeof(struct touch_key) + sizeof(struct undo) + sizeof(uint64_t);
    return (event_capacity + MC_EVENT_SLACK) * (int64_t)bytes;
}

static void open_work(struct run *run, void *events, int64_t event_capacity, void *work)
{
    const int64_t entries = event_capacity + MC_EVENT_SLACK;
    run->entries = entries;
    run->events = run->event = events;
    run->last_event = run->events + event_capacity;
    run->events_end = run->events + entries;
    run->touches = run->touch = work;
    run->touches_end = run->touches + entries;
    run->keys = (struct touch_key *)(void *)run->touches_end;
    run->undos = run->undo = (struct undo *)(void *)(run->keys + 2 * entries);
    run->undos_end = run->undos + entries;
    run->removed = run->next_removed = (uint32_t *)(void *)run->undos_end;
}

/* An empty book in zeroed memory. */
static int64_t mc_create(void *block, int64_t block_bytes, uint32_t capacity)
{
    if (block == NULL || ((uintptr_t)block & 63u) != 0 || mc_block_bytes(capacity) < 0 ||
        block_bytes < mc_block_bytes(capacity)) {
        return MC_BAD_INPUT;
    }
    mc_book *book = block;
    *book = (mc_book){.magic = BLOCK_MAGIC, .capacity = capacity, .id_buckets = FEWEST_ID_BUCKETS};
    return 0;
}

/* Nodes that the commands may take while none is given back: each order that comes in, an amended one that comes in anew,
 * and a stop that is triggered and rests, of those that wait or come with the commands. */
static int64_t most_nodes(const mc_book *book, const struct command *commands, int64_t command_count)
{
    int64_t nodes = 0;
    int64_t stops = book->stop_count;
    for (int64_t i = 0; i < command_count; i++) {
        const int is_place = commands[i].kind == PLACE;
        nodes += is_place | (commands[i].kind == AMEND);
        stops += is_place & is_stop(&commands[i]);
    }
    const int64_t most_triggers = command_count * MC_MAX_BACKGROUND;
    return nodes + (stops < most_triggers ? stops : most_triggers);
}

static int are_nodes_free(const mc_book *book, const struct command *commands, int64_t command_count)
{
    const int64_t free = (int64_t)(book->capacity - book->order_count);
    return free >= 2 * command_count + book->stop_count || free >= most_nodes(book, commands, command_count);
}

/* Looking ahead: what a command some way ahead will look at is on its way into the cache when its turn comes, in steps of one
 * load each: the bucket of its id, the node there, that node's neighbours and level; for an order that comes in, its level and
 * that level's last order. Wrong guesses cost nothing but time. Kinds come at random, so everything is done for all of them.
 * Where an id stands is looked up here, out of the way of the branches that are guessed wrong later; whoever uses it looks
 * whether it still holds (stands_ahead). How far the rest goes depends on the size of the book.
 */
/* A function that only prefetches does nothing in the compiler's eyes: called, it is left out. Inlined, it stays. */
#define LOOKS __attribute__((always_inline)) static inline

LOOKS void guess_node(const struct run *run, struct ahead *ahead)
{
    const struct bucket *bucket = &run->ids[(uint32_t)ahead->hash & run->id_mask];
    const uint32_t places = places_of(bucket, (uint32_t)ahead->hash);
    ahead->place = first_place(places | 1u << (ID_PLACES - 1)); /* any place, and its node, where none is found */
    ahead->node = bucket->node[ahead->place];
}

LOOKS uint32_t guess_level(const struct run *run, const struct command *command)
{
    const uint64_t price = (uint64_t)command->price_ticks;
    return remembered_leaf(run, (command->side == SELL) + 1u, price)->child[child_of(price, 0)] >> 1;
}

LOOKS void look_at_bucket(const struct run *run, const struct command *command, struct ahead *ahead)
{
    ahead->hash = id_hash(&command->order_id);
    __builtin_prefetch(&run->ids[(uint32_t)ahead->hash & run->id_mask], 1);
}

LOOKS void look_at_node(const struct run *run, struct ahead *ahead)
{
    guess_node(run, ahead);
    __builtin_prefetch(&run->nodes[ahead->node], 1);
    __builtin_prefetch(&run->links[ahead->node], 1);
}

/* A free node that an order may come to stand in. */
LOOKS void look_at_spare(const struct run *run)
{
    const uint32_t count = run->book->spare_count;
    const uint32_t node = run->spare[count > LOOK_AHEAD ? count - LOOK_AHEAD : 0];
    __builtin_prefetch(&run->nodes[node], 1);
    __builtin_prefetch(&run->links[node], 1);
}

LOOKS void look_at_level(const struct run *run, const struct command *command, struct ahead *ahead)
{
    ahead->level = guess_level(run, command);
    __builtin_prefetch(&run->levels[ahead->level], 1);
}

LOOKS void look_at_neighbours(const struct run *run, const struct ahead *ahead)
{
    const struct links *links = &run->links[ahead->node];
    __builtin_prefetch(&run->links[links->prev], 1);
    __builtin_prefetch(&run->links[links->next], 1);
    __builtin_prefetch(&run->levels[run->nodes[ahead->node].level], 1);
    __builtin_prefetch(&run->links[run->levels[ahead->level].tail], 1);
}

LOOKS struct ahead *ahead_of(struct ahead *aheads, uint64_t i)
{
    return &aheads[i % AHEAD];
}

/* Looks at the command `3 * LOOK_AHEAD` behind `command` for the first time, and at those between again; `left`: how many there are
 * from `command` on. No group of commands at a time: a branch that is taken each fourth time is guessed wrong each fourth time,
 * since what else happens comes at random. */
LOOKS void look_ahead(const struct run *run, const struct command *command, int64_t left, uint64_t i, struct ahead *aheads,
                      int further)
{
    if (left > 3 * LOOK_AHEAD) {
        look_at_bucket(run, &command[3 * LOOK_AHEAD], ahead_of(aheads, i + 3 * LOOK_AHEAD));
    }
    if (left > 2 * LOOK_AHEAD) {
        look_at_node(run, ahead_of(aheads, i + 2 * LOOK_AHEAD));
    }
    if (!further) {
        return;
    }
    look_at_spare(run);
    if (left > 2 * LOOK_AHEAD) {
        look_at_level(run, &command[2 * LOOK_AHEAD], ahead_of(aheads, i + 2 * LOOK_AHEAD));
    }
    if (left > LOOK_AHEAD) {
        look_at_neighbours(run, ahead_of(aheads, i + LOOK_AHEAD));
    }
}

/* The first commands of a batch, as far as `look_ahead` takes them to have been looked at. */
LOOKS void look_at_first(const struct run *run, const struct command *commands, int64_t count, struct ahead *aheads, int further)
{
    const int64_t first = count < 3 * LOOK_AHEAD ? count : 3 * LOOK_AHEAD;
    const int64_t second = count < 2 * LOOK_AHEAD ? count : 2 * LOOK_AHEAD;
    const int64_t third = count < LOOK_AHEAD ? count : LOOK_AHEAD;
    for (int64_t i = 0; i < first; i++) {
        look_at_bucket(run, &commands[i], &aheads[i]);
    }
    for (int64_t i = 0; i < second; i++) {
        look_at_node(run, &aheads[i]);
    }
    for (int64_t i = 0; i < second && further; i++) {
        look_at_level(run, &commands[i], &aheads[i]);
    }
    for (int64_t i = 0; i < third && further; i++) {
        look_at_neighbours(run, &aheads[i]);
    }
}

/* Runs the commands; the number of events, or a code and the book as before. */
__attribute__((noinline)) static int64_t run_batch(struct run *run, int64_t at_ms, const struct command *commands,
                                                   int64_t command_count)
{
    const mc_book before = *run->book;
    const int further = before.order_count >= LOOK_FURTHER_FROM;
    struct ahead aheads[AHEAD];
    int quiet = is_quiet(&before) && before.low_ticks == before.high_ticks;
    run->book->batch++;
    run->book->at_ms = at_ms;
    run->fresh_from_ms = at_ms < MC_STALE_AFTER_MS ? 0 : at_ms - MC_STALE_AFTER_MS;
    look_at_first(run, commands, command_count, aheads, further);
    for (int64_t i = 0; i < command_count && has_room(run); i++) {
        const struct command *const command = &commands[i];
        look_ahead(run, command, command_count - i, (uint64_t)i, aheads, further);
        run->index_bits = (uint64_t)i << 32;
        quiet = run_command(run, command, ahead_of(aheads, (uint64_t)i), quiet);
    }
    if (has_room(run)) {
        emit_level_changes(run);
    }
    if (has_room(run)) {
        free_removed(run);
        return run->event - run->events;
    }
    take_back(run);
    REQUIRE(run->book->order_count == before.order_count);
    memcpy(run->book, &before, offsetof(mc_book, order_count));
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
    struct run opened;
    struct run *const run = &opened;
    open_run(run, block);
    if (run->book->broken_at != 0) {
        return MC_INVARIANT_BROKEN;
    }
    if (at_ms < run->book->at_ms) {
        return MC_TIME_RAN_BACKWARDS;
    }
    if (!are_nodes_free(run->book, commands, command_count)) {
        return MC_BOOK_FULL;
    }
    open_work(run, events, event_capacity, work);
    BROKEN_CALLS_RETURN(run);
    return run_batch(run, at_ms, commands, command_count);
}

static uint64_t mc_state_hash(const void *block)
{
    return is_book(block) ? state_hash(block) : 0;
}

/* The levels of a side (3 and 4: of the stops), best first, at most `limit`. */
static int64_t mc_levels(void *block, int side, int64_t limit, mc_level *levels)
{
    if (!is_book(block) || side < BUY || side > SIDES || limit < 0) {
        return MC_BAD_INPUT;
    }
    struct run opened;
    struct run *const run = &opened;
    open_run(run, block);
    BROKEN_CALLS_RETURN(run);
    int64_t count = 0;
    for (uint32_t index = run->book->best[side - 1]; index != NONE && count < limit; count++) {
        const struct level *level = level_at(run, index);
        levels[count] = (mc_level){.price_ticks = level->price_ticks, .lots = level->lots, .orders = level->orders};
        index = level->worse;
    }
    return count;
}

/* Where the market would open now: price and lots that would trade there; both 0 when nothing crosses. */
static int64_t mc_indicative(void *block, mc_level *found)
{
    if (!is_book(block)) {
        return MC_BAD_INPUT;
    }
    struct run opened;
    struct run *const run = &opened;
    open_run(run, block);
    BROKEN_CALLS_RETURN(run);
    *found = (mc_level){0};
    if (is_crossed(run)) {
        found->price_ticks = equilibrium(run, &found->lots);
    }
    return 0;
}

/* 1 if orders that are over, stops that are met or an unfinished uncross wait for the next command; else 0. */
static int64_t mc_work_waits(void *block)
{
    if (!is_book(block)) {
        return MC_BAD_INPUT;
    }
    struct run opened;
    struct run *const run = &opened;
    open_run(run, block);
    BROKEN_CALLS_RETURN(run);
    return does_work_wait(run);
}

static int64_t mc_snapshot_bytes(const void *block)
{
    const mc_book *book = block;
    return is_book(book) ? snapshot_size(book->order_count, book->extra_count) : MC_BAD_INPUT;
}

static int64_t mc_snapshot(void *block, void *snapshot, int64_t snapshot_bytes)
{
    if (mc_snapshot_bytes(block) < 0 || snapshot_bytes != mc_snapshot_bytes(block)) {
        return MC_BAD_INPUT;
    }
    struct run opened;
    struct run *const run = &opened;
    open_run(run, block);
    BROKEN_CALLS_RETURN(run);
    write_snapshot(run, snapshot, snapshot_bytes);
    return snapshot_bytes;
}

/* How many orders a snapshot's header tells of, or a code; whether that is so is seen when it is restored. */
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
    int64_t code = orders < 0 ? orders : check_snapshot(snapshot, snapshot_bytes, &header);
    if (code < 0) {
        return code;
    }
    if (orders > (int64_t)capacity) {
        return MC_BOOK_FULL;
    }
    code = mc_create(block, block_bytes, capacity);
    if (code < 0) {
        return code;
    }
    struct run opened;
    struct run *const run = &opened;
    open_run(run, block);
    BROKEN_CALLS_RETURN(run);
    code = read_snapshot(run, snapshot, snapshot_bytes, &header);
    if (code < 0) {
        run->book->magic = 0;
    }
    return code;
}

/* Zeroes what a book has used of its memory, so that another may be made there. A broken book is left alone. */
static int64_t mc_clear(void *block, int64_t block_bytes)
{
    if (!is_book(block) || mc_block_bytes(((const mc_book *)block)->capacity) > block_bytes) {
        return MC_BAD_INPUT;
    }
    mc_book *book = block;
    struct run opened;
    struct run *const run = &opened;
    open_run(run, block);
    BROKEN_CALLS_RETURN(run);
    const size_t nodes = book->node_used + 1u;
    const size_t extras = book->extra_used + 1u;
    REQUIRE(book->node_used <= book->capacity && book->extra_used <= book->node_used);
    REQUIRE(book->level_used <= book->capacity && book->fork_used <= book->capacity);
    memset(run->nodes, 0, nodes * sizeof *run->nodes);
    memset(run->links, 0, nodes * sizeof *run->links);
    memset(run->levels, 0, (book->level_used + 1u) * sizeof *run->levels);
    memset(run->forks, 0, (book->fork_used + 1u) * sizeof *run->forks);
    memset(run->extras, 0, extras * sizeof *run->extras);
    memset(run->timed, 0, extras * sizeof *run->timed);
    memset(run->spare, 0, nodes * sizeof *run->spare);
    memset(run->leaves, 0, SIDES * LEAVES * sizeof *run->leaves);
    memset(run->ids, 0, book->id_buckets * sizeof *run->ids);
    memset(book, 0, sizeof *book);
    return 0;
}
