/* The core as one object with all its entry points in it, and nothing else. */
#include "core.c"

void (*const entry_points[])(void) = {
    (void (*)(void))mc_block_bytes,    (void (*)(void))mc_work_bytes,  (void (*)(void))mc_create,
    (void (*)(void))mc_apply,          (void (*)(void))mc_state_hash,  (void (*)(void))mc_levels,
    (void (*)(void))mc_indicative,     (void (*)(void))mc_snapshot,    (void (*)(void))mc_snapshot_bytes,
    (void (*)(void))mc_snapshot_orders, (void (*)(void))mc_restore,    (void (*)(void))mc_work_waits,
    (void (*)(void))mc_clear,
};
