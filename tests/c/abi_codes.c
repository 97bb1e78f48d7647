/* Functions and pointers, handles, order: every function of PKCS#11 v3.2, called wrongly in one way at a time, and the one
 * code that it must answer.
 *
 *   abi_codes MODULE     PINs come from PIN and SO_PIN; the token exists */
#define _GNU_SOURCE
#include "groups.h"

typedef CK_RV (*Anything)(CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG,
    CK_ULONG);
#define CALL(name, first) ((Anything)(void (*)(void))f->name)(first, 0, 0, 0, 0, 0, 0, 0, 0, 0)

/* §5.4: work at any time. */
#define ANY_TIME "C_Initialize C_GetFunctionList C_GetInterfaceList C_GetInterface "
static int is_any_time(const char *name) {
    char with_blank[64];
    snprintf(with_blank, sizeof with_blank, "%s ", name);
    return strstr(ANY_TIME, with_blank) != NULL;
}

static void nothing_works(void) {
    /* §5.1.6 CKR_CRYPTOKI_NOT_INITIALIZED: any function but those. */
#define ONE(name, parameters) if (!is_any_time(#name)) IS(CKR_CRYPTOKI_NOT_INITIALIZED, CALL(name, 0));
    CK_FUNCTIONS_2_40(ONE)
    CK_FUNCTIONS_3_0(ONE)
    CK_FUNCTIONS_3_2(ONE)
}

static void before_and_after(void) {
    CK_INTERFACE *interface;
    void *list;
    nothing_works();
    IS(CKR_OK, f->C_GetFunctionList(&list));
    IS(CKR_OK, f->C_GetInterface(NULL, NULL, &interface, 0));
    begin();
    CK_SESSION_HANDLE before = open_session(0);
    IS(CKR_OK, f->C_Finalize(NULL));
    nothing_works();
    IS(CKR_OK, f->C_Initialize(NULL));
    open_session(0);
    /* A handle of an earlier time isn't another session's. */
    CK_SESSION_INFO info;
    IS(CKR_SESSION_HANDLE_INVALID, f->C_GetSessionInfo(before, &info));
}

/* What isn't done yet, with valid and with invalid handles (§5.1.6 CKR_FUNCTION_NOT_SUPPORTED: "the requested function
 * is not supported by this Cryptoki library"). */
#define NOT_DONE(X) \
    X(C_MessageSignInit) X(C_SignMessage) X(C_SignMessageBegin) X(C_SignMessageNext) X(C_MessageSignFinal) \
    X(C_MessageVerifyInit) X(C_VerifyMessage) X(C_VerifyMessageBegin) X(C_VerifyMessageNext) X(C_MessageVerifyFinal) \
    X(C_EncapsulateKey) X(C_DecapsulateKey) X(C_VerifySignatureInit) X(C_VerifySignature) X(C_VerifySignatureUpdate) \
    X(C_VerifySignatureFinal) X(C_GetSessionValidationFlags) X(C_AsyncComplete) X(C_AsyncGetID) X(C_AsyncJoin) \
    X(C_WrapKeyAuthenticated) X(C_UnwrapKeyAuthenticated)

static void not_done(void) {
    begin();
    CK_SESSION_HANDLE session = open_session(0);
#define REFUSED(name) IS(CKR_FUNCTION_NOT_SUPPORTED, CALL(name, session)); IS(CKR_FUNCTION_NOT_SUPPORTED, CALL(name, ~0UL));
    NOT_DONE(REFUSED)
    /* §5.20: legacy functions, whose one answer is this. */
    IS(CKR_FUNCTION_NOT_PARALLEL, f->C_GetFunctionStatus(session));
    IS(CKR_FUNCTION_NOT_PARALLEL, f->C_CancelFunction(session));
    /* §5.19.1 */
    CK_BYTE seed[4] = {0};
    IS(CKR_RANDOM_SEED_NOT_SUPPORTED, f->C_SeedRandom(session, seed, sizeof seed));
    /* §5.5.4 */
    CK_SLOT_ID event;
    IS(CKR_NO_EVENT, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, &event, NULL));
    IS(CKR_FUNCTION_NOT_SUPPORTED, f->C_WaitForSlotEvent(0, &event, NULL));
    IS(CKR_ARGUMENTS_BAD, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL));
    IS(CKR_ARGUMENTS_BAD, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, &event, &event));
}

