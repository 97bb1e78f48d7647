/* Encryption, MACs, recovery, dual functions and saved states: each called wrongly in one way at a time, and the one code
 * that it must answer (PKCS#11 v3.2 §5.8 to §5.17).
 *
 *   abi_ciphers MODULE     PINs come from PIN and SO_PIN; the token exists */
#define _GNU_SOURCE
#include "groups.h"

static CK_BYTE in[64] = "sixteen bytes, and sixteen more, and sixteen more, and sixteen!", iv[16], out[600];
static CK_ULONG length;
static CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0}, cbc = {CKM_AES_CBC, iv, 16}, cbc_pad = {CKM_AES_CBC_PAD, iv, 16},
    kw = {CKM_AES_KEY_WRAP, NULL, 0}, kwp = {CKM_AES_KEY_WRAP_KWP, NULL, 0}, digest = {CKM_SHA256, NULL, 0},
    rsa_pkcs = {CKM_RSA_PKCS, NULL, 0}, rsa_raw = {CKM_RSA_X_509, NULL, 0}, cmac = {CKM_AES_CMAC, NULL, 0},
    hmac = {CKM_SHA256_HMAC, NULL, 0};
static CK_GCM_PARAMS gcm_parameters = {iv, 12, 96, in, 5, 128};
static CK_AES_CTR_PARAMS ctr_parameters = {128, {0}};
static CK_MECHANISM gcm = {CKM_AES_GCM, &gcm_parameters, sizeof gcm_parameters},
    ctr = {CKM_AES_CTR, &ctr_parameters, sizeof ctr_parameters};

/* What every group uses: an AES key, one for HMAC, a pair that encrypts and recovers. */
static CK_SESSION_HANDLE s;
static CK_OBJECT_HANDLE aes, generic, public, private;

static void prepare(void) {
    static CK_BBOOL yes = CK_TRUE;
    CK_ULONG bits = 2048;
    CK_MECHANISM generate = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE publics[] = {{CKA_MODULUS_BITS, &bits, 8}, {CKA_ENCRYPT, &yes, 1}, {CKA_VERIFY_RECOVER, &yes, 1}},
        privates[] = {{CKA_DECRYPT, &yes, 1}, {CKA_SIGN_RECOVER, &yes, 1}};
    s = user_session();
    aes = session_secret(s, CKK_AES, in, 16, USES(CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY));
    generic = session_secret(s, CKK_GENERIC_SECRET, in, 32, USES(CKA_SIGN, CKA_VERIFY));
    IS(CKR_OK, f->C_GenerateKeyPair(s, &generate, publics, 3, privates, 2, &public, &private));
}

#define IDLE(call) IS(CKR_OPERATION_NOT_INITIALIZED, f->call)
#define BAD(call) IS(CKR_ARGUMENTS_BAD, f->call)
#define GOOD(call) (length = sizeof out, IS(CKR_OK, f->call))
#define NOTHING_ACTIVE() \
    length = sizeof out; IDLE(C_Encrypt(s, in, 16, out, &length)); IDLE(C_EncryptUpdate(s, in, 16, out, &length)); \
    IDLE(C_EncryptFinal(s, out, &length)); IDLE(C_Decrypt(s, in, 16, out, &length)); \
    IDLE(C_DecryptUpdate(s, in, 16, out, &length)); IDLE(C_DecryptFinal(s, out, &length)); \
    IDLE(C_SignRecover(s, in, 16, out, &length)); IDLE(C_VerifyRecover(s, in, 16, out, &length)); \
    IDLE(C_DigestEncryptUpdate(s, in, 16, out, &length)); IDLE(C_DecryptDigestUpdate(s, in, 16, out, &length)); \
    IDLE(C_SignEncryptUpdate(s, in, 16, out, &length)); IDLE(C_DecryptVerifyUpdate(s, in, 16, out, &length)); \
    IDLE(C_GetOperationState(s, out, &length))
#define BUSY(call) IS(CKR_OPERATION_ACTIVE, f->call)

/* ---- pointers */

