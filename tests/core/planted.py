"""Bugs to plant into the C core, one at a time: the recorded commands must not be answered as before.

What is wrong -> (file in src, the text that stands there once, what replaces it).
"""

PLANTED: dict[str, tuple[str, str, str]] = {
    # orders and their undo
    "the undo forgets reductions": ("orders.h", "case UNDO_REDUCE:\n        node->lots += step->a;", "case UNDO_REDUCE:"),
    "the undo forgets hidden lots": ("orders.h", "run->extras[step->node].hidden += step->b;", ";"),
    "the undo forgets what was traded": ("orders.h", "node->traded -= step->a;", ";"),
    "an undone fill keeps its share of the state hash": (
        "orders.h", "        count_again(run, node, level_at(run, node->level));\n        break;\n    default:",
        "        break;\n    default:"),
    "an order that changed keeps its share of the state hash": (
        "orders.h", "    run->book->order_sum -= node->share;\n    count_in(", "    count_in("),
    "an undone refresh keeps its new age": (
        "orders.h", "node->traded -= lots;\n    node->opened = opened;", "node->traded -= lots;"),
    "an undone refresh stays at the end of the queue": ("orders.h", "if (level->head != index) {", "if (0) {"),
    "an undone move keeps its new age": ("orders.h", "    node->opened = stood->opened;\n", ""),
    "an undone move keeps its new size": ("orders.h", "    node->lots = stood->lots;\n", ""),
    "an undone move keeps its share of the state hash": (
        "orders.h", "step->a);\n        count_again(run, node, level_at(run, node->level));", "step->a);"),
    "an undone move comes back behind the queue": (
        "orders.h", "    run->links[index] = stood->links;\n",
        "    run->links[index] = (struct links){level_find(run, node->side, price_ticks) == NONE ? NONE : "
        "run->levels[level_find(run, node->side, price_ticks)].tail, NONE};\n"),
    "a refreshed iceberg keeps its place": ("orders.h", "if (level->tail != index) {", "if (0) {"),
    "a refreshed iceberg keeps its age": ("orders.h", "node->lots = shown;\n    node->opened = opened;", "node->lots = shown;"),
    "a refreshed iceberg keeps its place among those that end": (
        "orders.h", "if (extra->expire_at_ms > 0) { /* its age is part of the heap's key */", "if (0) {"),
    "a refreshed iceberg forgets what it traded": ("orders.h", "node->traded += node->lots;", ";"),
    "an iceberg loses visible lots first": (
        "orders.h", "hidden_lots(run, index) < lots ? hidden_lots(run, index) : lots;",
        "lots < node->lots ? 0 : lots - node->lots + 1;"),
    "the level's total misses partial fills": (
        "orders.h", "    level->lots -= lots;\n    fill_node(", "    fill_node("),
    "a stop that waits hides its lots": (
        "orders.h", "extra->display < node->lots && side <= SELL", "extra->display < node->lots"),
    "extras of orders that are gone are still counted": (
        "orders.h", "level->hidden -= run->extras[index].hidden;\n    run->book->extra_count--;",
        "level->hidden -= run->extras[index].hidden;"),
    # levels, ids, ends
    "a neighbour is linked on the wrong side": ("levels.h", "higher == highest_first(side)", "higher != highest_first(side)"),
    "loss stops are sorted like asks": ("levels.h", "return side == BUY || side == LOSS_STOPS;", "return side == BUY;"),
    "a fork that is gone is still remembered": ("prices.h", "        fork->leaf_key = 0;\n", ""),
    "a fork is remembered for another side": (
        "prices.h", "return price >> FORK_BITS << 3 | side;", "return price >> FORK_BITS << 3 | 1;"),
    "a leaf forgets that it lost a price": ("prices.h", "    leaf->used = rest;\n", ""),
    "a leaf's neighbour is the wrong one": (
        "prices.h", "const unsigned above = lowest_child(leaf->used);", "const unsigned above = highest_child(leaf->used);"),
    "the trie forgets the prices below": ("prices.h", "below = lower != 0 ? fork->child[highest_child(lower)] : below;", ""),
    "a fork with one child stays": ("prices.h", "if ((fork->used & (fork->used - 1)) == 0) {", "if (0) {"),
    "a search for an id stops at its home": ("ids.h", "if (__builtin_expect(bucket->passed == 0, 1)) {", "if (1) {"),
    "ids are told apart by their hashes alone": (
        "ids.h", "if (__builtin_expect(same_id(&run->nodes[node].order_id, id), 1)) {", "if (1) {"),
    "an id that is gone still holds its place": ("ids.h", "    bucket->used &= ~(1u << spot.place);\n", ""),
    "two orders with the same end leave youngest first": (
        "expiry.h", "run->nodes[a].opened < run->nodes[b].opened", "run->nodes[a].opened > run->nodes[b].opened"),
    "the heap is not mended where an order leaves": ("expiry.h", "sift_timed(run, at, last);", "set_timed(run, at, last);"),
    "an order ends a moment late": (
        "expiry.h", "extra->expire_at_ms <= run->book->at_ms", "extra->expire_at_ms < run->book->at_ms"),
    # what is refused
    "a sell crosses one tick too far": (
        "rules.h", "((limit_ticks ^ negate) - negate);", "((limit_ticks ^ negate) - negate) + (side == SELL);"),
    "an expiry of this very moment is accepted": (
        "rules.h", "command->expire_at_ms <= run->book->at_ms", "command->expire_at_ms < run->book->at_ms"),
    "fok counts what is due": (
        "rules.h", "            if (is_due(run, next)) {\n                continue;\n            }\n", ""),
    "fok counts own orders": (
        "rules.h", "} else if (wants->stp != CANCEL_OLDEST) {\n                return 0;",
        "} else if (wants->stp != CANCEL_OLDEST) {\n                wanted -= maker->lots;"),
    "fok forgets that hidden parts are touched": ("rules.h", "*parts += (extra->hidden - 1) / extra->display + 1;", ""),
    "fok counts what own icebergs hide": ("rules.h", "node_at(run, next)->account != account && ", ""),
    "a level's hidden lots do not count as full": (
        "rules.h", "return level_total(&run->levels[level]);", "return run->levels[level].lots;"),
    "a price at the edge of the band is outside": ("rules.h", "price_ticks > last + band", "price_ticks >= last + band"),
    "an auction takes orders that cannot rest": ("rules.h", "mode != AUCTION_MODE || !can_rest", "mode != AUCTION_MODE"),
    "a stop-limit order may be post-only": (
        "rules.h", "command->stop_price_ticks == 0 || (command->flags & POST_ONLY) != 0 ||",
        "command->stop_price_ticks == 0 ||"),
    "a good-till-time order needs no end": (
        "rules.h", "(command->time_in_force == GTT) != (command->expire_at_ms != 0)",
        "command->time_in_force != GTT && command->expire_at_ms != 0"),
    # matching
    "a level's queue is taken from its end": (
        "match.h", "const uint32_t maker = level->head;", "const uint32_t maker = level->tail;"),
    "an order that is due still trades": ("match.h", "if (is_due(run, maker)) {", "if (0) {"),
    "the lowest price since stops were checked is lost": (
        "match.h", "book->low_ticks = price_ticks < book->low_ticks ? price_ticks : book->low_ticks;", ""),
    "dc compares with what a maker shows": (
        "match.h", "const int64_t maker_lots = lots_left(run, index);",
        "const int64_t maker_lots = node_at(run, index)->lots;"),
    "the meeting that ends a taker is no touch": (
        "match.h", "taker->touched++;\n                return reason;", "return reason;"),
    "one maker more than the limit": (
        "match.h", "if (taker->touched == MC_MAX_FILLS) {", "if (taker->touched > MC_MAX_FILLS) {"),
    "a taker's trades do not count for its size": ("match.h", "taker->order.node->traded += lots;", ""),
    "a level change is reported though nothing differs": (
        "changes.h", "level->lots == before->lots && level->orders == before->orders", "0"),
    "many levels are told in another order": (
        "changes.h", "to[starts[from[i].key >> shift & 255]++] = from[i];",
        "to[starts[from[count - 1 - i].key >> shift & 255]++] = from[count - 1 - i];"),
    "a stop's level is told": ("levels.h", "side > SELL ? ANY_BATCH : 0", "0"),
    "asks are told among the bids": ("changes.h", "bids - lowest[1]", "-lowest[1]"),
    "the newer note of a level counts": (
        "changes.h", "i = run->touch - run->touches - 1; i >= 0; i--", "i = 0; i < run->touch - run->touches; i++"),
    # plain orders
    "a plain order is never stale": ("plain.h", "command->issued_at_ms >= run->fresh_from_ms", "command->issued_at_ms >= 0"),
    "a plain order may come twice": (
        "plain.h", "(places_of(bucket, hash) | bucket->passed) == 0", "bucket->passed == 0"),
    "a plain order does not see that the market is closed": ("plain.h", " || book->mode != OPEN", ""),
    "a plain order forgets what hides on its level": (
        "plain.h", "lots + total_at(run, level_index)", "lots + run->levels[level_index].lots"),
    "a plain order that may not rest does": (
        "plain.h", "taker.can_rest = command->time_in_force == GTC;", "taker.can_rest = 1;"),
    "an order moves straight though it trades": (
        "plain.h", " &&\n           !would_trade(run, node->side, command->price_ticks);", ";"),
    "a moved order is as old as its amend": (
        "plain.h", "    node->opened = sequence + 1;\n    book->order_sum -=",
        "    node->opened = sequence;\n    book->order_sum -="),
    "a moved order's level is not told": (
        "plain.h", "    touch_level(run, &run->levels[node->level]);\n    note_move", "    note_move"),
    "an order moves straight out of its band": (
        "plain.h", "           !is_outside_band(run, node->side, command->price_ticks, command->collar_bp) &&\n", ""),
    "an iceberg moves straight": ("plain.h", " && (node->flags & NODE_EXTRA) == 0 &&", " &&"),
    "anybody moves an order": (
        "plain.h", " &&\n           (command->account == 0 || command->account == node->account);", ";"),
    "an order that is taken off straight leaves its id": (
        "plain.h", "    run->ids[(uint32_t)ahead->hash & run->id_mask].used ^= 1u << ahead->place;\n", ""),
    "a level that an order leaves straight is not told": (
        "plain.h", "    touch_level(run, level);\n    note_removal", "    note_removal"),
    "a guess about an id that has left still holds": ("ids.h", "    return stands & same_id(", "    return same_id("),
    # a taker's sweep of a level
    "a sweep trades with the taker's own orders": (
        "match.h", "(maker->flags & NODE_EXTRA) != 0 || maker->account == order->account", "(maker->flags & NODE_EXTRA) != 0"),
    "a sweep takes an iceberg for what it shows": (
        "match.h", "(maker->flags & NODE_EXTRA) != 0 || maker->account == order->account", "maker->account == order->account"),
    "the makers of earlier sweeps do not count": ("plain.h", "sweep(run, node, *best, MC_MAX_FILLS - touched)",
                                                  "sweep(run, node, *best, MC_MAX_FILLS)"),
    "a swept level keeps its total": ("match.h", "    level->lots -= traded;\n", ""),
    "a swept level's new first order knows one before it": ("match.h", "    run->links[next].prev = NONE;\n", ""),
    "a filled part keeps its share of the state hash": (
        "orders.h", "    count_again(run, node, level);\n    note_undo(run, UNDO_FILL", "    note_undo(run, UNDO_FILL"),
    "a filled part is not taken back": ("orders.h", "    note_undo(run, UNDO_FILL, index, lots, 0);\n", ""),
    # stops
    "stops at one price are triggered youngest first": (
        "stops.h", "return level_at(run, loss)->head;", "return level_at(run, loss)->tail;"),
    "a loss stop waits for a lower price than its own": (
        "stops.h", "price_ticks >= book->low_ticks", "price_ticks > book->low_ticks"),
    "an entry stop looks at the last price only": (
        "stops.h", "price_ticks <= book->high_ticks", "price_ticks <= book->last_price_ticks"),
    "a triggered order may overfill its level": (
        "stops.h", "taker.order.node->lots + total_at(run, taker.own_level)", "taker.order.node->lots"),
    "makers that a triggered order met are no steps": ("stops.h", "return taker.touched;", "return 0;"),
    "a triggered iceberg shows all": ("stops.h", ".extra = {.display = extra->display, ", ".extra = {"),
    # auctions
    "the younger order of a pair is the maker": (
        "auction.h", "node_at(run, bid)->opened < node_at(run, ask)->opened",
        "node_at(run, bid)->opened > node_at(run, ask)->opened"),
    "the opening price ignores hidden lots": (
        "auction.h", "int64_t bid_lots = level_total(bid);", "int64_t bid_lots = bid->lots;"),
    "the opening price ignores the last trade": ("auction.h", "if (last == 0) {", "if (1) {"),
    "the opening price is kept when it no longer fits": ("auction.h", "book->auction_price_ticks < asks->price_ticks ||", ""),
    "an order that is due is paired": ("auction.h", "if (is_due(run, bids->head)) {", "if (0) {"),
    "the older order of one account is taken off": (
        "auction.h", "finish_resting(run, taker, SELF_TRADE);", "finish_resting(run, maker, SELF_TRADE);"),
    "the opened market keeps its auction price": (
        "auction.h", "    run->book->auction_price_ticks = 0;\n}\n\nstatic void uncross_pair", "}\n\nstatic void uncross_pair"),
    "an uncross has one step too many": ("auction.h", "steps < MC_MAX_UNCROSS", "steps <= MC_MAX_UNCROSS"),
    # commands
    "work waits for the next command": (
        "commands.h", "    work(run, &steps);\n    return is_quiet(book)", "    return is_quiet(book)"),
    "a market with stops is taken for a quiet one": (
        "commands.h", "(book->timed_count | book->stop_count | book->mode) == 0", "(book->timed_count | book->mode) == 0"),
    "background work has one step too many": (
        "commands.h", "while (*steps < MC_MAX_BACKGROUND && has_room(run))",
        "while (*steps <= MC_MAX_BACKGROUND && has_room(run))"),
    "cancel-all leaves the oldest": (
        "amend.h", "node->opened < run->nodes[kept[0]].opened", "node->opened > run->nodes[kept[0]].opened"),
    "cancel-all takes everybody's": ("amend.h", "(account != 0 && node->account != account)", "0"),
    "an amend counts from what is left": ("amend.h", "command->size_lots - node->traded", "command->size_lots"),
    "an amend that only shrinks loses its place": ("amend.h", "price_ticks == from_price && left <= old_left", "0"),
    "an amend counts the order's own lots on its level": (
        "amend.h", "(price_ticks == from_price ? old_left : 0)", "0"),
    "an amended order may cross though post-only": (
        "amend.h", "(node->flags & NODE_POST_ONLY) != 0 && would_trade(run, node->side, price_ticks)", "0"),
    "an order that is due can be amended": ("amend.h", "*index == NONE || is_due(run, *index)", "*index == NONE"),
    "a stop can be amended": ("amend.h", "if (is_waiting(run, *index)) {", "if (0) {"),
    "nobody is told that an uncross is unfinished": (
        "commands.h", "next_due(run) != NONE || mode == UNCROSSING ||", "next_due(run) != NONE ||"),
    # hashes and snapshots
    "the state hash does not see the mode": ("hash.h", "K4, book->mode ^ K5);", "K4, K5);"),
    "the state hash does not see what an iceberg hides": ("hash.h", "(uint64_t)extra->hidden ^ K0", "K0"),
    "a table that grew leaves its ids behind it": ("ids.h", "    memset(old, 0, buckets * sizeof *old);", "   "),
    "a cleared book leaves an extra": ("core.c", "extras * sizeof *run->extras", "(extras - 1) * sizeof *run->extras"),
    "a cleared book leaves its forks": ("core.c", "(book->fork_used + 1u) * sizeof", "book->fork_used * sizeof"),
    "a snapshot's queues lose their order": ("snapshot.h", "lane->number++;", "lane->number = lane->number;"),
    "a restored id may come twice": (
        "restore.h", " || is_id_taken(run, &saved.order_id, hash_of_id)", ""),
    "a restored stop may be post-only": ("restore.h", " || (order->node->flags & NODE_POST_ONLY) != 0", ""),
    "a restored iceberg may show more than its part": ("restore.h", "return order->node->lots <= extra->display;", "return 1;"),
    "a restored order may be as old as the one before": (
        "restore.h", "->opened >= order->node->opened", "->opened > order->node->opened"),
    "a restored open market may be crossed": ("restore.h", "(book->mode == OPEN && is_crossed(run))", "0"),
    "a restored queue may be younger than the book": ("restore.h", " || node->opened > run->book->sequence", ""),
    "a restored level may be too full": ("restore.h", "!is_too_large(order->price_ticks, lots)", "1"),
    "extras that no order has are ignored": ("restore.h", "extras != bytes + size || ", ""),
    "the checksum is not compared": ("restore.h", "header->checksum != snapshot_checksum(bytes, size, header->version)", "0"),
    "an auction price outside of an auction is restored": (
        "restore.h", "header->auction_price_ticks == 0 || header->mode == UNCROSSING", "1"),
}
