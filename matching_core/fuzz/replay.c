/* Runs recorded batches through the core and writes down all that it answers, without Python: stdin -> stdout.
 *
 * Whatever compiler, optimisation level or machine this is built for, the bytes that come out must be the same
 * (tests/core/test_variants.py). It needs read, write, mmap and _exit, so bare_aarch64.c can stand in for a C library.
 *
 *   in:   per batch  i64 at_ms, i64 commands, i64 room for events, then 112 B per command;
 *         commands = -1: a new, empty book with capacity `room`; -2: so many bytes of a snapshot to restore aside
 *   out:  per batch  i64 events or code, 96 B per event, u64 state hash, i64 work waits, for each side i64 levels, then price,
 *         lots, orders of the best LEVELS_SHOWN; after every SNAPSHOT_EVERY-th batch of a book i64 bytes and the snapshot
 *         For a snapshot to restore: i64 code, and u64 state hash if it was one
 */
#include <sys/mman.h>
#include <unistd.h>

#include "core.c"

/* allocations.c looks at what happens during a call. */
#ifndef CALL
#define CALL(call) (call)
#endif

enum { CREATE = -1, RESTORE = -2, SHOWN_SIDES = 4, LEVELS_SHOWN = 5, SNAPSHOT_EVERY = 16, MOST_EVENTS = 200000 };

static unsigned char *input, output[1 << 16];
static int64_t input_bytes, input_at, output_bytes;

#ifdef MC_COVERAGE
int __llvm_profile_write_file(void);
#endif

__attribute__((noreturn)) static void stop(int code)
{
#ifdef MC_COVERAGE
    __llvm_profile_write_file();
#endif
    _exit(code);
}

static void *memory(int64_t bytes)
{
    void *at = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        stop(2);
    }
    return at;
}

static void flush(void)
{
    for (int64_t at = 0; at < output_bytes;) {
        const ssize_t written = write(1, output + at, (size_t)(output_bytes - at));
        if (written <= 0) {
            stop(3);
        }
        at += written;
    }
    output_bytes = 0;
}

static void put(const void *bytes, int64_t count)
{
    const unsigned char *from = bytes;
    while (count > 0) {
        if (output_bytes == (int64_t)sizeof output) {
            flush();
        }
        int64_t step = (int64_t)sizeof output - output_bytes;
        step = step < count ? step : count;
        memcpy(output + output_bytes, from, (size_t)step);
        output_bytes += step;
        from += step;
        count -= step;
    }
}

static void put_number(int64_t number)
{
    put(&number, sizeof number);
}

static void read_input(void)
{
    int64_t room = 1 << 20;
    input = memory(room);
    for (;;) {
        if (input_bytes == room) {
            unsigned char *larger = memory(2 * room);
            memcpy(larger, input, (size_t)input_bytes);
            munmap(input, (size_t)room);
            input = larger;
            room *= 2;
        }
        const ssize_t got = read(0, input + input_bytes, (size_t)(room - input_bytes));
        if (got < 0) {
            stop(4);
        }
        if (got == 0) {
            return;
        }
        input_bytes += got;
    }
}

static int64_t take_number(void)
{
    int64_t number;
    if (input_bytes - input_at < (int64_t)sizeof number) {
        stop(5);
    }
    memcpy(&number, input + input_at, sizeof number);
    input_at += (int64_t)sizeof number;
    return number;
}

static mc_book *block;
static int64_t block_bytes, capacity;

static void new_block(int64_t orders)
{
    capacity = orders;
    block_bytes = mc_block_bytes((uint32_t)orders);
    if (block_bytes <= 0) {
        stop(6);
    }
    block = memory(block_bytes);
}

/* A book's memory can be used for another one, and all of it is zero then; memory that holds no book is not touched. */
static void check_clear(mc_book *old, int64_t bytes)
{
    const int is_cleared = old->magic != 0;
    const unsigned char *const all = (const unsigned char *)old;
    unsigned char found = 0;
    if (CALL(mc_clear(old, bytes - 1)) != MC_BAD_INPUT || CALL(mc_clear(old, bytes)) != (is_cleared ? 0 : MC_BAD_INPUT)) {
        stop(12);
    }
    for (int64_t i = 0; is_cleared && i < bytes; i++) {
        found |= all[i];
    }
    if (found != 0) {
        stop(13);
    }
}

