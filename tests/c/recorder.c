/*
 * Stands between a program and the C library and writes down every call that changes a file below one directory, in the
 * order in which they happen; or ends the process, or fails, at a chosen one of them.
 *
 *   RECORD_DIR       the directory (absolute, without a slash at its end); only files directly in it count
 *   RECORD_LOG       where the record goes; without it nothing is written down
 *   RECORD_MARKS     a file whose contents are marks: what is written to it goes into the record as "M"
 *   RECORD_EXIT_AT   `_exit(9)` instead of the n-th call after the mark "go"
 *   RECORD_FAIL_AT   the n-th call after the mark "go" fails
 *   RECORD_ERRNO     with this number
 *   RECORD_FOREVER   and so does every later write, until the mark "stop"
 *
 *   RECORD_STATFS    `statfs` answers with this type of file system
 *
 * A record is a line, then as many bytes as the line says:
 *   O name created    W name offset length    T name length    S name    R from to    U name    M length
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FILES 1024
#define NAME 64
#define MARKS "\001"

static char names[FILES][NAME];
static const char *directory, *marks;
static int record = -1;
static long exit_at, fail_at, count, armed, fail_errno, forever;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

static void begin(void) {
    if (real_open)
        return;
    real_openat = dlsym(RTLD_NEXT, "openat");
    real_close = dlsym(RTLD_NEXT, "close");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_open = dlsym(RTLD_NEXT, "open");
    directory = getenv("RECORD_DIR");
    marks = getenv("RECORD_MARKS");
    exit_at = number("RECORD_EXIT_AT");
    fail_at = number("RECORD_FAIL_AT");
    fail_errno = number("RECORD_ERRNO");
    forever = number("RECORD_FOREVER");
    const char *log = getenv("RECORD_LOG");
    if (log)
        record = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

__attribute__((constructor)) static void loaded(void) { begin(); }

/* The name of a path below the directory, "." for itself, NULL for any other. */
static const char *inside(const char *path) {
    size_t length = directory ? strlen(directory) : 0;
    if (!length || strncmp(path, directory, length) != 0)
        return NULL;
    if (path[length] == 0)
        return ".";
    if (path[length] != '/' || strchr(path + length + 1, '/') || strlen(path + length + 1) >= NAME)
        return NULL;
    return path + length + 1;
}

static const char *name_of(int descriptor) {
    if (descriptor < 0 || descriptor >= FILES || names[descriptor][0] == 0)
        return NULL;
    return names[descriptor];
}

static void note(const char *line, const void *bytes, size_t length) {
    if (record < 0)
        return;
    struct iovec parts[2] = {{(void *)line, strlen(line)}, {(void *)bytes, length}};
    if (writev(record, parts, 2) < 0)
        abort();
}

/* Counts a call. True if it is to fail. */
static int fails(int later_too) {
    if (!armed)
        return 0;
    count++;
    if (exit_at && count == exit_at)
        _exit(9);
    if (fail_at && (count == fail_at || (forever && later_too && count > fail_at))) {
        errno = (int)fail_errno;
        return 1;
    }
    return 0;
}

static int opened(int descriptor, const char *path, int created) {
    if (descriptor < 0 || descriptor >= FILES)
        return descriptor;
    names[descriptor][0] = 0;
    if (marks && strcmp(path, marks) == 0) {
        strcpy(names[descriptor], MARKS);
        return descriptor;
    }
    const char *name = inside(path);
    if (name) {
        char line[NAME + 16];
        strcpy(names[descriptor], name);
        snprintf(line, sizeof line, "O %s %d\n", name, created);
        if (created)
            note(line, NULL, 0);
    }
    return descriptor;
}

static int missing(const char *path, int flags) {
    return (flags & O_CREAT) && inside(path) && access(path, F_OK) != 0;
}

static mode_t mode_of(int flags, va_list *rest) {
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(*rest, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
    begin();
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, &rest);
    va_end(rest);
    int created = missing(path, flags);
    if (created && fails(0))
        return -1;
    return opened(real_open(path, flags, mode), path, created);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, &rest);
    va_end(rest);
    return open(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    begin();
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, &rest);
    va_end(rest);
    if (path[0] == '/')
        return open(path, flags, mode);
    return real_openat(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, &rest);
    va_end(rest);
    return openat(at, path, flags, mode);
}

