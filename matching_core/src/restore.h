/* Restore: builds the book of a snapshot order by order and believes nothing: lengths, checksum, each number, the order
 * of priority, ids unique, sides not crossed, and the state hash at the end.
 */
#ifndef MC_RESTORE_H
#define MC_RESTORE_H

#include "snapshot.h"

#undef MC_FILE
#define MC_FILE 13

#define RESTORE_AHEAD 16u

static inline int in_range(int64_t value, int64_t lowest)
{
    return value >= lowest && value <= MC_MAX_NOTIONAL;
}

/* The orders of all sides; more than any book holds when one side has. */
static uint64_t header_orders(const struct snapshot_header *header)
{
    uint64_t orders = 0;
    for (unsigned side = 0; side < SIDES; side++) {
        orders += header->orders[side] > MC_MAX_ORDERS ? MC_MAX_ORDERS + 1 : header->orders[side];
    }
    return orders;
}

static int are_prices_sound(const struct snapshot_header *header)
{
    const int64_t last = header->last_price_ticks;
    if (!in_range(header->low_ticks, 0) || !in_range(header->high_ticks, 0) || !in_range(header->auction_price_ticks, 0)) {
        return 0;
    }
    if (last < header->low_ticks || last > header->high_ticks) {
        return 0;
    }
    const int is_traded = header->last_trade_id > 0;
    if ((last > 0) != is_traded || (header->low_ticks > 0) != is_traded || (header->high_ticks > 0) != is_traded) {
        return 0;
    }
    return header->auction_price_ticks == 0 || header->mode == UNCROSSING;
}

/* The header if length and format are sound, and how many orders it tells of; else a code. */
static int64_t read_snapshot_header(const unsigned char *bytes, int64_t size, struct snapshot_header *header)
{
    if (size < (int64_t)sizeof *header) {
        return MC_SNAPSHOT_TRUNCATED;
    }
    memcpy(header, bytes, sizeof *header);
    if (header->magic != SNAPSHOT_MAGIC || header->version - OLDER_VERSION > SNAPSHOT_VERSION - OLDER_VERSION ||
        header->order_bytes != sizeof(struct snapshot_order) || header->extra_bytes != sizeof(struct extra)) {
        return MC_SNAPSHOT_UNKNOWN_FORMAT;
    }
    const uint64_t orders = header_orders(header);
    if (orders > MC_MAX_ORDERS || header->extras > orders) {
        return MC_SNAPSHOT_FIGURES;
    }
    return size == snapshot_size(orders, header->extras) ? (int64_t)orders : MC_SNAPSHOT_TRUNCATED;
}

/* 0 if the checksum fits and the header's figures are sound; else a code. */
static int64_t check_snapshot(const unsigned char *bytes, int64_t size, const struct snapshot_header *header)
{
    if (header->checksum != snapshot_checksum(bytes, size, header->version)) {
        return MC_SNAPSHOT_CHECKSUM;
    }
    if (header->zero != 0 || header->mode > UNCROSSING || header->at_ms < 0 || header->sequence > INT64_MAX ||
        header->last_trade_id > header->sequence || !are_prices_sound(header)) {
        return MC_SNAPSHOT_FIGURES;
    }
    return 0;
}

/* A stop that waits: what a PLACE may have brought. */
static int is_sound_stop(const struct order *order)
{
    const struct extra *extra = &order->extra;
    const int64_t lots = order->node->lots;
    if (extra->hidden != 0 || extra->collar_bp > MC_MAX_COLLAR_BP || (order->node->flags & NODE_POST_ONLY) != 0) {
        return 0;
    }
    if (extra->order_type == STOP_MARKET) {
        return extra->time_in_force <= FOK && extra->display == 0 && (lots > 0) != (extra->funds > 0);
    }
    if (extra->order_type != STOP_LIMIT || extra->limit_ticks == 0 || lots == 0 || extra->funds != 0 ||
        is_too_large(extra->limit_ticks, lots)) {
        return 0;
    }
    if (extra->time_in_force == IOC) {
        return extra->display == 0;
    }
    return (extra->time_in_force == GTC || extra->time_in_force == GTT) && extra->display < lots &&
           (extra->time_in_force == GTT) == (extra->expire_at_ms > 0);
}

/* An iceberg or an order with an end. */
static int is_sound_resting_extra(const struct order *order)
{
    const struct extra *extra = &order->extra;
    if (extra->limit_ticks != 0 || extra->funds != 0 || extra->collar_bp != 0 || extra->order_type != 0 ||
        extra->time_in_force != 0) {
        return 0;
    }
    if (extra->display == 0) {
        return extra->hidden == 0 && extra->expire_at_ms > 0;
    }
    return order->node->lots <= extra->display;
}

static int is_sound_extra(const struct order *order, uint32_t level_side)
{
    const struct extra *extra = &order->extra;
    if (!in_range(extra->hidden, 0) || !in_range(extra->display, 0) || extra->expire_at_ms < 0 ||
        !in_range(extra->limit_ticks, 0) || !in_range(extra->funds, 0) || extra->heap_at != 0) {
        return 0;
    }
    return level_side >= LOSS_STOPS ? is_sound_stop(order) : is_sound_resting_extra(order);
}

