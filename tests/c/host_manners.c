/* A host that looks at what a module leaves behind: signal handlers, threads, descriptors, output, memory; and that treats it
 * as services do: clears the environment, changes root, closes its standard descriptors, finalises, forks twice.
 *
 *   host_manners MODULE COMMAND [ARGUMENT...]     the user's PIN comes from PIN
 *
 * The token has an RSA-2048 key "rsa", a P-256 key "curve" and a private data object "secret". Ends with 0 and "ok" if all
 * went as it must. */
#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/socket.h>

#include "host.h"

static const char *path, *self;
static char pin[256];
extern char **environ;

static CK_RV log_in_with(CK_SESSION_HANDLE session, const char *given) {
    return p11->C_Login(session, CKU_USER, (CK_UTF8CHAR *)given, strlen(given));
}

/* A line of the log: a wrong PIN is a warning. */
static void provoke_a_warning(CK_SESSION_HANDLE session) {
    must(p11->C_Logout(session), "C_Logout");
    expect(log_in_with(session, "a wrong pin"), CKR_PIN_INCORRECT, "a wrong PIN");
    must(log_in_with(session, pin), "C_Login");
}

/* Once each kind of call: what a program may do with a token. */
static void use_everything(CK_SESSION_HANDLE session, void (*after)(const char *)) {
#define STEP(call) do { must(p11->call, #call); if (after) after(#call); } while (0)
    CK_SLOT_ID slot = first_slot(), slots[64];
    CK_ULONG count = 64, length;
    CK_INFO info;
    CK_SLOT_INFO slot_info;
    CK_TOKEN_INFO token_info;
    CK_SESSION_INFO session_info;
    CK_MECHANISM_TYPE mechanisms[128];
    CK_BYTE buffer[600];
    STEP(C_GetInfo(&info));
    STEP(C_GetSlotList(CK_TRUE, NULL, &count));
    count = 64;
    STEP(C_GetSlotList(CK_TRUE, slots, &count));
    STEP(C_GetSlotInfo(slot, &slot_info));
    STEP(C_GetTokenInfo(slot, &token_info));
    count = 128;
    STEP(C_GetMechanismList(slot, mechanisms, &count));
    STEP(C_GetSessionInfo(session, &session_info));
    STEP(C_FindObjectsInit(session, NULL, 0));
    CK_OBJECT_HANDLE found[8], copy, private, public;
    STEP(C_FindObjects(session, found, 8, &count));
    STEP(C_FindObjectsFinal(session));
    CK_ATTRIBUTE secret = {CKA_VALUE, buffer, sizeof buffer};
    STEP(C_GetAttributeValue(session, find(session, CKO_DATA, CKA_LABEL, "secret", 6), &secret, 1));
    must(generate(session, "p256", "passing", "p", 1, &public, &private), "C_GenerateKeyPair");
    if (after) after("C_GenerateKeyPair");
    CK_ATTRIBUTE label = {CKA_LABEL, "passed", 6};
    STEP(C_SetAttributeValue(session, private, &label, 1));
    STEP(C_CopyObject(session, public, &label, 1, &copy));
    STEP(C_GetObjectSize(session, copy, &length));
    STEP(C_DestroyObject(session, copy));
    STEP(C_DestroyObject(session, private));
    STEP(C_DestroyObject(session, public));
    Signing how = signing("rsa2048");
    CK_MECHANISM digest = {CKM_SHA256, NULL, 0};
    STEP(C_SignInit(session, &how.mechanism, find_key(session, CKO_PRIVATE_KEY, "rsa")));
    length = sizeof buffer;
    STEP(C_Sign(session, how.input, how.length, buffer, &length));
    STEP(C_VerifyInit(session, &how.mechanism, find_key(session, CKO_PUBLIC_KEY, "rsa")));
    STEP(C_Verify(session, how.input, how.length, buffer, length));
    length = sizeof buffer;
    STEP(C_DigestInit(session, &digest));
    STEP(C_Digest(session, how.input, how.length, buffer, &length));
    STEP(C_GenerateRandom(session, buffer, 32));
    STEP(C_SetPIN(session, (CK_UTF8CHAR *)pin, strlen(pin), (CK_UTF8CHAR *)pin, strlen(pin)));
    CK_SESSION_HANDLE other = open_session(0);
    if (after) after("C_OpenSession");
    STEP(C_CloseSession(other));
    STEP(C_Logout(session));
    must(log_in_with(session, pin), "C_Login");
    if (after) after("C_Login");
}

/* ---- traces: between calls nothing of us is seen in the process ---- */

static struct sigaction handlers[65];
static sigset_t blocked;
static char directory[4096], descriptors[4096];
static mode_t mask;

