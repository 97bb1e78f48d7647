/* Message-based encryption and decryption: each function called wrongly in one way at a time, and the one code that it must
 * answer (PKCS#11 v3.2 §5.9, §5.11, §6.13).
 *
 *   abi_messages MODULE     PINs come from PIN and SO_PIN; the token exists */
#define _GNU_SOURCE
#include "groups.h"

enum {
    CKF_END_OF_MESSAGE = 1,
    CKF_MESSAGE_ENCRYPT = 2,
    CKF_MESSAGE_DECRYPT = 4,
    CKF_MULTI_MESSAGE = 32,
    CKR_AEAD_DECRYPT_FAILED = 0x42,
};
enum { GIVEN, GENERATED, COUNTER, RANDOM, COUNTER_XOR };

static CK_BYTE in[64] = "sixteen bytes, and sixteen more, and sixteen more, and sixteen!", iv[16], tag[16], out[600];
static CK_ULONG length;
static CK_MECHANISM gcm = {CKM_AES_GCM, NULL, 0}, ecb = {CKM_AES_ECB, NULL, 0}, digest = {CKM_SHA256, NULL, 0},
    cmac = {CKM_AES_CMAC, NULL, 0};
static CK_GCM_MESSAGE_PARAMS p;
#define P &p, sizeof p

static CK_SESSION_HANDLE s;
static CK_OBJECT_HANDLE aes;

/* The parameter of a message whose IV is given. */
static void fresh(void) {
    p = (CK_GCM_MESSAGE_PARAMS){iv, 12, 0, GIVEN, tag, 128};
    length = sizeof out;
}

static void prepare(void) {
    s = user_session();
    aes = session_secret(s, CKK_AES, in, 16, USES(CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY));
    fresh();
}

/* Each call with everything right. */
#define SEAL C_EncryptMessage(s, P, in, 5, in, 16, out, &length)
#define OPEN C_DecryptMessage(s, P, in, 5, in, 16, out, &length)
#define SEAL_BEGIN C_EncryptMessageBegin(s, P, in, 5)
#define OPEN_BEGIN C_DecryptMessageBegin(s, P, in, 5)
#define SEAL_NEXT(flags) C_EncryptMessageNext(s, P, in, 16, out, &length, flags)
#define OPEN_NEXT(flags) C_DecryptMessageNext(s, P, in, 16, out, &length, flags)
#define ANSWERS(code, call) (fresh(), IS(code, f->call))
#define IDLE(call) ANSWERS(CKR_OPERATION_NOT_INITIALIZED, call)
#define BUSY(call) ANSWERS(CKR_OPERATION_ACTIVE, call)
#define BAD(call) IS(CKR_ARGUMENTS_BAD, f->call)
#define WRONG(call) IS(CKR_MECHANISM_PARAM_INVALID, f->call)
#define GOOD(call) ANSWERS(CKR_OK, call)
#define NOTHING_ACTIVE() \
    IDLE(SEAL); IDLE(SEAL_BEGIN); IDLE(SEAL_NEXT(0)); IDLE(SEAL_NEXT(CKF_END_OF_MESSAGE)); IDLE(C_MessageEncryptFinal(s)); \
    IDLE(OPEN); IDLE(OPEN_BEGIN); IDLE(OPEN_NEXT(0)); IDLE(OPEN_NEXT(CKF_END_OF_MESSAGE)); IDLE(C_MessageDecryptFinal(s)); \
    IDLE(C_GetOperationState(s, out, &length))
/* The process goes on, with no message under way. */
#define SEALS() GOOD(SEAL); IDLE(SEAL_NEXT(0)); IDLE(OPEN)
#define OPENS() ANSWERS(CKR_AEAD_DECRYPT_FAILED, OPEN); IDLE(OPEN_NEXT(0)); IDLE(SEAL)

static void info(void) {
    prepare();
    CK_MECHANISM_INFO about;
    CK_FLAGS flags = CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE;
    IS(CKR_OK, f->C_GetMechanismInfo(slot, CKM_AES_GCM, &about)); HOLDS((about.flags & flags) == flags);
    IS(CKR_OK, f->C_GetMechanismInfo(slot, CKM_AES_ECB, &about)); HOLDS(!(about.flags & flags));
}

