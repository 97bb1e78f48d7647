/* Calls that must be answered by one code, in groups that run in processes of their own: a crash is reported by the name of
 * its group and the last call, and leaves the others their turn. */
#ifndef STRONGROOM_TESTS_GROUPS_H
#define STRONGROOM_TESTS_GROUPS_H

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "token.h"

enum {
    CKF_DONT_BLOCK = 1,
    CKR_NO_EVENT = 0x8,
    CKR_KEY_INDIGESTIBLE = 0x67,
    CKR_DOMAIN_PARAMS_INVALID = 0x130,
    CKR_CURVE_NOT_SUPPORTED = 0x140,
    CKR_SESSION_READ_WRITE_SO_EXISTS = 0xb8,
    CKA_MODIFIABLE = 0x170,
    CKA_COPYABLE = 0x171,
    CKA_DESTROYABLE = 0x172,
    CKA_LOCAL = 0x163,
    CKA_NEVER_EXTRACTABLE = 0x164,
    CKA_ALLOWED_MECHANISMS = 0x40000600,
    CKM_SHA512_RSA_PKCS_PSS = 0x45,
    CKM_SHA_1 = 0x220,
    CKM_GENERIC_SECRET_KEY_GEN = 0x350,
    CKM_AES_KEY_GEN = 0x1080,
};

#define COUNT(array) (sizeof(array) / sizeof *(array))
/* Lengths and counts that no memory has. */
static const CK_ULONG HUGE_LENGTHS[] = {~0UL, 1UL << 63, (1UL << 63) - 1, 1UL << 62};

/* What a group's process leaves for the one that reports. */
typedef struct { int checked, wrong; char last[200]; } Tally;
static Tally *tally;
static CK_FUNCTION_LIST_3_2 *f;
static CK_SLOT_ID slot;

/* IS(code, call): the call returns this code. */
#define IS(code, call) (note(#call), judge(#call, __LINE__, (call), code, #code))
#define HOLDS(condition) (note(#condition), judge(#condition, __LINE__, (condition) ? CKR_OK : CKR_GENERAL_ERROR, CKR_OK, "true"))

static inline void note(const char *call) { snprintf(tally->last, sizeof tally->last, "%s", call); }

static inline void judge(const char *call, int line, CK_RV got, CK_RV wanted, const char *name) {
    tally->checked++;
    if (got == wanted) return;
    tally->wrong++;
    printf("line %d: %s: 0x%lx instead of %s\n", line, call, got, name);
}

typedef struct { const char *name; void (*run)(void); } Group;

static inline void find_functions(const char *module) {
    void *library = load(module);
    CK_RV (*get)(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS) =
        (CK_RV(*)(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS))dlsym(library, "C_GetInterface");
    CK_VERSION version = {3, 2};
    CK_INTERFACE *interface;
    must(get ? get((CK_UTF8CHAR *)"PKCS 11", &version, &interface, 0) : CKR_GENERAL_ERROR, "C_GetInterface");
    f = interface->functions;
}

/* Runs one group; false if it didn't come to its end. */
static inline int run_group(const char *module, const Group *group) {
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        alarm(120);
        find_functions(module);
        group->run();
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (!status) return 1;
    printf("%s: ended with status 0x%x at %s\n", group->name, status, tally->last);
    return 0;
}

static inline int run_groups(int count, char **argument, const Group *groups, size_t group_count) {
    if (count != 2) return 2;
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ended = 1;
    for (size_t i = 0; i < group_count; i++) ended &= run_group(argument[1], &groups[i]);
    printf("%d checks, %d wrong\n", tally->checked, tally->wrong);
    return !ended || tally->wrong;
}

/* ---- what groups begin with */

static inline void begin(void) {
    initialize();
    slot = first_slot();
}

static inline CK_SESSION_HANDLE user_session(void) {
    begin();
    CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION);
    login(session, CKU_USER, getenv("PIN"));
    return session;
}

/* A pair of session keys; `extra` goes to the private key. */
static inline CK_RV session_pair(CK_SESSION_HANDLE session, const char *kind, CK_ATTRIBUTE *extra, CK_ULONG extra_count,
                                 CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private) {
    CK_ULONG bits = 2048;
    CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, edwards = {CKM_EC_EDWARDS_KEY_PAIR_GEN, NULL, 0},
                 rsa = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE curve = {CKA_EC_PARAMS, (void *)P256_OID, sizeof P256_OID},
                 name = {CKA_EC_PARAMS, (void *)ED25519_NAME, sizeof ED25519_NAME - 1}, modulus = {CKA_MODULUS_BITS, &bits,
                     sizeof bits};
    int is_rsa = !strcmp(kind, "rsa2048"), is_edwards = !strcmp(kind, "ed25519");
    return f->C_GenerateKeyPair(session, is_rsa ? &rsa : is_edwards ? &edwards : &ec,
                                is_rsa ? &modulus : is_edwards ? &name : &curve, 1, extra, extra_count, public, private);
}

#endif