static void null_pointers(void) {
    prepare();
    BAD(C_EncryptInit(s, NULL, aes)); BAD(C_DecryptInit(s, NULL, aes)); BAD(C_SignRecoverInit(s, NULL, private));
    BAD(C_VerifyRecoverInit(s, NULL, public));
    /* An operation ends with such an error (§5.8, §5.10, §5.13, §5.15), so that each begins anew. */
#define ANEW(init, call) IS(CKR_OK, f->init); length = sizeof out; BAD(call); NOTHING_ACTIVE()
    ANEW(C_EncryptInit(s, &ecb, aes), C_Encrypt(s, NULL, 16, out, &length));
    ANEW(C_EncryptInit(s, &ecb, aes), C_Encrypt(s, in, 16, out, NULL));
    ANEW(C_EncryptInit(s, &ecb, aes), C_EncryptUpdate(s, NULL, 16, out, &length));
    ANEW(C_EncryptInit(s, &ecb, aes), C_EncryptUpdate(s, in, 16, out, NULL));
    ANEW(C_EncryptInit(s, &ecb, aes), C_EncryptFinal(s, out, NULL));
    ANEW(C_DecryptInit(s, &ecb, aes), C_Decrypt(s, NULL, 16, out, &length));
    ANEW(C_DecryptInit(s, &ecb, aes), C_Decrypt(s, in, 16, out, NULL));
    ANEW(C_DecryptInit(s, &ecb, aes), C_DecryptUpdate(s, NULL, 16, out, &length));
    ANEW(C_DecryptInit(s, &ecb, aes), C_DecryptUpdate(s, in, 16, out, NULL));
    ANEW(C_DecryptInit(s, &ecb, aes), C_DecryptFinal(s, out, NULL));
    ANEW(C_SignRecoverInit(s, &rsa_pkcs, private), C_SignRecover(s, NULL, 16, out, &length));
    ANEW(C_SignRecoverInit(s, &rsa_pkcs, private), C_SignRecover(s, in, 16, out, NULL));
    ANEW(C_VerifyRecoverInit(s, &rsa_pkcs, public), C_VerifyRecover(s, NULL, 256, out, &length));
    ANEW(C_VerifyRecoverInit(s, &rsa_pkcs, public), C_VerifyRecover(s, in, 16, out, NULL));
    /* §5.17: both end. */
#define ANEW_BOTH(one, other, call) IS(CKR_OK, f->one); ANEW(other, call); IDLE(C_DigestFinal(s, out, &length)); \
    IDLE(C_SignFinal(s, out, &length)); IDLE(C_VerifyFinal(s, out, 16))
    ANEW_BOTH(C_DigestInit(s, &digest), C_EncryptInit(s, &ecb, aes), C_DigestEncryptUpdate(s, NULL, 16, out, &length));
    ANEW_BOTH(C_DigestInit(s, &digest), C_EncryptInit(s, &ecb, aes), C_DigestEncryptUpdate(s, in, 16, out, NULL));
    ANEW_BOTH(C_DigestInit(s, &digest), C_DecryptInit(s, &ecb, aes), C_DecryptDigestUpdate(s, NULL, 16, out, &length));
    ANEW_BOTH(C_DigestInit(s, &digest), C_DecryptInit(s, &ecb, aes), C_DecryptDigestUpdate(s, in, 16, out, NULL));
    ANEW_BOTH(C_SignInit(s, &cmac, aes), C_EncryptInit(s, &ecb, aes), C_SignEncryptUpdate(s, NULL, 16, out, &length));
    ANEW_BOTH(C_SignInit(s, &cmac, aes), C_EncryptInit(s, &ecb, aes), C_SignEncryptUpdate(s, in, 16, out, NULL));
    ANEW_BOTH(C_VerifyInit(s, &cmac, aes), C_DecryptInit(s, &ecb, aes), C_DecryptVerifyUpdate(s, NULL, 16, out,
        &length));
    ANEW_BOTH(C_VerifyInit(s, &cmac, aes), C_DecryptInit(s, &ecb, aes), C_DecryptVerifyUpdate(s, in, 16, out, NULL));
    /* §5.6.6, §5.6.7: what is asked for a state doesn't end the operation. */
    IS(CKR_OK, f->C_DigestInit(s, &digest)); BAD(C_GetOperationState(s, out, NULL));
    BAD(C_SetOperationState(s, NULL, 16, 0, 0)); GOOD(C_Digest(s, in, 16, out, &length));
    CK_UTF8CHAR *pin = (CK_UTF8CHAR *)getenv("PIN");
    BAD(C_LoginUser(s, CKU_USER, NULL, 8, NULL, 0)); BAD(C_LoginUser(s, CKU_USER, pin, 8, NULL, 8));
}

static void huge_lengths(void) {
    prepare();
    for (size_t i = 0; i < COUNT(HUGE_LENGTHS); i++) {
        CK_ULONG n = HUGE_LENGTHS[i];
        ANEW(C_EncryptInit(s, &ecb, aes), C_Encrypt(s, in, n, out, &length));
        ANEW(C_EncryptInit(s, &gcm, aes), C_Encrypt(s, in, n, out, &length));
        ANEW(C_EncryptInit(s, &ctr, aes), C_EncryptUpdate(s, in, n, out, &length));
        ANEW(C_DecryptInit(s, &gcm, aes), C_Decrypt(s, in, n, out, &length));
        ANEW(C_DecryptInit(s, &cbc_pad, aes), C_DecryptUpdate(s, in, n, out, &length));
        ANEW(C_EncryptInit(s, &rsa_pkcs, public), C_Encrypt(s, in, n, out, &length));
        ANEW(C_DecryptInit(s, &rsa_pkcs, private), C_Decrypt(s, in, n, out, &length));
        ANEW(C_SignRecoverInit(s, &rsa_pkcs, private), C_SignRecover(s, in, n, out, &length));
        ANEW(C_VerifyRecoverInit(s, &rsa_pkcs, public), C_VerifyRecover(s, in, n, out, &length));
        ANEW_BOTH(C_DigestInit(s, &digest), C_EncryptInit(s, &ecb, aes), C_DigestEncryptUpdate(s, in, n, out, &length));
        ANEW_BOTH(C_VerifyInit(s, &cmac, aes), C_DecryptInit(s, &ecb, aes), C_DecryptVerifyUpdate(s, in, n, out,
            &length));
        BAD(C_SetOperationState(s, in, n, 0, 0)); BAD(C_LoginUser(s, CKU_USER, in, n, NULL, 0));
        BAD(C_LoginUser(s, CKU_USER, in, 8, in, n));
        /* A buffer said to be without end. */
        length = n; IS(CKR_OK, f->C_EncryptInit(s, &ecb, aes)); BAD(C_Encrypt(s, in, 16, out, &length));
        NOTHING_ACTIVE();
        length = n; IS(CKR_OK, f->C_EncryptInit(s, &ecb, aes)); BAD(C_EncryptFinal(s, out, &length)); NOTHING_ACTIVE();
    }
}

/* ---- order (§5.1.6) */

