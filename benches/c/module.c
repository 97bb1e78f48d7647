/* Measures a PKCS#11 module as a host uses it: loaded with dlopen, called from threads and forked processes.
 *
 *   module MODULE COMMAND [ARGUMENT...]      the PIN comes from the variable PIN, the SO's from SO_PIN
 *
 * Each command prints one line of numbers, times in microseconds; scripts/bench says what they mean. What a signature, a
 * find and a creation are is fixed once, in the functions of that name. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../../tests/c/token.h"

static void *library;

static const char *pin(void) {
    const char *value = getenv("PIN");
    if (!value) fail("the variable PIN isn't set");
    return value;
}

static int ascending(const void *left, const void *right) {
    float difference = *(const float *)left - *(const float *)right;
    return (difference > 0) - (difference < 0);
}

/* Times of single calls, in microseconds, in memory that forked processes share with their parent. */
enum { MOST_SAMPLES = 1 << 22 };
typedef struct { long count; float time[]; } Samples;

static Samples *samples(void) {
    Samples *new = mmap(NULL, sizeof(Samples) + MOST_SAMPLES * sizeof(float), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (new == MAP_FAILED) fail("mmap");
    return new;
}

static void add(Samples *to, double seconds) {
    if (to->count < MOST_SAMPLES) to->time[to->count++] = (float)(seconds * 1e6);
}

static float quantile(Samples *of, double part) {
    qsort(of->time, (size_t)of->count, sizeof(float), ascending);
    return of->count ? of->time[(long)((double)(of->count - 1) * part)] : 0;
}

static CK_SESSION_HANDLE logged_in(void) {
    /* SoftHSM goes on with its parent's state in a forked child, and says so. */
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    CK_RV rv = p11->C_Initialize(&arguments);
    if (rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) must(rv, "C_Initialize");
    CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION);
    login(session, CKU_USER, pin());
    return session;
}

/* ---- signatures: sign KIND LABEL threads|processes N SECONDS → signatures a second, median, p99 ---- */

typedef struct { const char *kind, *label; double until; Samples *times; pthread_barrier_t *start; double seconds; } Signer;

static void sign_until(Signer *job, CK_SESSION_HANDLE session) {
    Signing how = signing(job->kind);
    CK_OBJECT_HANDLE key = find_key(session, CKO_PRIVATE_KEY, job->label);
    CK_BYTE out[1024];
    for (int warm = 0; warm < 20; warm++) {
        CK_ULONG length = sizeof out;
        must(sign(session, &how, key, out, &length), "C_Sign");
    }
    if (job->start) pthread_barrier_wait(job->start);
    double begin = now(), end = begin + job->seconds, before = begin;
    while (before < end) {
        CK_ULONG length = sizeof out;
        must(sign(session, &how, key, out, &length), "C_Sign");
        double after = now();
        add(job->times, after - before);
        before = after;
    }
}

static void *sign_in_thread(void *job) {
    CK_SESSION_HANDLE session = open_session(0);
    sign_until(job, session);
    p11->C_CloseSession(session);
    return NULL;
}

/* A child of a host: initialises anew, logs in as nginx's worker does, signs. */
static void sign_in_child(Signer *job) {
    CK_SESSION_HANDLE session = logged_in();
    sign_until(job, session);
    _exit(0);
}

