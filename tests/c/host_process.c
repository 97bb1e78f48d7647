/* A host that does what hosts do to a module: forks while its threads sign, exits while they sign, unloads, runs on small
 * stacks, changes its user, closes descriptors that it doesn't know.
 *
 *   host_process MODULE COMMAND [ARGUMENT...]     the user's PIN comes from PIN
 *
 * The token has an RSA-2048 key "rsa", a P-256 key "curve" and a private data object "secret". Ends with 0 and "ok" if all
 * went as it must. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "host.h"

static const char *path;
static volatile int stop, exiting;
static pthread_barrier_t *ready_to_sign;

static void *sign_until_stopped(void *kind) {
    CK_SESSION_HANDLE session = open_session(0);
    const char *label = strcmp(kind, "p256") ? "rsa" : "curve";
    CK_OBJECT_HANDLE key = find_key(session, CKO_PRIVATE_KEY, label);
    Signing how = signing(kind);
    CK_BYTE out[512];
    if (ready_to_sign) pthread_barrier_wait(ready_to_sign);
    while (!stop) {
        CK_ULONG length = sizeof out;
        CK_RV rv = sign(session, &how, key, out, &length);
        /* After exit() began, the module refuses everything. */
        if (rv == CKR_GENERAL_ERROR && exiting) return NULL;
        must(rv, "C_Sign in a thread");
        /* A call that is logged, if everything is. */
        CK_SESSION_INFO info;
        p11->C_GetSessionInfo(session, &info);
    }
    p11->C_CloseSession(session);
    return NULL;
}

/* Writes the vault and a line of the log again and again: a wrong PIN is counted and warned of. */
static void *warn_until_stopped(void *unused_argument) {
    (void)unused_argument;
    CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION);
    CK_UTF8CHAR pin[] = "a wrong pin";
    while (!stop) {
        expect(p11->C_SetPIN(session, pin, 11, pin, 11), CKR_PIN_INCORRECT, "a wrong PIN in a thread");
        usleep(20000);
    }
    p11->C_CloseSession(session);
    return NULL;
}

/* ---- forks COUNT USER SECONDS: 8 threads sign while this one forks; each child initialises, signs and exits in time ---- */

static void command_forks(char **argument) {
    uid_t user = (uid_t)atoi(argument[1]);
    initialize();
    CK_SESSION_HANDLE session = logged_in();
    sign_once(session, "rsa2048", "rsa");
    pthread_t threads[9];
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, sign_until_stopped, i % 4 ? "rsa2048" : "p256");
    /* A child that opens the vault itself would wait for the one that tries PINs. */
    if (user) pthread_create(&threads[8], NULL, warn_until_stopped, NULL);
    for (int i = 0; i < atoi(argument[0]); i++) {
        pid_t child = fork();
        if (child < 0) fail("fork: %s", strerror(errno));
        if (!child) {
            become(user);
            CK_SESSION_INFO info;
            expect(p11->C_GetSessionInfo(session, &info), CKR_CRYPTOKI_NOT_INITIALIZED, "before C_Initialize in a child");
            initialize();
            CK_SESSION_HANDLE own = logged_in_to_read();
            sign_once(own, i % 4 ? "rsa2048" : "p256", i % 4 ? "rsa" : "curve");
            _exit(0);
        }
        reap(child, atof(argument[2]));
    }
    stop = 1;
    for (int i = 0; i < (user ? 9 : 8); i++) pthread_join(threads[i], NULL);
    sign_once(session, "rsa2048", "rsa");
}

/* ---- exit MICROSECONDS: exit() while 4 threads sign, after that time ---- */

static void command_exit(char **argument) {
    initialize();
    sign_once(logged_in(), "p256", "curve");
    pthread_t thread;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 5);
    ready_to_sign = &barrier;
    for (int i = 0; i < 4; i++) pthread_create(&thread, NULL, sign_until_stopped, i % 2 ? "rsa2048" : "p256");
    pthread_barrier_wait(&barrier);
    usleep((useconds_t)atoi(argument[0]));
    puts("ok");
    fflush(stdout);
    exiting = 1;
    /* A hang ends by this signal. */
    alarm(20);
    exit(0);
}

