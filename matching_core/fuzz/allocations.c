/* The driver of replay.c in a process whose allocators are counted: no call of the core may reach one of them.
 *
 * All allocators of the C library and the system calls below them are defined here, so that whoever wants memory, the core
 * or a library function on its behalf, ends up in this file. tests/core/test_allocations.py says what that proves.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t requests;

static void check_requests(uint64_t before)
{
    if (requests != before) {
        _exit(99);
    }
}

#define CALL(call)                                                                       \
    __extension__({                                                                      \
        const uint64_t requests_before = requests;                                       \
        const __typeof__(call) answer = (call);                                          \
        check_requests(requests_before);                                                 \
        answer;                                                                          \
    })

#define main replay_main
#include "replay.c"
#undef main

static _Alignas(64) unsigned char arena[1 << 20];
static size_t arena_used;

void *malloc(size_t bytes)
{
    requests++;
    void *at = arena + arena_used;
    arena_used += (bytes + 63) & ~(size_t)63;
    if (arena_used > sizeof arena) {
        _exit(98);
    }
    return at;
}

void *calloc(size_t count, size_t bytes)
{
    return malloc(count * bytes);
}

void *realloc(void *memory, size_t bytes)
{
    (void)memory;
    return malloc(bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    (void)alignment;
    return malloc(bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    (void)alignment;
    *memory = malloc(bytes);
    return 0;
}

void free(void *memory)
{
    (void)memory;
    requests++;
}

void *mmap(void *at, size_t bytes, int protection, int flags, int file, off_t offset)
{
    requests++;
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, file, offset);
}

int munmap(void *at, size_t bytes)
{
    requests++;
    return (int)syscall(SYS_munmap, at, bytes);
}

int brk(void *end)
{
    (void)end;
    requests++;
    return -1;
}

void *sbrk(intptr_t bytes)
{
    (void)bytes;
    requests++;
    return (void *)-1;
}

/* The counters count: else a driver that counts nothing would pass. */
int main(void)
{
    void *(*volatile one_more)(size_t) = malloc;
    void (*volatile back)(void *) = free;
    back(one_more(1));
    check_requests(2);
    return replay_main();
}