static void command_sign(char **argument) {
    const char *kind = argument[0], *label = argument[1];
    int processes = !strcmp(argument[2], "processes"), n = atoi(argument[3]);
    double seconds = atof(argument[4]);
    CK_SESSION_HANDLE session = logged_in();
    find_key(session, CKO_PRIVATE_KEY, label);
    pthread_barrier_t *start = mmap(NULL, sizeof *start, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_barrierattr_t shared;
    pthread_barrierattr_init(&shared);
    pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(start, &shared, (unsigned)n);
    Signer jobs[64];
    pthread_t threads[64];
    pid_t children[64];
    for (int i = 0; i < n; i++) {
        jobs[i] = (Signer){.kind = kind, .label = label, .times = samples(), .start = start, .seconds = seconds};
        if (!processes) pthread_create(&threads[i], NULL, sign_in_thread, &jobs[i]);
        else if (!(children[i] = fork())) sign_in_child(&jobs[i]);
    }
    Samples *all = samples();
    double rate = 0;
    for (int i = 0; i < n; i++) {
        int status = 0;
        if (!processes) pthread_join(threads[i], NULL);
        else if (waitpid(children[i], &status, 0) < 0 || status) fail("a child failed");
        rate += (double)jobs[i].times->count / seconds;
        for (long k = 0; k < jobs[i].times->count; k++) add(all, jobs[i].times->time[k] / 1e6);
    }
    printf("%.1f %.2f %.2f\n", rate, quantile(all, 0.5), quantile(all, 0.99));
}

/* ---- find CLASS id|label VALUE COUNT → median, p99 of one find with one match ---- */

static void command_find(char **argument) {
    CK_OBJECT_CLASS class = strtoul(argument[0], NULL, 0);
    CK_ATTRIBUTE_TYPE type = !strcmp(argument[1], "id") ? CKA_ID : CKA_LABEL;
    int count = atoi(argument[3]);
    CK_SESSION_HANDLE session = logged_in();
    Samples *times = samples();
    for (int i = -3; i < count; i++) {
        double before = now();
        if (!find(session, class, type, argument[2], strlen(argument[2]))) fail("%s isn't found", argument[2]);
        if (i >= 0) add(times, now() - before);
    }
    printf("%.2f %.2f\n", quantile(times, 0.5), quantile(times, 0.99));
}

/* ---- objects ---- */

static CK_RV create_data(CK_SESSION_HANDLE session, const char *label, CK_ULONG length, CK_OBJECT_HANDLE *object) {
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_BBOOL yes = CK_TRUE;
    CK_BYTE value[4096];
    memset(value, 'x', sizeof value);
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &yes, 1},     {CKA_PRIVATE, &yes, 1},
        {CKA_LABEL, (void *)label, strlen(label)}, {CKA_VALUE, value, length},
    };
    return p11->C_CreateObject(session, template, 5, object);
}

/* create COUNT → median, p99 of C_CreateObject with a private data object of 100 bytes; they are destroyed afterwards */
static void command_create(char **argument) {
    int count = atoi(argument[0]);
    CK_SESSION_HANDLE session = logged_in();
    CK_OBJECT_HANDLE *objects = calloc((size_t)count, sizeof *objects);
    Samples *times = samples();
    for (int i = 0; i < count; i++) {
        char label[64];
        snprintf(label, sizeof label, "created-%d-%d", (int)getpid(), i);
        double before = now();
        must(create_data(session, label, 100, &objects[i]), "C_CreateObject");
        add(times, now() - before);
    }
    for (int i = 0; i < count; i++) must(p11->C_DestroyObject(session, objects[i]), "C_DestroyObject");
    printf("%.1f %.1f\n", quantile(times, 0.5), quantile(times, 0.99));
}

/* sync DIRECTORY COUNT → median of what a durable append of 4 KiB costs there; touches no module */
static void command_sync(char **argument) {
    char path[4096], block[4096] = {1};
    snprintf(path, sizeof path, "%s/sync-%d", argument[0], (int)getpid());
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_APPEND, 0600);
    if (file < 0) fail("%s can't be made", path);
    Samples *times = samples();
    for (int i = 0; i < atoi(argument[1]); i++) {
        double before = now();
        if (write(file, block, sizeof block) != sizeof block || fdatasync(file)) fail("%s can't be written", path);
        add(times, now() - before);
    }
    close(file);
    unlink(path);
    printf("%.1f\n", quantile(times, 0.5));
}

