/* One command, and the work that waits beside it: orders whose time has come, stops that are met, an unfinished uncross.
 *
 * Waiting work is done before and after each command, a bounded share of it: no entry of the journal grows without end, and
 * what is left is done with the next command. An order that is over and not taken off yet never trades (match.h).
 */
#ifndef MC_COMMANDS_H
#define MC_COMMANDS_H

#include "plain.h"

#undef MC_FILE
#define MC_FILE 10

/* A PLACE with all that it may bring. */
__attribute__((noinline)) static void place(struct run *run, const struct command *command, uint64_t hash_of_id)
{
    struct taker taker;
    const enum reject_code code = check_place(run, command, hash_of_id, &taker);
    if (code != NOT_REJECTED) {
        emit_rejected(run, command, code);
        return;
    }
    const unsigned flags = is_stop(command) ? FLAG_STOP | funds_flag(&taker) : funds_flag(&taker);
    emit_order(run, ACCEPTED, 0, flags, taker.order.node, command->price_ticks, command->size_lots, command->funds);
    if (is_stop(command)) {
        wait_for_price(run, &taker, command);
        return;
    }
    enter(run, &taker);
}

/* A command that is rare. */
__attribute__((noinline)) static void execute_rare(struct run *run, const struct command *command)
{
    switch (command->kind) {
    case TICK: /* only its time counts */
        break;
    case CANCEL_ALL:
        cancel_all(run, command);
        break;
    case HALT:
        set_mode(run, HALTED_MODE, HALTED);
        break;
    case AUCTION:
        set_mode(run, AUCTION_MODE, COLLECTING);
        break;
    case RESUME:
    case UNCROSS:
        uncross(run);
        break;
    default:
        emit_rejected(run, command, MALFORMED);
        break;
    }
}

/* Answers whether the command could only have left the market as quiet as it was. */
static inline int execute(struct run *run, const struct command *command, const struct ahead *ahead)
{
    if (command->kind == PLACE) {
        const enum plain done = place_plain(run, command, ahead);
        if (__builtin_expect(done == NOT_PLAIN, 0)) {
            place(run, command, ahead->hash);
        }
        return done == RESTED;
    }
    if (command->kind == CANCEL) {
        if (__builtin_expect(!cancel_plain(run, command, ahead), 0)) {
            cancel(run, command, ahead->hash);
        }
        return 1;
    }
    if (command->kind == AMEND) {
        if (move_plain(run, command, ahead)) {
            return 1;
        }
        amend(run, command, ahead->hash);
    } else {
        execute_rare(run, command);
    }
    return 0;
}

/* One step of waiting work; how many steps it counts for, 0 when nothing waits. */
static uint32_t work_step(struct run *run)
{
    mc_book *book = run->book;
    const uint32_t due = next_due(run);
    if (due != NONE) {
        finish_resting(run, due, EXPIRED_ORDER);
        return 1;
    }
    if (book->mode == UNCROSSING) {
        uncross_step(run);
        return 1;
    }
    if (book->mode != OPEN) {
        return 0;
    }
    const uint32_t stop = next_met_stop(run);
    if (stop != NONE) {
        return 1 + trigger(run, stop);
    }
    book->low_ticks = book->high_ticks = book->last_price_ticks;
    return 0;
}

/* Whether a command that comes now finds work waiting. */
static int does_work_wait(struct run *run)
{
    const uint64_t mode = run->book->mode;
    return next_due(run) != NONE || mode == UNCROSSING || (mode == OPEN && next_met_stop(run) != NONE);
}

/* Whether nothing can wait: an open market without stops and orders with an end, the usual case. */
static inline int is_quiet(const mc_book *book)
{
    return (book->timed_count | book->stop_count | book->mode) == 0;
}

static void work(struct run *run, uint32_t *steps)
{
    while (*steps < MC_MAX_BACKGROUND && has_room(run)) {
        const uint32_t counted = work_step(run);
        if (counted == 0) {
            return;
        }
        *steps += counted;
    }
}

/* One command, with waiting work before and after it. `quiet`: nothing waits before; answers whether nothing does after. */
static inline int run_command(struct run *run, const struct command *command, const struct ahead *ahead, int quiet)
{
    mc_book *book = run->book;
    uint32_t steps = 0;
    if (__builtin_expect(!quiet, 0)) {
        work(run, &steps);
        if (!has_room(run)) {
            return 0;
        }
    }
    if (__builtin_expect(execute(run, command, ahead) & quiet, 1)) {
        return 1;
    }
    if (quiet && is_quiet(book)) {
        book->low_ticks = book->high_ticks = book->last_price_ticks;
        return 1;
    }
    work(run, &steps);
    return is_quiet(book) && book->low_ticks == book->high_ticks;
}

#endif
