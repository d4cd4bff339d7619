/* The end of a batch: one LEVEL event for each level that differs from before it, bids then asks, best first. */
#ifndef MC_CHANGES_H
#define MC_CHANGES_H

#include "commands.h"

#undef MC_FILE
#define MC_FILE 11

#define FEW_TOUCHES 24
#define FAR_APART 3 /* distances per entry that the second array of keys has room for: 4 bytes and a bit each */

/* Keys in the order of the events: the distance of a touched level from the best touched one. Answers the largest. */
static uint64_t make_keys(struct run *run, uint32_t side)
{
    const struct touch *touches = run->touches[side - 1];
    const int64_t count = run->touch_count[side - 1];
    int64_t lowest = INT64_MAX;
    int64_t highest = 0;
    for (int64_t i = 0; i < count; i++) {
        const int64_t price_ticks = touches[i].price_ticks;
        lowest = price_ticks < lowest ? price_ticks : lowest;
        highest = price_ticks > highest ? price_ticks : highest;
    }
    for (int64_t i = 0; i < count; i++) {
        const int64_t distance = side == BUY ? highest - touches[i].price_ticks : touches[i].price_ticks - lowest;
        run->keys[i] = (struct touch_key){.key = (uint64_t)distance, .touch = (uint64_t)i};
    }
    return (uint64_t)(highest - lowest);
}

static void sort_few(struct touch_key *keys, int64_t count)
{
    for (int64_t i = 1; i < count; i++) {
        const struct touch_key moving = keys[i];
        int64_t at = i;
        for (; at > 0 && keys[at - 1].key > moving.key; at--) {
            keys[at] = keys[at - 1];
        }
        keys[at] = moving;
    }
}

/* By one byte of the key, from one array into the other; equal bytes stay in their order. */
static void sort_by_byte(const struct touch_key *from, struct touch_key *to, int64_t count, unsigned shift)
{
    uint32_t starts[256] = {0};
    for (int64_t i = 0; i < count; i++) {
        starts[from[i].key >> shift & 255]++;
    }
    uint32_t start = 0;
    for (unsigned byte = 0; byte < 256; byte++) {
        const uint32_t here = starts[byte];
        starts[byte] = start;
        start += here;
    }
    for (int64_t i = 0; i < count; i++) {
        to[starts[from[i].key >> shift & 255]++] = from[i];
    }
}

/* A side's touches in the order of their keys; equal keys stay in the order of their notes. Radix sort: as many passes as the
 * largest key has bytes, whatever prices anybody sends. */
static const struct touch_key *sorted_keys(struct run *run, int64_t count, uint64_t largest)
{
    if (count <= FEW_TOUCHES) {
        sort_few(run->keys, count);
        return run->keys;
    }
    struct touch_key *from = run->keys;
    struct touch_key *to = run->keys + run->entries;
    for (unsigned shift = 0; shift < 64 && largest >> shift != 0; shift += 8) {
        sort_by_byte(from, to, count, shift);
        struct touch_key *sorted = to;
        to = from;
        from = sorted;
    }
    return from;
}

/* A LEVEL if the touched level is not what it was. */
static inline void emit_change(struct run *run, uint32_t side, const struct touch *before)
{
    const struct level *level = &run->levels[level_find(run, side, before->price_ticks)]; /* level 0 is empty */
    if (level->lots == before->lots && level->orders == before->orders) {
        return;
    }
    struct event *event = emit(run, LEVEL, side, 0, 0);
    memset(&event->trade_id, 0, sizeof *event - offsetof(struct event, trade_id));
    event->price_ticks = before->price_ticks;
    event->size_lots = level->lots;
    event->remaining = level->orders;
}

/* A level that went and came again in the batch was noted twice: the older note counts. */
static void emit_sorted(struct run *run, uint32_t side, uint64_t largest)
{
    const int64_t count = run->touch_count[side - 1];
    const struct touch_key *sorted = sorted_keys(run, count, largest);
    for (int64_t i = 0; i < count && has_room(run); i++) {
        if (i == 0 || sorted[i].key != sorted[i - 1].key) {
            emit_change(run, side, &run->touches[side - 1][sorted[i].touch]);
        }
    }
}

/* The same without sorting, where the touched levels are not far apart: a bit for each distance, and beside it whose it is. The
 * bits stand in the second array of keys, the numbers of the touches in place of the first. */
static void emit_by_distance(struct run *run, uint32_t side, uint64_t largest)
{
    uint64_t *const bits = (uint64_t *)(void *)(run->keys + run->entries);
    uint32_t *const touch_at = (uint32_t *)(void *)(bits + largest / 64 + 1);
    const struct touch *const touches = run->touches[side - 1];
    memset(bits, 0, (largest / 64 + 1) * sizeof *bits);
    for (int64_t i = run->touch_count[side - 1] - 1; i >= 0; i--) { /* the older note is written last */
        const uint64_t key = run->keys[i].key;
        bits[key / 64] |= UINT64_C(1) << key % 64;
        touch_at[key] = (uint32_t)i;
    }
    for (uint64_t word = 0; word <= largest / 64; word++) {
        for (uint64_t left = bits[word]; left != 0 && has_room(run); left &= left - 1) {
            emit_change(run, side, &touches[touch_at[word * 64 + lowest_child(left)]]);
        }
    }
}

static void emit_level_changes(struct run *run, uint32_t side)
{
    const int64_t count = run->touch_count[side - 1];
    const uint64_t largest = count > 0 ? make_keys(run, side) : 0;
    REQUIRE(count <= run->entries);
    run->index_bits = 0;
    if (count > FEW_TOUCHES && largest < FAR_APART * (uint64_t)run->entries) {
        emit_by_distance(run, side, largest);
    } else {
        emit_sorted(run, side, largest);
    }
}

#endif