static void handles(void) {
    prepare();
    CK_SESSION_HANDLE stale = open_session(0), handles[] = {0, ~0UL, stale};
    IS(CKR_OK, f->C_CloseSession(stale));
    CK_SESSION_HANDLE right = s;
    for (size_t i = 0; i < COUNT(handles); i++) {
        s = handles[i];
#define INVALID(call) ANSWERS(CKR_SESSION_HANDLE_INVALID, call)
        INVALID(C_MessageEncryptInit(s, &gcm, aes)); INVALID(C_MessageDecryptInit(s, &gcm, aes));
        INVALID(SEAL); INVALID(SEAL_BEGIN); INVALID(SEAL_NEXT(0)); INVALID(C_MessageEncryptFinal(s));
        INVALID(OPEN); INVALID(OPEN_BEGIN); INVALID(OPEN_NEXT(0)); INVALID(C_MessageDecryptFinal(s));
    }
    s = right;
    CK_OBJECT_HANDLE keys[] = {0, ~0UL, 1UL << 63};
    for (size_t i = 0; i < COUNT(keys); i++) {
        IS(CKR_KEY_HANDLE_INVALID, f->C_MessageEncryptInit(s, &gcm, keys[i]));
        IS(CKR_KEY_HANDLE_INVALID, f->C_MessageDecryptInit(s, &gcm, keys[i]));
    }
    NOTHING_ACTIVE();
}

/* ---- order */

static void wrong_order(void) {
    prepare();
    NOTHING_ACTIVE();
    BAD(C_MessageEncryptInit(s, NULL, 0)); BAD(C_MessageDecryptInit(s, NULL, 0));
#define WITH_NOTHING_ELSE() \
    BUSY(C_MessageEncryptInit(s, &gcm, aes)); BUSY(C_MessageDecryptInit(s, &gcm, aes)); \
    BUSY(C_EncryptInit(s, &ecb, aes)); BUSY(C_DecryptInit(s, &ecb, aes)); BUSY(C_DigestInit(s, &digest)); \
    BUSY(C_SignInit(s, &cmac, aes)); BUSY(C_VerifyInit(s, &cmac, aes)); BUSY(C_FindObjectsInit(s, NULL, 0)); \
    IDLE(C_Encrypt(s, in, 16, out, &length)); IDLE(C_Decrypt(s, in, 16, out, &length)); \
    ANSWERS(CKR_STATE_UNSAVEABLE, C_GetOperationState(s, out, &length))
    GOOD(C_MessageEncryptInit(s, &gcm, aes)); WITH_NOTHING_ELSE(); IDLE(OPEN); IDLE(C_MessageDecryptFinal(s));
    BAD(C_MessageDecryptInit(s, NULL, 0)); IDLE(SEAL_NEXT(CKF_END_OF_MESSAGE));
    /* In the middle of a message, and after it. */
    GOOD(SEAL_BEGIN); WITH_NOTHING_ELSE(); BUSY(SEAL); BUSY(SEAL_BEGIN); BUSY(C_MessageEncryptFinal(s)); IDLE(OPEN_NEXT(0));
    GOOD(SEAL_NEXT(0)); BUSY(SEAL); GOOD(SEAL_NEXT(CKF_END_OF_MESSAGE)); SEALS();
    IDLE(SEAL_NEXT(CKF_END_OF_MESSAGE)); GOOD(SEAL_BEGIN); GOOD(SEAL_NEXT(CKF_END_OF_MESSAGE));
    GOOD(C_MessageEncryptFinal(s)); NOTHING_ACTIVE();
    GOOD(C_MessageDecryptInit(s, &gcm, aes)); WITH_NOTHING_ELSE(); IDLE(SEAL); IDLE(C_MessageEncryptFinal(s));
    BAD(C_MessageEncryptInit(s, NULL, 0)); IDLE(OPEN_NEXT(CKF_END_OF_MESSAGE));
    GOOD(OPEN_BEGIN); WITH_NOTHING_ELSE(); BUSY(OPEN); BUSY(OPEN_BEGIN); BUSY(C_MessageDecryptFinal(s)); IDLE(SEAL_NEXT(0));
    GOOD(OPEN_NEXT(0)); BUSY(OPEN); ANSWERS(CKR_AEAD_DECRYPT_FAILED, OPEN_NEXT(CKF_END_OF_MESSAGE)); OPENS();
    GOOD(C_MessageDecryptFinal(s)); NOTHING_ACTIVE();
    /* What was begun before. */
    GOOD(C_EncryptInit(s, &ecb, aes)); BUSY(C_MessageEncryptInit(s, &gcm, aes)); BUSY(C_MessageDecryptInit(s, &gcm, aes));
    GOOD(C_SessionCancel(s, ~0UL)); GOOD(C_FindObjectsInit(s, NULL, 0)); BUSY(C_MessageEncryptInit(s, &gcm, aes));
    GOOD(C_FindObjectsFinal(s)); GOOD(C_DigestInit(s, &digest)); BUSY(C_MessageDecryptInit(s, &gcm, aes));
    GOOD(C_SessionCancel(s, ~0UL));
}

