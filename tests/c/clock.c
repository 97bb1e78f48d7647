/* A wall clock that is wrong by CLOCK_OFFSET seconds, for the program that this is loaded into. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *answer)
{
    int result = (int)syscall(SYS_clock_gettime, clock, answer);
    const char *offset = getenv("CLOCK_OFFSET");
    if (result == 0 && clock == CLOCK_REALTIME && offset)
        answer->tv_sec += atoll(offset);
    return result;
}
