/* Order id -> node: a hash table of buckets, one cache line each.
 *
 * A bucket has seven places, each with 32 bits of its id's hash and a node; all seven are compared at once, so that the usual
 * search is one line and no loop. An id whose home is full goes to the first bucket behind it with a place, and each
 * bucket that it passed counts it: a search goes on only where somebody passed. Removing empties a place and moves nothing.
 * Whoever has found an id knows its spot, and takes it out without another search.
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

/* Where in the table an id stands. */
struct id_spot {
    uint32_t bucket, place;
};

/* What is known of a command before its turn. All but the hash are guesses. */
struct ahead {
    uint64_t hash;        /* id_hash of its id */
    uint32_t node, place; /* the order that it names, and where in its home bucket that stands */
    uint32_t level;       /* that of its price */
};

/* The places of a bucket that hold this hash. */
static inline uint32_t places_of(const struct bucket *bucket, uint32_t hash)
{
    return equal_places(bucket->hash, hash) & bucket->used;
}

/* The node with this id, or NONE; `hash`: id_hash of it; `spot`: where it was found. */
static inline uint32_t id_find(struct run *run, const struct order_id *id, uint64_t hash, struct id_spot *spot)
{
    uint32_t at = (uint32_t)hash & run->id_mask;
    for (uint32_t steps = 0;; steps++) {
        REQUIRE(steps <= run->id_mask);
        const struct bucket *bucket = &run->ids[at];
        for (uint32_t places = places_of(bucket, (uint32_t)hash); places != 0; places &= places - 1) {
            const uint32_t node = bucket->node[first_place(places)];
            REQUIRE(node != NONE && node <= run->book->capacity);
            if (__builtin_expect(same_id(&run->nodes[node].order_id, id), 1)) {
                *spot = (struct id_spot){.bucket = at, .place = first_place(places)};
                return node;
            }
        }
        if (__builtin_expect(bucket->passed == 0, 1)) {
            return NONE;
        }
        at = (at + 1) & run->id_mask;
    }
}

/* Whether the guessed node has a command's id and stands where it was guessed: it is on the book. */
static inline int stands_ahead(const struct run *run, const struct order_id *id, const struct ahead *ahead)
{
    const struct bucket *const bucket = &run->ids[(uint32_t)ahead->hash & run->id_mask];
    const int stands = (bucket->used >> ahead->place & 1) & (bucket->node[ahead->place] == ahead->node);
    return stands & same_id(&run->nodes[ahead->node].order_id, id);
}

/* Where a node's id stands, which is in the table. */
static inline struct id_spot id_spot_of(struct run *run, uint32_t node, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & run->id_mask;
    uint32_t places;
    for (uint32_t steps = 0; (places = equal_places(run->ids[at].node, node) & run->ids[at].used) == 0; steps++) {
        REQUIRE(steps <= run->id_mask);
        at = (at + 1) & run->id_mask;
    }
    REQUIRE(run->ids[at].hash[first_place(places)] == (uint32_t)hash);
    return (struct id_spot){.bucket = at, .place = first_place(places)};
}

/* Into the first free place of a bucket that has one. */
static inline void id_put_here(struct bucket *bucket, uint32_t node, uint64_t hash)
{
    const unsigned place = first_place(~bucket->used);
    bucket->hash[place] = (uint32_t)hash;
    bucket->node[place] = node;
    bucket->used |= 1u << place;
}

/* Into the first place from its home on. */
static inline void id_put(struct run *run, uint32_t node, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & run->id_mask;
    for (uint32_t steps = 0; run->ids[at].used == ALL_PLACES; steps++) {
        REQUIRE(steps <= run->id_mask);
        run->ids[at].passed++;
        at = (at + 1) & run->id_mask;
    }
    id_put_here(&run->ids[at], node, hash);
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
    set_id_table(run, book->id_buckets);
    for (uint32_t i = 0; i < buckets; i++) {
        for (uint32_t places = old[i].used; places != 0; places &= places - 1) {
            id_put(run, old[i].node[first_place(places)], old[i].hash[first_place(places)]);
        }
    }
    memset(old, 0, buckets * sizeof *old); /* mc_clear counts on zeros behind the table */
}

/* Whether the table is as full as it may be. */
static inline int are_ids_crowded(const struct run *run)
{
    return run->book->order_count >= run->most_ids;
}

static inline void id_add(struct run *run, uint32_t node, uint64_t hash)
{
    if (__builtin_expect(are_ids_crowded(run), 0)) {
        grow_ids(run);
    }
    id_put(run, node, hash);
}

static inline void id_remove(struct run *run, uint32_t node, uint64_t hash, struct id_spot spot)
{
    struct bucket *bucket = &run->ids[spot.bucket];
    REQUIRE(bucket->node[spot.place] == node && (bucket->used >> spot.place & 1) != 0);
    bucket->used &= ~(1u << spot.place);
    for (uint32_t at = (uint32_t)hash & run->id_mask; at != spot.bucket; at = (at + 1) & run->id_mask) {
        REQUIRE(run->ids[at].passed > 0);
        run->ids[at].passed--;
    }
}

#endif