/* A NULL mechanism, C_SessionCancel and C_Logout end the process, also in the middle of a message. */
static void cancelling(void) {
    prepare();
    for (int in_message = 0; in_message < 2; in_message++) {
#define SEALING() GOOD(C_MessageEncryptInit(s, &gcm, aes)); if (in_message) GOOD(SEAL_BEGIN)
#define OPENING() GOOD(C_MessageDecryptInit(s, &gcm, aes)); if (in_message) GOOD(OPEN_BEGIN)
        SEALING(); GOOD(C_MessageEncryptInit(s, NULL, 0)); NOTHING_ACTIVE();
        OPENING(); GOOD(C_MessageDecryptInit(s, NULL, 0)); NOTHING_ACTIVE();
        SEALING(); GOOD(C_SessionCancel(s, ~(CK_FLAGS)CKF_MESSAGE_ENCRYPT)); BUSY(C_MessageEncryptInit(s, &gcm, aes));
        GOOD(C_SessionCancel(s, CKF_MESSAGE_ENCRYPT)); NOTHING_ACTIVE();
        OPENING(); GOOD(C_SessionCancel(s, ~(CK_FLAGS)CKF_MESSAGE_DECRYPT)); BUSY(C_MessageDecryptInit(s, &gcm, aes));
        GOOD(C_SessionCancel(s, CKF_MESSAGE_DECRYPT)); NOTHING_ACTIVE();
    }
    CK_SESSION_HANDLE other = open_session(0);
    GOOD(C_MessageEncryptInit(s, &gcm, aes)); GOOD(C_MessageDecryptInit(other, &gcm, aes));
    GOOD(C_Logout(s)); NOTHING_ACTIVE();
    s = other; NOTHING_ACTIVE();
}

/* ---- pointers and lengths */