static int entries(const char *of, char *names, size_t size) {
    DIR *listed = opendir(of);
    struct dirent *entry;
    int count = 0;
    size_t used = 0;
    if (!listed) fail("%s: %s", of, strerror(errno));
    while ((entry = readdir(listed))) {
        if (entry->d_name[0] == '.') continue;
        count++;
        if (names) used += (size_t)snprintf(names + used, size - used, "%s ", entry->d_name);
    }
    closedir(listed);
    return count;
}

static void remember(void) {
    for (int i = 1; i <= 64; i++) sigaction(i, NULL, &handlers[i]);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (!getcwd(directory, sizeof directory)) fail("getcwd");
    entries("/proc/self/fd", descriptors, sizeof descriptors);
    umask(mask = umask(0));
}

static void nothing_changed(const char *after) {
    struct sigaction handler;
    sigset_t now_blocked;
    char now_in[4096], now_open[4096];
    for (int i = 1; i <= 64; i++) {
        if (sigaction(i, NULL, &handler)) continue;
        if (handler.sa_handler != handlers[i].sa_handler || handler.sa_flags != handlers[i].sa_flags)
            fail("%s changed the handler of signal %d", after, i);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &now_blocked);
    for (int i = 1; i <= 64; i++)
        if (sigismember(&now_blocked, i) != sigismember(&blocked, i)) fail("%s changed the mask of signal %d", after, i);
    if (!getcwd(now_in, sizeof now_in) || strcmp(now_in, directory)) fail("%s changed the directory", after);
    entries("/proc/self/fd", now_open, sizeof now_open);
    if (strcmp(now_open, descriptors)) fail("%s left descriptors: %s instead of %s", after, now_open, descriptors);
    mode_t now_mask;
    umask(now_mask = umask(0));
    if (now_mask != mask) fail("%s changed the umask", after);
    if (entries("/proc/self/task", NULL, 0) != 1) fail("%s started a thread", after);
}

static void command_traces(char **argument) {
    (void)argument;
    p11 = NULL;
    remember();
    load(path);
    nothing_changed("dlopen");
    initialize();
    nothing_changed("C_Initialize");
    use_everything(logged_in(), nothing_changed);
    must(p11->C_Finalize(NULL), "C_Finalize");
    nothing_changed("C_Finalize");
}

/* ---- spawn VAULT COUNT: what a program that is started at any moment inherits ---- */

static volatile int stop;
static void *change_the_vault(void *label) {
    CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION);
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &yes, 1}, {CKA_LABEL, label, 4}};
    while (!stop) {
        CK_OBJECT_HANDLE object;
        must(p11->C_CreateObject(session, template, 3, &object), "C_CreateObject");
        must(p11->C_DestroyObject(session, object), "C_DestroyObject");
    }
    p11->C_CloseSession(session);
    return NULL;
}

static void command_spawn(char **argument) {
    initialize();
    CK_SESSION_HANDLE session = logged_in();
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, change_the_vault, "one ");
    pthread_create(&threads[1], NULL, change_the_vault, "two ");
    for (int i = 0; i < atoi(argument[1]); i++) {
        /* As vfork(): no fork handler runs. */
        char *arguments[] = {(char *)self, (char *)path, "inherited", argument[0], NULL};
        pid_t child;
        if (posix_spawn(&child, self, NULL, NULL, arguments, environ)) fail("posix_spawn");
        reap(child, 20);
    }
    stop = 1;
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    sign_once(session, "p256", "curve");
}

static void command_inherited(char **argument) {
    nothing_is_open_in(argument[0]);
    _exit(0);
}

/* ---- pipe: nobody reads standard error any more ---- */

static volatile int pipes_broken;
static void count_broken_pipe(int signal) { pipes_broken += signal == SIGPIPE; }

static void command_pipe(char **argument) {
    (void)argument;
    int ends[2];
    if (pipe(ends) || dup2(ends[1], 2) < 0) _exit(1);
    close(ends[0]);
    close(ends[1]);
    initialize();
    CK_SESSION_HANDLE session = logged_in();
    provoke_a_warning(session);
    signal(SIGPIPE, count_broken_pipe);
    provoke_a_warning(session);
    if (pipes_broken) _exit(2);
    /* A signal of the host's own stays pending. */
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise(SIGPIPE);
    provoke_a_warning(session);
    sigpending(&pending);
    if (!sigismember(&pending, SIGPIPE)) _exit(3);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (pipes_broken != 1) _exit(4);
}

/* ---- socket: standard error has become a client's connection ---- */

static void command_socket(char **argument) {
    (void)argument;
    initialize();
    CK_SESSION_HANDLE session = logged_in();
    int ends[2], saved = dup(2);
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || dup2(ends[0], 2) < 0) fail("socketpair");
    provoke_a_warning(session);
    use_everything(session, NULL);
    ssize_t got = recv(ends[1], &byte, 1, MSG_DONTWAIT);
    dup2(saved, 2);
    if (got >= 0) fail("the client was sent something");
}