/* ---- late: a call from an exit handler that runs after the module's is refused ---- */

static CK_SESSION_HANDLE late_session;
static void call_late(void) {
    Signing how = signing("p256");
    CK_BYTE random[16];
    expect(p11->C_GenerateRandom(late_session, random, sizeof random), CKR_GENERAL_ERROR, "C_GenerateRandom after exit began");
    expect(p11->C_SignInit(late_session, &how.mechanism, 1), CKR_GENERAL_ERROR, "C_SignInit after exit began");
}

static void command_late(char **argument) {
    (void)argument;
    atexit(call_late);
    p11 = NULL;
    load(path);
    initialize();
    late_session = logged_in();
    puts("ok");
    exit(0);
}

/* ---- unload: a thread that used the module ends after dlclose; the module can be loaded again ---- */

static pthread_barrier_t unloaded;
static void *sign_then_outlive(void *unused_argument) {
    (void)unused_argument;
    CK_SESSION_HANDLE session = open_session(0);
    sign_once(session, "rsa2048", "rsa");
    sign_once(session, "p256", "curve");
    pthread_barrier_wait(&unloaded);
    pthread_barrier_wait(&unloaded);
    return NULL;
}

static void command_unload(char **argument) {
    (void)argument;
    for (int round = 0; round < 3; round++) {
        void *library = load(path);
        initialize();
        sign_once(logged_in(), "p256", "curve");
        pthread_t thread;
        pthread_barrier_init(&unloaded, NULL, 2);
        pthread_create(&thread, NULL, sign_then_outlive, NULL);
        pthread_barrier_wait(&unloaded);
        must(p11->C_Finalize(NULL), "C_Finalize");
        dlclose(library);
        pthread_barrier_wait(&unloaded);
        pthread_join(thread, NULL);
    }
}

/* ---- stack: every operation on a thread of 128 KiB ---- */

static void *do_everything(void *unused_argument) {
    (void)unused_argument;
    initialize();
    CK_SESSION_HANDLE session = logged_in();
    static const char *const KINDS[] = {"p256", "rsa2048", "ed25519"};
    for (int i = 0; i < 3; i++) {
        CK_OBJECT_HANDLE public, private, copy;
        must(generate(session, KINDS[i], "made-here", "\x77", 1, &public, &private), "C_GenerateKeyPair");
        sign_once(session, KINDS[i], "made-here");
        CK_ATTRIBUTE label = {CKA_LABEL, "made-there", 10};
        must(p11->C_SetAttributeValue(session, public, &label, 1), "C_SetAttributeValue");
        must(p11->C_CopyObject(session, public, &label, 1, &copy), "C_CopyObject");
        CK_ULONG size;
        must(p11->C_GetObjectSize(session, public, &size), "C_GetObjectSize");
        must(p11->C_DestroyObject(session, copy), "C_DestroyObject");
        must(p11->C_DestroyObject(session, public), "C_DestroyObject");
        must(p11->C_DestroyObject(session, private), "C_DestroyObject");
    }
    sign_once(session, "rsa2048", "rsa");
    Signing multi = signing("rsa2048");
    multi.mechanism.mechanism = CKM_SHA256_RSA_PKCS;
    CK_BYTE out[512];
    CK_ULONG length = sizeof out;
    must(p11->C_SignInit(session, &multi.mechanism, find_key(session, CKO_PRIVATE_KEY, "rsa")), "C_SignInit");
    must(p11->C_SignUpdate(session, multi.input, multi.length), "C_SignUpdate");
    must(p11->C_SignFinal(session, out, &length), "C_SignFinal");
    CK_MECHANISM digest = {CKM_SHA256, NULL, 0};
    length = sizeof out;
    must(p11->C_DigestInit(session, &digest), "C_DigestInit");
    must(p11->C_Digest(session, multi.input, multi.length, out, &length), "C_Digest");
    must(p11->C_GenerateRandom(session, out, sizeof out), "C_GenerateRandom");
    CK_ATTRIBUTE value = {CKA_VALUE, out, sizeof out};
    must(p11->C_GetAttributeValue(session, find(session, CKO_DATA, CKA_LABEL, "secret", 6), &value, 1), "C_GetAttributeValue");
    const char *pin = getenv("PIN");
    must(p11->C_SetPIN(session, (CK_UTF8CHAR *)pin, strlen(pin), (CK_UTF8CHAR *)pin, strlen(pin)), "C_SetPIN");
    must(p11->C_Logout(session), "C_Logout");
    must(p11->C_Finalize(NULL), "C_Finalize");
    return NULL;
}