/* Every function with a session, otherwise called rightly. */
static void with_session(CK_SESSION_HANDLE s) {
    CK_BYTE bytes[64] = "12345678";
    CK_ULONG length = sizeof bytes, count;
    CK_OBJECT_HANDLE object = 1, other = 1;
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_ATTRIBUTE attribute = {CKA_CLASS, &class, sizeof class};
    CK_MECHANISM digest = {CKM_SHA256, NULL, 0}, sign = {CKM_ECDSA, NULL, 0}, pair = {CKM_EC_KEY_PAIR_GEN, NULL, 0},
                 key = {CKM_AES_KEY_GEN, NULL, 0}, cipher = {CKM_AES_ECB, NULL, 0}, rsa = {CKM_RSA_PKCS, NULL, 0};
    CK_SESSION_INFO info;
#define INVALID(call) IS(CKR_SESSION_HANDLE_INVALID, f->call)
    INVALID(C_CloseSession(s)); INVALID(C_GetSessionInfo(s, &info)); INVALID(C_SessionCancel(s, ~0UL));
    INVALID(C_Login(s, CKU_USER, bytes, 8)); INVALID(C_Logout(s)); INVALID(C_InitPIN(s, bytes, 8));
    INVALID(C_SetPIN(s, bytes, 8, bytes, 8)); INVALID(C_CreateObject(s, &attribute, 1, &object));
    INVALID(C_CopyObject(s, object, &attribute, 1, &other)); INVALID(C_DestroyObject(s, object));
    INVALID(C_GetObjectSize(s, object, &count)); INVALID(C_GetAttributeValue(s, object, &attribute, 1));
    INVALID(C_SetAttributeValue(s, object, &attribute, 1)); INVALID(C_FindObjectsInit(s, &attribute, 1));
    INVALID(C_FindObjects(s, &object, 1, &count)); INVALID(C_FindObjectsFinal(s)); INVALID(C_DigestInit(s, &digest));
    INVALID(C_Digest(s, bytes, 8, bytes, &length)); INVALID(C_DigestUpdate(s, bytes, 8));
    INVALID(C_DigestKey(s, object));
    INVALID(C_DigestFinal(s, bytes, &length)); INVALID(C_SignInit(s, &sign, object));
    INVALID(C_Sign(s, bytes, 8, bytes, &length));
    INVALID(C_SignUpdate(s, bytes, 8)); INVALID(C_SignFinal(s, bytes, &length));
    INVALID(C_VerifyInit(s, &sign, object));
    INVALID(C_Verify(s, bytes, 8, bytes, 64)); INVALID(C_VerifyUpdate(s, bytes, 8));
    INVALID(C_VerifyFinal(s, bytes, 64));
    INVALID(C_GenerateKey(s, &key, &attribute, 1, &object)); INVALID(C_SeedRandom(s, bytes, 8));
    INVALID(C_GenerateKeyPair(s, &pair, &attribute, 1, NULL, 0, &object, &other));
    INVALID(C_GenerateRandom(s, bytes, 8));
    INVALID(C_GetFunctionStatus(s)); INVALID(C_CancelFunction(s)); INVALID(C_GetOperationState(s, bytes, &length));
    INVALID(C_SetOperationState(s, bytes, 8, 0, 0)); INVALID(C_LoginUser(s, CKU_USER, bytes, 8, bytes, 8));
    INVALID(C_EncryptInit(s, &cipher, object)); INVALID(C_Encrypt(s, bytes, 16, bytes, &length));
    INVALID(C_EncryptUpdate(s, bytes, 16, bytes, &length)); INVALID(C_EncryptFinal(s, bytes, &length));
    INVALID(C_DecryptInit(s, &cipher, object)); INVALID(C_Decrypt(s, bytes, 16, bytes, &length));
    INVALID(C_DecryptUpdate(s, bytes, 16, bytes, &length)); INVALID(C_DecryptFinal(s, bytes, &length));
    INVALID(C_SignRecoverInit(s, &rsa, object)); INVALID(C_SignRecover(s, bytes, 8, bytes, &length));
    INVALID(C_VerifyRecoverInit(s, &rsa, object)); INVALID(C_VerifyRecover(s, bytes, 8, bytes, &length));
    INVALID(C_DigestEncryptUpdate(s, bytes, 8, bytes, &length));
    INVALID(C_DecryptDigestUpdate(s, bytes, 8, bytes, &length));
    INVALID(C_SignEncryptUpdate(s, bytes, 8, bytes, &length));
    INVALID(C_DecryptVerifyUpdate(s, bytes, 8, bytes, &length));
    INVALID(C_WrapKey(s, &cipher, object, other, bytes, &length));
    INVALID(C_DeriveKey(s, &cipher, object, &attribute, 1, &other));
    INVALID(C_UnwrapKey(s, &cipher, object, bytes, 16, &attribute, 1, &other));
}

