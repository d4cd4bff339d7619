/* The end of a batch: one LEVEL event for each level that differs from before it, bids then asks, best first. */
#ifndef MC_CHANGES_H
#define MC_CHANGES_H

#include "commands.h"

#undef MC_FILE
#define MC_FILE 11

#define FEW_TOUCHES 24
#define FAR_APART 6 /* places per entry that the two arrays of keys have room for: 4 bytes and a bit each */

/* A touch's place among the events is its badness and what its side's begin with. */
struct order_of_events {
    int64_t first[2];
    uint64_t last; /* the largest place */
};

/* A bid's price negated, an ask's as it is: the best is the smallest. */
static inline int64_t badness(const struct touch *touch)
{
    const int64_t negate = -(int64_t)(touch->side == BUY);
    return (touch->price_ticks ^ negate) - negate;
}

static inline uint64_t place_of(const struct order_of_events *order, const struct touch *touch)
{
    return (uint64_t)(badness(touch) + order->first[touch->side - 1]);
}

/* The touched bids from the best one on, then the touched asks: what to add to the badness of either. */
static struct order_of_events find_order(const struct run *run)
{
    int64_t lowest[2] = {INT64_MAX, INT64_MAX};
    int64_t highest[2] = {0, 0};
    for (const struct touch *touch = run->touches; touch < run->touch; touch++) { /* sides come at random: no branch */
        const int64_t price_ticks = touch->price_ticks;
        int64_t *low = &lowest[touch->side - 1];
        int64_t *high = &highest[touch->side - 1];
        *low = price_ticks < *low ? price_ticks : *low;
        *high = price_ticks > *high ? price_ticks : *high;
    }
    const int64_t bids = highest[0] == 0 ? 0 : highest[0] - lowest[0] + 1;
    const int64_t asks = highest[1] == 0 ? 0 : highest[1] - lowest[1] + 1;
    return (struct order_of_events){.first = {highest[0], bids - lowest[1]}, .last = (uint64_t)(bids + asks) - 1};
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

/* The touches in the order of their keys; equal keys stay in the order of their notes. Radix sort: as many passes as the
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
static inline void emit_change(struct run *run, const struct touch *before)
{
    const struct level *level = &run->levels[level_find(run, before->side, before->price_ticks)]; /* level 0 is empty */
    if (level->lots == before->lots && level->orders == before->orders) {
        return;
    }
    struct event *event = emit(run, LEVEL, before->side, 0, 0);
    memset(&event->trade_id, 0, sizeof *event - offsetof(struct event, trade_id));
    event->price_ticks = before->price_ticks;
    event->size_lots = level->lots;
    event->remaining = level->orders;
}

/* A level that went and came again in the batch was noted twice: the older note counts. */
static void emit_sorted(struct run *run, const struct order_of_events *order)
{
    const int64_t count = run->touch - run->touches;
    for (int64_t i = 0; i < count; i++) {
        run->keys[i] = (struct touch_key){.key = place_of(order, &run->touches[i]), .touch = (uint64_t)i};
    }
    const struct touch_key *sorted = sorted_keys(run, count, order->last);
    for (int64_t i = 0; i < count && has_room(run); i++) {
        if (i == 0 || sorted[i].key != sorted[i - 1].key) {
            emit_change(run, &run->touches[sorted[i].touch]);
        }
    }
}

/* The same without sorting, where the touched levels are not far apart: a bit for each place, and beside it whose it is. Both
 * stand where the keys would. */
static void emit_by_place(struct run *run, const struct order_of_events *order)
{
    const uint64_t words = order->last / 64 + 1;
    uint64_t *const bits = (uint64_t *)(void *)run->keys;
    uint32_t *const touch_at = (uint32_t *)(void *)(bits + words);
    memset(bits, 0, words * sizeof *bits);
    for (int64_t i = run->touch - run->touches - 1; i >= 0; i--) { /* the older note is written last */
        const uint64_t place = place_of(order, &run->touches[i]);
        bits[place / 64] |= UINT64_C(1) << place % 64;
        touch_at[place] = (uint32_t)i;
    }
    for (uint64_t word = 0; word < words; word++) {
        for (uint64_t left = bits[word]; left != 0 && has_room(run); left &= left - 1) {
            emit_change(run, &run->touches[touch_at[word * 64 + lowest_child(left)]]);
        }
    }
}

__attribute__((noinline)) static void emit_level_changes(struct run *run)
{
    const int64_t count = run->touch - run->touches;
    REQUIRE(count <= run->entries);
    run->index_bits = 0;
    if (count == 1) {
        emit_change(run, run->touches);
    }
    if (count <= 1) {
        return;
    }
    const struct order_of_events order = find_order(run);
    if (count > FEW_TOUCHES && order.last < FAR_APART * (uint64_t)run->entries) {
        emit_by_place(run, &order);
    } else {
        emit_sorted(run, &order);
    }
}

#endif