static void command_stack(char **argument) {
    (void)argument;
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    if (pthread_attr_setstacksize(&small, 128 * 1024)) fail("pthread_attr_setstacksize");
    if (pthread_create(&thread, &small, do_everything, NULL)) fail("pthread_create");
    pthread_join(thread, NULL);
}

/* ---- worker USER VAULT: a child that may not read the vault uses its parent's keys and can do nothing else ---- */

static void mapping_stays_read_only(const char *vault) {
    char line[4400];
    unsigned long from, to;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        if (!strstr(line, vault) || sscanf(line, "%lx-%lx", &from, &to) != 2) continue;
        if (!mprotect((void *)from, to - from, PROT_READ | PROT_WRITE)) fail("the mapping became writable: %s", line);
    }
    if (maps) fclose(maps);
}

static void work_as(uid_t user, const char *vault, CK_SESSION_HANDLE parents) {
    become(user);
    prctl(PR_SET_DUMPABLE, 1);
    CK_SESSION_INFO info;
    expect(p11->C_GetSessionInfo(parents, &info), CKR_CRYPTOKI_NOT_INITIALIZED, "before C_Initialize in a child");
    for (int round = 0; round < 2; round++) {
        initialize();
        expect(p11->C_GetSessionInfo(parents, &info), CKR_SESSION_HANDLE_INVALID, "the parent's session");
        CK_SESSION_HANDLE session;
        CK_RV rv = p11->C_OpenSession(first_slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
        expect(rv, CKR_TOKEN_WRITE_PROTECTED, "a session to write in a child that can't");
        session = open_session(0);
        rv = p11->C_Login(session, CKU_USER, (CK_UTF8CHAR *)"a wrong pin", 11);
        expect(rv, CKR_PIN_INCORRECT, "a wrong PIN in a child");
        login(session, CKU_USER, getenv("PIN"));
        sign_once(session, "rsa2048", "rsa");
        sign_once(session, "p256", "curve");
        CK_OBJECT_HANDLE public, private;
        if (generate(session, "p256", "stolen", "s", 1, &public, &private) == CKR_OK) fail("a child that can't write wrote");
        must(p11->C_Logout(session), "C_Logout in a child");
        login(session, CKU_USER, getenv("PIN"));
        sign_once(session, "p256", "curve");
        must(p11->C_Finalize(NULL), "C_Finalize in a child");
    }
    if (!access(vault, R_OK | X_OK) || open(vault, O_RDONLY) >= 0 || errno != EACCES) fail("the vault can be opened");
    mapping_stays_read_only(vault);
    nothing_is_open_in(vault);
    _exit(0);
}

static void command_worker(char **argument) {
    initialize();
    CK_SESSION_HANDLE session = logged_in();
    sign_once(session, "rsa2048", "rsa");
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (!child) work_as((uid_t)atoi(argument[0]), argument[1], session);
        reap(child, 20);
        sign_once(session, "rsa2048", "rsa");
    }
    nothing_is_open_in(argument[1]);
}

/* ---- canary USER: what isn't the child's business is not in its memory ---- */

/* "canary-of-the-secret", kept so that this program doesn't hold it itself. */
static void canary(CK_BYTE out[20]) {
    static const CK_BYTE HIDDEN[20] = {0x39, 0x3b, 0x34, 0x3b, 0x28, 0x23, 0x77, 0x35, 0x3c, 0x77,
                                       0x2e, 0x32, 0x3f, 0x77, 0x29, 0x3f, 0x39, 0x28, 0x3f, 0x2e};
    for (int i = 0; i < 20; i++) out[i] = HIDDEN[i] ^ 0x5a;
}