static void invalid_sessions(void) {
    begin();
    CK_SESSION_HANDLE open = open_session(0), closed = open_session(0);
    IS(CKR_OK, f->C_CloseSession(closed));
    CK_SESSION_HANDLE handles[] = {0, closed, open + 1, open + (1UL << 32), open ^ (1UL << 63), 0xffffffff, 1UL << 62,
        ~0UL};
    for (size_t i = 0; i < COUNT(handles); i++) with_session(handles[i]);
    CK_SESSION_INFO info;
    IS(CKR_OK, f->C_GetSessionInfo(open, &info));
    IS(CKR_OK, f->C_CloseAllSessions(slot));
    with_session(open);
}

static void invalid_slots(void) {
    begin();
    CK_SLOT_ID ids[] = {~0UL, 0x7fffffff, slot + (1UL << 32), 1UL << 62};
    CK_SLOT_INFO info;
    CK_TOKEN_INFO token;
    CK_MECHANISM_INFO mechanism;
    CK_ULONG count = 0;
    CK_SESSION_HANDLE session;
    CK_UTF8CHAR label[33] = "                                ";
#define NO_SLOT(call) IS(CKR_SLOT_ID_INVALID, f->call)
    for (size_t i = 0; i < COUNT(ids); i++) {
        NO_SLOT(C_GetSlotInfo(ids[i], &info));
        NO_SLOT(C_GetTokenInfo(ids[i], &token));
        NO_SLOT(C_GetMechanismList(ids[i], NULL, &count));
        NO_SLOT(C_GetMechanismInfo(ids[i], CKM_RSA_PKCS, &mechanism));
        NO_SLOT(C_InitToken(ids[i], label, 8, label));
        NO_SLOT(C_OpenSession(ids[i], CKF_SERIAL_SESSION, NULL, NULL, &session));
        NO_SLOT(C_CloseAllSessions(ids[i]));
    }
    CK_MECHANISM_TYPE types[] = {~0UL, 0x7fffffff, 0x121 /* CKM_DES_ECB */};
    for (size_t i = 0; i < COUNT(types);
    i++) IS(CKR_MECHANISM_INVALID, f->C_GetMechanismInfo(slot, types[i], &mechanism));
    /* §5.6.1 */
    IS(CKR_SESSION_PARALLEL_NOT_SUPPORTED, f->C_OpenSession(slot, 0, NULL, NULL, &session));
    IS(CKR_SESSION_PARALLEL_NOT_SUPPORTED, f->C_OpenSession(slot, CKF_RW_SESSION, NULL, NULL, &session));
}

