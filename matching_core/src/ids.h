/* Order id -> node: a hash table of buckets, one cache line each.
 *
 * A bucket has seven places, each with 32 bits of its id's hash and a node; all seven are compared at once, so that the usual
 * search is one line and no loop. An id whose home is full goes to the first bucket behind it with a place, and each
 * bucket that it passed counts it: a search goes on only where somebody passed. Removing empties a place and moves nothing.
 * The table grows with the orders on the book, not with the block's capacity, and is at most half full: a small book keeps
 * it in the cache.
 */
#ifndef MC_IDS_H
#define MC_IDS_H

#include "hash.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#undef MC_FILE
#define MC_FILE 1

static inline int same_id(const struct order_id *a, const struct order_id *b)
{
    return ((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1])) == 0;
}

/* One bit for each of eight words that is `wanted`. */
#ifdef __SSE2__
static inline uint32_t equal_places(const uint32_t *words, uint32_t wanted)
{
    const __m128i all = _mm_set1_epi32((int)wanted);
    const __m128i low = _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i *)(const void *)words), all);
    const __m128i high = _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i *)(const void *)(words + 4)), all);
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(low, high), _mm_setzero_si128()));
}
#else
typedef uint32_t lanes __attribute__((vector_size(16)));

static inline uint32_t equal_places(const uint32_t *words, uint32_t wanted)
{
    const lanes low_bits = {1, 2, 4, 8};
    const lanes high_bits = {16, 32, 64, 128};
    const lanes all = {wanted, wanted, wanted, wanted};
    lanes low;
    lanes high;
    memcpy(&low, words, sizeof low);
    memcpy(&high, words + 4, sizeof high);
    const lanes found = ((lanes)(low == all) & low_bits) | ((lanes)(high == all) & high_bits);
    uint64_t halves[2];
    memcpy(halves, &found, sizeof halves);
    const uint64_t folded = halves[0] | halves[1];
    return (uint32_t)(folded | folded >> 32);
}
#endif

#define ALL_PLACES ((1u << ID_PLACES) - 1)

static inline unsigned first_place(uint32_t places)
{
    return (unsigned)__builtin_ctz(places);
}

/* The node with this id, or NONE. */
static inline uint32_t id_find_hashed(struct run *run, const struct order_id *id, uint32_t hash)
{
    uint32_t at = hash & run->id_mask;
    for (uint32_t steps = 0;; steps++) {
        REQUIRE(steps <= run->id_mask);
        const struct bucket *bucket = &run->ids[at];
        for (uint32_t places = equal_places(bucket->hash, hash) & ALL_PLACES; places != 0; places &= places - 1) {
            const uint32_t node = bucket->node[first_place(places)];
            REQUIRE(node <= run->book->capacity);
            if (node != NONE && same_id(&run->nodes[node].order_id, id)) {
                return node;
            }
        }
        if (__builtin_expect(bucket->hash[PASSED] == 0, 1)) {
            return NONE;
        }
        at = (at + 1) & run->id_mask;
    }
}

static inline uint32_t id_find(struct run *run, const struct order_id *id)
{
    return id_find_hashed(run, id, (uint32_t)id_hash(id));
}

/* Into the first place from its home on. */
static inline void id_put(struct run *run, uint32_t node, uint32_t hash)
{
    uint32_t at = hash & run->id_mask;
    uint32_t free_places;
    for (uint32_t steps = 0; (free_places = equal_places(run->ids[at].node, NONE) & ALL_PLACES) == 0; steps++) {
        REQUIRE(steps <= run->id_mask);
        run->ids[at].hash[PASSED]++;
        at = (at + 1) & run->id_mask;
    }
    const unsigned place = first_place(free_places);
    run->ids[at].hash[place] = hash;
    run->ids[at].node[place] = node;
}

/* Twice as many buckets. The old table is read from behind the new one's end: no other memory is used. */
__attribute__((noinline)) static void grow_ids(struct run *run)
{
    mc_book *book = run->book;
    const uint32_t buckets = book->id_buckets;
    struct bucket *old = run->ids + 2 * (size_t)buckets;
    REQUIRE(2 * buckets <= most_id_buckets(book->capacity));
    memcpy(old, run->ids, buckets * sizeof *old);
    memset(run->ids, 0, 2 * (size_t)buckets * sizeof *old);
    book->id_buckets = 2 * buckets;
    run->id_mask = book->id_buckets - 1;
    for (uint32_t i = 0; i < buckets; i++) {
        for (unsigned place = 0; place < ID_PLACES; place++) {
            if (old[i].node[place] != NONE) {
                id_put(run, old[i].node[place], old[i].hash[place]);
            }
        }
    }
}

/* `hash`: id_hash of its id. */
static inline void id_add(struct run *run, uint32_t node, uint64_t hash)
{
    if (__builtin_expect(run->book->order_count >= run->book->id_buckets * (uint64_t)ID_PLACES / 2, 0)) {
        grow_ids(run);
    }
    id_put(run, node, (uint32_t)hash);
}

static inline void id_remove(struct run *run, uint32_t node, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & run->id_mask;
    uint32_t places;
    for (uint32_t steps = 0; (places = equal_places(run->ids[at].node, node) & ALL_PLACES) == 0; steps++) {
        REQUIRE(steps <= run->id_mask && run->ids[at].hash[PASSED] > 0);
        run->ids[at].hash[PASSED]--;
        at = (at + 1) & run->id_mask;
    }
    const unsigned place = first_place(places);
    REQUIRE(run->ids[at].hash[place] == (uint32_t)hash);
    run->ids[at].node[place] = NONE;
}

#endif
