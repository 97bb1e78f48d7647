/* Syncing the directory SYNC_FAILS_AT fails with the error number SYNC_ERROR, for the program that this is loaded into. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int descriptor)
{
    const char *path = getenv("SYNC_FAILS_AT"), *number = getenv("SYNC_ERROR");
    struct stat there, here;
    if (path && number && stat(path, &there) == 0 && fstat(descriptor, &here) == 0 && there.st_dev == here.st_dev
        && there.st_ino == here.st_ino) {
        errno = atoi(number);
        return -1;
    }
    return (int)syscall(SYS_fsync, descriptor);
}
