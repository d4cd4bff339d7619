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

/* An order outside of the book: on its way in. `node.lots` is all that is left of it, `extra.hidden` 0. */
struct order {
    struct node node;
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

static inline uint64_t order_hash(struct run *run, uint32_t index)
{
    const struct node *node = &run->nodes[index];
    const struct level *level = level_at(run, node->level);
    const uint64_t hash = size_hash(identity_hash(node, level->price_ticks), node->lots, node->traded);
    return (node->flags & NODE_EXTRA) != 0 ? extra_hash(hash, &run->extras[index], level->side) : hash;
}

static inline uint32_t take_node(struct run *run)
{
    mc_book *book = run->book;
    uint32_t node = book->node_free;
    if (node != NONE) {
        book->node_free = node_at(run, node)->next;
        __builtin_prefetch(&run->nodes[book->node_free], 1);
    } else {
        node = ++book->node_used;
    }
    REQUIRE(node <= book->capacity);
    return node;
}

static inline void give_node(struct run *run, uint32_t node)
{
    node_at(run, node)->next = run->book->node_free;
    run->book->node_free = node;
}

/* Notes what the level was when the batch came to it first. Stops show nothing to anybody. */
static inline void touch_level(struct run *run, struct level *level)
{
    if (level->batch == run->book->batch || level->side >= LOSS_STOPS) {
        return;
    }
    level->batch = run->book->batch;
    REQUIRE(run->touch_count < run->event_capacity + MC_EVENT_SLACK);
    run->touches[run->touch_count++] = (struct touch){.price_ticks = level->price_ticks, .lots = level->lots,
        .orders = level->orders, .side = level->side};
}

static inline void note_undo(struct run *run, enum undo_kind kind, uint32_t node, int64_t a, int64_t b)
{
    REQUIRE(run->undo_count < run->event_capacity + MC_EVENT_SLACK);
    run->undos[run->undo_count++] = (struct undo){.kind = kind, .node = node, .a = a, .b = b};
}

/* Puts the node between its `prev` and `next` in its level's queue. */
static inline void queue_node(struct run *run, uint32_t index, struct level *level)
{
    const struct node *node = node_at(run, index);
    if (node->prev != NONE) {
        node_at(run, node->prev)->next = index;
    } else {
        level->head = index;
    }
    if (node->next != NONE) {
        node_at(run, node->next)->prev = index;
    } else {
        level->tail = index;
    }
}

static inline void unqueue_node(struct run *run, uint32_t index, struct level *level)
{
    const struct node *node = node_at(run, index);
    if (node->prev != NONE) {
        node_at(run, node->prev)->next = node->next;
    } else {
        REQUIRE(level->head == index);
        level->head = node->next;
    }
    if (node->next != NONE) {
        node_at(run, node->next)->prev = node->prev;
    } else {
        REQUIRE(level->tail == index);
        level->tail = node->prev;
    }
}

/* Into the book at the place that its `prev` and `next` say, or back to it. */
static inline void link_node(struct run *run, uint32_t index, uint32_t level_index)
{
    struct node *node = node_at(run, index);
    struct level *level = level_at(run, level_index);
    node->level = level_index;
    queue_node(run, index, level);
    level->lots += node->lots;
    level->orders++;
    if ((node->flags & NODE_EXTRA) != 0) {
        level->hidden += run->extras[index].hidden;
        run->book->extra_count++;
        if (run->extras[index].expire_at_ms > 0) {
            timed_add(run, index);
        }
    }
    id_add(run, index);
    run->book->order_count++;
    run->book->orders[level->side - 1]++;
}

static inline void unlink_node(struct run *run, uint32_t index)
{
    struct node *node = node_at(run, index);
    struct level *level = level_at(run, node->level);
    REQUIRE(level->orders > 0 && level->lots >= node->lots && run->book->order_count > 0);
    unqueue_node(run, index, level);
    level->lots -= node->lots;
    level->orders--;
    if ((node->flags & NODE_EXTRA) != 0) {
        REQUIRE(level->hidden >= run->extras[index].hidden);
        level->hidden -= run->extras[index].hidden;
        run->book->extra_count--;
        if (run->extras[index].expire_at_ms > 0) {
            timed_remove(run, index);
        }
    }
    id_remove(run, index);
    run->book->order_count--;
    run->book->orders[level->side - 1]--;
    if (level->orders == 0) {
        level_drop(run, node->level);
    }
}

/* Puts an order behind the queue of its level, an iceberg with what it shows. Answers its node. */
static inline uint32_t append_order(struct run *run, const struct order *order, uint32_t level_index)
{
    const uint32_t index = take_node(run);
    struct node *node = &run->nodes[index];
    *node = order->node;
    node->prev = level_at(run, level_index)->tail;
    node->next = NONE;
    if ((node->flags & NODE_EXTRA) != 0) {
        struct extra *extra = &run->extras[index];
        *extra = order->extra;
        if (extra->display > 0 && extra->display < node->lots && level_at(run, level_index)->side <= SELL) {
            extra->hidden = node->lots - extra->display;
            node->lots = extra->display;
        }
    }
    link_node(run, index, level_index);
    run->book->order_sum += order_hash(run, index);
    return index;
}

/* `level_index`: the level of its price on `level_side`, or NONE where there is none yet. */
static inline uint32_t rest_order(struct run *run, const struct order *order, uint32_t level_side, uint32_t level_index)
{
    if (level_index == NONE) {
        level_index = level_add(run, level_side, order->price_ticks);
    }
    touch_level(run, level_at(run, level_index));
    const uint32_t index = append_order(run, order, level_index);
    note_undo(run, UNDO_REST, index, 0, 0);
    return index;
}

static inline void remove_order(struct run *run, uint32_t index)
{
    const struct node *node = node_at(run, index);
    struct level *level = level_at(run, node->level);
    touch_level(run, level);
    note_undo(run, UNDO_REMOVE, index, level->price_ticks, level->side);
    run->book->order_sum -= order_hash(run, index);
    unlink_node(run, index);
}

/* Makes the order smaller by `lots` without a trade, hidden ones first; some are left. Its place in the queue stays. */
static void reduce_order(struct run *run, uint32_t index, int64_t lots)
{
    struct node *node = node_at(run, index);
    struct level *level = level_at(run, node->level);
    REQUIRE(lots >= 0 && lots < lots_left(run, index));
    const int64_t hidden = hidden_lots(run, index) < lots ? hidden_lots(run, index) : lots;
    touch_level(run, level);
    run->book->order_sum -= order_hash(run, index);
    if (hidden > 0) {
        run->extras[index].hidden -= hidden;
        level->hidden -= hidden;
    }
    node->lots -= lots - hidden;
    level->lots -= lots - hidden;
    run->book->order_sum += order_hash(run, index);
    note_undo(run, UNDO_REDUCE, index, lots - hidden, hidden);
}

/* A resting order trades `lots`, less than it shows. */
static inline void fill_part(struct run *run, uint32_t index, int64_t lots)
{
    struct node *node = node_at(run, index);
    struct level *level = level_at(run, node->level);
    REQUIRE(lots > 0 && lots < node->lots);
    touch_level(run, level);
    run->book->order_sum -= order_hash(run, index);
    node->lots -= lots;
    node->traded += lots;
    level->lots -= lots;
    run->book->order_sum += order_hash(run, index);
    note_undo(run, UNDO_FILL, index, lots, 0);
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
    run->book->order_sum -= order_hash(run, index);
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
        node->prev = level->tail;
        node->next = NONE;
        queue_node(run, index, level);
    }
    run->book->order_sum += order_hash(run, index);
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
        node->prev = NONE;
        node->next = level->head;
        queue_node(run, index, level);
    }
}

