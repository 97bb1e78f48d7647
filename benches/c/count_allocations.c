/* Preloaded: counts every allocation of the process between two marks, and who asked for it.
 *
 * A caller is the chain of return addresses inside the module under test, as offsets that addr2line understands; the
 * program under measurement calls count_allocations_begin and count_allocations_end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

enum { DEPTH = 24, MOST_STACKS = 256 };
typedef struct { void *frame[DEPTH]; int depth; long count; } Stack;

static Stack stacks[MOST_STACKS];
static int used, counting;
static __thread int inside;

static void record(void) {
    if (!counting || inside) return;
    inside = 1;
    Stack here = {.depth = 0};
    here.depth = backtrace(here.frame, DEPTH);
    for (int i = 0; i <= used && i < MOST_STACKS; i++) {
        if (i == used) {
            stacks[used++] = here;
            stacks[i].count = 1;
            break;
        }
        if (stacks[i].depth == here.depth && !memcmp(stacks[i].frame, here.frame, sizeof(void *) * (size_t)here.depth)) {
            stacks[i].count++;
            break;
        }
    }
    inside = 0;
}

void *malloc(size_t size) { record(); return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { record(); return __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { record(); return __libc_realloc(old, size); }
void *memalign(size_t align, size_t size) { record(); return __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { record(); return __libc_memalign(align, size); }
int posix_memalign(void **out, size_t align, size_t size) {
    record();
    return (*out = __libc_memalign(align, size)) ? 0 : 12;
}

void count_allocations_begin(void) {
    void *warm[2];
    backtrace(warm, 2);
    used = 0;
    counting = 1;
}

/* One line a stack: allocations per operation, then the offsets in the file that asked, innermost first. */
void count_allocations_end(FILE *to, int operations) {
    counting = 0;
    for (int i = 0; i < used; i++) {
        fprintf(to, "%.3f", (double)stacks[i].count / operations);
        for (int k = 2; k < stacks[i].depth; k++) {
            Dl_info info;
            if (!dladdr(stacks[i].frame[k], &info) || !info.dli_fname || !strstr(info.dli_fname, ".so")) continue;
            if (strstr(info.dli_fname, "libc.so")) continue;
            fprintf(to, " %s+0x%lx", info.dli_fname, (unsigned long)stacks[i].frame[k] - (unsigned long)info.dli_fbase - 1);
        }
        fputc('\n', to);
    }
}
