/* A host whose threads all use the module at once, each in sessions of its own: every call must succeed; and one that logs out,
 * finalises and initialises while they do, where every call must at least return, with a code that says so.
 *
 *   host_load MODULE threads|logouts|finalizes SECONDS     the user's PIN comes from PIN
 *
 * The token has an RSA-2048 key "rsa" and a P-256 key "curve". Ends with 0 and "ok" if all went as it must. */
#define _GNU_SOURCE
#include <pthread.h>

#include "host.h"

enum { THREADS = 64 };
static double end;
static int rounds[THREADS];

/* Codes that a call may return because another thread took login, session or module away from it. */
static const CK_RV *tolerated;
static const CK_RV NONE[] = {CKR_OK};
static const CK_RV LOGGED_OUT[] = {CKR_USER_NOT_LOGGED_IN, CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID,
                                   CKR_OPERATION_NOT_INITIALIZED, CKR_OK};
static const CK_RV FINALIZED[] = {CKR_USER_NOT_LOGGED_IN, CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID,
                                  CKR_OPERATION_NOT_INITIALIZED, CKR_CRYPTOKI_NOT_INITIALIZED, CKR_SESSION_HANDLE_INVALID,
                                  CKR_OK};

/* Whether it succeeded; what isn't tolerated ends the program. */
static int done(CK_RV rv, const char *what) {
    if (rv == CKR_OK) return 1;
    for (const CK_RV *code = tolerated; *code != CKR_OK; code++)
        if (rv == *code) return 0;
    must(rv, what);
    return 0;
}
#define TRY(call) do { if (!done(p11->call, #call)) return; } while (0)

static void sign_and_verify(CK_SESSION_HANDLE session, const char *kind, CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE public) {
    Signing how = signing(kind);
    CK_BYTE out[512];
    CK_ULONG length = 0;
    TRY(C_SignInit(session, &how.mechanism, private));
    TRY(C_Sign(session, how.input, how.length, NULL, &length));
    length = sizeof out;
    TRY(C_Sign(session, how.input, how.length, out, &length));
    TRY(C_VerifyInit(session, &how.mechanism, public));
    TRY(C_Verify(session, how.input, how.length, out, length));
}

static void find_and_sign(CK_SESSION_HANDLE session, const char *kind, const char *label) {
    CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};
    CK_OBJECT_HANDLE keys[2];
    for (int i = 0; i < 2; i++) {
        CK_ATTRIBUTE template[] = {{CKA_CLASS, &classes[i], sizeof *classes}, {CKA_LABEL, (void *)label, strlen(label)}};
        CK_ULONG count = 0;
        TRY(C_FindObjectsInit(session, template, 2));
        TRY(C_FindObjects(session, &keys[i], 1, &count));
        TRY(C_FindObjectsFinal(session));
        if (!count && tolerated == NONE) fail("%s isn't found", label);
        if (!count) return;
    }
    sign_and_verify(session, kind, keys[0], keys[1]);
}

/* A pair of session keys, or of token keys. */
static void make_and_destroy(CK_SESSION_HANDLE session, CK_BBOOL token) {
    CK_BBOOL private = CK_TRUE;
    CK_OBJECT_HANDLE public_key, private_key, copy;
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE public_template[] = {{CKA_TOKEN, &token, 1}, {CKA_EC_PARAMS, (void *)P256_OID, sizeof P256_OID}},
                 private_template[] = {{CKA_TOKEN, &token, 1}, {CKA_PRIVATE, &private, 1}},
                 label = {CKA_LABEL, "other", 5};
    CK_BYTE point[128];
    CK_ATTRIBUTE read = {CKA_EC_POINT, point, sizeof point};
    CK_ULONG size;
    TRY(C_GenerateKeyPair(session, &mechanism, public_template, 2, private_template, 2, &public_key, &private_key));
    sign_and_verify(session, "p256", private_key, public_key);
    TRY(C_GetAttributeValue(session, public_key, &read, 1));
    TRY(C_SetAttributeValue(session, private_key, &label, 1));
    TRY(C_CopyObject(session, public_key, &label, 1, &copy));
    TRY(C_GetObjectSize(session, copy, &size));
    TRY(C_DestroyObject(session, copy));
    TRY(C_DestroyObject(session, private_key));
    TRY(C_DestroyObject(session, public_key));
}

