/* Fuzzes mc_apply: an empty book, then whatever the input says (play.h). The first byte chooses the block's capacity. */
#include "play.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const uint32_t capacities[] = {1, 4, 64, 1024};
    if (size < 1) {
        return 0;
    }
    struct player *player = new_player(capacities[data[0] & 3]);
    CHECK(mc_create(player->market.main.block, player->market.main.bytes, player->market.main.capacity) == 0);
    record(-1, 0, NULL, 0);
    restore_twin(&player->market);
    check_book(&player->market);
    play(player, data + 1, size - 1);
    return 0;
}