/* commit RATE SECONDS → changes done: what another process does to the vault while signatures are measured */
static void command_commit(char **argument) {
    double pause = 1 / atof(argument[0]), end = now() + atof(argument[1]);
    CK_SESSION_HANDLE session = logged_in();
    CK_OBJECT_HANDLE object = 0;
    long done = 0;
    for (; now() < end; done++) {
        if (object) must(p11->C_DestroyObject(session, object), "C_DestroyObject"), object = 0;
        else must(create_data(session, "committed", 100, &object), "C_CreateObject");
        usleep((useconds_t)(pause * 1e6));
    }
    if (object) must(p11->C_DestroyObject(session, object), "C_DestroyObject");
    printf("%ld\n", done);
}

/* init → a token with the PINs of SO_PIN and PIN */
static void command_init(char **argument) {
    (void)argument;
    initialize();
    make_token(getenv("SO_PIN") ? getenv("SO_PIN") : "so-pin-12345", pin());
    puts("ok");
}

/* generate KIND LABEL ID */
static void command_generate(char **argument) {
    CK_SESSION_HANDLE session = logged_in();
    CK_OBJECT_HANDLE public, private;
    must(generate(session, argument[0], argument[1], argument[2], strlen(argument[2]), &public, &private),
         "C_GenerateKeyPair");
    puts("ok");
}

/* fill FROM TO → private data objects fill-FROM … fill-(TO-1) */
static void command_fill(char **argument) {
    CK_SESSION_HANDLE session = logged_in();
    for (int i = atoi(argument[0]); i < atoi(argument[1]); i++) {
        char label[32];
        CK_OBJECT_HANDLE object;
        snprintf(label, sizeof label, "fill-%d", i);
        must(create_data(session, label, 100, &object), "C_CreateObject");
    }
    puts("ok");
}

/* ---- login, loading, memory ---- */

/* login COUNT → median of C_Login after a logout */
static void command_login(char **argument) {
    CK_SESSION_HANDLE session = logged_in();
    Samples *times = samples();
    for (int i = 0; i < atoi(argument[0]); i++) {
        must(p11->C_Logout(session), "C_Logout");
        double before = now();
        login(session, CKU_USER, pin());
        add(times, now() - before);
    }
    printf("%.1f\n", quantile(times, 0.5));
}

/* child-login UID LABEL COUNT → median of C_Login in a forked child of that user, who then signs once with LABEL */
static void command_child_login(char **argument) {
    uid_t user = (uid_t)atoi(argument[0]);
    find_key(logged_in(), CKO_PRIVATE_KEY, argument[1]);
    Samples *times = samples();
    for (int i = 0; i < atoi(argument[2]); i++) {
        int status;
        pid_t child = fork();
        if (!child) {
            if (setgroups(0, NULL) || setgid(user) || setuid(user)) fail("setuid");
            initialize();
            CK_SESSION_HANDLE session = open_session(0);
            double before = now();
            login(session, CKU_USER, pin());
            add(times, now() - before);
            Signing how = signing("p256");
            CK_BYTE out[256];
            CK_ULONG length = sizeof out;
            must(sign(session, &how, find_key(session, CKO_PRIVATE_KEY, argument[1]), out, &length), "C_Sign");
            _exit(0);
        }
        if (waitpid(child, &status, 0) < 0 || status) fail("a child of user %d can't log in and sign", (int)user);
    }
    printf("%.1f\n", quantile(times, 0.5));
}

static long pss_kib(void) {
    char line[256];
    long kib = -1;
    FILE *rollup = fopen("/proc/self/smaps_rollup", "r");
    while (rollup && fgets(line, sizeof line, rollup)) sscanf(line, "Pss: %ld", &kib);
    if (rollup) fclose(rollup);
    return kib;
}

/* memory KIND LABEL → KiB of this process, after login, one find and one signature, less what it had before dlopen */
static void command_memory(char **argument) {
    CK_SESSION_HANDLE session = logged_in();
    Signing how = signing(argument[0]);
    CK_BYTE out[1024];
    CK_ULONG length = sizeof out;
    must(sign(session, &how, find_key(session, CKO_PRIVATE_KEY, argument[1]), out, &length), "C_Sign");
    printf("%ld", pss_kib());
}