static void wrong_order(void) {
    prepare();
    CK_OBJECT_HANDLE found;
    CK_ULONG count;
    NOTHING_ACTIVE();
    /* Two of a kind, and what doesn't go with it. */
    CK_MECHANISM *whole[] = {&ecb, &cbc, &cbc_pad, &ctr, &gcm, &kw};
    for (size_t i = 0; i < COUNT(whole); i++) {
        IS(CKR_OK, f->C_EncryptInit(s, whole[i], aes));
        BUSY(C_EncryptInit(s, &ecb, aes)); BUSY(C_DecryptInit(s, &ecb, aes)); BUSY(C_VerifyInit(s, &cmac, aes));
        BUSY(C_SignRecoverInit(s, &rsa_pkcs, private)); BUSY(C_VerifyRecoverInit(s, &rsa_pkcs, public));
        BUSY(C_FindObjectsInit(s, NULL, 0)); IDLE(C_Decrypt(s, in, 16, out, &length));
        IDLE(C_DecryptFinal(s, out, &length));
        IDLE(C_FindObjects(s, &found, 1, &count)); IDLE(C_Sign(s, in, 16, out, &length));
        IS(CKR_STATE_UNSAVEABLE, f->C_GetOperationState(s, out, &length));
        IS(CKR_OK, f->C_EncryptInit(s, NULL, 0)); NOTHING_ACTIVE();
        IS(CKR_OK, f->C_DecryptInit(s, whole[i], aes));
        BUSY(C_EncryptInit(s, &ecb, aes)); BUSY(C_DecryptInit(s, &ecb, aes)); BUSY(C_SignInit(s, &cmac, aes));
        BUSY(C_FindObjectsInit(s, NULL, 0)); BAD(C_EncryptInit(s, NULL, 0));
        IDLE(C_EncryptUpdate(s, in, 16, out, &length));
        IS(CKR_OK, f->C_SessionCancel(s, ~(CK_FLAGS)CKF_DECRYPT)); BUSY(C_DecryptInit(s, &ecb, aes));
        IS(CKR_OK, f->C_SessionCancel(s, CKF_DECRYPT)); NOTHING_ACTIVE();
    }
    IS(CKR_OK, f->C_SignRecoverInit(s, &rsa_pkcs, private));
    BUSY(C_SignRecoverInit(s, &rsa_pkcs, private)); BUSY(C_EncryptInit(s, &ecb, aes)); BUSY(C_DigestInit(s, &digest));
    BUSY(C_SignInit(s, &cmac, aes)); IDLE(C_Sign(s, in, 16, out, &length));
    IDLE(C_VerifyRecover(s, in, 16, out, &length));
    GOOD(C_SignRecover(s, in, 16, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_VerifyRecoverInit(s, &rsa_pkcs, public)); BUSY(C_VerifyRecoverInit(s, &rsa_pkcs, public));
    BUSY(C_DecryptInit(s, &ecb, aes)); IS(CKR_OK, f->C_VerifyRecover(s, out, 256, out, &length)); HOLDS(length == 16);
    NOTHING_ACTIVE();
    /* One-part after a part, and after it the end of it; a second end. */
    IS(CKR_OK, f->C_EncryptInit(s, &ecb, aes)); GOOD(C_EncryptUpdate(s, in, 16, out, &length));
    IDLE(C_Encrypt(s, in, 16, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DecryptInit(s, &cbc, aes)); GOOD(C_DecryptUpdate(s, in, 16, out, &length));
    IDLE(C_Decrypt(s, in, 16, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_EncryptInit(s, &gcm, aes)); GOOD(C_Encrypt(s, in, 16, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_EncryptInit(s, &ctr, aes)); GOOD(C_EncryptFinal(s, out, &length)); HOLDS(length == 0);
    NOTHING_ACTIVE();
    IS(CKR_OK, f->C_SignInit(s, &cmac, aes)); IS(CKR_OK, f->C_SignUpdate(s, in, 16));
    IDLE(C_Sign(s, in, 16, out, &length));
    IS(CKR_OK, f->C_VerifyInit(s, &hmac, generic)); IS(CKR_OK, f->C_VerifyUpdate(s, in, 16));
    IDLE(C_Verify(s, in, 16, out, 32));
    /* Single-part only (§6, tables of mechanisms and functions). */
    CK_MECHANISM *single[] = {&kw, &kwp};
    for (size_t i = 0; i < COUNT(single); i++) {
        IS(CKR_OK, f->C_EncryptInit(s, single[i], aes)); IDLE(C_EncryptUpdate(s, in, 16, out, &length));
        NOTHING_ACTIVE();
        IS(CKR_OK, f->C_DecryptInit(s, single[i], aes)); IDLE(C_DecryptFinal(s, out, &length)); NOTHING_ACTIVE();
    }
    IS(CKR_OK, f->C_EncryptInit(s, &rsa_raw, public)); IDLE(C_EncryptUpdate(s, in, 16, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DecryptInit(s, &rsa_pkcs, private)); IDLE(C_DecryptFinal(s, out, &length)); NOTHING_ACTIVE();
    /* §5.17: half of a dual function is none, and its half ends. */
    IS(CKR_OK, f->C_EncryptInit(s, &ecb, aes)); IDLE(C_DigestEncryptUpdate(s, in, 16, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DigestInit(s, &digest)); IDLE(C_DigestEncryptUpdate(s, in, 16, out, &length));
    IDLE(C_DigestFinal(s, out, &length));
    IS(CKR_OK, f->C_DecryptInit(s, &ecb, aes)); IDLE(C_DecryptVerifyUpdate(s, in, 16, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DecryptInit(s, &ecb, aes)); IS(CKR_OK, f->C_DigestInit(s, &digest));
    IDLE(C_DigestEncryptUpdate(s, in, 16, out, &length)); IS(CKR_OK, f->C_SessionCancel(s, ~0UL)); NOTHING_ACTIVE();
    /* An operation belongs to its session, and ends with it, with a logout, with its key. */
    CK_SESSION_HANDLE other = open_session(0);
    IS(CKR_OK, f->C_EncryptInit(other, &ecb, aes)); NOTHING_ACTIVE(); IS(CKR_OK, f->C_CloseSession(other));
    IS(CKR_SESSION_HANDLE_INVALID, f->C_Encrypt(other, in, 16, out, &length));
    IS(CKR_OK, f->C_EncryptInit(s, &ecb, aes)); IS(CKR_OK, f->C_Logout(s)); NOTHING_ACTIVE();
    IS(CKR_KEY_HANDLE_INVALID, f->C_EncryptInit(s, &ecb, aes));
}

/* ---- keys */

static void keys(void) {
    prepare();
    CK_OBJECT_HANDLE never[] = {0, 1UL << 40, 1UL << 62, ~0UL}, nothing = session_secret(s, CKK_AES, in, 16, NULL, 0);
    CK_OBJECT_HANDLE ec_public, ec_private, gone = session_secret(s, CKK_AES, in, 16, USES(CKA_ENCRYPT));
    IS(CKR_OK, session_pair(s, "p256", NULL, 0, &ec_public, &ec_private));
    IS(CKR_OK, f->C_EncryptInit(s, &ecb, gone)); IS(CKR_OK, f->C_DestroyObject(s, gone));
    IS(CKR_OK, f->C_SessionCancel(s, ~0UL)); IS(CKR_KEY_HANDLE_INVALID, f->C_EncryptInit(s, &ecb, gone));
    for (size_t i = 0; i < COUNT(never); i++) {
        CK_OBJECT_HANDLE k = never[i];
        IS(CKR_KEY_HANDLE_INVALID, f->C_EncryptInit(s, &ecb, k));
        IS(CKR_KEY_HANDLE_INVALID, f->C_DecryptInit(s, &ecb, k));
        IS(CKR_KEY_HANDLE_INVALID, f->C_SignRecoverInit(s, &rsa_pkcs, k));
        IS(CKR_KEY_HANDLE_INVALID, f->C_VerifyRecoverInit(s, &rsa_pkcs, k));
        IS(CKR_KEY_HANDLE_INVALID, f->C_SignInit(s, &cmac, k));
        IS(CKR_KEY_HANDLE_INVALID, f->C_VerifyInit(s, &hmac, k));
    }
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_ATTRIBUTE data = {CKA_CLASS, &class, sizeof class};
    CK_OBJECT_HANDLE object;
    IS(CKR_OK, f->C_CreateObject(s, &data, 1, &object)); IS(CKR_KEY_HANDLE_INVALID, f->C_EncryptInit(s, &ecb, object));
    /* Without the usage. */
#define NOT_PERMITTED(call) IS(CKR_KEY_FUNCTION_NOT_PERMITTED, f->call)
    NOT_PERMITTED(C_EncryptInit(s, &ecb, nothing)); NOT_PERMITTED(C_DecryptInit(s, &gcm, nothing));
    NOT_PERMITTED(C_SignInit(s, &cmac, nothing)); NOT_PERMITTED(C_VerifyInit(s, &cmac, nothing));
    /* Of another type, which goes before the usage (§5.1.6), of the other half. */
#define OTHER_TYPE(call) IS(CKR_KEY_TYPE_INCONSISTENT, f->call)
    OTHER_TYPE(C_EncryptInit(s, &ecb, generic));
    CK_OBJECT_HANDLE raw = session_secret(s, CKK_GENERIC_SECRET, in, 16, USES(CKA_ENCRYPT, CKA_SIGN, CKA_DECRYPT));
    OTHER_TYPE(C_EncryptInit(s, &ecb, raw)); OTHER_TYPE(C_DecryptInit(s, &gcm, raw));
    OTHER_TYPE(C_SignInit(s, &cmac, raw));
    OTHER_TYPE(C_SignInit(s, &hmac, aes)); OTHER_TYPE(C_VerifyInit(s, &hmac, aes));
    OTHER_TYPE(C_EncryptInit(s, &rsa_pkcs, aes));
    OTHER_TYPE(C_EncryptInit(s, &ecb, public)); OTHER_TYPE(C_DecryptInit(s, &ecb, private));
    OTHER_TYPE(C_EncryptInit(s, &rsa_pkcs, private)); OTHER_TYPE(C_DecryptInit(s, &rsa_pkcs, public));
    OTHER_TYPE(C_SignRecoverInit(s, &rsa_pkcs, public)); OTHER_TYPE(C_VerifyRecoverInit(s, &rsa_pkcs, private));
    OTHER_TYPE(C_SignInit(s, &cmac, public));
    /* Mechanisms of other functions, and ones that a key doesn't allow. */
#define NO_MECHANISM(call) IS(CKR_MECHANISM_INVALID, f->call)
    CK_MECHANISM unknown = {0x7fffffff, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0}, rsa_aes = {CKM_RSA_AES_KEY_WRAP, NULL,
        0};
    NO_MECHANISM(C_EncryptInit(s, &unknown, aes)); NO_MECHANISM(C_DecryptInit(s, &unknown, aes));
    NO_MECHANISM(C_EncryptInit(s, &digest, aes)); NO_MECHANISM(C_EncryptInit(s, &hmac, aes));
    NO_MECHANISM(C_DecryptInit(s, &cmac, aes)); NO_MECHANISM(C_DecryptInit(s, &ecdsa, private));
    NO_MECHANISM(C_SignInit(s, &ecb, aes)); NO_MECHANISM(C_SignRecoverInit(s, &ecdsa, private));
    NO_MECHANISM(C_VerifyRecoverInit(s, &unknown, public)); NO_MECHANISM(C_DigestInit(s, &hmac));
    CK_MECHANISM pss = {CKM_RSA_PKCS_PSS, NULL, 0}, hashed = {CKM_SHA256_RSA_PKCS, NULL, 0};
    NO_MECHANISM(C_SignRecoverInit(s, &pss, private)); NO_MECHANISM(C_SignRecoverInit(s, &hashed, private));
    rsa_aes.parameter = NULL;
    IS(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(s, &rsa_aes, public));
    NOTHING_ACTIVE();
}

/* ---- parameters */

#define WRONG(init, m, key) IS(CKR_MECHANISM_PARAM_INVALID, f->init(s, &m, key))

static void lengths_of(CK_MECHANISM right, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE other, CK_ULONG also) {
    CK_BYTE bytes[128] = {0};
    CK_ULONG lengths[] = {0, 1, 7, 8, 15, 16, 17, 23, 24, 25, 39, 40, 41, 47, 48, 49, 100, ~0UL, 1UL << 63, 1UL << 62};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        CK_MECHANISM m = {right.mechanism, bytes, lengths[i]}, null = {right.mechanism, NULL, lengths[i]};
        if (lengths[i] == right.length || lengths[i] == also) m.length++;
        WRONG(C_EncryptInit, m, key); WRONG(C_DecryptInit, m, other);
        if (lengths[i] || right.length) WRONG(C_EncryptInit, null, key);
        if (lengths[i] || right.length) WRONG(C_DecryptInit, null, other);
    }
}

static void parameters(void) {
    prepare();
    CK_RSA_PKCS_OAEP_PARAMS right = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
    CK_MECHANISM oaep = {CKM_RSA_PKCS_OAEP, &right, sizeof right};
    lengths_of(ecb, aes, aes, 0); lengths_of(cbc, aes, aes, 16); lengths_of(cbc_pad, aes, aes, 16);
    lengths_of(ctr, aes, aes, 24); lengths_of(rsa_pkcs, public, private, 0); lengths_of(rsa_raw, public, private, 0);
    lengths_of(oaep, public, private, 40);
    /* AES-GCM: IV, additional data, tag. 40 bytes are the structure of v2.30, without ulIvBits. */
    lengths_of(gcm, aes, aes, 40);
    CK_GCM_PARAMS gcms[] = {
        {NULL, 12, 96, NULL, 0, 128}, {iv, 0, 0, NULL, 0, 128}, {NULL, 0, 0, NULL, 0, 128}, {iv, ~0UL, 96, NULL, 0,
            128},
        {iv, 1UL << 63, 96, NULL, 0, 128}, {iv, 12, 96, NULL, 5, 128}, {iv, 12, 96, in, ~0UL, 128}, {iv, 12, 96, NULL,
            0, 0},
        {iv, 12, 96, NULL, 0, 16}, {iv, 12, 96, NULL, 0, 88}, {iv, 12, 96, NULL, 0, 95}, {iv, 12, 96, NULL, 0, 127},
        {iv, 12, 96, NULL, 0, 129}, {iv, 12, 96, NULL, 0, 136}, {iv, 12, 96, NULL, 0, ~0UL}, {iv, 12, 96, NULL, 0,
            1UL << 32},
    };
    for (size_t i = 0; i < COUNT(gcms); i++) {
        CK_MECHANISM m = {CKM_AES_GCM, &gcms[i], sizeof gcms[i]};
        WRONG(C_EncryptInit, m, aes); WRONG(C_DecryptInit, m, aes);
    }
    CK_ULONG bits[] = {0, 129, 1UL << 32, 1UL << 63, ~0UL, (1UL << 32) + 1};
    for (size_t i = 0; i < COUNT(bits); i++) {
        CK_AES_CTR_PARAMS wrong = {bits[i], {0}};
        CK_MECHANISM m = {CKM_AES_CTR, &wrong, sizeof wrong};
        WRONG(C_EncryptInit, m, aes); WRONG(C_DecryptInit, m, aes);
    }
    /* §6.1.7: hash, mask generation function, source of the label. */
    CK_RSA_PKCS_OAEP_PARAMS oaeps[] = {
        {0, CKG_MGF1_SHA256, 1, NULL, 0}, {~0UL, CKG_MGF1_SHA256, 1, NULL, 0}, {CKM_SHA256_RSA_PKCS, CKG_MGF1_SHA256,
            1, NULL, 0},
        {CKM_SHA256_HMAC, CKG_MGF1_SHA256, 1, NULL, 0}, {CKM_SHA512_T, CKG_MGF1_SHA256, 1, NULL, 0},
        {CKM_SHA256, 0, 1, NULL, 0}, {CKM_SHA256, 99, 1, NULL, 0}, {CKM_SHA256, ~0UL, 1, NULL, 0},
        {CKM_SHA256, CKG_MGF1_SHA256, 2, NULL, 0}, {CKM_SHA256, CKG_MGF1_SHA256, ~0UL, NULL, 0},
        {CKM_SHA256, CKG_MGF1_SHA256, 0, in, 3}, {CKM_SHA256, CKG_MGF1_SHA256, 1, NULL, 3},
        {CKM_SHA256, CKG_MGF1_SHA256, 1, in, ~0UL}, {CKM_SHA256, CKG_MGF1_SHA256, 1, in, 1UL << 63},
    };
    for (size_t i = 0; i < COUNT(oaeps); i++) {
        CK_MECHANISM m = {CKM_RSA_PKCS_OAEP, &oaeps[i], sizeof oaeps[i]};
        WRONG(C_EncryptInit, m, public); WRONG(C_DecryptInit, m, private);
    }
    /* MACs, and digests of a length that there isn't (SHA-512/t: 0, 384 and more than 511 bits). */
    CK_ULONG macs[] = {0, 1, 2, 3, 17, 33, ~0UL, 1UL << 32, (1UL << 32) + 4}, cuts[] = {0, 384, 512, ~0UL, 65536 + 256};
    for (size_t i = 0; i < COUNT(macs); i++) {
        CK_MECHANISM m = {CKM_AES_CMAC_GENERAL, &macs[i], 8}, short_one = {CKM_AES_CMAC_GENERAL, &macs[i], 4},
            null = {CKM_AES_CMAC_GENERAL, NULL, 8}, none = {CKM_AES_CMAC_GENERAL, NULL, 0}, with = {CKM_AES_CMAC,
                &macs[i], 8};
        WRONG(C_SignInit, m, aes); WRONG(C_VerifyInit, m, aes); WRONG(C_SignInit, short_one, aes);
        WRONG(C_SignInit, null, aes);
        WRONG(C_SignInit, none, aes); WRONG(C_SignInit, with, aes); WRONG(C_VerifyInit, with, aes);
        if (macs[i] == 17) continue;
        CK_MECHANISM h = {CKM_SHA256_HMAC_GENERAL, &macs[i], 8};
        WRONG(C_SignInit, h, generic); WRONG(C_VerifyInit, h, generic);
    }
    for (size_t i = 0; i < COUNT(cuts); i++) {
        CK_MECHANISM m = {CKM_SHA512_T, &cuts[i], 8}, none = {CKM_SHA512_T, NULL, 0}, null = {CKM_SHA512_T, NULL, 8};
        IS(CKR_MECHANISM_PARAM_INVALID, f->C_DigestInit(s, &m));
        IS(CKR_MECHANISM_PARAM_INVALID, f->C_DigestInit(s, &none));
        IS(CKR_MECHANISM_PARAM_INVALID, f->C_DigestInit(s, &null));
    }
    CK_MECHANISM with = {CKM_RSA_PKCS, in, 1};
    WRONG(C_SignRecoverInit, with, private); WRONG(C_VerifyRecoverInit, with, public);
    NOTHING_ACTIVE();
}

/* ---- lengths and buffers (§5.2) */

/* The length any number of times, then too little room any number of times, then it still works; `least` is the true
 * length, `said` what is said before it is known. */
static void room(CK_RV (*call)(CK_BYTE *, CK_ULONG *), CK_ULONG said, CK_ULONG least) {
    CK_BYTE *place = out + 300;
    for (int i = 0; i < 3; i++) length = 0, IS(CKR_OK, call(NULL, &length)), HOLDS(length == said);
    CK_ULONG little[] = {0, 1, least - 1};
    for (size_t i = 0; least && i < COUNT(little); i++)
        length = little[i], IS(CKR_BUFFER_TOO_SMALL, call(place, &length)), HOLDS(length >= least && length <= said);
    length = least; IS(CKR_OK, call(place, &length)); HOLDS(length == least);
}

#define CALL(name, call) static CK_RV name(CK_BYTE *to, CK_ULONG *len) { return f->call; }
CALL(encrypt_13, C_Encrypt(s, in, 13, to, len))
CALL(encrypt_32, C_Encrypt(s, in, 32, to, len))
CALL(encrypt_part, C_EncryptUpdate(s, in, 20, to, len))
CALL(encrypt_final, C_EncryptFinal(s, to, len))
CALL(decrypt_16, C_Decrypt(s, out, 16, to, len))
CALL(decrypt_29, C_Decrypt(s, out, 29, to, len))
CALL(decrypt_256, C_Decrypt(s, out, 256, to, len))
CALL(decrypt_final, C_DecryptFinal(s, to, len))
CALL(sign_recover, C_SignRecover(s, in, 13, to, len))
CALL(verify_recover, C_VerifyRecover(s, out, 256, to, len))
CALL(digest_encrypt, C_DigestEncryptUpdate(s, in, 20, to, len))
CALL(sign_13, C_Sign(s, in, 13, to, len))
CALL(state, C_GetOperationState(s, to, len))

static void buffers(void) {
    prepare();
    struct { CK_MECHANISM *m; CK_RV (*call)(CK_BYTE *, CK_ULONG *); CK_ULONG needed; } encryptions[] = {
        {&ecb, encrypt_32, 32}, {&cbc, encrypt_32, 32}, {&cbc_pad, encrypt_13, 16}, {&cbc_pad, encrypt_32, 48},
        {&ctr, encrypt_13, 13}, {&gcm, encrypt_13, 29}, {&kw, encrypt_32, 40}, {&kwp, encrypt_13, 24},
    };
    for (size_t i = 0; i < COUNT(encryptions); i++) {
        IS(CKR_OK, f->C_EncryptInit(s, encryptions[i].m, aes));
        room(encryptions[i].call, encryptions[i].needed, encryptions[i].needed); NOTHING_ACTIVE();
    }
    IS(CKR_OK, f->C_EncryptInit(s, &cbc_pad, aes)); room(encrypt_part, 16, 16); room(encrypt_final, 16, 16);
    NOTHING_ACTIVE();
    IS(CKR_OK, f->C_EncryptInit(s, &gcm, aes)); room(encrypt_part, 20, 20); room(encrypt_final, 16, 16);
    NOTHING_ACTIVE();
    /* What a padding takes is known only afterwards. */
    IS(CKR_OK, f->C_EncryptInit(s, &cbc_pad, aes)); GOOD(C_Encrypt(s, in, 13, out, &length));
    IS(CKR_OK, f->C_DecryptInit(s, &cbc_pad, aes)); room(decrypt_16, 15, 13); HOLDS(!memcmp(out + 300, in, 13));
    NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DecryptInit(s, &cbc_pad, aes)); GOOD(C_DecryptUpdate(s, out, 16, out + 300, &length));
    HOLDS(length == 0);
    room(decrypt_final, 15, 13); HOLDS(!memcmp(out + 300, in, 13)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_EncryptInit(s, &gcm, aes)); GOOD(C_Encrypt(s, in, 13, out, &length));
    IS(CKR_OK, f->C_DecryptInit(s, &gcm, aes)); room(decrypt_29, 13, 13); HOLDS(!memcmp(out + 300, in, 13));
    NOTHING_ACTIVE();
    IS(CKR_OK, f->C_EncryptInit(s, &rsa_pkcs, public)); room(encrypt_13, 256, 256); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_EncryptInit(s, &rsa_pkcs, public)); GOOD(C_Encrypt(s, in, 13, out, &length));
    IS(CKR_OK, f->C_DecryptInit(s, &rsa_pkcs, private)); room(decrypt_256, 245, 13); HOLDS(!memcmp(out + 300, in, 13));
    NOTHING_ACTIVE();
    IS(CKR_OK, f->C_SignRecoverInit(s, &rsa_pkcs, private)); room(sign_recover, 256, 256); NOTHING_ACTIVE();
    memcpy(out, out + 300, 256);
    IS(CKR_OK, f->C_VerifyRecoverInit(s, &rsa_pkcs, public)); room(verify_recover, 13, 13); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_SignInit(s, &cmac, aes)); room(sign_13, 16, 16); IS(CKR_OK, f->C_SignInit(s, &hmac, generic));
    room(sign_13, 32, 32);
    IS(CKR_OK, f->C_DigestInit(s, &digest)); IS(CKR_OK, f->C_EncryptInit(s, &cbc_pad, aes));
    room(digest_encrypt, 16, 16);
    GOOD(C_DigestFinal(s, out, &length)); GOOD(C_EncryptFinal(s, out, &length)); NOTHING_ACTIVE();
    /* After too little room only the same call goes on. */
    IS(CKR_OK, f->C_EncryptInit(s, &cbc_pad, aes)); GOOD(C_Encrypt(s, in, 13, out, &length));
    IS(CKR_OK, f->C_DecryptInit(s, &cbc_pad, aes)); length = 1;
    IS(CKR_BUFFER_TOO_SMALL, f->C_Decrypt(s, out, 16, in, &length));
    IDLE(C_DecryptFinal(s, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DigestInit(s, &digest)); length = 0; IS(CKR_OK, state(NULL, &length)); room(state, length, length);
    GOOD(C_DigestFinal(s, out, &length));
}

static void lengths(void) {
    prepare();
    /* Modes of AES: whole blocks; AES key wrap whole half-blocks, two at least. */
    CK_ULONG uneven[] = {1, 15, 17, 33};
    CK_MECHANISM *blocks[] = {&ecb, &cbc};
    for (size_t i = 0; i < COUNT(uneven); i++) {
        for (size_t k = 0; k < COUNT(blocks); k++) {
            IS(CKR_OK, f->C_EncryptInit(s, blocks[k], aes)); length = sizeof out;
            IS(CKR_DATA_LEN_RANGE, f->C_Encrypt(s, in, uneven[i], out, &length)); NOTHING_ACTIVE();
            IS(CKR_OK, f->C_EncryptInit(s, blocks[k], aes)); GOOD(C_EncryptUpdate(s, in, uneven[i], out, &length));
            length = sizeof out; IS(CKR_DATA_LEN_RANGE, f->C_EncryptFinal(s, out, &length)); NOTHING_ACTIVE();
            IS(CKR_OK, f->C_DecryptInit(s, blocks[k], aes)); length = sizeof out;
            IS(CKR_ENCRYPTED_DATA_LEN_RANGE, f->C_Decrypt(s, in, uneven[i], out, &length)); NOTHING_ACTIVE();
        }
        IS(CKR_OK, f->C_DecryptInit(s, &cbc_pad, aes)); length = sizeof out;
        IS(CKR_ENCRYPTED_DATA_LEN_RANGE, f->C_Decrypt(s, in, uneven[i], out, &length)); NOTHING_ACTIVE();
        IS(CKR_OK, f->C_EncryptInit(s, &kw, aes)); length = sizeof out;
        IS(CKR_DATA_LEN_RANGE, f->C_Encrypt(s, in, uneven[i], out, &length)); NOTHING_ACTIVE();
        IS(CKR_OK, f->C_DecryptInit(s, &kw, aes)); length = sizeof out;
        IS(CKR_ENCRYPTED_DATA_LEN_RANGE, f->C_Decrypt(s, in, uneven[i], out, &length)); NOTHING_ACTIVE();
        IS(CKR_OK, f->C_DecryptInit(s, &rsa_pkcs, private)); length = sizeof out;
        IS(CKR_ENCRYPTED_DATA_LEN_RANGE, f->C_Decrypt(s, in, uneven[i], out, &length)); NOTHING_ACTIVE();
    }
    /* AES with Counter: one that would come round, at once and in parts. */
    CK_AES_CTR_PARAMS one_bit = {1, {0}};
    CK_MECHANISM two_blocks = {CKM_AES_CTR, &one_bit, sizeof one_bit};
    IS(CKR_OK, f->C_EncryptInit(s, &two_blocks, aes)); GOOD(C_Encrypt(s, in, 32, out, &length));
    IS(CKR_OK, f->C_EncryptInit(s, &two_blocks, aes)); length = sizeof out;
    IS(CKR_DATA_LEN_RANGE, f->C_Encrypt(s, in, 33, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DecryptInit(s, &two_blocks, aes)); GOOD(C_DecryptUpdate(s, in, 32, out, &length));
    length = sizeof out; IS(CKR_ENCRYPTED_DATA_LEN_RANGE, f->C_DecryptUpdate(s, in, 1, out, &length)); NOTHING_ACTIVE();
    /* Damaged ciphertext: padding, tag, check value, a number beyond the modulus. */
    IS(CKR_OK, f->C_DecryptInit(s, &cbc_pad, aes)); length = sizeof out;
    IS(CKR_ENCRYPTED_DATA_INVALID, f->C_Decrypt(s, in, 32, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DecryptInit(s, &gcm, aes)); length = sizeof out;
    IS(CKR_ENCRYPTED_DATA_INVALID, f->C_Decrypt(s, in, 32, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DecryptInit(s, &gcm, aes)); GOOD(C_DecryptUpdate(s, in, 32, out, &length)); HOLDS(length == 0);
    length = sizeof out; IS(CKR_ENCRYPTED_DATA_INVALID, f->C_DecryptFinal(s, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DecryptInit(s, &gcm, aes)); length = sizeof out;
    IS(CKR_ENCRYPTED_DATA_LEN_RANGE, f->C_Decrypt(s, in, 15, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_DecryptInit(s, &kw, aes)); length = sizeof out;
    IS(CKR_ENCRYPTED_DATA_INVALID, f->C_Decrypt(s, in, 32, out, &length)); NOTHING_ACTIVE();
    CK_BYTE beyond[256];
    memset(beyond, 0xff, sizeof beyond);
    IS(CKR_OK, f->C_DecryptInit(s, &rsa_raw, private)); length = sizeof out;
    IS(CKR_ENCRYPTED_DATA_INVALID, f->C_Decrypt(s, beyond, 256, out, &length)); NOTHING_ACTIVE();
    /* §6.1.6: eleven bytes of padding. */
    IS(CKR_OK, f->C_EncryptInit(s, &rsa_pkcs, public)); length = sizeof out;
    IS(CKR_DATA_LEN_RANGE, f->C_Encrypt(s, beyond, 246, out, &length)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_EncryptInit(s, &rsa_pkcs, public)); GOOD(C_Encrypt(s, beyond, 245, out, &length));
    IS(CKR_OK, f->C_SignRecoverInit(s, &rsa_pkcs, private)); length = sizeof out;
    IS(CKR_DATA_LEN_RANGE, f->C_SignRecover(s, beyond, 246, out, &length)); NOTHING_ACTIVE();
    CK_ULONG signatures[] = {0, 1, 255};
    for (size_t i = 0; i < COUNT(signatures); i++) {
        IS(CKR_OK, f->C_VerifyRecoverInit(s, &rsa_pkcs, public)); length = sizeof out;
        IS(CKR_SIGNATURE_LEN_RANGE, f->C_VerifyRecover(s, beyond, signatures[i], out, &length)); NOTHING_ACTIVE();
    }
    IS(CKR_OK, f->C_VerifyRecoverInit(s, &rsa_pkcs, public)); length = sizeof out;
    IS(CKR_SIGNATURE_INVALID, f->C_VerifyRecover(s, beyond, 256, out, &length)); NOTHING_ACTIVE();
    /* MACs of no possible length, and wrong ones. */
    CK_ULONG macs[] = {0, 15, 17, 600};
    for (size_t i = 0; i < COUNT(macs); i++)
        IS(CKR_OK, f->C_VerifyInit(s, &cmac, aes)), IS(CKR_SIGNATURE_LEN_RANGE, f->C_Verify(s, in, 16, out, macs[i]));
    IS(CKR_OK, f->C_VerifyInit(s, &cmac, aes)); IS(CKR_SIGNATURE_INVALID, f->C_Verify(s, in, 16, beyond, 16));
    IS(CKR_OK, f->C_VerifyInit(s, &hmac, generic)); IS(CKR_OK, f->C_VerifyUpdate(s, in, 16));
    IS(CKR_SIGNATURE_INVALID, f->C_VerifyFinal(s, beyond, 32));
}

/* ---- saved states (§5.6.6, §5.6.7) and user names (§5.6.9) */

static void states(void) {
    prepare();
    CK_BYTE saved[300];
    CK_ULONG size = sizeof saved;
    IS(CKR_OK, f->C_DigestInit(s, &digest)); IS(CKR_OK, f->C_DigestUpdate(s, in, 30));
    IS(CKR_OK, f->C_GetOperationState(s, saved, &size)); IS(CKR_OK, f->C_SessionCancel(s, ~0UL));
    IS(CKR_SAVED_STATE_INVALID, f->C_SetOperationState(s, NULL, 0, 0, 0));
    IS(CKR_SAVED_STATE_INVALID, f->C_SetOperationState(s, saved, size - 1, 0, 0));
    IS(CKR_SAVED_STATE_INVALID, f->C_SetOperationState(s, saved, size + 1, 0, 0));
    for (CK_ULONG i = 0; i < size; i++) {
        saved[i] ^= 1; IS(CKR_SAVED_STATE_INVALID, f->C_SetOperationState(s, saved, size, 0, 0)); saved[i] ^= 1;
    }
    IS(CKR_KEY_NOT_NEEDED, f->C_SetOperationState(s, saved, size, aes, 0));
    IS(CKR_KEY_NOT_NEEDED, f->C_SetOperationState(s, saved, size, 0, aes)); NOTHING_ACTIVE();
    IS(CKR_OK, f->C_SetOperationState(s, saved, size, 0, 0)); GOOD(C_DigestFinal(s, out, &length));
    IS(CKR_OK, f->C_SignInit(s, &cmac, aes)); IS(CKR_STATE_UNSAVEABLE, f->C_GetOperationState(s, out, &length));
    IS(CKR_OK, f->C_SessionCancel(s, ~0UL)); IS(CKR_OK, f->C_FindObjectsInit(s, NULL, 0));
    IS(CKR_STATE_UNSAVEABLE, f->C_GetOperationState(s, out, &length)); IS(CKR_OK, f->C_FindObjectsFinal(s));
    IS(CKR_OK, f->C_DigestInit(s, &digest)); IS(CKR_OK, f->C_EncryptInit(s, &ecb, aes));
    IS(CKR_STATE_UNSAVEABLE, f->C_GetOperationState(s, out, &length)); IS(CKR_OK, f->C_SessionCancel(s, ~0UL));
    CK_UTF8CHAR *pin = (CK_UTF8CHAR *)getenv("PIN"), name[] = "somebody";
    CK_ULONG pin_length = strlen((char *)pin);
    IS(CKR_USER_ALREADY_LOGGED_IN, f->C_LoginUser(s, CKU_USER, pin, pin_length, NULL, 0)); IS(CKR_OK, f->C_Logout(s));
    IS(CKR_USER_TYPE_INVALID, f->C_LoginUser(s, CKU_USER, pin, pin_length, name, 8));
    IS(CKR_USER_TYPE_INVALID, f->C_LoginUser(s, 3, pin, pin_length, NULL, 0));
    IS(CKR_OPERATION_NOT_INITIALIZED, f->C_LoginUser(s, CKU_CONTEXT_SPECIFIC, pin, pin_length, NULL, 0));
    IS(CKR_PIN_INCORRECT, f->C_LoginUser(s, CKU_USER, name, 8, NULL, 0));
    IS(CKR_OK, f->C_LoginUser(s, CKU_USER, pin, pin_length, NULL, 0));
}

int main(int count, char **argument) {
    static const Group GROUPS[] = {
        {"null_pointers", null_pointers}, {"huge_lengths", huge_lengths}, {"wrong_order", wrong_order}, {"keys", keys},
        {"parameters", parameters},       {"buffers", buffers},           {"lengths", lengths},         {"states",
            states},
    };
    return run_groups(count, argument, GROUPS, COUNT(GROUPS));
}