int close(int descriptor) {
    begin();
    if (descriptor >= 0 && descriptor < FILES)
        names[descriptor][0] = 0;
    return real_close(descriptor);
}

static void note_write(const char *name, off_t offset, const void *bytes, ssize_t length) {
    char line[NAME + 48];
    if (length < 0)
        return;
    snprintf(line, sizeof line, "W %s %lld %zd\n", name, (long long)offset, length);
    note(line, bytes, (size_t)length);
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    begin();
    const char *name = name_of(descriptor);
    if (name && strcmp(name, MARKS) == 0) {
        char line[32];
        snprintf(line, sizeof line, "M %zu\n", length);
        note(line, bytes, length);
        if (length >= 2 && memcmp(bytes, "go", 2) == 0)
            armed = 1;
        if (length >= 4 && memcmp(bytes, "stop", 4) == 0)
            armed = 0;
        return real_write(descriptor, bytes, length);
    }
    if (!name)
        return real_write(descriptor, bytes, length);
    if (fails(1))
        return -1;
    off_t offset = lseek(descriptor, 0, SEEK_CUR);
    ssize_t result = real_write(descriptor, bytes, length);
    note_write(name, offset, bytes, result);
    return result;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
    begin();
    const char *name = name_of(descriptor);
    if (!name)
        return real_pwrite(descriptor, bytes, length, offset);
    if (fails(1))
        return -1;
    ssize_t result = real_pwrite(descriptor, bytes, length, offset);
    note_write(name, offset, bytes, result);
    return result;
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off_t offset) {
    return pwrite(descriptor, bytes, length, offset);
}

int ftruncate(int descriptor, off_t length) {
    begin();
    const char *name = name_of(descriptor);
    char line[NAME + 32];
    if (!name)
        return real_ftruncate(descriptor, length);
    if (fails(0))
        return -1;
    int result = real_ftruncate(descriptor, length);
    snprintf(line, sizeof line, "T %s %lld\n", name, (long long)length);
    if (result == 0)
        note(line, NULL, 0);
    return result;
}

int ftruncate64(int descriptor, off_t length) { return ftruncate(descriptor, length); }

static int sync_with(int (*real)(int), int descriptor) {
    const char *name = name_of(descriptor);
    char line[NAME + 8];
    if (!name)
        return real(descriptor);
    if (fails(0))
        return -1;
    int result = real(descriptor);
    snprintf(line, sizeof line, "S %s\n", name);
    if (result == 0)
        note(line, NULL, 0);
    return result;
}

int fsync(int descriptor) {
    begin();
    return sync_with(real_fsync, descriptor);
}

int fdatasync(int descriptor) {
    begin();
    return sync_with(real_fdatasync, descriptor);
}

int rename(const char *from, const char *to) {
    begin();
    const char *old = inside(from), *new = inside(to);
    char line[2 * NAME + 8];
    if (!old || !new)
        return real_rename(from, to);
    if (fails(0))
        return -1;
    int result = real_rename(from, to);
    snprintf(line, sizeof line, "R %s %s\n", old, new);
    if (result == 0)
        note(line, NULL, 0);
    return result;
}

int statfs(const char *path, struct statfs *answer) {
    static int (*real)(const char *, struct statfs *);
    if (!real)
        real = dlsym(RTLD_NEXT, "statfs");
    int result = real(path, answer);
    long kind = number("RECORD_STATFS");
    if (result == 0 && kind)
        answer->f_type = kind;
    return result;
}

int statfs64(const char *path, struct statfs64 *answer) {
    static int (*real)(const char *, struct statfs64 *);
    if (!real)
        real = dlsym(RTLD_NEXT, "statfs64");
    int result = real(path, answer);
    long kind = number("RECORD_STATFS");
    if (result == 0 && kind)
        answer->f_type = kind;
    return result;
}

int unlink(const char *path) {
    begin();
    const char *name = inside(path);
    char line[NAME + 8];
    if (!name)
        return real_unlink(path);
    if (fails(0))
        return -1;
    int result = real_unlink(path);
    snprintf(line, sizeof line, "U %s\n", name);
    if (result == 0)
        note(line, NULL, 0);
    return result;
}