static void take_back_step(struct run *run, const struct undo *step)
{
    struct node *node = node_at(run, step->node);
    switch (step->kind) {
    case UNDO_REST:
        unlink_node(run, step->node);
        give_node(run, step->node);
        break;
    case UNDO_REMOVE: {
        const uint32_t side = (uint32_t)step->b;
        const uint32_t level = level_find(run, side, step->a);
        link_node(run, step->node, level != NONE ? level : level_add(run, side, step->a));
        break;
    }
    case UNDO_REDUCE:
        node->lots += step->a;
        level_at(run, node->level)->lots += step->a;
        if (step->b > 0) {
            run->extras[step->node].hidden += step->b;
            level_at(run, node->level)->hidden += step->b;
        }
        break;
    case UNDO_FILL:
        node->lots += step->a;
        node->traded -= step->a;
        level_at(run, node->level)->lots += step->a;
        break;
    default:
        REQUIRE(step->kind == UNDO_REFRESH);
        take_back_refresh(run, step->node, step->a, (uint64_t)step->b);
        break;
    }
}

/* Runs the batch's changes backwards. The figures in mc_book are the caller's to put back. */
static void take_back(struct run *run)
{
    while (run->undo_count > 0) {
        take_back_step(run, &run->undos[--run->undo_count]);
    }
}

/* The batch stands: its removed nodes are free for the next one. */
static void settle_undos(struct run *run)
{
    for (int64_t i = 0; i < run->undo_count; i++) {
        if (run->undos[i].kind == UNDO_REMOVE) {
            give_node(run, run->undos[i].node);
        }
    }
    run->undo_count = 0;
}

#endif