/* ---- messages ---- */
static CK_OBJECT_HANDLE session_aes_key(CK_SESSION_HANDLE session) {
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_ULONG type = CKK_AES;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_BYTE value[32] = {7};
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type}, {CKA_TOKEN, &no, 1},
        {CKA_ENCRYPT, &yes, 1}, {CKA_VALUE, value, sizeof value},
    };
    CK_OBJECT_HANDLE key;
    must(p11->C_CreateObject(session, template, 5, &key), "C_CreateObject");
    return key;
}

/* The functions of 3.2, which SoftHSM doesn't have. */
static CK_FUNCTION_LIST_3_2 *newest(void) {
    CK_RV (*get)(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS) =
        (CK_RV(*)(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS))dlsym(library, "C_GetInterface");
    CK_INTERFACE *interface;
    must(get ? get((CK_UTF8CHAR *)"PKCS 11", &(CK_VERSION){3, 2}, &interface, 0) : CKR_FUNCTION_NOT_SUPPORTED,
         "C_GetInterface");
    return interface->functions;
}

/* 16 KiB in place, as the raw peer does it, in a process of messages that was begun. */
static void seal_message(CK_FUNCTION_LIST_3_2 *list, CK_SESSION_HANDLE session, CK_BYTE *text) {
    CK_BYTE nonce[12] = {9}, tag[16];
    CK_GCM_MESSAGE_PARAMS parameter = {.iv = nonce, .iv_length = 12, .tag = tag, .tag_bits = 128};
    CK_ULONG length = 16 << 10;
    must(list->C_EncryptMessage(session, &parameter, sizeof parameter, NULL, 0, text, length, text, &length),
         "C_EncryptMessage");
}

static CK_FUNCTION_LIST_3_2 *begin_messages(CK_SESSION_HANDLE session) {
    CK_FUNCTION_LIST_3_2 *list = newest();
    CK_MECHANISM mechanism = {CKM_AES_GCM, NULL, 0};
    must(list->C_MessageEncryptInit(session, &mechanism, session_aes_key(session)), "C_MessageEncryptInit");
    return list;
}

/* ---- allocations KIND|message LABEL COUNT, under tests' preload count_allocations.so ---- */

static void command_allocations(char **argument) {
    void (*begin)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "count_allocations_begin");
    void (*end)(FILE *, int) = (void (*)(FILE *, int))dlsym(RTLD_DEFAULT, "count_allocations_end");
    if (!begin || !end) fail("needs LD_PRELOAD=count_allocations.so");
    CK_SESSION_HANDLE session = logged_in();
    CK_BYTE out[16 << 10] = {0};
    int count = atoi(argument[2]);
    CK_FUNCTION_LIST_3_2 *list = strcmp(argument[0], "message") ? NULL : begin_messages(session);
    CK_OBJECT_HANDLE key = list ? 0 : find_key(session, CKO_PRIVATE_KEY, argument[1]);
    Signing how = signing(list ? "p256" : argument[0]);
    for (int i = -50; i < count; i++) {
        if (i == 0) begin();
        CK_ULONG length = sizeof out;
        if (list) seal_message(list, session, out);
        else must(sign(session, &how, key, out, &length), "C_Sign");
    }
    end(stdout, count);
}

/* ---- data KIND SECONDS → operations a second, median, p99: kinds as of benches/raw.rs ---- */

/* A session key pair, so that both halves are at hand; which vault key it is makes no difference to the work. */
static void session_rsa_pair(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private) {
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG bits = 2048;
    CK_ATTRIBUTE ours[] = {{CKA_TOKEN, &no, 1}, {CKA_ENCRYPT, &yes, 1}, {CKA_MODULUS_BITS, &bits, sizeof bits}};
    CK_ATTRIBUTE theirs[] = {{CKA_TOKEN, &no, 1}, {CKA_DECRYPT, &yes, 1}};
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    must(p11->C_GenerateKeyPair(session, &mechanism, ours, 3, theirs, 2, public, private), "C_GenerateKeyPair");
}

