/* The orders of a book: put one behind its level's queue, take one out, make one smaller; and take all of that back.
 *
 * Every change of a batch is noted in `undos`; when the batch's events do not fit, `take_back` runs the notes backwards.
 * Nodes that a batch removes are not reused before it ends, so a removed order still knows its neighbours: taking back
 * is relinking. That is why a batch wants its free nodes before it starts (MC_BOOK_FULL otherwise).
 */
#ifndef MC_ORDERS_H
#define MC_ORDERS_H

#include "expiry.h"
#include "levels.h"

#undef MC_FILE
#define MC_FILE 4

/* An order on its way in. It is written where it will stand if it comes to rest: into the book's next free node, which is
 * not taken before. `node->lots` is all that is left of it, `extra.hidden` 0. */
struct order {
    struct node *node;
    uint32_t index; /* of the node */
    struct extra extra; /* only with NODE_EXTRA */
    int64_t price_ticks;
};

static inline struct node *node_at(struct run *run, uint32_t node)
{
    REQUIRE(node != NONE && node <= run->book->capacity);
    return &run->nodes[node];
}

static inline int64_t hidden_lots(const struct run *run, uint32_t node)
{
    return (run->nodes[node].flags & NODE_EXTRA) != 0 ? run->extras[node].hidden : 0;
}

/* All that is left of an order on the book, shown and hidden. */
static inline int64_t lots_left(const struct run *run, uint32_t node)
{
    return run->nodes[node].lots + hidden_lots(run, node);
}

static inline int64_t level_total(const struct level *level)
{
    return level->lots + level->hidden;
}

static inline int is_waiting(struct run *run, uint32_t node)
{
    return level_at(run, node_at(run, node)->level)->side >= LOSS_STOPS;
}

static inline uint32_t meta_for(uint32_t side, uint32_t stp, uint32_t flags)
{
    return side | stp << 8 | flags << 16;
}

static inline uint64_t order_hash(const struct run *run, const struct node *node, uint64_t hash_of_id,
                                  const struct level *level)
{
    const uint64_t hash = plain_hash(hash_of_id, node->account, node->meta, level->price_ticks, node->lots, node->opened,
                                     node->traded);
    if (__builtin_expect((node->flags & NODE_EXTRA) == 0, 1)) {
        return hash;
    }
    return extra_hash(hash, &run->extras[node - run->nodes], level->side);
}

/* An order counts in the book's sum as it is now: when it comes to rest, and again after each change. */
static inline void count_in(struct run *run, struct node *node, const struct level *level)
{
    node->share = order_hash(run, node, id_hash(&node->order_id), level);
    run->book->order_sum += node->share;
}

static inline void count_again(struct run *run, struct node *node, const struct level *level)
{
    run->book->order_sum -= node->share;
    count_in(run, node, level);
}

/* Some nodes that were never used, the first on top. */
__attribute__((noinline)) static void add_spare(struct run *run)
{
    mc_book *book = run->book;
    const uint32_t left = book->capacity - book->node_used;
    const uint32_t count = left < NEW_NODES ? left : NEW_NODES;
    REQUIRE(book->spare_count == 0 && count > 0);
    for (uint32_t i = 0; i < count; i++) {
        run->spare[i] = book->node_used + count - i;
    }
    book->spare_count = count;
    book->node_used += count;
}

static inline uint32_t next_free_node(struct run *run)
{
    const mc_book *book = run->book;
    if (__builtin_expect(book->spare_count == 0, 0)) {
        add_spare(run);
    }
    const uint32_t node = run->spare[book->spare_count - 1];
    REQUIRE(node != NONE && node <= book->capacity);
    return node;
}

static inline void set_node(struct run *run, struct order *order)
{
    order->index = next_free_node(run);
    order->node = &run->nodes[order->index];
}

static inline void take_node(struct run *run, uint32_t node)
{
    const uint32_t last = run->book->spare_count - 1;
    REQUIRE(run->spare[last] == node);
    run->book->spare_count = last;
}

static inline void give_node(struct run *run, uint32_t node)
{
    run->spare[run->book->spare_count++] = node;
}

/* Notes what the level was when the batch came to it first: the note is written in any case, and stays if it is the first. Stops
 * show nothing to anybody: every batch has been at them. */
static inline void touch_level(struct run *run, struct level *level)
{
    const uint64_t batch = run->book->batch;
    struct touch *touch = run->touch;
    REQUIRE(touch < run->touches_end);
    touch->price_ticks = level->price_ticks;
    touch->lots = level->lots;
    touch->orders = level->orders;
    touch->side = level->side;
    run->touch = touch + (level->batch < batch);
    level->batch = level->batch < batch ? batch : level->batch;
}

