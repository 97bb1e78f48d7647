/* Calls that must be answered by one code, in groups that run in processes of their own: a crash is reported by the name
 * of its group and the last call, and leaves the others their turn. */
#ifndef STRONGROOM_TESTS_GROUPS_H
#define STRONGROOM_TESTS_GROUPS_H

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "token.h"

enum {
    CKF_DONT_BLOCK = 1,
    CKF_ENCRYPT = 0x100,
    CKF_DECRYPT = 0x200,
    CKF_DIGEST = 0x400,
    CKF_SIGN = 0x800,
    CKF_VERIFY = 0x2000,
    CKR_KEY_NOT_NEEDED = 0x64,
    CKR_KEY_NOT_WRAPPABLE = 0x69,
    CKR_KEY_UNEXTRACTABLE = 0x6a,
    CKR_ENCRYPTED_DATA_INVALID = 0x40,
    CKR_ENCRYPTED_DATA_LEN_RANGE = 0x41,
    CKR_UNWRAPPING_KEY_HANDLE_INVALID = 0xf0,
    CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT = 0xf2,
    CKR_WRAPPED_KEY_INVALID = 0x110,
    CKR_WRAPPED_KEY_LEN_RANGE = 0x112,
    CKR_WRAPPING_KEY_HANDLE_INVALID = 0x113,
    CKR_WRAPPING_KEY_TYPE_INCONSISTENT = 0x115,
    CKR_SAVED_STATE_INVALID = 0x160,
    CKR_STATE_UNSAVEABLE = 0x180,
    CKR_NO_EVENT = 0x8,
    CKR_KEY_INDIGESTIBLE = 0x67,
    CKR_DOMAIN_PARAMS_INVALID = 0x130,
    CKR_CURVE_NOT_SUPPORTED = 0x140,
    CKR_SESSION_READ_WRITE_SO_EXISTS = 0xb8,
    CKA_TRUSTED = 0x86,
    CKA_SIGN_RECOVER = 0x109,
    CKA_VERIFY_RECOVER = 0x10b,
    CKA_DERIVE = 0x10c,
    CKA_MODIFIABLE = 0x170,
    CKA_ALWAYS_AUTHENTICATE = 0x202,
    CKA_WRAP_WITH_TRUSTED = 0x210,
    CKA_WRAP_TEMPLATE = 0x40000211,
    CKA_UNWRAP_TEMPLATE = 0x40000212,
    CKA_DERIVE_TEMPLATE = 0x40000213,
    CKA_COPYABLE = 0x171,
    CKA_DESTROYABLE = 0x172,
    CKA_LOCAL = 0x163,
    CKA_NEVER_EXTRACTABLE = 0x164,
    CKA_ALLOWED_MECHANISMS = 0x40000600,
    CKM_SHA512_RSA_PKCS_PSS = 0x45,
    CKM_SHA512_T = 0x50,
    CKM_RSA_AES_KEY_WRAP = 0x1054,
    CKM_SHA_1 = 0x220,
    CKM_SHA256_HMAC = 0x251,
    CKM_SHA256_HMAC_GENERAL = 0x252,
    CKM_ECDH1_DERIVE = 0x1050,
    CKM_ECDH1_COFACTOR_DERIVE = 0x1051,
    CKM_HKDF_DERIVE = 0x402a,
    CKM_HKDF_DATA = 0x402b,
    CKM_AES_ECB = 0x1081,
    CKM_AES_CTR = 0x1086,
    CKM_AES_CMAC = 0x108a,
    CKM_AES_CMAC_GENERAL = 0x108b,
    CKM_AES_KEY_WRAP = 0x2109,
    CKM_AES_KEY_WRAP_PAD = 0x210a,
    CKM_AES_KEY_WRAP_KWP = 0x210b,
    CKM_AES_KEY_WRAP_PKCS7 = 0x210c,
    CKZ_DATA_SPECIFIED = 1,
    CKD_NULL = 1,
    CKD_SHA256_KDF = 6,
    CKF_HKDF_SALT_NULL = 1,
    CKF_HKDF_SALT_DATA = 2,
    CKF_HKDF_SALT_KEY = 4,
    CKM_GENERIC_SECRET_KEY_GEN = 0x350,
    CKM_AES_KEY_GEN = 0x1080,
};

typedef struct { CK_ULONG counter_bits; CK_BYTE block[16]; } CK_AES_CTR_PARAMS;
typedef struct { CK_ULONG aes_bits; CK_RSA_PKCS_OAEP_PARAMS *oaep; } CK_RSA_AES_KEY_WRAP_PARAMS;
typedef struct {
    CK_ULONG kdf, shared_length;
    CK_BYTE *shared;
    CK_ULONG public_length;
    CK_BYTE *public;
} CK_ECDH1_DERIVE_PARAMS;
typedef struct {
    CK_BBOOL extract, expand;
    CK_MECHANISM_TYPE hash;
    CK_ULONG salt_type;
    CK_BYTE *salt;
    CK_ULONG salt_length;
    CK_OBJECT_HANDLE salt_key;
    CK_BYTE *info;
    CK_ULONG info_length;
} CK_HKDF_PARAMS;

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
                 name = {CKA_EC_PARAMS, (void *)ED25519_NAME, sizeof ED25519_NAME - 1}, modulus = {CKA_MODULUS_BITS,
                     &bits,
                     sizeof bits};
    int is_rsa = !strcmp(kind, "rsa2048"), is_edwards = !strcmp(kind, "ed25519");
    return f->C_GenerateKeyPair(session, is_rsa ? &rsa : is_edwards ? &edwards : &ec,
                                is_rsa ? &modulus : is_edwards ? &name : &curve, 1, extra, extra_count, public,
                                    private);
}

/* A secret session key of this type with this value. What it may do are the attributes of `uses`; nothing else. */
static inline CK_OBJECT_HANDLE session_secret(CK_SESSION_HANDLE session, CK_ULONG type, const void *value,
    CK_ULONG length,
                                              const CK_ATTRIBUTE_TYPE *uses, size_t use_count) {
    static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    static const CK_ATTRIBUTE_TYPE USES[] = {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP,
        CKA_DERIVE};
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_ATTRIBUTE template[16] = {{CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_VALUE, (void *)value, length}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_SENSITIVE, &no, 1}};
    CK_ULONG count = 5;
    for (size_t i = 0; i < COUNT(USES); i++) {
        CK_BBOOL *set = &no;
        for (size_t k = 0; k < use_count; k++)
            if (uses[k] == USES[i]) set = &yes;
        template[count++] = (CK_ATTRIBUTE){USES[i], set, 1};
    }
    CK_OBJECT_HANDLE key;
    must(f->C_CreateObject(session, template, count, &key), "C_CreateObject of a secret key");
    return key;
}
#define USES(...) (const CK_ATTRIBUTE_TYPE[]){__VA_ARGS__}, COUNT(((const CK_ATTRIBUTE_TYPE[]){__VA_ARGS__}))

#endif