static void command_data(char **argument) {
    const char *kind = argument[0];
    CK_SESSION_HANDLE session = logged_in();
    CK_BYTE nonce[16] = {9}, *in = calloc(1, 1 << 20), *out = malloc((16 << 10) + 64), sealed[256];
    CK_FUNCTION_LIST_3_2 *messages = NULL;
    CK_GCM_PARAMS gcm = {.iv = nonce, .iv_length = 12, .iv_bits = 96, .tag_bits = 128};
    CK_RSA_PKCS_OAEP_PARAMS oaep = {.hash = CKM_SHA256, .mgf = 2 /* MGF1 with SHA-256 */, .source = 1 /* data specified */};
    CK_MECHANISM mechanism = {0};
    CK_OBJECT_HANDLE key = 0, public = 0;
    CK_ULONG length = sizeof sealed;
    int decrypts = 0, digests = 0;
    if (!strcmp(kind, "gcm")) mechanism = (CK_MECHANISM){CKM_AES_GCM, &gcm, sizeof gcm};
    else if (!strcmp(kind, "message")) messages = begin_messages(session);
    else if (!strcmp(kind, "cbc-pad")) mechanism = (CK_MECHANISM){CKM_AES_CBC_PAD, nonce, sizeof nonce};
    else if (!strcmp(kind, "sha256")) mechanism.mechanism = CKM_SHA256, digests = 1;
    else if (!strcmp(kind, "sha512")) mechanism.mechanism = CKM_SHA512, digests = 1;
    else if (!strcmp(kind, "pkcs1")) mechanism.mechanism = CKM_RSA_PKCS, decrypts = 1;
    else if (!strcmp(kind, "oaep")) mechanism = (CK_MECHANISM){CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep}, decrypts = 1;
    else fail("no kind %s", kind);
    if (decrypts) {
        session_rsa_pair(session, &public, &key);
        must(p11->C_EncryptInit(session, &mechanism, public), "C_EncryptInit");
        must(p11->C_Encrypt(session, in, 32, sealed, &length), "C_Encrypt");
    } else if (digests) must(p11->C_DigestInit(session, &mechanism), "C_DigestInit");
    else if (!messages) key = session_aes_key(session);
    Samples *times = samples();
    double end = 0, begin = 0, before = 0, seconds = atof(argument[1]);
    for (int i = -20; i <= 0 || before < end; i++) {
        if (i == 0) begin = before = now(), end = begin + seconds;
        CK_ULONG room = (16 << 10) + 64;
        if (messages) seal_message(messages, session, in);
        else if (digests) must(p11->C_DigestUpdate(session, in, 1 << 20), "C_DigestUpdate");
        else if (decrypts) {
            must(p11->C_DecryptInit(session, &mechanism, key), "C_DecryptInit");
            must(p11->C_Decrypt(session, sealed, length, out, &room), "C_Decrypt");
        } else {
            must(p11->C_EncryptInit(session, &mechanism, key), "C_EncryptInit");
            must(p11->C_Encrypt(session, in, 16 << 10, out, &room), "C_Encrypt");
        }
        if (i < 0) continue;
        double after = now();
        add(times, after - before);
        before = after;
    }
    printf("%.1f %.2f %.2f\n", (double)times->count / (before - begin), quantile(times, 0.5), quantile(times, 0.99));
}

/* ---- oracle COUNT → medians of C_DecryptInit and C_Decrypt with PKCS#1 v1.5: of ciphertexts with a good padding, of others
 * with a good one (what chance does), with a wrong type, without an end of the padding, with the end too early. In turn, in
 * an order that changes each time, each kind with several ciphertexts ---- */

enum { PADDINGS = 5, CIPHERTEXTS = 16 };