static inline void note_undo(struct run *run, enum undo_kind kind, uint32_t node, int64_t a, int64_t b)
{
    REQUIRE(run->undo < run->undos_end);
    *run->undo++ = (struct undo){.kind = kind, .node = node, .a = a, .b = b};
}

/* Two numbers less to write for what comes most often. */
static inline void note_rest(struct run *run, uint32_t node)
{
    struct undo *undo = run->undo++;
    REQUIRE(undo < run->undos_end);
    undo->kind = UNDO_REST;
    undo->node = node;
}

/* An order moves within its side: where it stood and what it was, and on top of that, as a note, the price. */
static inline void note_move(struct run *run, uint32_t index)
{
    const struct node *node = &run->nodes[index];
    struct stood *stood = (struct stood *)(void *)run->undo;
    struct undo *undo = run->undo + 1;
    REQUIRE(undo < run->undos_end);
    stood->links = run->links[index];
    stood->lots = node->lots;
    stood->opened = node->opened;
    undo->kind = UNDO_MOVE;
    undo->node = index;
    undo->a = run->levels[node->level].price_ticks;
    run->undo = undo + 1;
}

/* The links to a node stand in its neighbours, and in the level at an end of the queue. Where there is no neighbour, node 0
 * is written, which nobody reads: whether there is one comes at random, so there is no branch on it. */
static inline void queue_node(struct run *run, uint32_t index, struct level *level)
{
    const struct links here = run->links[index];
    run->links[here.prev].next = index;
    run->links[here.next].prev = index;
    level->head = pick(here.prev == NONE, index, level->head);
    level->tail = pick(here.next == NONE, index, level->tail);
}

static inline void unqueue_node(struct run *run, uint32_t index, struct level *level)
{
    const uint32_t prev = run->links[index].prev;
    const uint32_t next = run->links[index].next;
    REQUIRE((((prev == NONE) | (run->links[prev].next == index)) & ((next == NONE) | (run->links[next].prev == index))) != 0);
    run->links[prev].next = next;
    run->links[next].prev = prev;
    level->head = pick(prev == NONE, next, level->head);
    level->tail = pick(next == NONE, prev, level->tail);
}

__attribute__((noinline)) static void link_extra(struct run *run, uint32_t index, struct level *level)
{
    level->hidden += run->extras[index].hidden;
    run->book->extra_count++;
    run->book->stop_count += level->side > SELL;
    if (run->extras[index].expire_at_ms > 0) {
        timed_add(run, index);
    }
}

__attribute__((noinline)) static void unlink_extra(struct run *run, uint32_t index, struct level *level)
{
    REQUIRE(level->hidden >= run->extras[index].hidden && run->book->extra_count > 0);
    level->hidden -= run->extras[index].hidden;
    run->book->extra_count--;
    run->book->stop_count -= level->side > SELL;
    if (run->extras[index].expire_at_ms > 0) {
        timed_remove(run, index);
    }
}

/* Into its level at the place that its `prev` and `next` say, or back to it. Its id is the caller's to add. */
static inline void link_node(struct run *run, uint32_t index, uint32_t level_index)
{
    struct node *node = &run->nodes[index];
    struct level *level = &run->levels[level_index];
    node->level = level_index;
    queue_node(run, index, level);
    level->lots += node->lots;
    level->orders++;
    if (__builtin_expect((node->flags & NODE_EXTRA) != 0, 0)) {
        link_extra(run, index, level);
    }
    run->book->order_count++;
}

/* Out of its level, which goes with its last order. For an order without an extra; all else of going is the caller's. */
static inline void leave_level(struct run *run, uint32_t index)
{
    const uint32_t level_index = run->nodes[index].level;
    struct level *level = &run->levels[level_index];
    const int64_t lots = level->lots - run->nodes[index].lots;
    const int64_t orders = (int64_t)level->orders - 1;
    REQUIRE((lots | orders) >= 0);
    unqueue_node(run, index, level);
    level->lots = lots;
    level->orders = (uint32_t)orders;
    if (orders == 0) {
        level_drop(run, level_index);
    }
}

/* Out of its level. Its id is the caller's to remove. */
static inline void unlink_node(struct run *run, uint32_t index)
{
    REQUIRE(run->book->order_count > 0);
    run->book->order_count--;
    if (__builtin_expect((run->nodes[index].flags & NODE_EXTRA) != 0, 0)) {
        unlink_extra(run, index, &run->levels[run->nodes[index].level]);
    }
    leave_level(run, index);
}