/* ---- daemon VAULT: all descriptors are closed, the standard ones too ---- */

static void command_daemon(char **argument) {
    initialize();
    CK_SESSION_HANDLE session = logged_in();
    int keep = fcntl(2, F_DUPFD_CLOEXEC, 500), keep_output = fcntl(1, F_DUPFD_CLOEXEC, 500);
    for (int i = 0; i < 500; i++) close(i);
    provoke_a_warning(session);
    use_everything(session, NULL);
    /* What a worker would inherit: nothing of the vault, whatever numbers were free. */
    if (fcntl(0, F_GETFD) >= 0 || fcntl(1, F_GETFD) >= 0 || fcntl(2, F_GETFD) >= 0) dup2(keep, 2),
        fail("0, 1 or 2 is in use");
    nothing_is_open_in(argument[0]);
    pid_t child = fork();
    if (!child) {
        dup2(keep, 2);
        nothing_is_open_in(argument[0]);
        initialize();
        /* A child that may open the vault does. */
        sign_once(logged_in(), "p256", "curve");
        _exit(0);
    }
    dup2(keep, 2);
    dup2(keep_output, 1);
    reap(child, 20);
}

/* ---- cleared USER: the environment is gone, and the child sees another root ---- */

static void command_cleared(char **argument) {
    initialize();
    clearenv();
    if (chdir("/")) fail("chdir");
    CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION);
    must(log_in_with(session, pin), "C_Login");
    use_everything(session, NULL);
    uid_t user = (uid_t)atoi(argument[0]);
    for (int changed_root = 0; changed_root < 2; changed_root++) {
        pid_t child = fork();
        if (!child) {
            if (changed_root && (chroot(argument[1]) || chdir("/"))) fail("chroot: %s", strerror(errno));
            become(user);
            for (int round = 0; round < 2; round++) {
                initialize();
                CK_SESSION_HANDLE own = open_session(0);
                expect(log_in_with(own, "a wrong pin"), CKR_PIN_INCORRECT, "a wrong PIN");
                must(log_in_with(own, pin), "C_Login in a child");
                sign_once(own, "rsa2048", "rsa");
                sign_once(own, "p256", "curve");
                must(p11->C_Finalize(NULL), "C_Finalize");
            }
            _exit(0);
        }
        reap(child, 20);
    }
}

/* ---- family USER: parent, child and grandchild go on beside each other ---- */

static void nothing_works_yet(CK_SESSION_HANDLE parents) {
    CK_INFO info;
    CK_ULONG count = 0;
    CK_SESSION_HANDLE session;
    CK_BYTE byte;
    expect(p11->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED, "C_GetInfo");
    expect(p11->C_GetSlotList(CK_TRUE, NULL, &count), CKR_CRYPTOKI_NOT_INITIALIZED, "C_GetSlotList");
    expect(p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_CRYPTOKI_NOT_INITIALIZED, "C_OpenSession");
    expect(p11->C_CloseSession(parents), CKR_CRYPTOKI_NOT_INITIALIZED, "C_CloseSession");
    expect(p11->C_GenerateRandom(parents, &byte, 1), CKR_CRYPTOKI_NOT_INITIALIZED, "C_GenerateRandom");
    expect(p11->C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED, "C_Finalize");
}

static CK_SESSION_HANDLE begin_as_child(CK_SESSION_HANDLE parents, const CK_OBJECT_HANDLE handles[2]) {
    nothing_works_yet(parents);
    initialize();
    CK_SESSION_HANDLE session = open_session(0);
    CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
    if (p11->C_SignInit(session, &ecdsa, handles[1]) == CKR_OK) fail("a private key works before login");
    must(log_in_with(session, pin), "C_Login");
    /* The parent's handle, without a search. */
    must(p11->C_SignInit(session, &ecdsa, handles[1]), "C_SignInit with the parent's handle");
    must(p11->C_SignInit(session, NULL, 0), "C_SignInit");
    if (find_key(session, CKO_PRIVATE_KEY, "rsa") != handles[0]) fail("another handle for rsa");
    if (find_key(session, CKO_PRIVATE_KEY, "curve") != handles[1]) fail("another handle for curve");
    return session;
}

