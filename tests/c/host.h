/* What the hosts among these programs share: a user that is logged in, a signature that is verified, a child that is another
 * user, waited for, and may have nothing of the vault open. */
#ifndef STRONGROOM_TESTS_HOST_H
#define STRONGROOM_TESTS_HOST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "token.h"

static inline void expect(CK_RV got, CK_RV wanted, const char *what) {
    if (got != wanted) fail("%s: 0x%lx instead of 0x%lx (process %d)", what, got, wanted, (int)getpid());
}

static inline CK_SESSION_HANDLE logged_in_with(CK_FLAGS extra) {
    CK_SESSION_HANDLE session = open_session(extra);
    login(session, CKU_USER, getenv("PIN"));
    return session;
}

static inline CK_SESSION_HANDLE logged_in(void) { return logged_in_with(CKF_RW_SESSION); }

/* A child that may not open the vault has a token that is write-protected. */
static inline CK_SESSION_HANDLE logged_in_to_read(void) { return logged_in_with(0); }

/* One signature, verified by the module. */
static inline void sign_once(CK_SESSION_HANDLE session, const char *kind, const char *label) {
    Signing how = signing(kind);
    CK_BYTE out[512];
    CK_ULONG length = sizeof out;
    must(sign(session, &how, find_key(session, CKO_PRIVATE_KEY, label), out, &length), "C_Sign");
    must(p11->C_VerifyInit(session, &how.mechanism, find_key(session, CKO_PUBLIC_KEY, label)), "C_VerifyInit");
    must(p11->C_Verify(session, how.input, how.length, out, length), "C_Verify");
}

static inline void become(uid_t user) {
    if (user && (setgroups(0, NULL) || setgid(user) || setuid(user))) fail("setuid: %s", strerror(errno));
}

/* Waits for a child; it must end well within the time. */
static inline void reap(pid_t child, double seconds) {
    int status;
    double begin = now();
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (now() - begin > seconds) {
            kill(child, SIGKILL);
            fail("child %d hangs", (int)child);
        }
        usleep(500);
    }
    if (status) fail("child %d ended with status 0x%x", (int)child, status);
}

static inline void nothing_is_open_in(const char *vault) {
    DIR *descriptors = opendir("/proc/self/fd");
    struct dirent *entry;
    char link[64], target[4096];
    while (descriptors && (entry = readdir(descriptors))) {
        snprintf(link, sizeof link, "/proc/self/fd/%.20s", entry->d_name);
        ssize_t length = readlink(link, target, sizeof target - 1);
        if (length < 0) continue;
        target[length] = 0;
        if (!strncmp(target, vault, strlen(vault))) fail("%s is open", target);
    }
    if (descriptors) closedir(descriptors);
}

#endif
