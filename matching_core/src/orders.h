/* Resting orders: put one behind its level's queue, take one out, make one smaller; and take all of that back.
 *
 * Every change of a batch is noted in `undos`; when the batch's events do not fit, `take_back` runs the notes backwards.
 * Nodes that a batch removes are not reused before it ends, so a removed order still knows its neighbours: taking back
 * is relinking. That is why a batch wants one free node per PLACE before it starts (MC_BOOK_FULL otherwise).
 */
#ifndef MC_ORDERS_H
#define MC_ORDERS_H

#include "ids.h"
#include "levels.h"

#undef MC_FILE
#define MC_FILE 3

static inline struct node *node_at(struct run *run, uint32_t node)
{
    REQUIRE(node != NONE && node <= run->book->capacity);
    return &run->nodes[node];
}

static inline uint32_t free_nodes(const mc_book *book)
{
    return book->capacity - (uint32_t)book->order_count;
}

static inline uint32_t take_node(struct run *run)
{
    mc_book *book = run->book;
    uint32_t node = book->node_free;
    if (node != NONE) {
        book->node_free = node_at(run, node)->next;
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

/* Notes what the level was when the batch came to it first. */
static inline void touch_level(struct run *run, struct level *level)
{
    if (level->batch == run->book->batch) {
        return;
    }
    level->batch = run->book->batch;
    REQUIRE(run->touch_count < run->event_capacity + MC_EVENT_SLACK);
    run->touches[run->touch_count] = (struct touch){.price_ticks = level->price_ticks, .lots = level->lots,
        .orders = level->orders, .side = level->side, .ordinal = (uint32_t)run->touch_count};
    run->touch_count++;
}

static inline void note_undo(struct run *run, enum undo_kind kind, uint32_t node, int64_t lots)
{
    REQUIRE(run->undo_count < run->event_capacity + MC_EVENT_SLACK);
    run->undos[run->undo_count++] = (struct undo){.kind = kind, .node = node, .lots = lots};
}

/* Links the node between `prev` and `next` of its level, or back to where it was. */
static inline void link_node(struct run *run, uint32_t index, uint32_t level_index)
{
    struct node *node = node_at(run, index);
    struct level *level = level_at(run, level_index);
    node->level = level_index;
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
    level->lots += node->lots;
    level->orders++;
    id_add(run, index);
    run->book->order_count++;
}

static inline void unlink_node(struct run *run, uint32_t index)
{
    struct node *node = node_at(run, index);
    struct level *level = level_at(run, node->level);
    REQUIRE(level->price_ticks == node->price_ticks && level->side == node->side);
    REQUIRE(level->orders > 0 && level->lots >= node->lots && run->book->order_count > 0);
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
    level->lots -= node->lots;
    level->orders--;
    id_remove(run, index);
    run->book->order_count--;
    if (level->orders == 0) {
        level_drop(run, node->level);
    }
}

/* Puts an order behind the queue of its price; `level_index` is that price's level, or NONE. Answers the level. */
static inline uint32_t append_order(struct run *run, const struct node *order, uint32_t level_index)
{
    const uint32_t index = take_node(run);
    if (level_index == NONE) {
        level_index = level_add(run, order->side, order->price_ticks);
    }
    const struct level *level = level_at(run, level_index);
    REQUIRE(order->lots > 0 && order->lots <= MC_MAX_NOTIONAL - level->lots);
    run->nodes[index] = *order;
    run->nodes[index].prev = level->tail;
    run->nodes[index].next = NONE;
    link_node(run, index, level_index);
    run->book->order_sum += order_hash(&run->nodes[index]);
    return level_index;
}

static inline void rest_order(struct run *run, const struct node *order, uint32_t level_index)
{
    if (level_index == NONE) {
        level_index = level_add(run, order->side, order->price_ticks);
    }
    touch_level(run, level_at(run, level_index));
    append_order(run, order, level_index);
    note_undo(run, UNDO_REST, level_at(run, level_index)->tail, 0);
}

static inline void remove_order(struct run *run, uint32_t index)
{
    struct node *node = node_at(run, index);
    touch_level(run, level_at(run, node->level));
    run->book->order_sum -= order_hash(node);
    unlink_node(run, index);
    note_undo(run, UNDO_REMOVE, index, 0);
}

/* Makes the order smaller by `lots`; some must be left. Its place in the queue stays. */
static inline void reduce_order(struct run *run, uint32_t index, int64_t lots)
{
    struct node *node = node_at(run, index);
    struct level *level = level_at(run, node->level);
    REQUIRE(lots > 0 && lots < node->lots);
    touch_level(run, level);
    run->book->order_sum -= order_hash(node);
    node->lots -= lots;
    level->lots -= lots;
    run->book->order_sum += order_hash(node);
    note_undo(run, UNDO_REDUCE, index, lots);
}

/* Runs the batch's changes backwards. The figures in mc_book are the caller's to put back. */
static void take_back(struct run *run)
{
    while (run->undo_count > 0) {
        const struct undo step = run->undos[--run->undo_count];
        struct node *node = node_at(run, step.node);
        uint32_t level = level_find(run, node->side, node->price_ticks);
        if (step.kind == UNDO_REST) {
            unlink_node(run, step.node);
            give_node(run, step.node);
        } else if (step.kind == UNDO_REMOVE) {
            if (level == NONE) {
                level = level_add(run, node->side, node->price_ticks);
            }
            link_node(run, step.node, level);
        } else {
            node->lots += step.lots;
            level_at(run, level)->lots += step.lots;
        }
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