/* §5.1.6 CKR_ARGUMENTS_BAD: each pointer that must not be NULL, the others as they should be. */
static void null_pointers(void) {
    CK_SESSION_HANDLE s = user_session();
    CK_OBJECT_HANDLE public, private, made;
    IS(CKR_OK, session_pair(s, "p256", NULL, 0, &public, &private));
    CK_BYTE bytes[64] = "12345678";
    CK_ULONG length = sizeof bytes, count;
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_ATTRIBUTE attribute = {CKA_CLASS, &class, sizeof class}, curve = {CKA_EC_PARAMS, (void *)P256_OID,
        sizeof P256_OID};
    CK_MECHANISM digest = {CKM_SHA256, NULL, 0}, sign = {CKM_ECDSA_SHA256, NULL, 0}, pair = {CKM_EC_KEY_PAIR_GEN,
        NULL, 0},
                 key = {CKM_AES_KEY_GEN, NULL, 0};
    CK_UTF8CHAR *p = bytes;
#define BAD(call) IS(CKR_ARGUMENTS_BAD, f->call)
    BAD(C_Finalize(&length)); BAD(C_GetInfo(NULL)); BAD(C_GetFunctionList(NULL)); BAD(C_GetInterfaceList(NULL, NULL));
    BAD(C_GetInterface(NULL, NULL, NULL, 0)); BAD(C_GetSlotList(CK_TRUE, NULL, NULL)); BAD(C_GetSlotInfo(slot, NULL));
    BAD(C_GetTokenInfo(slot, NULL)); BAD(C_GetMechanismList(slot, NULL, NULL));
    BAD(C_GetMechanismInfo(slot, CKM_ECDSA, NULL));
    BAD(C_InitToken(slot, NULL, 8, p)); BAD(C_InitToken(slot, p, 8, NULL));
    BAD(C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, NULL));
    BAD(C_GetSessionInfo(s, NULL)); BAD(C_InitPIN(s, NULL, 8)); BAD(C_SetPIN(s, NULL, 8, p, 8));
    BAD(C_SetPIN(s, p, 8, NULL, 8));
    BAD(C_Login(s, CKU_USER, NULL, 8)); BAD(C_CreateObject(s, NULL, 1, &made));
    BAD(C_CreateObject(s, &attribute, 1, NULL));
    BAD(C_CopyObject(s, public, NULL, 1, &made)); BAD(C_CopyObject(s, public, NULL, 0, NULL));
    BAD(C_GetObjectSize(s, public, NULL));
    BAD(C_GetAttributeValue(s, public, NULL, 1)); BAD(C_SetAttributeValue(s, public, NULL, 1));
    BAD(C_FindObjectsInit(s, NULL, 1));
    IS(CKR_OK, f->C_FindObjectsInit(s, NULL, 0));
    BAD(C_FindObjects(s, NULL, 1, &count)); BAD(C_FindObjects(s, &made, 1, NULL));
    IS(CKR_OK, f->C_FindObjectsFinal(s));
    BAD(C_GenerateKey(s, NULL, &attribute, 1, &made)); BAD(C_GenerateKey(s, &key, NULL, 1, &made));
    BAD(C_GenerateKey(s, &key, &attribute, 1, NULL));
    BAD(C_GenerateKeyPair(s, NULL, &curve, 1, NULL, 0, &made, &made));
    BAD(C_GenerateKeyPair(s, &pair, NULL, 1, NULL, 0, &made, &made));
    BAD(C_GenerateKeyPair(s, &pair, &curve, 1, NULL, 1, &made, &made));
    BAD(C_GenerateKeyPair(s, &pair, &curve, 1, NULL, 0, NULL, &made));
    BAD(C_GenerateKeyPair(s, &pair, &curve, 1, NULL, 0, &made, NULL)); BAD(C_GenerateRandom(s, NULL, 8));
    /* Without an active operation there is nothing that a NULL mechanism could end (§5.13.1 and others). */
    BAD(C_DigestInit(s, NULL)); BAD(C_SignInit(s, NULL, private)); BAD(C_VerifyInit(s, NULL, public));
    /* An operation ends with such an error (§5.12, §5.13, §5.15), so that each begins anew. */
#define ANEW(init, call) IS(CKR_OK, f->init); BAD(call)
    ANEW(C_DigestInit(s, &digest), C_Digest(s, NULL, 8, bytes, &length));
    ANEW(C_DigestInit(s, &digest), C_Digest(s, bytes, 8, bytes, NULL));
    ANEW(C_DigestInit(s, &digest), C_DigestUpdate(s, NULL, 8));
    ANEW(C_DigestInit(s, &digest), C_DigestFinal(s, bytes, NULL));
    ANEW(C_SignInit(s, &sign, private), C_Sign(s, NULL, 8, bytes, &length));
    ANEW(C_SignInit(s, &sign, private), C_Sign(s, bytes, 8, bytes, NULL));
    ANEW(C_SignInit(s, &sign, private), C_SignUpdate(s, NULL, 8));
    ANEW(C_SignInit(s, &sign, private), C_SignFinal(s, bytes, NULL));
    ANEW(C_VerifyInit(s, &sign, public), C_Verify(s, NULL, 8, bytes, 64));
    ANEW(C_VerifyInit(s, &sign, public), C_Verify(s, bytes, 8, NULL, 64));
    ANEW(C_VerifyInit(s, &sign, public), C_VerifyUpdate(s, NULL, 8));
    ANEW(C_VerifyInit(s, &sign, public), C_VerifyFinal(s, NULL, 64));
    IS(CKR_OK, f->C_DigestInit(s, &digest));
}