/* Behind the queue of its level. For an order without an extra; all else of resting is the caller's. */
static inline void join_level(struct run *run, uint32_t index, uint32_t level_index)
{
    struct node *node = &run->nodes[index];
    struct level *level = &run->levels[level_index];
    const uint32_t tail = level->tail;
    REQUIRE((tail == NONE) == (level->orders == 0));
    node->level = level_index;
    run->links[index] = (struct links){.prev = tail, .next = NONE};
    run->links[tail].next = index;
    level->head = pick(tail == NONE, index, level->head);
    level->tail = index;
    level->lots += node->lots;
    level->orders++;
}

/* An iceberg shows a part, unless it waits as a stop or its part was told with it. */
__attribute__((noinline)) static void append_extra(struct run *run, uint32_t index, const struct extra *extra, uint32_t side)
{
    struct node *node = node_at(run, index);
    run->extras[index] = *extra;
    run->book->extra_used = index > run->book->extra_used ? index : run->book->extra_used;
    if (extra->display > 0 && extra->display < node->lots && side <= SELL) {
        run->extras[index].hidden = node->lots - extra->display;
        node->lots = extra->display;
    }
}

/* Puts an order behind the queue of its level. Answers its node. */
static inline uint32_t append_order(struct run *run, const struct order *order, uint32_t level_index, uint64_t hash_of_id)
{
    const uint32_t index = order->index;
    struct level *level = &run->levels[level_index];
    struct node *node = order->node;
    take_node(run, index);
    run->links[index] = (struct links){.prev = level->tail, .next = NONE};
    if (__builtin_expect((node->flags & NODE_EXTRA) != 0, 0)) {
        append_extra(run, index, &order->extra, level->side);
    }
    id_add(run, index, hash_of_id);
    link_node(run, index, level_index);
    node->share = order_hash(run, node, hash_of_id, level);
    run->book->order_sum += node->share;
    return index;
}

/* `level_index`: the level of its price on `level_side`, or NONE where there is none yet. */
static inline uint32_t rest_order(struct run *run, const struct order *order, uint32_t level_side, uint32_t level_index)
{
    if (level_index == NONE) {
        level_index = level_add(run, level_side, order->price_ticks);
    }
    touch_level(run, &run->levels[level_index]);
    const uint32_t index = append_order(run, order, level_index, id_hash(&order->node->order_id));
    note_rest(run, index);
    return index;
}

/* Notes that an order leaves the book, and takes it out of the sum. */
__attribute__((always_inline)) static inline void note_removal(struct run *run, uint32_t index, const struct level *level)
{
    note_undo(run, UNDO_REMOVE, index, level->price_ticks, level->side);
    *run->next_removed++ = index; /* as many at most as undos */
    run->book->order_sum -= run->nodes[index].share;
}

/* Takes an order off; its id is the caller's. */
__attribute__((always_inline)) static inline void leave_queue(struct run *run, uint32_t index)
{
    struct level *level = &run->levels[run->nodes[index].level];
    touch_level(run, level);
    note_removal(run, index, level);
    unlink_node(run, index);
}

/* `hash_of_id`, `spot`: of its id, and where that stands. */
static inline void remove_order(struct run *run, uint32_t index, uint64_t hash_of_id, struct id_spot spot)
{
    id_remove(run, index, hash_of_id, spot);
    leave_queue(run, index);
}

/* Makes the order smaller by `lots` without a trade, hidden ones first; some are left. Its place in the queue stays. */
static void reduce_order(struct run *run, uint32_t index, int64_t lots)
{
    struct node *node = node_at(run, index);
    struct level *level = level_at(run, node->level);
    REQUIRE(lots >= 0 && lots < lots_left(run, index));
    const int64_t hidden = hidden_lots(run, index) < lots ? hidden_lots(run, index) : lots;
    touch_level(run, level);
    if (hidden > 0) {
        run->extras[index].hidden -= hidden;
        level->hidden -= hidden;
    }
    node->lots -= lots - hidden;
    level->lots -= lots - hidden;
    count_again(run, node, level);
    note_undo(run, UNDO_REDUCE, index, lots - hidden, hidden);
}

/* An order shows `lots` less because they have traded; its level's are the caller's. */
static inline void fill_node(struct run *run, uint32_t index, const struct level *level, int64_t lots)
{
    struct node *node = &run->nodes[index];
    REQUIRE(lots > 0 && lots < node->lots);
    node->lots -= lots;
    node->traded += lots;
    count_again(run, node, level);
    note_undo(run, UNDO_FILL, index, lots, 0);
}

/* A resting order trades `lots`, less than it shows. */
static inline void fill_part(struct run *run, uint32_t index, int64_t lots)
{
    struct level *level = level_at(run, node_at(run, index)->level);
    touch_level(run, level);
    level->lots -= lots;
    fill_node(run, index, level, lots);
}