static void pointers(void) {
    prepare();
    GOOD(C_MessageEncryptInit(s, &gcm, aes));
#define EACH(call) (fresh(), call); SEALS()
    EACH(BAD(C_EncryptMessage(s, P, NULL, 5, in, 16, out, &length)));
    EACH(BAD(C_EncryptMessage(s, P, in, 5, NULL, 16, out, &length)));
    EACH(BAD(C_EncryptMessage(s, P, in, 5, in, 16, out, NULL)));
    EACH(WRONG(C_EncryptMessage(s, NULL, sizeof p, in, 5, in, 16, out, &length)));
    EACH(WRONG(C_EncryptMessage(s, NULL, 0, in, 5, in, 16, out, &length)));
    EACH(BAD(C_EncryptMessageBegin(s, P, NULL, 5))); EACH(WRONG(C_EncryptMessageBegin(s, NULL, 0, in, 5)));
    /* An error with a part ends the message (§5.9.4), and nothing else. */
#define PART(call) (fresh(), IS(CKR_OK, f->SEAL_BEGIN), call); SEALS()
    PART(BAD(C_EncryptMessageNext(s, P, NULL, 16, out, &length, 0)));
    PART(BAD(C_EncryptMessageNext(s, P, in, 16, out, NULL, 0)));
    PART(BAD(C_EncryptMessageNext(s, P, in, 16, out, &length, 2)));
    PART(BAD(C_EncryptMessageNext(s, P, in, 16, out, &length, ~0UL)));
    PART(WRONG(C_EncryptMessageNext(s, NULL, 0, in, 16, out, &length, CKF_END_OF_MESSAGE)));
    for (size_t i = 0; i < COUNT(HUGE_LENGTHS); i++) {
        CK_ULONG n = HUGE_LENGTHS[i];
        EACH(BAD(C_EncryptMessage(s, P, in, n, in, 16, out, &length)));
        EACH(BAD(C_EncryptMessage(s, P, in, 5, in, n, out, &length)));
        EACH((length = n, BAD(C_EncryptMessage(s, P, in, 5, in, 16, out, &length))));
        EACH(WRONG(C_EncryptMessage(s, &p, n, in, 5, in, 16, out, &length)));
        EACH((p.iv_length = n, WRONG(SEAL))); EACH((p.tag_bits = n, WRONG(SEAL)));
        EACH((p.iv_fixed_bits = n, p.iv_generator = COUNTER, WRONG(SEAL)));
        EACH(BAD(C_EncryptMessageBegin(s, P, in, n)));
        PART(BAD(C_EncryptMessageNext(s, P, in, n, out, &length, 0)));
        PART((length = n, BAD(C_EncryptMessageNext(s, P, in, 16, out, &length, 0))));
    }
    /* No text, no data beside it: a tag nevertheless. NULL asks for the length. */
    GOOD(C_EncryptMessage(s, P, NULL, 0, NULL, 0, out, &length)); HOLDS(length == 0);
    fresh(); memset(tag, 7, 16); GOOD(C_EncryptMessage(s, P, NULL, 0, NULL, 0, NULL, &length)); HOLDS(!length && tag[0] == 7);
    GOOD(C_MessageEncryptFinal(s)); GOOD(C_MessageDecryptInit(s, &gcm, aes));
#undef EACH
#define EACH(call) (fresh(), call); OPENS()
    EACH(BAD(C_DecryptMessage(s, P, NULL, 5, in, 16, out, &length)));
    EACH(BAD(C_DecryptMessage(s, P, in, 5, NULL, 16, out, &length)));
    EACH(BAD(C_DecryptMessage(s, P, in, 5, in, 16, out, NULL)));
    EACH(WRONG(C_DecryptMessage(s, NULL, 0, in, 5, in, 16, out, &length)));
    EACH(WRONG(C_DecryptMessageBegin(s, NULL, 0, in, 5))); EACH(BAD(C_DecryptMessageBegin(s, P, in, ~0UL)));
#undef PART
#define PART(call) (fresh(), IS(CKR_OK, f->OPEN_BEGIN), call); OPENS()
    PART(BAD(C_DecryptMessageNext(s, P, NULL, 16, out, &length, 0)));
    PART(BAD(C_DecryptMessageNext(s, P, in, 16, out, NULL, 0)));
    PART(BAD(C_DecryptMessageNext(s, P, in, 16, out, &length, 2)));
    PART(WRONG(C_DecryptMessageNext(s, NULL, 0, in, 16, out, &length, CKF_END_OF_MESSAGE)));
    PART(ANSWERS(CKR_ENCRYPTED_DATA_LEN_RANGE, C_DecryptMessageNext(s, P, in, (64 << 20) + 1, out, &length, 0)));
}

/* ---- mechanisms, keys, parameters */

static void mechanisms_and_keys(void) {
    prepare();
    CK_OBJECT_HANDLE none = session_secret(s, CKK_AES, in, 16, USES(CKA_SIGN)),
                     encrypts = session_secret(s, CKK_AES, in, 16, USES(CKA_ENCRYPT)),
                     decrypts = session_secret(s, CKK_AES, in, 16, USES(CKA_DECRYPT)),
                     generic = session_secret(s, CKK_GENERIC_SECRET, in, 32, USES(CKA_ENCRYPT, CKA_DECRYPT)), public,
                     private;
    IS(CKR_OK, session_pair(s, "rsa2048", NULL, 0, &public, &private));
#define BOTH(code, mechanism, key) \
    IS(code, f->C_MessageEncryptInit(s, mechanism, key)); IS(code, f->C_MessageDecryptInit(s, mechanism, key))
    BOTH(CKR_KEY_FUNCTION_NOT_PERMITTED, &gcm, none); BOTH(CKR_KEY_TYPE_INCONSISTENT, &gcm, generic);
    IS(CKR_KEY_FUNCTION_NOT_PERMITTED, f->C_MessageDecryptInit(s, &gcm, encrypts));
    IS(CKR_KEY_FUNCTION_NOT_PERMITTED, f->C_MessageEncryptInit(s, &gcm, decrypts));
    IS(CKR_KEY_TYPE_INCONSISTENT, f->C_MessageEncryptInit(s, &gcm, public));
    IS(CKR_KEY_TYPE_INCONSISTENT, f->C_MessageDecryptInit(s, &gcm, private));
    /* Mechanisms that know no messages, with keys that fit them and that don't. */
    CK_MECHANISM_TYPE others[] = {CKM_AES_ECB, CKM_AES_CBC, CKM_AES_CTR, CKM_RSA_PKCS, CKM_SHA256, CKM_AES_CMAC, 0x1088, ~0UL};
    for (size_t i = 0; i < COUNT(others); i++) {
        CK_MECHANISM other = {others[i], NULL, 0};
        BOTH(CKR_MECHANISM_INVALID, &other, aes); BOTH(CKR_MECHANISM_INVALID, &other, none);
    }
    /* The mechanism's own parameter: none, or one for messages, whose pointers nobody follows. */
    CK_MECHANISM with = {CKM_AES_GCM, P};
#define PARAMETER(code, change) fresh(); change; IS(code, f->C_MessageEncryptInit(s, &with, aes)); \
    f->C_SessionCancel(s, ~0UL)
    PARAMETER(CKR_OK, (void)0); PARAMETER(CKR_OK, p.iv = p.tag = NULL); PARAMETER(CKR_OK, p.iv_generator = COUNTER_XOR);
    PARAMETER(CKR_MECHANISM_PARAM_INVALID, p.tag_bits = 0); PARAMETER(CKR_MECHANISM_PARAM_INVALID, p.iv_generator = 5);
    PARAMETER(CKR_MECHANISM_PARAM_INVALID, with.length--); with.length = 8;
    PARAMETER(CKR_MECHANISM_PARAM_INVALID, with.parameter = NULL); with = (CK_MECHANISM){CKM_AES_GCM, P};
    fresh(); p.iv_generator = 5; IS(CKR_OK, f->C_MessageDecryptInit(s, &with, aes));
    GOOD(C_MessageDecryptFinal(s)); NOTHING_ACTIVE();
}

