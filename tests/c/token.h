/* What every C program of these tests does first: load a module as a host does, log in to its first token, make and find
 * keys, sign. Whatever fails ends the program with a sentence. */
#ifndef STRONGROOM_TESTS_TOKEN_H
#define STRONGROOM_TESTS_TOKEN_H

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cryptoki.h"

static const CK_BYTE P256_OID[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
/* The curve's name as PrintableString, which every module that knows Ed25519 takes. */
static const CK_BYTE ED25519_NAME[] = "\x13\x0c" "edwards25519";
/* DigestInfo of SHA-256 (RFC 8017 §9.2), before the digest. */
static const CK_BYTE SHA256_DIGEST_INFO[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                               0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

static CK_FUNCTION_LIST *p11;

static inline void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _exit(1);
}

static inline void must(CK_RV rv, const char *what) {
    if (rv != CKR_OK) fail("%s: 0x%lx (process %d)", what, rv, (int)getpid());
}

static inline double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Loads the module and leaves its list in `p11`. */
static inline void *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail("dlopen: %s", dlerror());
    CK_RV (*get)(void **) = (CK_RV(*)(void **))dlsym(library, "C_GetFunctionList");
    if (!get) fail("no C_GetFunctionList");
    must(get((void **)&p11), "C_GetFunctionList");
    return library;
}

static inline void initialize(void) {
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    must(p11->C_Initialize(&arguments), "C_Initialize");
}

static inline CK_SLOT_ID first_slot(void) {
    CK_SLOT_ID slots[64];
    CK_ULONG count = 64;
    must(p11->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
    if (!count) fail("no token");
    return slots[0];
}

static inline CK_SESSION_HANDLE open_session(CK_FLAGS extra) {
    CK_SESSION_HANDLE session;
    must(p11->C_OpenSession(first_slot(), CKF_SERIAL_SESSION | extra, NULL, NULL, &session), "C_OpenSession");
    return session;
}

static inline void login(CK_SESSION_HANDLE session, CK_USER_TYPE user, const char *pin) {
    CK_RV rv = p11->C_Login(session, user, (CK_UTF8CHAR *)pin, strlen(pin));
    if (rv != CKR_USER_ALREADY_LOGGED_IN) must(rv, "C_Login");
}

/* A token on the first slot with these PINs, as an operator would make one. */
static inline void make_token(const char *so_pin, const char *pin) {
    CK_UTF8CHAR label[32];
    memset(label, ' ', sizeof label);
    memcpy(label, "test", 4);
    must(p11->C_InitToken(first_slot(), (CK_UTF8CHAR *)so_pin, strlen(so_pin), label), "C_InitToken");
    CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION);
    login(session, CKU_SO, so_pin);
    must(p11->C_InitPIN(session, (CK_UTF8CHAR *)pin, strlen(pin)), "C_InitPIN");
    must(p11->C_Logout(session), "C_Logout");
    must(p11->C_CloseSession(session), "C_CloseSession");
}

/* A key pair of kind "p256", "rsa2048", "rsa3072", "rsa4096" or "ed25519" with this label and id. */
static inline CK_RV generate(CK_SESSION_HANDLE session, const char *kind, const char *label, const void *id,
                             CK_ULONG id_length, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private) {
    CK_BBOOL yes = CK_TRUE;
    CK_ULONG bits = 0;
    CK_BYTE exponent[] = {1, 0, 1};
    CK_ATTRIBUTE public_template[8] = {
        {CKA_TOKEN, &yes, 1},
        {CKA_VERIFY, &yes, 1},
        {CKA_LABEL, (void *)label, strlen(label)},
        {CKA_ID, (void *)id, id_length},
    };
    CK_ATTRIBUTE private_template[] = {
        {CKA_TOKEN, &yes, 1},
        {CKA_PRIVATE, &yes, 1},
        {CKA_SENSITIVE, &yes, 1},
        {CKA_SIGN, &yes, 1},
        {CKA_LABEL, (void *)label, strlen(label)},
        {CKA_ID, (void *)id, id_length},
    };
    CK_ULONG count = 4;
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    if (sscanf(kind, "rsa%lu", &bits) == 1) {
        public_template[count++] = (CK_ATTRIBUTE){CKA_MODULUS_BITS, &bits, sizeof bits};
        public_template[count++] = (CK_ATTRIBUTE){CKA_PUBLIC_EXPONENT, exponent, sizeof exponent};
    } else if (!strcmp(kind, "p256")) {
        mechanism.mechanism = CKM_EC_KEY_PAIR_GEN;
        public_template[count++] = (CK_ATTRIBUTE){CKA_EC_PARAMS, (void *)P256_OID, sizeof P256_OID};
    } else {
        mechanism.mechanism = CKM_EC_EDWARDS_KEY_PAIR_GEN;
        public_template[count++] = (CK_ATTRIBUTE){CKA_EC_PARAMS, (void *)ED25519_NAME, sizeof ED25519_NAME - 1};
    }
    return p11->C_GenerateKeyPair(session, &mechanism, public_template, count, private_template,
                                  sizeof private_template / sizeof *private_template, public, private);
}

/* The last object of this class with this attribute; 0 if there is none. */
static inline CK_OBJECT_HANDLE find(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type,
                                    const void *value, CK_ULONG length) {
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}, {type, (void *)value, length}};
    CK_OBJECT_HANDLE found[16];
    CK_ULONG count = 0;
    must(p11->C_FindObjectsInit(session, template, 2), "C_FindObjectsInit");
    must(p11->C_FindObjects(session, found, 16, &count), "C_FindObjects");
    must(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    return count ? found[count - 1] : 0;
}

static inline CK_OBJECT_HANDLE find_key(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *label) {
    CK_OBJECT_HANDLE key = find(session, class, CKA_LABEL, label, strlen(label));
    if (!key) fail("no key with the label %s (process %d)", label, (int)getpid());
    return key;
}

/* How a key of this kind signs a 32-byte digest: mechanism and input. */
typedef struct { CK_MECHANISM mechanism; CK_BYTE input[64]; CK_ULONG length; } Signing;

static inline Signing signing(const char *kind) {
    Signing how = {{CKM_ECDSA, NULL, 0}, {0}, 32};
    for (int i = 0; i < 32; i++) how.input[i] = (CK_BYTE)(i * 7 + 1);
    if (!strncmp(kind, "rsa", 3)) {
        how.mechanism.mechanism = CKM_RSA_PKCS;
        memmove(how.input + sizeof SHA256_DIGEST_INFO, how.input, 32);
        memcpy(how.input, SHA256_DIGEST_INFO, sizeof SHA256_DIGEST_INFO);
        how.length = sizeof SHA256_DIGEST_INFO + 32;
    } else if (!strcmp(kind, "ed25519")) {
        how.mechanism.mechanism = CKM_EDDSA;
    }
    return how;
}

static inline CK_RV sign(CK_SESSION_HANDLE session, Signing *how, CK_OBJECT_HANDLE key, CK_BYTE *out, CK_ULONG *length) {
    CK_RV rv = p11->C_SignInit(session, &how->mechanism, key);
    return rv != CKR_OK ? rv : p11->C_Sign(session, how->input, how->length, out, length);
}

#endif