static void ask_and_digest(CK_SESSION_HANDLE session) {
    CK_ULONG count = 0, length = 32;
    CK_BYTE bytes[64];
    CK_SLOT_ID slots[64];
    CK_TOKEN_INFO token;
    CK_SESSION_INFO info;
    CK_MECHANISM digest = {CKM_SHA256, NULL, 0};
    TRY(C_GetSlotList(CK_TRUE, NULL, &count));
    count = 64;
    TRY(C_GetSlotList(CK_TRUE, slots, &count));
    TRY(C_GetTokenInfo(slots[0], &token));
    TRY(C_GetSessionInfo(session, &info));
    TRY(C_GenerateRandom(session, bytes, sizeof bytes));
    TRY(C_DigestInit(session, &digest));
    TRY(C_DigestUpdate(session, bytes, sizeof bytes));
    TRY(C_DigestFinal(session, bytes, &length));
}

static void one_round(int index, int round) {
    CK_SLOT_ID slots[64];
    CK_ULONG count = 64;
    CK_SESSION_HANDLE session;
    if (!done(p11->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList")) {
        usleep(1000);
        return;
    }
    TRY(C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
    if (tolerated == NONE) {
        const char *pin = getenv("PIN");
        CK_RV rv = p11->C_Login(session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin));
        expect(rv, CKR_USER_ALREADY_LOGGED_IN, "C_Login in a thread");
    }
    switch ((index + round) % 4) {
    case 0: find_and_sign(session, "rsa2048", "rsa"); break;
    case 1: find_and_sign(session, "p256", "curve"); break;
    /* Few write to the disk, or nothing else is seen. */
    case 2: make_and_destroy(session, index % 16 == 0 ? CK_TRUE : CK_FALSE); break;
    case 3: ask_and_digest(session); break;
    }
    TRY(C_CloseSession(session));
}

static void *use(void *argument) {
    int index = (int)(size_t)argument;
    while (now() < end) one_round(index, rounds[index]++);
    return NULL;
}

static void log_out_and_in(CK_SESSION_HANDLE session) {
    must(p11->C_Logout(session), "C_Logout");
    login(session, CKU_USER, getenv("PIN"));
}

static CK_SESSION_HANDLE begin(void) {
    initialize();
    CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION);
    login(session, CKU_USER, getenv("PIN"));
    return session;
}

int main(int count, char **argument) {
    if (count != 4) return 2;
    load(argument[1]);
    CK_SESSION_HANDLE session = begin();
    end = now() + atof(argument[3]);
    int logouts = !strcmp(argument[2], "logouts"), finalizes = !strcmp(argument[2], "finalizes");
    tolerated = logouts ? LOGGED_OUT : finalizes ? FINALIZED : NONE;
    pthread_t threads[THREADS];
    /* A hang ends by this signal. */
    alarm((unsigned)atof(argument[3]) + 60);
    for (size_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, use, (void *)i);
    int disturbances = 0;
    for (; (logouts || finalizes) && now() < end; disturbances++) {
        usleep(20000);
        if (logouts) log_out_and_in(session);
        if (!finalizes) continue;
        must(p11->C_Finalize(NULL), "C_Finalize");
        session = begin();
    }
    int all = 0, least = 1 << 30;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        all += rounds[i];
        if (rounds[i] < least) least = rounds[i];
    }
    fprintf(stderr, "%d rounds in %d threads, at least %d each, %d disturbances\n", all, THREADS, least, disturbances);
    if (!least) fail("a thread never came to its turn");
    sign_once(session, "rsa2048", "rsa");
    must(p11->C_Finalize(NULL), "C_Finalize");
    puts("ok");
    return 0;
}