static void parameters(void) {
    prepare();
    GOOD(C_MessageEncryptInit(s, &gcm, aes));
#undef EACH
#define EACH(change, call) (fresh(), change, WRONG(call)); SEALS()
    CK_ULONG tags[] = {0, 8, 32, 64, 95, 97, 127, 129, 136, 256};
    for (size_t i = 0; i < COUNT(tags); i++) {
        EACH(p.tag_bits = tags[i], SEAL); EACH(p.tag_bits = tags[i], SEAL_BEGIN);
        GOOD(SEAL_BEGIN); p.tag_bits = tags[i]; WRONG(SEAL_NEXT(CKF_END_OF_MESSAGE)); SEALS();
    }
    EACH(p.iv = NULL, SEAL); EACH(p.iv_length = 0, SEAL); EACH(p.iv_length = 0, SEAL_BEGIN); EACH(p.tag = NULL, SEAL);
    EACH(p.iv_generator = 5, SEAL); EACH(p.iv_generator = ~0UL, SEAL_BEGIN);
    EACH((p.iv_generator = GENERATED, p.iv_length = 17), C_EncryptMessageBegin(s, P, in, 5));
    EACH((p.iv_generator = GENERATED, p.iv_fixed_bits = 33), SEAL); EACH((p.iv_generator = RANDOM, p.iv_fixed_bits = 1), SEAL);
    EACH((p.iv_generator = COUNTER, p.iv_fixed_bits = 96), SEAL); EACH((p.iv_generator = COUNTER_XOR, p.iv_length = 0), SEAL);
    EACH((p.iv_generator = COUNTER, p.iv_fixed_bits = 1UL << 32), SEAL);
    /* The tag's place isn't needed before the end; a given IV has any length, and what is fixed of it means nothing. */
    fresh(); p.tag = NULL; IS(CKR_OK, f->SEAL_BEGIN); GOOD(SEAL_NEXT(CKF_END_OF_MESSAGE));
    static CK_BYTE long_iv[600];
    for (CK_ULONG n = 1; n < sizeof long_iv; n += 97) fresh(), p.iv = long_iv, p.iv_length = n, IS(CKR_OK, f->SEAL);
    fresh(); p.iv_fixed_bits = 1000; IS(CKR_OK, f->SEAL); SEALS();
}

/* ---- buffers (§5.2): a question and too little room change nothing, not the IV either */

