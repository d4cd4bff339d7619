/* The orders with an end, the next to end first: a binary heap of node numbers by (expire_at_ms, opened). Both are fixed
 * while an order stands in it, and no two orders are equal, so the order of leaving does not depend on the heap's shape.
 */
#ifndef MC_EXPIRY_H
#define MC_EXPIRY_H

#include "ids.h"

#undef MC_FILE
#define MC_FILE 16

static inline int ends_before(const struct run *run, uint32_t a, uint32_t b)
{
    const int64_t end_a = run->extras[a].expire_at_ms;
    const int64_t end_b = run->extras[b].expire_at_ms;
    return end_a < end_b || (end_a == end_b && run->nodes[a].opened < run->nodes[b].opened);
}

static inline void set_timed(struct run *run, uint32_t at, uint32_t node)
{
    REQUIRE(at >= 1 && at <= run->book->timed_count && node != NONE);
    run->timed[at] = node;
    run->extras[node].heap_at = at;
}

/* Moves `node` from place `at` to where it belongs. */
static void sift_timed(struct run *run, uint32_t at, uint32_t node)
{
    const uint32_t count = run->book->timed_count;
    for (; at > 1 && ends_before(run, node, run->timed[at / 2]); at /= 2) {
        set_timed(run, at, run->timed[at / 2]);
    }
    for (uint32_t child = 2 * at; child <= count; child = 2 * at) {
        if (child < count && ends_before(run, run->timed[child + 1], run->timed[child])) {
            child++;
        }
        if (ends_before(run, node, run->timed[child])) {
            break;
        }
        set_timed(run, at, run->timed[child]);
        at = child;
    }
    set_timed(run, at, node);
}

static void timed_add(struct run *run, uint32_t node)
{
    REQUIRE(run->extras[node].expire_at_ms > 0 && run->book->timed_count < run->book->capacity);
    sift_timed(run, ++run->book->timed_count, node);
}

static void timed_remove(struct run *run, uint32_t node)
{
    const uint32_t at = run->extras[node].heap_at;
    REQUIRE(at >= 1 && at <= run->book->timed_count && run->timed[at] == node);
    const uint32_t last = run->timed[run->book->timed_count--];
    if (last != node) {
        sift_timed(run, at, last);
    }
}

static inline int is_due(const struct run *run, uint32_t node)
{
    const struct extra *extra = &run->extras[node];
    return (run->nodes[node].flags & NODE_EXTRA) != 0 && extra->expire_at_ms > 0 && extra->expire_at_ms <= run->book->at_ms;
}

/* The order that ended first and is still there, or NONE. */
static inline uint32_t next_due(const struct run *run)
{
    return run->book->timed_count > 0 && is_due(run, run->timed[1]) ? run->timed[1] : NONE;
}

#endif
