/* Fuzzes mc_restore: bytes that may be a snapshot, then commands (play.h) to the book if it was one.
 *
 *    0  1: the header's counts are made to fit the length; 2: state hash and checksum are made to fit; 4: the checksum alone
 *    1  how many instructions of 12 bytes come before the snapshot
 *
 * What is refused leaves no book behind. What is accepted is the snapshot of the book that it made, byte for byte but for an older
 * version's number and checksum.
 */
#include "play.h"

enum { FIT_COUNTS = 1, FIT_HASH = 2, FIT_CHECKSUM = 4 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* All that is no extra counts as orders of the last side that has any. */
static void fit_counts(struct snapshot_header *header, int64_t size)
{
    const int64_t records = size - (int64_t)sizeof *header;
    const int64_t extras = (int64_t)(header->extras % 64);
    const int64_t orders = (records - extras * (int64_t)sizeof(struct extra)) / (int64_t)sizeof(struct snapshot_order);
    uint64_t left = orders > 0 ? (uint64_t)orders : 0;
    for (int side = 0; side < SIDES; side++) {
        const uint64_t here = side == SIDES - 1 || header->orders[side] > left ? left : header->orders[side];
        header->orders[side] = here;
        left -= here;
    }
    header->extras = (uint64_t)extras;
}

static int64_t exact_size(const struct snapshot_header *header, int64_t size)
{
    uint64_t orders = 0;
    for (int side = 0; side < SIDES; side++) {
        if (header->orders[side] > (uint64_t)size || header->extras > (uint64_t)size) {
            return -1;
        }
        orders += header->orders[side];
    }
    const uint64_t exact = sizeof *header + orders * sizeof(struct snapshot_order) + header->extras * sizeof(struct extra);
    return exact <= (uint64_t)size ? (int64_t)exact : -1;
}

static struct snapshot fitted(unsigned char flags, const unsigned char *data, size_t size)
{
    struct snapshot snapshot = {allocate((int64_t)size + 1), (int64_t)size};
    memcpy(snapshot.bytes, data, size);
    struct snapshot_header header;
    if (size < sizeof header) {
        return snapshot;
    }
    memcpy(&header, snapshot.bytes, sizeof header);
    if (flags & FIT_COUNTS) {
        fit_counts(&header, snapshot.size);
        memcpy(snapshot.bytes, &header, sizeof header);
    }
    const int64_t exact = exact_size(&header, snapshot.size);
    if (exact > 0 && (flags & FIT_COUNTS)) {
        snapshot.size = exact;
    }
    if (exact > 0 && (flags & FIT_HASH)) {
        header.state_hash = hash_of_records(snapshot);
        memcpy(snapshot.bytes, &header, sizeof header);
    }
    if (flags & (FIT_HASH | FIT_CHECKSUM)) {
        header.checksum = snapshot_checksum(snapshot.bytes, snapshot.size, header.version);
        memcpy(snapshot.bytes, &header, sizeof header);
    }
    return snapshot;
}

/* A snapshot of an older version says what the newest says, and is written as that. */
static void renew(struct snapshot snapshot)
{
    struct snapshot_header header;
    memcpy(&header, snapshot.bytes, sizeof header);
    header.version = SNAPSHOT_VERSION;
    memcpy(snapshot.bytes, &header, sizeof header);
    header.checksum = snapshot_checksum(snapshot.bytes, snapshot.size, SNAPSHOT_VERSION);
    memcpy(snapshot.bytes, &header, sizeof header);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const size_t instructions = size > 2 ? (size_t)data[1] * INSTRUCTION_BYTES : 0;
    if (size < 2 || instructions > size - 2) {
        return 0;
    }
    const struct snapshot snapshot = fitted(data[0], data + 2 + instructions, size - 2 - instructions);
    const int64_t orders = mc_snapshot_orders(snapshot.bytes, snapshot.size);
    struct player *player = new_player(orders > 0 && orders < MOST_ORDERS / 2 ? (uint32_t)orders : 1);
    struct market *market = &player->market;
    const int64_t code = mc_restore(market->main.block, market->main.bytes, market->main.capacity, snapshot.bytes,
                                    snapshot.size);
    CHECK(code <= 0 && code != MC_INVARIANT_BROKEN && code != MC_BAD_INPUT);
    CHECK(code == 0 || mc_snapshot_bytes(market->main.block) == MC_BAD_INPUT);
    CHECK(code == orders || orders >= 0);
    if (code == 0) {
        record(-1, snapshot.size, snapshot.bytes, snapshot.size);
        const struct snapshot again = snapshot_of(&market->main);
        renew(snapshot);
        CHECK(same_snapshot(snapshot, again));
        free(again.bytes);
        market->at_ms = head_of(&market->main)->at_ms;
        restore_twin(market);
        check_book(market);
        if (market->at_ms < INT64_MAX / 2 && head_of(&market->main)->sequence < INT64_MAX / 2) {
            play(player, data + 2, instructions);
        }
    }
    free(snapshot.bytes);
    return 0;
}