static int is_sound_order(struct run *run, const struct order *order, uint32_t level_side)
{
    const struct node *node = order->node;
    const int is_stop_side = level_side >= LOSS_STOPS;
    if (is_nil(&node->order_id) || node->account == 0 || !in_range(order->price_ticks, 1) || !in_range(node->traded, 0) ||
        !in_range(node->lots, is_stop_side ? 0 : 1)) {
        return 0;
    }
    if (node->opened == 0 || node->opened > run->book->sequence || node->stp < DECREASE_AND_CANCEL ||
        node->stp > CANCEL_BOTH || node->flags > (NODE_POST_ONLY | NODE_EXTRA)) {
        return 0;
    }
    if (is_stop_side ? node->side != BUY && node->side != SELL : node->side != level_side) {
        return 0;
    }
    if ((node->flags & NODE_EXTRA) == 0) {
        return !is_stop_side;
    }
    return is_sound_extra(order, level_side);
}

/* Whether `order` may stand behind the last one of its side: at a worse price, or younger at the same. */
static int is_next_in_priority(struct run *run, uint32_t level_side, uint32_t last_level, const struct order *order)
{
    int64_t lots = order->node->lots + order->extra.hidden; /* each at most 2^62 - 1, as is a level's total */
    if (lots > MC_MAX_NOTIONAL) {
        return 0;
    }
    if (last_level != NONE) {
        const struct level *level = level_at(run, last_level);
        if (level->price_ticks == order->price_ticks) {
            if (node_at(run, level->tail)->opened >= order->node->opened) {
                return 0;
            }
            lots += level_total(level);
        } else if (at_least_as_good(level_side, order->price_ticks, level->price_ticks)) {
            return 0;
        }
    }
    return level_side >= LOSS_STOPS ? lots <= MC_MAX_NOTIONAL : !is_too_large(order->price_ticks, lots);
}

/* The next extra of the snapshot; all zero when there is none left, which no order may have. */
static void read_extra(const unsigned char **extras, const unsigned char *end, struct extra *extra)
{
    *extra = (struct extra){0};
    if (*extras < end) {
        memcpy(extra, *extras, sizeof *extra);
        *extras += sizeof *extra;
    }
}

/* The home bucket of a record's id is on its way while the records before it are read. */
static void look_at_home(const struct run *run, const unsigned char *record)
{
    struct order_id id;
    memcpy(&id, record, sizeof id);
    __builtin_prefetch(&run->ids[(uint32_t)id_hash(&id) & run->id_mask], 1);
}

static inline int is_id_taken(struct run *run, const struct order_id *id, uint64_t hash_of_id)
{
    struct id_spot spot;
    return !is_open_for(&run->ids[(uint32_t)hash_of_id & run->id_mask], (uint32_t)hash_of_id) &&
           id_find(run, id, hash_of_id, &spot) != NONE;
}

/* Reads the records `first` to `last` - 1 into a side. */
static int is_side_read(struct run *run, uint32_t level_side, const unsigned char *bytes, uint64_t first, uint64_t last,
                        const unsigned char **extras, const unsigned char *end)
{
    uint32_t level = NONE;
    for (uint64_t i = first; i < last; i++) {
        struct snapshot_order saved;
        if (i + RESTORE_AHEAD < last) {
            look_at_home(run, bytes + order_offset(i + RESTORE_AHEAD));
        }
        memcpy(&saved, bytes + order_offset(i), sizeof saved);
        const uint64_t hash_of_id = id_hash(&saved.order_id);
        struct order order = {.price_ticks = saved.price_ticks};
        set_node(run, &order);
        *order.node = (struct node){.order_id = saved.order_id, .account = saved.account, .lots = saved.lots,
            .opened = saved.opened, .traded = saved.traded, .side = saved.side, .stp = saved.stp, .flags = saved.flags};
        if ((saved.flags & NODE_EXTRA) != 0) {
            read_extra(extras, end, &order.extra);
        }
        if ((saved.zero | saved.zeros) != 0 || !is_sound_order(run, &order, level_side) ||
            !is_next_in_priority(run, level_side, level, &order) || is_id_taken(run, &saved.order_id, hash_of_id)) {
            return 0;
        }
        if (level == NONE || level_at(run, level)->price_ticks != order.price_ticks) {
            level = level_add(run, level_side, order.price_ticks);
        }
        append_order(run, &order, level, hash_of_id);
    }
    return 1;
}

static int64_t read_snapshot(struct run *run, const unsigned char *bytes, int64_t size, const struct snapshot_header *header)
{
    mc_book *book = run->book;
    const uint64_t orders = header_orders(header);
    book->sequence = header->sequence;
    book->last_trade_id = header->last_trade_id;
    book->at_ms = header->at_ms;
    book->mode = header->mode;
    book->last_price_ticks = header->last_price_ticks;
    book->low_ticks = header->low_ticks;
    book->high_ticks = header->high_ticks;
    book->auction_price_ticks = header->auction_price_ticks;
    book->id_buckets = most_id_buckets((uint32_t)orders);
    set_id_table(run, book->id_buckets);
    const unsigned char *extras = bytes + order_offset(orders);
    uint64_t number = 0;
    for (uint32_t side = BUY; side <= SIDES; side++) {
        const uint64_t last = number + header->orders[side - 1];
        if (!is_side_read(run, side, bytes, number, last, &extras, bytes + size)) {
            return MC_SNAPSHOT_ORDER;
        }
        number = last;
    }
    if (extras != bytes + size || (book->mode == OPEN && is_crossed(run))) {
        return MC_SNAPSHOT_ORDER;
    }
    return state_hash(book) == header->state_hash ? 0 : MC_SNAPSHOT_STATE_HASH;
}

#endif
