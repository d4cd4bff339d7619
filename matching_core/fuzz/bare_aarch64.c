/* What replay.c wants of a C library, on 64-bit ARM Linux by system calls alone. With it the cross-compiled driver needs
 * no library for that machine; setjmp and longjmp come as assembly with the compiler's wheel.
 */
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

enum { READ = 63, WRITE = 64, EXIT = 93, MUNMAP = 215, MMAP = 222 };

int main(void);
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *at, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
void _start(void);

static long system_call(long number, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}

ssize_t read(int file, void *into, size_t bytes)
{
    return system_call(READ, file, (long)into, (long)bytes, 0, 0);
}

ssize_t write(int file, const void *from, size_t bytes)
{
    return system_call(WRITE, file, (long)from, (long)bytes, 0, 0);
}

void _exit(int code)
{
    for (;;) {
        system_call(EXIT, code, 0, 0, 0, 0);
    }
}

void *mmap(void *at, size_t bytes, int protection, int flags, int file, off_t offset)
{
    (void)offset;
    const long answer = system_call(MMAP, (long)at, (long)bytes, protection, flags, file);
    return answer < 0 ? MAP_FAILED : (void *)answer;
}

int munmap(void *at, size_t bytes)
{
    return (int)system_call(MUNMAP, (long)at, (long)bytes, 0, 0, 0);
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    while (bytes-- > 0) {
        *t++ = *f++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    if (t < f) {
        return memcpy(to, from, bytes);
    }
    while (bytes-- > 0) {
        t[bytes] = f[bytes];
    }
    return to;
}

void *memset(void *at, int value, size_t bytes)
{
    unsigned char *t = at;
    while (bytes-- > 0) {
        *t++ = (unsigned char)value;
    }
    return at;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const unsigned char *x = a;
    const unsigned char *y = b;
    for (; bytes > 0; bytes--, x++, y++) {
        if (*x != *y) {
            return *x < *y ? -1 : 1;
        }
    }
    return 0;
}

void _start(void)
{
    _exit(main());
}