/* Encrypts a block with this kind of padding. */
static void seal_block(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE public, int padding, unsigned salt, CK_BYTE *sealed) {
    CK_BYTE block[256];
    CK_ULONG length = 256;
    for (int i = 0; i < 256; i++) block[i] = (CK_BYTE)(1 + (salt * 31 + (unsigned)i * 7) % 255);
    block[0] = 0;
    block[1] = padding == 2 ? 1 : 2;
    if (padding != 3) block[256 - 48 - 1] = 0;
    if (padding == 4) block[5] = 0;
    CK_MECHANISM raw = {CKM_RSA_X_509, NULL, 0};
    must(p11->C_EncryptInit(session, &raw, public), "C_EncryptInit");
    must(p11->C_Encrypt(session, block, sizeof block, sealed, &length), "C_Encrypt");
}

static void command_oracle(char **argument) {
    static CK_BYTE sealed[PADDINGS][CIPHERTEXTS][256];
    CK_SESSION_HANDLE session = logged_in();
    CK_OBJECT_HANDLE public, private;
    CK_MECHANISM mechanism = {CKM_RSA_PKCS, NULL, 0};
    CK_BYTE out[256];
    session_rsa_pair(session, &public, &private);
    for (int padding = 0; padding < PADDINGS; padding++)
        for (unsigned i = 0; i < CIPHERTEXTS; i++)
            seal_block(session, public, padding, i + (unsigned)padding * CIPHERTEXTS, sealed[padding][i]);
    Samples *times[PADDINGS];
    int order[PADDINGS];
    for (int i = 0; i < PADDINGS; i++) times[i] = samples(), order[i] = i;
    srand(1);
    for (long round = -20; round < atol(argument[0]); round++) {
        for (int i = PADDINGS - 1; i > 0; i--) {
            int other = rand() % (i + 1), moved = order[i];
            order[i] = order[other], order[other] = moved;
        }
        int which = rand() % CIPHERTEXTS;
        for (int i = 0; i < PADDINGS; i++) {
            CK_ULONG length = sizeof out;
            double before = now();
            must(p11->C_DecryptInit(session, &mechanism, private), "C_DecryptInit");
            must(p11->C_Decrypt(session, sealed[order[i]][which], 256, out, &length), "C_Decrypt");
            double after = now();
            if (round >= 0) add(times[order[i]], after - before);
        }
    }
    for (int i = 0; i < PADDINGS; i++) printf("%.3f%c", quantile(times[i], 0.5), i + 1 < PADDINGS ? ' ' : '\n');
}

typedef struct { const char *name; int arguments; void (*run)(char **); } Command;
static const Command COMMANDS[] = {
    {"init", 0, command_init},         {"generate", 3, command_generate}, {"fill", 2, command_fill},
    {"sign", 5, command_sign},         {"find", 4, command_find},         {"create", 1, command_create},
    {"commit", 2, command_commit},     {"login", 1, command_login},       {"child-login", 3, command_child_login},
    {"memory", 2, command_memory},     {"allocations", 3, command_allocations}, {"data", 2, command_data},
    {"oracle", 1, command_oracle},
};

int main(int count, char **argument) {
    if (count == 5 && !strcmp(argument[2], "sync")) return command_sync(argument + 3), 0;
    if (count < 3) fail("module MODULE COMMAND [ARGUMENT...]");
    long bare = pss_kib();
    double before = now();
    library = load(argument[1]);
    if (!strcmp(argument[2], "load")) {
        initialize();
        printf("%.1f\n", (now() - before) * 1e6);
        return 0;
    }
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++) {
        if (strcmp(argument[2], COMMANDS[i].name)) continue;
        if (count - 3 != COMMANDS[i].arguments) fail("%s takes %d arguments", argument[2], COMMANDS[i].arguments);
        COMMANDS[i].run(argument + 3);
        if (COMMANDS[i].run == command_memory) printf(" %ld\n", bare);
        p11->C_Finalize(NULL);
        dlclose(library);
        return 0;
    }
    fail("no command %s", argument[2]);
}
