/* The end of a batch: one LEVEL event for each level that differs from before it, bids then asks, best first. */
#ifndef MC_CHANGES_H
#define MC_CHANGES_H

#include "commands.h"

#undef MC_FILE
#define MC_FILE 11

#define FEW_TOUCHES 24

/* Keys in the order of the events: bids from the highest price down, then asks from the lowest up. Counted from the best
 * of each side, so that the usual batch has small keys. Answers the largest. */
static uint64_t make_keys(struct run *run)
{
    const struct touch *touches = run->touches;
    int64_t best_bid = 0;
    int64_t worst_bid = INT64_MAX;
    int64_t best_ask = INT64_MAX;
    for (int64_t i = 0; i < run->touch_count; i++) {
        const int64_t price_ticks = touches[i].price_ticks;
        if (touches[i].side == BUY) {
            best_bid = price_ticks > best_bid ? price_ticks : best_bid;
            worst_bid = price_ticks < worst_bid ? price_ticks : worst_bid;
        } else {
            best_ask = price_ticks < best_ask ? price_ticks : best_ask;
        }
    }
    const uint64_t bids = best_bid > 0 ? (uint64_t)(best_bid - worst_bid) + 1 : 0;
    uint64_t largest = 0;
    for (int64_t i = 0; i < run->touch_count; i++) {
        const int64_t price_ticks = touches[i].price_ticks;
        const uint64_t key = touches[i].side == BUY ? (uint64_t)(best_bid - price_ticks)
                                                    : bids + (uint64_t)(price_ticks - best_ask);
        run->keys[i] = (struct touch_key){.key = key, .touch = (uint64_t)i};
        largest = key > largest ? key : largest;
    }
    return largest;
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

/* The touches in the order of the events; a level that went and came again in the batch was noted twice: the older note
 * stays first. Radix sort: as many passes as the largest key has bytes, whatever prices anybody sends. */
static const struct touch_key *sorted_touches(struct run *run)
{
    const uint64_t largest = make_keys(run);
    if (run->touch_count <= FEW_TOUCHES) {
        sort_few(run->keys, run->touch_count);
        return run->keys;
    }
    struct touch_key *from = run->keys;
    struct touch_key *to = run->keys + run->event_capacity + MC_EVENT_SLACK;
    for (unsigned shift = 0; shift < 64 && largest >> shift != 0; shift += 8) {
        sort_by_byte(from, to, run->touch_count, shift);
        struct touch_key *sorted = to;
        to = from;
        from = sorted;
    }
    return from;
}

static void emit_level(struct run *run, const struct touch *before, const struct level *level)
{
    struct event *event = emit(run, LEVEL, before->side, 0, 0);
    memset(&event->trade_id, 0, sizeof *event - offsetof(struct event, trade_id));
    event->price_ticks = before->price_ticks;
    event->size_lots = level->lots;
    event->remaining = level->orders;
}

static void emit_level_changes(struct run *run)
{
    const struct touch_key *sorted = sorted_touches(run);
    run->command_index = 0;
    for (int64_t i = 0; i < run->touch_count && has_room(run); i++) {
        if (i > 0 && sorted[i].key == sorted[i - 1].key) {
            continue;
        }
        const struct touch *before = &run->touches[sorted[i].touch];
        const struct level *level = &run->levels[level_find(run, before->side, before->price_ticks)]; /* NONE is empty */
        if (level->lots != before->lots || level->orders != before->orders) {
            emit_level(run, before, level);
        }
    }
}

#endif