/* An iceberg has traded all that it showed: its next part goes behind the queue, as old as the event `opened`. */
static void refresh_order(struct run *run, uint32_t index, uint64_t opened)
{
    struct node *node = node_at(run, index);
    struct extra *extra = &run->extras[index];
    struct level *level = level_at(run, node->level);
    REQUIRE((node->flags & NODE_EXTRA) != 0 && extra->hidden > 0 && level->head == index);
    touch_level(run, level);
    note_undo(run, UNDO_REFRESH, index, node->lots, (int64_t)node->opened);
    const int64_t shown = extra->display < extra->hidden ? extra->display : extra->hidden;
    level->lots += shown - node->lots;
    level->hidden -= shown;
    node->traded += node->lots;
    node->lots = shown;
    node->opened = opened;
    extra->hidden -= shown;
    if (extra->expire_at_ms > 0) { /* its age is part of the heap's key */
        timed_remove(run, index);
        timed_add(run, index);
    }
    if (level->tail != index) {
        unqueue_node(run, index, level);
        run->links[index] = (struct links){.prev = level->tail, .next = NONE};
        queue_node(run, index, level);
    }
    count_again(run, node, level);
}

static void take_back_refresh(struct run *run, uint32_t index, int64_t lots, uint64_t opened)
{
    struct node *node = node_at(run, index);
    struct extra *extra = &run->extras[index];
    struct level *level = level_at(run, node->level);
    REQUIRE(level->tail == index);
    level->lots += lots - node->lots;
    level->hidden += node->lots;
    extra->hidden += node->lots;
    node->lots = lots;
    node->traded -= lots;
    node->opened = opened;
    if (extra->expire_at_ms > 0) {
        timed_remove(run, index);
        timed_add(run, index);
    }
    if (level->head != index) {
        unqueue_node(run, index, level);
        run->links[index] = (struct links){.prev = NONE, .next = level->head};
        queue_node(run, index, level);
    }
}

/* Back into the level that it left, which may have gone with it. */
static void link_again(struct run *run, uint32_t index, uint32_t level_side, int64_t price_ticks)
{
    const uint32_t level = level_find(run, level_side, price_ticks);
    link_node(run, index, level != NONE ? level : level_add(run, level_side, price_ticks));
}

static void take_back_move(struct run *run, uint32_t index, const struct stood *stood, int64_t price_ticks)
{
    struct node *node = node_at(run, index);
    unlink_node(run, index);
    run->links[index] = stood->links;
    node->lots = stood->lots;
    node->opened = stood->opened;
    link_again(run, index, node->side, price_ticks);
}

static void take_back_step(struct run *run, const struct undo *step)
{
    struct node *node = node_at(run, step->node);
    const uint64_t hash_of_id = id_hash(&node->order_id);
    switch (step->kind) {
    case UNDO_REST:
        id_remove(run, step->node, hash_of_id, id_spot_of(run, step->node, hash_of_id));
        unlink_node(run, step->node);
        give_node(run, step->node);
        break;
    case UNDO_REMOVE:
        id_add(run, step->node, hash_of_id);
        link_again(run, step->node, (uint32_t)step->b, step->a);
        break;
    case UNDO_MOVE:
        take_back_move(run, step->node, (const struct stood *)(void *)--run->undo, step->a);
        count_again(run, node, level_at(run, node->level));
        break;
    case UNDO_REDUCE:
        node->lots += step->a;
        level_at(run, node->level)->lots += step->a;
        if (step->b > 0) {
            run->extras[step->node].hidden += step->b;
            level_at(run, node->level)->hidden += step->b;
        }
        count_again(run, node, level_at(run, node->level));
        break;
    case UNDO_FILL:
        node->lots += step->a;
        node->traded -= step->a;
        level_at(run, node->level)->lots += step->a;
        count_again(run, node, level_at(run, node->level));
        break;
    default:
        REQUIRE(step->kind == UNDO_REFRESH);
        take_back_refresh(run, step->node, step->a, (uint64_t)step->b);
        count_again(run, node, level_at(run, node->level));
        break;
    }
}

/* Runs the batch's changes backwards. The figures in mc_book are the caller's to put back. */
static void take_back(struct run *run)
{
    while (run->undo > run->undos) {
        take_back_step(run, --run->undo);
    }
}

/* The batch stands: its removed nodes are free for the next one. */
static void free_removed(struct run *run)
{
    const size_t count = (size_t)(run->next_removed - run->removed);
    memcpy(&run->spare[run->book->spare_count], run->removed, count * sizeof *run->removed);
    run->book->spare_count += (uint32_t)count;
}

#endif