static void buffers(void) {
    prepare();
    CK_BYTE sealed[40], first[40], seen[12];
    GOOD(C_MessageEncryptInit(s, &gcm, aes));
#define COUNTED() (fresh(), p.iv_generator = COUNTER, memset(tag, 7, 16), memset(iv, 7, 16))
#define UNTOUCHED() HOLDS(length == 16 && tag[0] == 7 && iv[0] == 7)
    COUNTED(); IS(CKR_OK, f->C_EncryptMessage(s, P, in, 5, in, 16, NULL, &length)); UNTOUCHED();
    for (length = 0; length < 16; length++) {
        CK_ULONG n = length;
        COUNTED(); length = n; IS(CKR_BUFFER_TOO_SMALL, f->C_EncryptMessage(s, P, in, 5, in, 16, out, &length)); UNTOUCHED();
        length = n;
    }
    COUNTED(); length = 16; IS(CKR_OK, f->C_EncryptMessage(s, P, in, 5, in, 16, first, &length));
    HOLDS(length == 16 && iv[11] == 0 && iv[0] == 0);
    /* In parts: each may be asked for and tried again. */
    COUNTED(); IS(CKR_OK, f->SEAL_BEGIN); HOLDS(iv[11] == 1 && tag[0] == 7);
    for (int last = 0; last < 2; last++) {
        IS(CKR_OK, f->C_EncryptMessageNext(s, P, in + 8 * last, 8, NULL, &length, (CK_FLAGS)last)); HOLDS(length == 8);
        length = 7;
        IS(CKR_BUFFER_TOO_SMALL, f->C_EncryptMessageNext(s, P, in + 8 * last, 8, out, &length, (CK_FLAGS)last));
        HOLDS(length == 8 && tag[0] == 7);
        IS(CKR_OK, f->C_EncryptMessageNext(s, P, in + 8 * last, 8, sealed + 8 * last, &length, (CK_FLAGS)last));
        HOLDS(length == 8);
    }
    memcpy(seen, iv, 12); IDLE(SEAL_NEXT(0)); GOOD(C_MessageEncryptFinal(s));
    CK_BYTE right[16];
    memcpy(right, tag, 16);
    /* Decrypting: nothing before the end, and then all of it. */
    GOOD(C_MessageDecryptInit(s, &gcm, aes)); memcpy(iv, seen, 12); memcpy(tag, right, 16);
    IS(CKR_OK, f->C_DecryptMessage(s, P, in, 5, sealed, 16, NULL, &length)); HOLDS(length == 16); length = 15;
    IS(CKR_BUFFER_TOO_SMALL, f->C_DecryptMessage(s, P, in, 5, sealed, 16, out, &length)); HOLDS(length == 16);
    IS(CKR_OK, f->C_DecryptMessage(s, P, in, 5, sealed, 16, out, &length)); HOLDS(length == 16 && !memcmp(out, in, 16));
    IS(CKR_OK, f->OPEN_BEGIN); length = 0;
    IS(CKR_OK, f->C_DecryptMessageNext(s, NULL, 0, sealed, 8, out, &length, 0)); HOLDS(length == 0); length = 15;
    IS(CKR_BUFFER_TOO_SMALL, f->C_DecryptMessageNext(s, P, sealed + 8, 8, out, &length, CKF_END_OF_MESSAGE));
    HOLDS(length == 16); IS(CKR_OK, f->C_DecryptMessageNext(s, P, sealed + 8, 8, NULL, &length, CKF_END_OF_MESSAGE));
    HOLDS(length == 16); memset(out, 0, 16);
    IS(CKR_OK, f->C_DecryptMessageNext(s, P, sealed + 8, 8, out, &length, CKF_END_OF_MESSAGE));
    HOLDS(length == 16 && !memcmp(out, in, 16));
    /* What isn't authentic doesn't stay, neither beside nor in its place nor in parts. */
    static const CK_BYTE zeros[16];
#define REJECTED(call) IS(CKR_AEAD_DECRYPT_FAILED, f->call); HOLDS(!memcmp(out, zeros, 16))
    right[15] ^= 1; memcpy(tag, right, 16); memset(out, 7, 16);
    REJECTED(C_DecryptMessage(s, P, in, 5, sealed, 16, out, &length)); memcpy(out, sealed, 16);
    REJECTED(C_DecryptMessage(s, P, in, 5, out, 16, out, &length)); memset(out, 7, 16);
    IS(CKR_OK, f->OPEN_BEGIN); REJECTED(C_DecryptMessageNext(s, P, sealed, 16, out, &length, CKF_END_OF_MESSAGE));
    GOOD(C_MessageDecryptFinal(s));
}

int main(int count, char **argument) {
    static const Group GROUPS[] = {
        {"info", info},         {"handles", handles},   {"wrong_order", wrong_order},
        {"cancelling", cancelling}, {"pointers", pointers}, {"mechanisms_and_keys", mechanisms_and_keys},
        {"parameters", parameters}, {"buffers", buffers},
    };
    return run_groups(count, argument, GROUPS, COUNT(GROUPS));
}
