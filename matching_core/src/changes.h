/* The end of a batch: one LEVEL event for each level that differs from before it, bids then asks, best first. */
#ifndef MC_CHANGES_H
#define MC_CHANGES_H

#include "match.h"

#undef MC_FILE
#define MC_FILE 6

/* Bids before asks, best first; a level that went and came again in the batch was noted twice: the older first. */
static inline int touch_before(const struct touch *a, const struct touch *b)
{
    if (a->side != b->side) {
        return a->side < b->side;
    }
    if (a->price_ticks != b->price_ticks) {
        return (a->price_ticks > b->price_ticks) == (a->side == BUY);
    }
    return a->ordinal < b->ordinal;
}

static void sift_down(struct touch *touches, int64_t root, int64_t count)
{
    const struct touch moving = touches[root];
    for (int64_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && touch_before(&touches[child], &touches[child + 1])) {
            child++;
        }
        if (!touch_before(&moving, &touches[child])) {
            break;
        }
        touches[root] = touches[child];
        root = child;
    }
    touches[root] = moving;
}

/* Heapsort: in place, no recursion, the same time for every input. */
static void sort_touches(struct touch *touches, int64_t count)
{
    for (int64_t root = count / 2 - 1; root >= 0; root--) {
        sift_down(touches, root, count);
    }
    for (int64_t last = count - 1; last > 0; last--) {
        const struct touch top = touches[0];
        touches[0] = touches[last];
        touches[last] = top;
        sift_down(touches, 0, last);
    }
}

static void emit_level_changes(struct run *run)
{
    sort_touches(run->touches, run->touch_count);
    run->command_index = 0;
    const struct touch *previous = NULL;
    for (int64_t i = 0; i < run->touch_count && has_room(run); i++) {
        const struct touch *before = &run->touches[i];
        if (previous != NULL && previous->side == before->side && previous->price_ticks == before->price_ticks) {
            continue;
        }
        previous = before;
        const uint32_t index = level_find(run, before->side, before->price_ticks);
        const int64_t lots = index == NONE ? 0 : level_at(run, index)->lots;
        const uint32_t orders = index == NONE ? 0 : level_at(run, index)->orders;
        if (lots == before->lots && orders == before->orders) {
            continue;
        }
        struct event *event = emit(run, LEVEL);
        event->side = (uint8_t)before->side;
        event->price_ticks = before->price_ticks;
        event->size_lots = lots;
        event->remaining = orders;
    }
}

#endif