static void command_family(char **argument) {
    initialize();
    CK_SESSION_HANDLE session = logged_in();
    CK_OBJECT_HANDLE handles[] = {find_key(session, CKO_PRIVATE_KEY, "rsa"), find_key(session, CKO_PRIVATE_KEY, "curve")};
    Signing how = signing("p256");
    CK_BYTE out[64];
    CK_ULONG length = sizeof out;
    must(p11->C_SignInit(session, &how.mechanism, handles[1]), "C_SignInit");
    pid_t child = fork();
    if (!child) {
        become((uid_t)atoi(argument[0]));
        CK_SESSION_HANDLE own = begin_as_child(session, handles);
        pid_t grandchild = fork();
        if (!grandchild) {
            sign_once(begin_as_child(own, handles), "rsa2048", "rsa");
            must(p11->C_Finalize(NULL), "C_Finalize in a grandchild");
            exit(0);
        }
        reap(grandchild, 20);
        sign_once(own, "p256", "curve");
        must(p11->C_Finalize(NULL), "C_Finalize in a child");
        nothing_works_yet(own);
        exit(0);
    }
    reap(child, 20);
    /* The operation that was active at the fork. */
    must(p11->C_Sign(session, how.input, how.length, out, &length), "C_Sign");
    sign_once(session, "rsa2048", "rsa");
    must(p11->C_Finalize(NULL), "C_Finalize");
    initialize();
    session = logged_in();
    if (find_key(session, CKO_PRIVATE_KEY, "curve") != handles[1]) fail("another handle after C_Initialize");
    sign_once(session, "p256", "curve");
}

/* ---- heir USER MILLISECONDS: a login in a child that can't open the vault is no more than a comparison ---- */

static void command_heir(char **argument) {
    initialize();
    logged_in();
    pid_t child = fork();
    if (!child) {
        become((uid_t)atoi(argument[0]));
        initialize();
        CK_SESSION_HANDLE session = open_session(0);
        double best = 1e9;
        for (int i = 0; i < 20; i++) {
            double begin = now();
            must(log_in_with(session, pin), "C_Login");
            double took = (now() - begin) * 1e3;
            best = took < best ? took : best;
            must(p11->C_Logout(session), "C_Logout");
        }
        fprintf(stderr, "login in an heir: %.3f ms\n", best);
        if (best > atof(argument[1])) fail("slower than %s ms", argument[1]);
        _exit(0);
    }
    reap(child, 20);
}

/* ---- again COUNT: C_Initialize and C_Finalize leave nothing behind ---- */

static long resident_kib(void) {
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
    if (status) fclose(status);
    return kib;
}

static void begin_and_end(int count, CK_FLAGS other) {
    long settled = 0;
    for (int round = 0; round < count; round++) {
        void *library = load(path);
        initialize();
        CK_SESSION_HANDLE session = open_session(0);
        open_session(other);
        if (round % 10 == 0) {
            must(log_in_with(session, pin), "C_Login");
            sign_once(session, "p256", "curve");
        }
        must(p11->C_FindObjectsInit(session, NULL, 0), "C_FindObjectsInit");
        must(p11->C_Finalize(NULL), "C_Finalize");
        dlclose(library);
        if (round == count / 4) settled = resident_kib();
    }
    long grown = resident_kib() - settled;
    fprintf(stderr, "%d rounds: %ld KiB, grown by %ld KiB\n", count, settled, grown);
    if (grown > 2048) fail("memory grew by %ld KiB", grown);
}

static void command_again(char **argument) {
    begin_and_end(atoi(argument[0]), CKF_RW_SESSION);
    initialize();
    logged_in();
    pid_t child = fork();
    if (!child) {
        become((uid_t)atoi(argument[1]));
        begin_and_end(atoi(argument[0]), 0);
        _exit(0);
    }
    reap(child, 200);
}

/* ---- privileged: a set-user-id program isn't led by who starts it ---- */

static void command_privileged(char **argument) {
    (void)argument;
    if (!getauxval(AT_SECURE)) {
        puts("not privileged here");
        return;
    }
    initialize();
    CK_SLOT_ID slots[64];
    CK_ULONG count = 64;
    CK_TOKEN_INFO info;
    must(p11->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
    for (CK_ULONG i = 0; i < count; i++)
        if (!p11->C_GetTokenInfo(slots[i],
            &info) && info.flags & CKF_TOKEN_INITIALIZED) fail("led to a vault by the environment");
}

typedef struct { const char *name; void (*run)(char **); } Command;
static const Command COMMANDS[] = {
    {"traces", command_traces}, {"spawn", command_spawn},   {"inherited", command_inherited}, {"pipe", command_pipe},
    {"socket", command_socket}, {"daemon", command_daemon}, {"cleared", command_cleared},     {"family", command_family},
    {"heir", command_heir},     {"again", command_again},   {"privileged", command_privileged},
};

int main(int count, char **argument) {
    if (count < 3) return 2;
    self = argument[0];
    path = argument[1];
    if (getenv("PIN")) snprintf(pin, sizeof pin, "%s", getenv("PIN"));
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++) {
        if (strcmp(argument[2], COMMANDS[i].name)) continue;
        if (COMMANDS[i].run != command_traces && COMMANDS[i].run != command_inherited) load(path);
        COMMANDS[i].run(argument + 3);
        puts("ok");
        return 0;
    }
    return 2;
}