static int memory_holds(pid_t process, const CK_BYTE *wanted, size_t length) {
    char name[64], line[4400];
    snprintf(name, sizeof name, "/proc/%d/maps", (int)process);
    FILE *maps = fopen(name, "r");
    snprintf(name, sizeof name, "/proc/%d/mem", (int)process);
    int memory = open(name, O_RDONLY), found = 0;
    if (!maps || memory < 0) fail("%s: %s", name, strerror(errno));
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) != 3 || rights[0] != 'r') continue;
        CK_BYTE *copy = malloc(to - from);
        ssize_t got = pread(memory, copy, to - from, (off_t)from);
        if (got > 0 && memmem(copy, (size_t)got, wanted, length)) {
            fprintf(stderr, "found in %s", line);
            found = 1;
        }
        free(copy);
    }
    fclose(maps);
    close(memory);
    return found;
}

static void command_canary(char **argument) {
    initialize();
    CK_SESSION_HANDLE session = logged_in();
    sign_once(session, "rsa2048", "rsa");
    int ready[2], go[2];
    char byte = 0;
    if (pipe(ready) || pipe(go)) fail("pipe");
    pid_t child = fork();
    if (!child) {
        become((uid_t)atoi(argument[0]));
        initialize();
        CK_SESSION_HANDLE own = logged_in_to_read();
        sign_once(own, "rsa2048", "rsa");
        if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1) _exit(1);
        _exit(0);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) fail("the child failed");
    CK_BYTE wanted[20];
    canary(wanted);
    /* The scan itself works: this process has it on its stack. */
    if (!memory_holds(getpid(), wanted, sizeof wanted)) fail("the scan finds nothing");
    int found = memory_holds(child, wanted, sizeof wanted);
    if (write(go[1], &byte, 1) != 1) fail("write");
    reap(child, 20);
    if (found) fail("the secret is in the worker's memory");
}

/* ---- descriptors: the host closes what it doesn't know, and puts something else in the place of its standard error ---- */

static void command_descriptors(char **argument) {
    initialize();
    CK_SESSION_HANDLE session = logged_in();
    for (int descriptor = 3; descriptor < 256; descriptor++) close(descriptor);
    int saved = dup(2), file = open(argument[0], O_CREAT | O_RDWR | O_TRUNC, 0600);
    if (file < 0 || dup2(file, 2) < 0) _exit(1);
    sign_once(session, "rsa2048", "rsa");
    CK_OBJECT_HANDLE public, private;
    must(generate(session, "p256", "passing", "p", 1, &public, &private), "C_GenerateKeyPair");
    must(p11->C_DestroyObject(session, private), "C_DestroyObject");
    must(p11->C_DestroyObject(session, public), "C_DestroyObject");
    must(p11->C_Logout(session), "C_Logout");
    expect(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR *)"a wrong pin", 11), CKR_PIN_INCORRECT, "a wrong PIN");
    struct stat written;
    fstat(file, &written);
    dup2(saved, 2);
    if (written.st_size) fail("%ld bytes of log went into the host's own file", (long)written.st_size);
}

typedef struct { const char *name; void (*run)(char **); } Command;
static const Command COMMANDS[] = {
    {"forks", command_forks},   {"exit", command_exit},     {"late", command_late},     {"unload", command_unload},
    {"stack", command_stack},   {"worker", command_worker}, {"canary", command_canary},
    {"descriptors", command_descriptors},
};

int main(int count, char **argument) {
    if (count < 3) return 2;
    path = argument[1];
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++) {
        if (strcmp(argument[2], COMMANDS[i].name)) continue;
        if (COMMANDS[i].run != command_late) load(path);
        COMMANDS[i].run(argument + 3);
        puts("ok");
        return 0;
    }
    return 2;
}