static void put_snapshot(void)
{
    const int64_t bytes = mc_snapshot_bytes(block);
    void *snapshot = memory(bytes);
    put_number(CALL(mc_snapshot(block, snapshot, bytes)));
    put(snapshot, bytes);
    munmap(snapshot, (size_t)bytes);
}

/* The book in a block twice as large, as book.py does it. */
static void grow(int64_t orders)
{
    mc_book *const old = block;
    const int64_t old_bytes = block_bytes;
    const int64_t bytes = mc_snapshot_bytes(old);
    void *snapshot = memory(bytes);
    if (CALL(mc_snapshot(old, snapshot, bytes)) != bytes) {
        stop(7);
    }
    new_block(2 * capacity > orders ? 2 * capacity : orders);
    if (CALL(mc_restore(block, block_bytes, (uint32_t)capacity, snapshot, bytes)) != 0) {
        stop(8);
    }
    munmap(snapshot, (size_t)bytes);
    check_clear(old, old_bytes);
    munmap(old, (size_t)old_bytes);
}

/* The book goes on afterwards as if nothing had been. */
static void restore_aside(const unsigned char *snapshot, int64_t bytes)
{
    mc_book *const kept = block;
    const int64_t kept_bytes = block_bytes;
    const int64_t kept_capacity = capacity;
    int64_t code = CALL(mc_snapshot_orders(snapshot, bytes));
    if (code >= 0) {
        new_block(code > 0 ? code : 1);
        code = CALL(mc_restore(block, block_bytes, (uint32_t)capacity, snapshot, bytes));
        put_number(code);
        if (code == 0) {
            put_number((int64_t)CALL(mc_state_hash(block)));
        }
        check_clear(block, block_bytes);
        munmap(block, (size_t)block_bytes);
    } else {
        put_number(code);
    }
    block = kept;
    block_bytes = kept_bytes;
    capacity = kept_capacity;
}

static void put_levels(void)
{
    for (int side = 1; side <= SHOWN_SIDES; side++) {
        mc_level levels[LEVELS_SHOWN];
        const int64_t count = CALL(mc_levels(block, side, LEVELS_SHOWN, levels));
        put_number(count);
        for (int64_t i = 0; i < count; i++) {
            put_number(levels[i].price_ticks);
            put_number(levels[i].lots);
            put_number(levels[i].orders);
        }
    }
}

static void replay(void)
{
    struct event *events = memory((MOST_EVENTS + MC_EVENT_SLACK) * (int64_t)sizeof(struct event));
    void *work = memory(mc_work_bytes(MOST_EVENTS));
    for (int64_t batch = 1; input_at < input_bytes; batch++) {
        const int64_t at_ms = take_number();
        const int64_t count = take_number();
        const int64_t room = take_number();
        if (count == RESTORE) {
            input_at += room;
            if (input_at > input_bytes) {
                stop(11);
            }
            restore_aside(input + input_at - room, room);
            continue;
        }
        if (count == CREATE) {
            new_block(room);
            if (CALL(mc_create(block, block_bytes, (uint32_t)capacity)) != 0) {
                stop(9);
            }
            batch = 0;
            continue;
        }
        const unsigned char *commands = input + input_at;
        input_at += count * (int64_t)sizeof(struct command);
        if (input_at > input_bytes || room > MOST_EVENTS) {
            stop(10);
        }
        int64_t code;
        while ((code = CALL(mc_apply(block, at_ms, commands, count, events, room, work))) == MC_BOOK_FULL) {
            grow((int64_t)block->order_count + count);
        }
        put_number(code);
        put(events, code > 0 ? code * (int64_t)sizeof(struct event) : 0);
        put_number((int64_t)CALL(mc_state_hash(block)));
        put_number(CALL(mc_work_waits(block)));
        put_levels();
        if (batch % SNAPSHOT_EVERY == 0) {
            put_snapshot();
        }
    }
}

int main(void)
{
    read_input();
    replay();
    flush();
    stop(0);
}
