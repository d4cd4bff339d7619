/* The end of a batch: one LEVEL event for each level that differs from before it, bids then asks, best first. */
#ifndef MC_CHANGES_H
#define MC_CHANGES_H

#include "commands.h"

#undef MC_FILE
#define MC_FILE 11

#define FEW_TOUCHES 24

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

/* A side's touches in the order of the events; a level that went and came again in the batch was noted twice: the older
 * note stays first. Radix sort: as many passes as the largest key has bytes, whatever prices anybody sends. */
static const struct touch_key *sorted_touches(struct run *run, uint32_t side)
{
    const int64_t count = run->touch_count[side - 1];
    const uint64_t largest = count > 0 ? make_keys(run, side) : 0;
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

static void emit_level(struct run *run, uint32_t side, int64_t price_ticks, const struct level *level)
{
    struct event *event = emit(run, LEVEL, side, 0, 0);
    memset(&event->trade_id, 0, sizeof *event - offsetof(struct event, trade_id));
    event->price_ticks = price_ticks;
    event->size_lots = level->lots;
    event->remaining = level->orders;
}

static void emit_level_changes(struct run *run, uint32_t side)
{
    const struct touch_key *sorted = sorted_touches(run, side);
    run->index_bits = 0;
    for (int64_t i = 0; i < run->touch_count[side - 1] && has_room(run); i++) {
        if (i > 0 && sorted[i].key == sorted[i - 1].key) {
            continue;
        }
        const struct touch *before = &run->touches[side - 1][sorted[i].touch];
        const struct level *level = &run->levels[level_find(run, side, before->price_ticks)]; /* level 0 is empty */
        if (level->lots != before->lots || level->orders != before->orders) {
            emit_level(run, side, before->price_ticks, level);
        }
    }
}

#endif