/* §5.1.6 and the functions' own lists: what fits after what. */
static void wrong_order(void) {
    CK_SESSION_HANDLE s = user_session();
    CK_OBJECT_HANDLE public, private, found;
    IS(CKR_OK, session_pair(s, "p256", NULL, 0, &public, &private));
    CK_BYTE in[32] = {1}, out[64];
    CK_ULONG length = 64, count;
    CK_MECHANISM digest = {CKM_SHA256, NULL, 0}, sign = {CKM_ECDSA_SHA256, NULL, 0}, single = {CKM_ECDSA, NULL, 0};
#define IDLE(call) IS(CKR_OPERATION_NOT_INITIALIZED, f->call)
#define NOTHING_ACTIVE() \
    IDLE(C_Digest(s, in, 32, out, &length)); IDLE(C_DigestUpdate(s, in, 32)); IDLE(C_DigestFinal(s, out, &length)); \
    IDLE(C_DigestKey(s, private)); IDLE(C_Sign(s, in, 32, out, &length)); IDLE(C_SignUpdate(s, in, 32)); \
    IDLE(C_SignFinal(s, out, &length)); IDLE(C_Verify(s, in, 32, out, 64)); IDLE(C_VerifyUpdate(s, in, 32)); \
    IDLE(C_VerifyFinal(s, out, 64)); IDLE(C_FindObjects(s, &found, 1, &count)); IDLE(C_FindObjectsFinal(s))
#define ALL_ACTIVE() \
    IS(CKR_OPERATION_ACTIVE, f->C_DigestInit(s, &digest)); IS(CKR_OPERATION_ACTIVE, f->C_SignInit(s, &sign, private)); \
    IS(CKR_OPERATION_ACTIVE, f->C_VerifyInit(s, &sign, public)); \
    IS(CKR_OPERATION_ACTIVE, f->C_FindObjectsInit(s, NULL, 0))
    NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DigestInit(s, &digest)); ALL_ACTIVE();
    IDLE(C_SignUpdate(s, in, 32)); IDLE(C_VerifyFinal(s, out, 64)); IDLE(C_FindObjectsFinal(s));
    IS(CKR_OK, f->C_DigestUpdate(s, in, 32)); ALL_ACTIVE();
    length = 64; IS(CKR_OK, f->C_DigestFinal(s, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_SignInit(s, &sign, private)); ALL_ACTIVE();
    IS(CKR_OK, f->C_SignUpdate(s, in, 32)); ALL_ACTIVE();
    length = 64; IS(CKR_OK, f->C_SignFinal(s, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_VerifyInit(s, &sign, public)); ALL_ACTIVE();
    IS(CKR_OK, f->C_VerifyUpdate(s, in, 32)); IS(CKR_OK, f->C_VerifyFinal(s, out, 64)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_FindObjectsInit(s, NULL, 0)); ALL_ACTIVE();
    IS(CKR_OK, f->C_FindObjectsFinal(s)); NOTHING_ACTIVE();
    /* One-part after a part; parts of a single-part mechanism (§6.3.12: CKM_ECDSA has none). Each ends the
     * operation. */
    IS(CKR_OK, f->C_SignInit(s, &sign, private)); IS(CKR_OK, f->C_SignUpdate(s, in, 32));
    IDLE(C_Sign(s, in, 32, out, &length)); IDLE(C_SignFinal(s, out, &length));
    IS(CKR_OK, f->C_SignInit(s, &single, private)); IDLE(C_SignUpdate(s, in, 32));
    IDLE(C_Sign(s, in, 32, out, &length));
    IS(CKR_OK, f->C_VerifyInit(s, &single, public)); IDLE(C_VerifyUpdate(s, in, 32));
    /* §5.12.4: no key's value is digested. */
    IS(CKR_OK, f->C_DigestInit(s, &digest)); IS(CKR_KEY_INDIGESTIBLE, f->C_DigestKey(s, private)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DigestInit(s, &digest)); IS(CKR_KEY_HANDLE_INVALID, f->C_DigestKey(s, 0)); NOTHING_ACTIVE();
    /* §5.6.5, and a NULL mechanism: both end what is active, of their kind only. */
    IS(CKR_OK, f->C_SignInit(s, &sign, private)); IS(CKR_ARGUMENTS_BAD, f->C_VerifyInit(s, NULL, public)); ALL_ACTIVE();
    IS(CKR_OK, f->C_SignInit(s, NULL, 0)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DigestInit(s, &digest)); IS(CKR_OK, f->C_SessionCancel(s, 0)); ALL_ACTIVE();
    IS(CKR_OK, f->C_SessionCancel(s, ~0UL)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_SessionCancel(s, ~0UL));
    /* An operation belongs to its session. */
    CK_SESSION_HANDLE other = open_session(0);
    IS(CKR_OK, f->C_SignInit(other, &sign, private)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_CloseSession(other)); IS(CKR_SESSION_HANDLE_INVALID, f->C_Sign(other, in, 32, out, &length));
}

static void destroyed(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE object) {
    CK_MECHANISM sign = {CKM_ECDSA, NULL, 0};
    CK_ATTRIBUTE label = {CKA_LABEL, "x", 1};
    CK_ULONG size;
    CK_OBJECT_HANDLE copy;
#define GONE(call) IS(CKR_OBJECT_HANDLE_INVALID, f->call)
    GONE(C_GetObjectSize(s, object, &size)); GONE(C_GetAttributeValue(s, object, &label, 1));
    GONE(C_SetAttributeValue(s, object, &label, 1));
    GONE(C_CopyObject(s, object, &label, 1, &copy)); GONE(C_DestroyObject(s, object));
    IS(CKR_KEY_HANDLE_INVALID, f->C_SignInit(s, &sign, object));
    IS(CKR_KEY_HANDLE_INVALID, f->C_VerifyInit(s, &sign, object));
}

static void stale_objects(void) {
    CK_SESSION_HANDLE s = user_session(), other = open_session(CKF_RW_SESSION);
    CK_OBJECT_HANDLE public, private, token_public, token_private;
    CK_OBJECT_HANDLE never[] = {0, 1UL << 40, 1UL << 62, (1UL << 63) + (1UL << 40), ~0UL};
    for (size_t i = 0; i < COUNT(never); i++) destroyed(s, never[i]);
    must(generate(s, "p256", "stale", "s", 1, &token_public, &token_private), "C_GenerateKeyPair");
    IS(CKR_OK, session_pair(other, "p256", NULL, 0, &public, &private));
    /* §4.4 and §5.6: an object is every session's of the token. */
    CK_MECHANISM sign = {CKM_ECDSA, NULL, 0};
    CK_BYTE in[32] = {0}, out[64];
    CK_ULONG length = 64;
    IS(CKR_OK, f->C_SignInit(s, &sign, private)); IS(CKR_OK, f->C_Sign(s, in, 32, out, &length));
    IS(CKR_OK, f->C_SignInit(other, &sign, token_private)); IS(CKR_OK, f->C_Sign(other, in, 32, out, &length));
    /* A key that is destroyed between C_SignInit and C_Sign. */
    IS(CKR_OK, f->C_SignInit(other, &sign, token_private));
    IS(CKR_OK, f->C_DestroyObject(s, token_private)); IS(CKR_OK, f->C_DestroyObject(s, token_public));
    IS(CKR_FUNCTION_REJECTED, f->C_Sign(other, in, 32, out, &length));
    destroyed(s, token_private); destroyed(other, token_public);
    IS(CKR_OK, f->C_CloseSession(other));
    destroyed(s, private); destroyed(s, public);
    /* What is no key isn't taken for one. */
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_ATTRIBUTE data = {CKA_CLASS, &class, sizeof class};
    CK_OBJECT_HANDLE object;
    IS(CKR_OK, f->C_CreateObject(s, &data, 1, &object));
    IS(CKR_KEY_HANDLE_INVALID, f->C_SignInit(s, &sign, object));
    IS(CKR_OK, f->C_DestroyObject(s, object));
    /* §5.6.10: a logout ends private session objects, and hides private token objects. */
    IS(CKR_OK, session_pair(s, "p256", NULL, 0, &public, &private));
    must(generate(s, "p256", "hidden", "h", 1, &token_public, &token_private), "C_GenerateKeyPair");
    IS(CKR_OK, f->C_Logout(s));
    CK_ULONG size;
    IS(CKR_OBJECT_HANDLE_INVALID, f->C_GetObjectSize(s, private, &size));
    login(s, CKU_USER, getenv("PIN"));
    IS(CKR_OBJECT_HANDLE_INVALID, f->C_GetObjectSize(s, private, &size));
    IS(CKR_OK, f->C_GetObjectSize(s, token_private, &size));
    IS(CKR_OK, f->C_DestroyObject(s, token_private)); IS(CKR_OK, f->C_DestroyObject(s, token_public));
}

int main(int count, char **argument) {
    static const Group GROUPS[] = {
        {"before_and_after", before_and_after}, {"not_done", not_done},           {"invalid_sessions",
            invalid_sessions},
        {"invalid_slots", invalid_slots},       {"null_pointers", null_pointers}, {"wrong_order", wrong_order},
        {"stale_objects", stale_objects},
    };
    return run_groups(count, argument, GROUPS, COUNT(GROUPS));
}
