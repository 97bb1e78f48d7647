/* Dies instead of the EXIT_AT-th rename, of the program that this is loaded into. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void count(void)
{
    static int done;
    const char *number = getenv("EXIT_AT");
    if (number && ++done == atoi(number))
        _exit(9);
}

int rename(const char *from, const char *to)
{
    count();
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags)
{
    count();
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
}
