/* Values: mechanisms and their parameters, lengths, buffers, templates, rights, PINs. Each is wrong in one way, and there is one
 * code to answer.
 *
 *   abi_values MODULE     PINs come from PIN and SO_PIN; the token exists */
#define _GNU_SOURCE
#include "groups.h"

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

/* ---- mechanisms */

static void mechanisms(void) {
    CK_SESSION_HANDLE s = user_session();
    CK_OBJECT_HANDLE ec_public, ec, rsa_public, rsa, ed_public, ed, key;
    IS(CKR_OK, session_pair(s, "p256", NULL, 0, &ec_public, &ec));
    IS(CKR_OK, session_pair(s, "rsa2048", NULL, 0, &rsa_public, &rsa));
    IS(CKR_OK, session_pair(s, "ed25519", NULL, 0, &ed_public, &ed));
    CK_BYTE bytes[600] = {0};
    /* Numbers that no sign, verify, digest or generation function knows. */
    CK_MECHANISM_TYPE foreign[] = {~0UL, 0x7fffffff, CKM_AES_CBC, CKM_SHA256, CKM_EC_KEY_PAIR_GEN, CKM_AES_KEY_GEN};
    for (size_t i = 0; i < COUNT(foreign); i++) {
        CK_MECHANISM m = {foreign[i], NULL, 0};
        IS(CKR_MECHANISM_INVALID, f->C_SignInit(s, &m, ec)); IS(CKR_MECHANISM_INVALID, f->C_VerifyInit(s, &m, ec_public));
    }
    CK_ULONG bits = 2048, length = 16;
    CK_ATTRIBUTE modulus = {CKA_MODULUS_BITS, &bits, sizeof bits}, value_length = {CKA_VALUE_LEN, &length, sizeof length};
    CK_MECHANISM_TYPE others[] = {~0UL, CKM_ECDSA, CKM_RSA_PKCS};
    for (size_t i = 0; i < COUNT(others); i++) {
        CK_MECHANISM m = {others[i], NULL, 0};
        IS(CKR_MECHANISM_INVALID, f->C_DigestInit(s, &m));
        IS(CKR_MECHANISM_INVALID, f->C_GenerateKey(s, &m, &value_length, 1, &key));
        IS(CKR_MECHANISM_INVALID, f->C_GenerateKeyPair(s, &m, &modulus, 1, NULL, 0, &key, &key));
    }
    /* Parameters where none belong; none where some do; of a wrong length; NULL with a length; without end. */
    struct { CK_MECHANISM_TYPE type; CK_OBJECT_HANDLE key, public; } without[] = {
        {CKM_ECDSA, ec, ec_public}, {CKM_ECDSA_SHA256, ec, ec_public}, {CKM_RSA_PKCS, rsa, rsa_public},
        {CKM_SHA256_RSA_PKCS, rsa, rsa_public}, {CKM_RSA_X_509, rsa, rsa_public}, {CKM_EDDSA, ed, ed_public},
        {CKM_RSA_PKCS_PSS, rsa, rsa_public}, {CKM_SHA256_RSA_PKCS_PSS, rsa, rsa_public},
    };
    CK_ULONG lengths[] = {1, 8, 23, 25, 600, ~0UL, 1UL << 63, 1UL << 62};
    for (size_t i = 0; i < COUNT(without); i++)
        for (size_t k = 0; k < COUNT(lengths); k++) {
            CK_MECHANISM m = {without[i].type, bytes, lengths[k]}, null = {without[i].type, NULL, lengths[k]};
            IS(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(s, &m, without[i].key));
            IS(CKR_MECHANISM_PARAM_INVALID, f->C_VerifyInit(s, &m, without[i].public));
            IS(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(s, &null, without[i].key));
        }
    CK_MECHANISM digest = {CKM_SHA256, bytes, 1}, pair = {CKM_EC_KEY_PAIR_GEN, bytes, 1}, none = {CKM_RSA_PKCS_PSS, NULL, 0};
    CK_ATTRIBUTE curve = {CKA_EC_PARAMS, (void *)P256_OID, sizeof P256_OID};
    IS(CKR_MECHANISM_PARAM_INVALID, f->C_DigestInit(s, &digest));
    IS(CKR_MECHANISM_PARAM_INVALID, f->C_GenerateKeyPair(s, &pair, &curve, 1, NULL, 0, &key, &key));
    IS(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(s, &none, rsa));
    /* §6.1.10: hash, mask and salt that there are not, and a salt that the modulus has no room for. */
    CK_RSA_PKCS_PSS_PARAMS pss[] = {
        {0, 0, 0}, {~0UL, ~0UL, ~0UL}, {CKM_SHA256, 0, 32}, {CKM_SHA256, 99, 32}, {0, CKG_MGF1_SHA256, 32}, {CKM_RSA_PKCS,
            CKG_MGF1_SHA256, 32},
        {CKM_SHA256, CKG_MGF1_SHA256, 223}, {CKM_SHA256, CKG_MGF1_SHA256, 1UL << 32}, {CKM_SHA256, CKG_MGF1_SHA256,
            1UL << 63},
        {CKM_SHA256, CKG_MGF1_SHA256, ~0UL}, {CKM_SHA256, CKG_MGF1_SHA256, ~0UL - 33},
    };
    for (size_t i = 0; i < COUNT(pss); i++) {
        CK_MECHANISM m = {CKM_RSA_PKCS_PSS, &pss[i], sizeof pss[i]}, hashed = {CKM_SHA256_RSA_PKCS_PSS, &pss[i],
            sizeof pss[i]};
        IS(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(s, &m, rsa));
        IS(CKR_MECHANISM_PARAM_INVALID, f->C_VerifyInit(s, &m, rsa_public));
        IS(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(s, &hashed, rsa));
    }
    CK_RSA_PKCS_PSS_PARAMS right = {CKM_SHA256, CKG_MGF1_SHA256, 32};
    CK_MECHANISM mismatch = {CKM_SHA512_RSA_PKCS_PSS, &right, sizeof right}, ec_as_rsa = {CKM_RSA_PKCS, NULL, 0},
        rsa_as_ec = {CKM_ECDSA, NULL, 0};
    IS(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(s, &mismatch, rsa));
    CK_EDDSA_PARAMS eddsa[] = {{CK_TRUE, 0, NULL}, {CK_FALSE, 5, bytes}, {CK_FALSE, ~0UL, NULL}, {7, 0, NULL}};
    for (size_t i = 0; i < COUNT(eddsa); i++) {
        CK_MECHANISM m = {CKM_EDDSA, &eddsa[i], sizeof eddsa[i]};
        IS(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(s, &m, ed));
    }
    /* Keys of another type or class. */
    IS(CKR_KEY_TYPE_INCONSISTENT, f->C_SignInit(s, &ec_as_rsa, ec));
    IS(CKR_KEY_TYPE_INCONSISTENT, f->C_SignInit(s, &rsa_as_ec, rsa));
    IS(CKR_KEY_TYPE_INCONSISTENT, f->C_SignInit(s, &rsa_as_ec, ed));
    IS(CKR_KEY_TYPE_INCONSISTENT, f->C_SignInit(s, &rsa_as_ec, ec_public));
    IS(CKR_KEY_TYPE_INCONSISTENT, f->C_VerifyInit(s, &rsa_as_ec, ec));
    IS(CKR_KEY_TYPE_INCONSISTENT, f->C_VerifyInit(s, &ec_as_rsa, ec_public));
    /* What a key may do, and with which mechanisms (§4.10; §4.8, CKA_ALLOWED_MECHANISMS). */
    CK_MECHANISM_TYPE only[] = {CKM_ECDSA_SHA256};
    CK_ATTRIBUTE not_signing = {CKA_SIGN, &no, 1}, restricted = {CKA_ALLOWED_MECHANISMS, only, sizeof only};
    CK_MECHANISM allowed = {CKM_ECDSA_SHA256, NULL, 0};
    IS(CKR_OK, session_pair(s, "p256", &not_signing, 1, &ec_public, &ec));
    IS(CKR_KEY_FUNCTION_NOT_PERMITTED, f->C_SignInit(s, &rsa_as_ec, ec));
    IS(CKR_OK, session_pair(s, "p256", &restricted, 1, &ec_public, &ec));
    IS(CKR_MECHANISM_INVALID, f->C_SignInit(s, &rsa_as_ec, ec));
    IS(CKR_OK, f->C_SignInit(s, &allowed, ec));
}

/* ---- lengths and buffers */

static void huge_lengths(void) {
    CK_SESSION_HANDLE s = user_session();
    CK_OBJECT_HANDLE public, private, made;
    IS(CKR_OK, session_pair(s, "p256", NULL, 0, &public, &private));
    CK_BYTE bytes[64] = "12345678";
    CK_OBJECT_CLASS class = CKO_DATA;
    CK_MECHANISM digest = {CKM_SHA256, NULL, 0}, sign = {CKM_ECDSA_SHA256, NULL, 0}, pair = {CKM_EC_KEY_PAIR_GEN, NULL, 0},
        key = {CKM_AES_KEY_GEN, NULL, 0};
    for (size_t i = 0; i < COUNT(HUGE_LENGTHS); i++) {
        CK_ULONG n = HUGE_LENGTHS[i], length = sizeof bytes, count;
        CK_ATTRIBUTE a[] = {{CKA_CLASS, &class, sizeof class}, {CKA_LABEL, bytes, n}};
#define BEYOND(call) IS(CKR_ARGUMENTS_BAD, f->call)
        BEYOND(C_CreateObject(s, a, n, &made)); BEYOND(C_CopyObject(s, public, a, n, &made));
        BEYOND(C_FindObjectsInit(s, a, n));
        BEYOND(C_GetAttributeValue(s, public, a, n)); BEYOND(C_SetAttributeValue(s, public, a, n));
        BEYOND(C_GenerateKey(s, &key, a, n, &made));
        BEYOND(C_GenerateKeyPair(s, &pair, a, n, NULL, 0, &made, &made));
        BEYOND(C_GenerateKeyPair(s, &pair, a, 1, a, n, &made, &made));
        BEYOND(C_CreateObject(s, a, 2, &made)); BEYOND(C_FindObjectsInit(s, a, 2));
        BEYOND(C_GenerateRandom(s, bytes, n));
        IS(CKR_OK, f->C_DigestInit(s, &digest)); BEYOND(C_Digest(s, bytes, n, bytes, &length));
        IS(CKR_OK, f->C_DigestInit(s, &digest)); BEYOND(C_DigestUpdate(s, bytes, n));
        IS(CKR_OK, f->C_SignInit(s, &sign, private)); BEYOND(C_Sign(s, bytes, n, bytes, &length));
        IS(CKR_OK, f->C_SignInit(s, &sign, private)); BEYOND(C_SignUpdate(s, bytes, n));
        IS(CKR_OK, f->C_VerifyInit(s, &sign, public)); BEYOND(C_Verify(s, bytes, n, bytes, 64));
        IS(CKR_OK, f->C_VerifyInit(s, &sign, public)); BEYOND(C_Verify(s, bytes, 8, bytes, n));
        IS(CKR_OK, f->C_FindObjectsInit(s, NULL, 0)); BEYOND(C_FindObjects(s, &made, n, &count));
        IS(CKR_OK, f->C_FindObjectsFinal(s));
        CK_ULONG value = n;
        CK_ATTRIBUTE size = {CKA_VALUE_LEN, &value, sizeof value}, modulus = {CKA_MODULUS_BITS, &value, sizeof value};
        CK_MECHANISM generic = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0}, rsa = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
        IS(CKR_KEY_SIZE_RANGE, f->C_GenerateKey(s, &generic, &size, 1, &made));
        IS(CKR_ATTRIBUTE_VALUE_INVALID, f->C_GenerateKey(s, &key, &size, 1, &made));
        IS(CKR_KEY_SIZE_RANGE, f->C_GenerateKeyPair(s, &rsa, &modulus, 1, NULL, 0, &made, &made));
    }
}

static void buffers(void) {
    CK_SESSION_HANDLE s = user_session();
    CK_OBJECT_HANDLE public, private;
    CK_BYTE in[32] = {7}, out[600], reference[64];
    CK_MECHANISM digest = {CKM_SHA256, NULL, 0}, sign = {CKM_ECDSA, NULL, 0}, hashed = {CKM_ECDSA_SHA256, NULL, 0};
    CK_ULONG length, short_lengths[] = {0, 1, 63}, short_digests[] = {0, 1, 31};
    IS(CKR_OK, session_pair(s, "p256", NULL, 0, &public, &private));
    /* §5.2: the length alone any number of times, then too little room any number of times, then it still works. */
    IS(CKR_OK, f->C_SignInit(s, &sign, private));
    for (int i = 0; i < 3; i++) length = 0, IS(CKR_OK, f->C_Sign(s, in, 32, NULL, &length)), HOLDS(length == 64);
    for (size_t i = 0; i < COUNT(short_lengths); i++)
        length = short_lengths[i], IS(CKR_BUFFER_TOO_SMALL, f->C_Sign(s, in, 32, out, &length)), HOLDS(length == 64);
    length = sizeof out; IS(CKR_OK, f->C_Sign(s, in, 32, out, &length)); HOLDS(length == 64);
    IS(CKR_OK, f->C_VerifyInit(s, &sign, public)); IS(CKR_OK, f->C_Verify(s, in, 32, out, 64));
    IS(CKR_OK, f->C_DigestInit(s, &digest)); IS(CKR_OK, f->C_DigestUpdate(s, in, 32));
    length = 0; IS(CKR_OK, f->C_DigestFinal(s, NULL, &length)); HOLDS(length == 32);
    for (size_t i = 0; i < COUNT(short_digests); i++)
        length = short_digests[i], IS(CKR_BUFFER_TOO_SMALL, f->C_DigestFinal(s, out, &length)), HOLDS(length == 32);
    length = 32; IS(CKR_OK, f->C_DigestFinal(s, reference, &length));
    /* Output over input, exactly and shifted. */
    for (int shift = -16; shift <= 16; shift += 16) {
        CK_BYTE both[128];
        memcpy(both + 32, in, 32); length = 32;
        IS(CKR_OK, f->C_DigestInit(s, &digest)); IS(CKR_OK, f->C_Digest(s, both + 32, 32, both + 32 + shift, &length));
        HOLDS(!memcmp(both + 32 + shift, reference, 32));
        memcpy(both + 32, in, 32); length = 64;
        IS(CKR_OK, f->C_SignInit(s, &sign, private)); IS(CKR_OK, f->C_Sign(s, both + 32, 32, both + 32 + shift, &length));
        IS(CKR_OK, f->C_VerifyInit(s, &sign, public)); IS(CKR_OK, f->C_Verify(s, in, 32, both + 32 + shift, 64));
    }
    /* Nothing is an input too, with or without a pointer. */
    for (int i = 0; i < 2; i++) {
        CK_BYTE *empty = i ? in : NULL;
        length = 64; IS(CKR_OK, f->C_DigestInit(s, &digest)); IS(CKR_OK, f->C_Digest(s, empty, 0, out, &length));
        HOLDS(out[0] == 0xe3 && out[31] == 0x55);
        IS(CKR_OK, f->C_SignInit(s, &hashed, private)); IS(CKR_OK, f->C_SignUpdate(s, empty, 0)); length = 64;
        IS(CKR_OK, f->C_SignFinal(s, out, &length));
        IS(CKR_OK, f->C_VerifyInit(s, &hashed, public)); IS(CKR_OK, f->C_VerifyUpdate(s, empty, 0));
        IS(CKR_OK, f->C_VerifyFinal(s, out, 64));
        IS(CKR_OK, f->C_VerifyInit(s, &hashed, public)); IS(CKR_OK, f->C_Verify(s, empty, 0, out, 64));
    }
    IS(CKR_OK, f->C_GenerateRandom(s, out, 0));
    /* §5.15: signatures of no possible length, and of that length. */
    CK_ULONG lengths[] = {0, 1, 63, 65, 600};
    for (size_t i = 0; i < COUNT(lengths); i++)
        IS(CKR_OK, f->C_VerifyInit(s, &sign, public)), IS(CKR_SIGNATURE_LEN_RANGE, f->C_Verify(s, in, 32, out, lengths[i]));
    memset(out, 0xff, sizeof out); IS(CKR_OK, f->C_VerifyInit(s, &sign, public));
    IS(CKR_SIGNATURE_INVALID, f->C_Verify(s, in, 32, out, 64));
    memset(out, 0, sizeof out); IS(CKR_OK, f->C_VerifyInit(s, &sign, public));
    IS(CKR_SIGNATURE_INVALID, f->C_Verify(s, in, 32, out, 64));
    /* Lists. */
    CK_ULONG count = 0, all;
    CK_MECHANISM_TYPE types[200];
    IS(CKR_OK, f->C_GetMechanismList(slot, NULL, &all)); HOLDS(all > 20 && all < 200);
    IS(CKR_BUFFER_TOO_SMALL, f->C_GetMechanismList(slot, types, &count)); HOLDS(count == all);
    count = all - 1; IS(CKR_BUFFER_TOO_SMALL, f->C_GetMechanismList(slot, types, &count));
    IS(CKR_OK, f->C_GetMechanismList(slot, types, &count));
    CK_SLOT_ID slots[8];
    count = 0; IS(CKR_BUFFER_TOO_SMALL, f->C_GetSlotList(CK_FALSE, slots, &count)); HOLDS(count > 0);
    CK_INTERFACE interfaces[8];
    count = 0; IS(CKR_BUFFER_TOO_SMALL, f->C_GetInterfaceList(interfaces, &count)); HOLDS(count == 4);
}

/* §5.7.5: five cases for each attribute, all of a template answered. */
static void reading_attributes(void) {
    CK_SESSION_HANDLE s = user_session();
    CK_OBJECT_HANDLE public, private;
    CK_BYTE value[600], label[3];
    CK_ATTRIBUTE name = {CKA_LABEL, "name", 4};
    IS(CKR_OK, session_pair(s, "p256", &name, 1, &public, &private));
    CK_ATTRIBUTE a[] = {{CKA_VALUE, value, 600}, {CKA_MODULUS, value, 600}, {0x7777, NULL, 5}, {CKA_LABEL, label, 3},
        {CKA_LABEL, NULL, 99},
                        {CKA_LABEL, value, 600}};
    IS(CKR_ATTRIBUTE_SENSITIVE, f->C_GetAttributeValue(s, private, a, 6));
    HOLDS(a[0].length == ~0UL && a[1].length == ~0UL && a[2].length == ~0UL && a[3].length == ~0UL && a[4].length == 4 && a[5].length == 4);
    HOLDS(!memcmp(value, "name", 4));
    for (int i = 1; i < 3; i++) IS(CKR_ATTRIBUTE_TYPE_INVALID, f->C_GetAttributeValue(s, private, &a[i], 1));
    a[3].length = 3; IS(CKR_BUFFER_TOO_SMALL, f->C_GetAttributeValue(s, private, &a[3], 1)); HOLDS(a[3].length == ~0UL);
    a[3].length = 0; IS(CKR_BUFFER_TOO_SMALL, f->C_GetAttributeValue(s, private, &a[3], 1));
    IS(CKR_OK, f->C_GetAttributeValue(s, private, NULL, 0));
    CK_ATTRIBUTE unavailable = {CKA_LABEL, value, ~0UL};
    IS(CKR_BUFFER_TOO_SMALL, f->C_GetAttributeValue(s, private, &unavailable, 1));
}

/* ---- templates (§4.1.1) */

static void templates(void) {
    CK_SESSION_HANDLE s = user_session();
    CK_OBJECT_HANDLE made, public, private;
    CK_OBJECT_CLASS data = CKO_DATA, none = ~0UL, hardware = 5, secret = CKO_SECRET_KEY, certificate = CKO_CERTIFICATE,
        key = CKO_PUBLIC_KEY;
    CK_ULONG aes = CKK_AES, three = 3, sixteen = 16, seventeen = 17, ec_type = CKK_EC;
    CK_BBOOL odd = 7;
    CK_BYTE bytes[32] = {0};
    CK_ATTRIBUTE class = {CKA_CLASS, &data, sizeof data};
    struct { CK_ATTRIBUTE with; CK_RV code; } wrong[] = {
        {{CKA_TOKEN, &odd, 1}, CKR_ATTRIBUTE_VALUE_INVALID}, {{CKA_TOKEN, &no, 0}, CKR_ATTRIBUTE_VALUE_INVALID}, {{CKA_TOKEN,
            bytes, 8}, CKR_ATTRIBUTE_VALUE_INVALID},
        {{CKA_PRIVATE, NULL, 1}, CKR_ARGUMENTS_BAD}, {{CKA_LABEL, NULL, 5}, CKR_ARGUMENTS_BAD}, {{CKA_LABEL, "x", ~0UL},
            CKR_ARGUMENTS_BAD},
        {{CKA_UNIQUE_ID, "x", 1}, CKR_ATTRIBUTE_READ_ONLY}, {{0x7777, "x", 1}, CKR_ATTRIBUTE_TYPE_INVALID}, {{CKA_MODULUS,
            "x", 1}, CKR_TEMPLATE_INCONSISTENT},
        {{CKA_SIGN, &yes, 1}, CKR_TEMPLATE_INCONSISTENT}, {{CKA_CLASS, &key, sizeof key}, CKR_TEMPLATE_INCONSISTENT},
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        CK_ATTRIBUTE template[] = {class, wrong[i].with};
        note("C_CreateObject with a wrong attribute");
        judge("C_CreateObject, wrong[i]", (int)i, f->C_CreateObject(s, template, 2, &made), wrong[i].code, "its code");
    }
    /* The same twice is allowed, with one value. */
    CK_ATTRIBUTE same[] = {class, {CKA_LABEL, "a", 1}, {CKA_LABEL, "a", 1}}, other[] = {class, {CKA_LABEL, "a", 1},
        {CKA_LABEL, "b", 1}};
    IS(CKR_OK, f->C_CreateObject(s, same, 3, &made)); IS(CKR_TEMPLATE_INCONSISTENT, f->C_CreateObject(s, other, 3, &made));
    CK_ATTRIBUTE many[1025];
    for (size_t i = 0; i < COUNT(many); i++) many[i] = class;
    IS(CKR_OK, f->C_CreateObject(s, many, 1024, &made)); IS(CKR_ARGUMENTS_BAD, f->C_CreateObject(s, many, 1025, &made));
    CK_ATTRIBUTE short_class = {CKA_CLASS, &data, 4}, no_class = {CKA_CLASS, &none, 8}, hardware_class = {CKA_CLASS,
        &hardware, 8}, null_class = {CKA_CLASS, NULL, 8};
    IS(CKR_TEMPLATE_INCOMPLETE, f->C_CreateObject(s, NULL, 0, &made));
    IS(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(s, &short_class, 1, &made));
    IS(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(s, &no_class, 1, &made));
    IS(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(s, &hardware_class, 1, &made));
    IS(CKR_ARGUMENTS_BAD, f->C_CreateObject(s, &null_class, 1, &made));
    /* Keys and certificates that lack something, or hold nonsense. */
    CK_ATTRIBUTE aes_key[] = {{CKA_CLASS, &secret, 8}, {CKA_KEY_TYPE, &aes, 8}, {CKA_VALUE, bytes, 17}},
        cert[] = {{CKA_CLASS, &certificate, 8}};
    IS(CKR_TEMPLATE_INCOMPLETE, f->C_CreateObject(s, aes_key, 1, &made));
    IS(CKR_TEMPLATE_INCOMPLETE, f->C_CreateObject(s, aes_key, 2, &made));
    IS(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(s, aes_key, 3, &made));
    IS(CKR_TEMPLATE_INCOMPLETE, f->C_CreateObject(s, cert, 1, &made));
    CK_ATTRIBUTE local[] = {aes_key[0], aes_key[1], {CKA_VALUE, bytes, 16}, {CKA_LOCAL, &yes, 1}}, never[] = {aes_key[0],
        aes_key[1], {CKA_VALUE, bytes, 16}, {CKA_NEVER_EXTRACTABLE, &yes, 1}};
    IS(CKR_ATTRIBUTE_READ_ONLY, f->C_CreateObject(s, local, 4, &made));
    IS(CKR_ATTRIBUTE_READ_ONLY, f->C_CreateObject(s, never, 4, &made));
    CK_ATTRIBUTE point[] = {{CKA_CLASS, &key, 8}, {CKA_KEY_TYPE, &ec_type, 8}, {CKA_EC_PARAMS, (void *)P256_OID,
        sizeof P256_OID}, {CKA_EC_POINT, bytes, 32}};
    IS(CKR_TEMPLATE_INCOMPLETE, f->C_CreateObject(s, point, 3, &made));
    IS(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(s, point, 4, &made));
    /* Generation. */
    CK_MECHANISM rsa = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0}, ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, gen = {CKM_AES_KEY_GEN,
        NULL, 0};
    CK_ULONG sizes[] = {0, 8, 1024, 2047, 8193, 1 << 20}, not_whole = 2049, fine = 2048;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        CK_ATTRIBUTE bits = {CKA_MODULUS_BITS, &sizes[i], 8};
        IS(CKR_KEY_SIZE_RANGE, f->C_GenerateKeyPair(s, &rsa, &bits, 1, NULL, 0, &public, &private));
    }
    CK_ATTRIBUTE odd_bits = {CKA_MODULUS_BITS, &not_whole, 8}, even[] = {{CKA_MODULUS_BITS, &fine, 8}, {CKA_PUBLIC_EXPONENT,
        "\x04", 1}},
                 one[] = {even[0], {CKA_PUBLIC_EXPONENT, "\x01", 1}}, curves[] = {{CKA_EC_PARAMS, "\x06\x03\x2a\x03\x04", 5},
                     {CKA_EC_PARAMS, "\xff\xff\xff", 3}, {CKA_EC_PARAMS, "", 0}},
                 p256 = {CKA_EC_PARAMS, (void *)P256_OID, sizeof P256_OID}, wrong_type[] = {p256, {CKA_KEY_TYPE, &aes, 8}},
                 length = {CKA_VALUE_LEN, &seventeen, 8}, good = {CKA_VALUE_LEN, &sixteen, 8}, small = {CKA_VALUE_LEN,
                     &three, 4};
    IS(CKR_ATTRIBUTE_VALUE_INVALID, f->C_GenerateKeyPair(s, &rsa, &odd_bits, 1, NULL, 0, &public, &private));
    IS(CKR_TEMPLATE_INCOMPLETE, f->C_GenerateKeyPair(s, &rsa, NULL, 0, NULL, 0, &public, &private));
    IS(CKR_ATTRIBUTE_VALUE_INVALID, f->C_GenerateKeyPair(s, &rsa, even, 2, NULL, 0, &public, &private));
    IS(CKR_ATTRIBUTE_VALUE_INVALID, f->C_GenerateKeyPair(s, &rsa, one, 2, NULL, 0, &public, &private));
    IS(CKR_CURVE_NOT_SUPPORTED, f->C_GenerateKeyPair(s, &ec, &curves[0], 1, NULL, 0, &public, &private));
    IS(CKR_DOMAIN_PARAMS_INVALID, f->C_GenerateKeyPair(s, &ec, &curves[1], 1, NULL, 0, &public, &private));
    IS(CKR_DOMAIN_PARAMS_INVALID, f->C_GenerateKeyPair(s, &ec, &curves[2], 1, NULL, 0, &public, &private));
    IS(CKR_TEMPLATE_INCONSISTENT, f->C_GenerateKeyPair(s, &ec, wrong_type, 2, NULL, 0, &public, &private));
    IS(CKR_TEMPLATE_INCOMPLETE, f->C_GenerateKey(s, &gen, NULL, 0, &made));
    IS(CKR_ATTRIBUTE_VALUE_INVALID, f->C_GenerateKey(s, &gen, &length, 1, &made));
    IS(CKR_ATTRIBUTE_VALUE_INVALID, f->C_GenerateKey(s, &gen, &small, 1, &made));
    IS(CKR_OK, f->C_GenerateKey(s, &gen, &good, 1, &made));
    /* Changes (§5.7.6, §5.7.2): what is fixed, and what only goes one way. */
    CK_ATTRIBUTE shown = {CKA_SENSITIVE, &no, 1}, leaving = {CKA_EXTRACTABLE, &yes, 1}, changed_class = {CKA_CLASS, &data,
        8}, unknown = {0x7777, "x", 1}, moved = {CKA_TOKEN, &yes, 1};
    IS(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(s, made, &shown, 1));
    IS(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(s, made, &leaving, 1));
    IS(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(s, made, &changed_class, 1));
    IS(CKR_ATTRIBUTE_TYPE_INVALID, f->C_SetAttributeValue(s, made, &unknown, 1));
    IS(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(s, made, &moved, 1));
    IS(CKR_ATTRIBUTE_READ_ONLY, f->C_CopyObject(s, made, &leaving, 1, &public));
    IS(CKR_OK, f->C_SetAttributeValue(s, made, NULL, 0));
    CK_ATTRIBUTE fixed[] = {class, {CKA_MODIFIABLE, &no, 1}, {CKA_COPYABLE, &no, 1}, {CKA_DESTROYABLE, &no, 1}},
        label = {CKA_LABEL, "x", 1};
    IS(CKR_OK, f->C_CreateObject(s, fixed, 4, &made)); IS(CKR_ACTION_PROHIBITED, f->C_SetAttributeValue(s, made, &label, 1));
    IS(CKR_ACTION_PROHIBITED, f->C_CopyObject(s, made, NULL, 0, &public));
    IS(CKR_ACTION_PROHIBITED, f->C_DestroyObject(s, made));
    /* A length that is -1 in 32 bits. */
    CK_ATTRIBUTE minus_one = {CKA_LABEL, "x", 0xffffffff};
    IS(CKR_ARGUMENTS_BAD, f->C_FindObjectsInit(s, &minus_one, 1));
    IS(CKR_ARGUMENTS_BAD, f->C_SetAttributeValue(s, made, &minus_one, 1));
    /* A search never fails for what it asks (§5.7.7). */
    CK_ATTRIBUTE odd_searches[] = {{0x7777, "x", 1}, {CKA_CLASS, bytes, 3}, {CKA_TOKEN, &odd, 1}, {CKA_LABEL, NULL, 0},
        {CKA_UNIQUE_ID, "x", 1}, {CKA_VALUE, bytes, 32}};
    for (size_t i = 0; i < COUNT(odd_searches); i++)
        IS(CKR_OK, f->C_FindObjectsInit(s, &odd_searches[i], 1)), IS(CKR_OK, f->C_FindObjectsFinal(s));
}

/* ---- rights (§5.6, §5.7.1) and PINs (§5.5.7 to §5.5.9) */

static CK_RV create(CK_SESSION_HANDLE s, CK_BBOOL *token, CK_BBOOL *private, CK_OBJECT_HANDLE *made) {
    CK_OBJECT_CLASS data = CKO_DATA;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &data, 8}, {CKA_TOKEN, token, 1}, {CKA_PRIVATE, private, 1}};
    return f->C_CreateObject(s, template, 3, made);
}

static void rights(void) {
    begin();
    CK_OBJECT_HANDLE made, token_object, public, private;
    const char *pin = getenv("PIN"), *so = getenv("SO_PIN");
    CK_SESSION_HANDLE reader = open_session(0), s = open_session(CKF_RW_SESSION), refused;
    CK_ATTRIBUTE label = {CKA_LABEL, "x", 1};
    IS(CKR_SESSION_READ_ONLY, create(reader, &yes, &no, &made)); IS(CKR_USER_NOT_LOGGED_IN, create(reader, &no, &yes, &made));
    IS(CKR_OK, create(reader, &no, &no, &made));
    IS(CKR_USER_NOT_LOGGED_IN, create(s, &yes, &no, &made)); IS(CKR_USER_NOT_LOGGED_IN, create(s, &yes, &yes, &made));
    IS(CKR_USER_NOT_LOGGED_IN, session_pair(s, "p256", NULL, 0, &public, &private));
    IS(CKR_SESSION_READ_ONLY_EXISTS, f->C_Login(s, CKU_SO, (CK_UTF8CHAR *)so, strlen(so)));
    IS(CKR_OK, f->C_Login(s, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin)));
    IS(CKR_USER_ALREADY_LOGGED_IN, f->C_Login(reader, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin)));
    IS(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, f->C_Login(s, CKU_SO, (CK_UTF8CHAR *)so, strlen(so)));
    IS(CKR_OK, create(s, &yes, &yes, &token_object));
    IS(CKR_SESSION_READ_ONLY, f->C_SetAttributeValue(reader, token_object, &label, 1));
    IS(CKR_SESSION_READ_ONLY, f->C_DestroyObject(reader, token_object));
    IS(CKR_SESSION_READ_ONLY, f->C_CopyObject(reader, token_object, NULL, 0, &made));
    IS(CKR_SESSION_READ_ONLY, create(reader, &yes, &yes, &made)); IS(CKR_OK, create(reader, &no, &yes, &made));
    IS(CKR_USER_NOT_LOGGED_IN, f->C_InitPIN(s, (CK_UTF8CHAR *)pin, strlen(pin)));
    IS(CKR_SESSION_EXISTS, f->C_InitToken(slot, (CK_UTF8CHAR *)so, strlen(so),
        (CK_UTF8CHAR *)"                                "));
    IS(CKR_OK, f->C_Logout(s)); IS(CKR_USER_NOT_LOGGED_IN, f->C_Logout(s)); IS(CKR_OK, f->C_CloseSession(reader));
    /* The security officer makes no private object, and sees none (§5.7.1, §4.4). */
    IS(CKR_OK, f->C_Login(s, CKU_SO, (CK_UTF8CHAR *)so, strlen(so)));
    IS(CKR_USER_NOT_LOGGED_IN, create(s, &yes, &yes, &made)); IS(CKR_USER_NOT_LOGGED_IN, create(s, &no, &yes, &made));
    IS(CKR_USER_NOT_LOGGED_IN, session_pair(s, "p256", NULL, 0, &public, &private));
    IS(CKR_OBJECT_HANDLE_INVALID, f->C_DestroyObject(s, token_object));
    IS(CKR_SESSION_READ_WRITE_SO_EXISTS, f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &refused));
    IS(CKR_PIN_LEN_RANGE, f->C_InitPIN(s, (CK_UTF8CHAR *)"1234567", 7));
    IS(CKR_OK, f->C_InitPIN(s, (CK_UTF8CHAR *)pin, strlen(pin)));
    IS(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, f->C_Login(s, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin)));
    IS(CKR_OK, f->C_Logout(s)); login(s, CKU_USER, pin); IS(CKR_OK, f->C_DestroyObject(s, token_object));
}

static void pins(void) {
    begin();
    CK_SESSION_HANDLE s = open_session(CKF_RW_SESSION), reader = open_session(0);
    CK_UTF8CHAR *right = (CK_UTF8CHAR *)getenv("PIN"), wrong[] = "a wrong pin", long_pin[300];
    CK_ULONG right_length = strlen((char *)right);
    memset(long_pin, 'x', sizeof long_pin);
    IS(CKR_USER_TYPE_INVALID, f->C_Login(s, 3, right, right_length));
    IS(CKR_USER_TYPE_INVALID, f->C_Login(s, ~0UL, right, right_length));
    IS(CKR_OPERATION_NOT_INITIALIZED, f->C_Login(s, CKU_CONTEXT_SPECIFIC, right, right_length));
    /* The same wrong PIN isn't counted twice; the login below resets the count. */
    for (int i = 0; i < 12; i++) IS(CKR_PIN_INCORRECT, f->C_Login(s, CKU_USER, wrong, sizeof wrong - 1));
    IS(CKR_PIN_INCORRECT, f->C_Login(s, CKU_USER, right, right_length - 1));
    IS(CKR_PIN_INCORRECT, f->C_Login(s, CKU_USER, long_pin, sizeof long_pin));
    IS(CKR_PIN_LEN_RANGE, f->C_SetPIN(s, right, right_length, wrong, 7));
    IS(CKR_PIN_LEN_RANGE, f->C_SetPIN(s, right, right_length, long_pin, 256));
    IS(CKR_PIN_INCORRECT, f->C_SetPIN(s, wrong, sizeof wrong - 1, right, right_length));
    IS(CKR_SESSION_READ_ONLY, f->C_SetPIN(reader, right, right_length, right, right_length));
    for (size_t i = 0; i < COUNT(HUGE_LENGTHS); i++) {
        CK_ULONG n = HUGE_LENGTHS[i];
        IS(CKR_ARGUMENTS_BAD, f->C_Login(s, CKU_USER, right, n));
        IS(CKR_ARGUMENTS_BAD, f->C_SetPIN(s, right, right_length, wrong, n));
        IS(CKR_ARGUMENTS_BAD, f->C_SetPIN(s, right, n, right, right_length));
    }
    IS(CKR_PIN_LEN_RANGE, f->C_Login(s, CKU_USER, right, 0xffffffff));
    IS(CKR_PIN_LEN_RANGE, f->C_SetPIN(s, right, right_length, wrong, 0xffffffff));
    IS(CKR_OK, f->C_Login(reader, CKU_USER, right, right_length));
    IS(CKR_OK, f->C_SetPIN(s, right, right_length, right, right_length));
}

int main(int count, char **argument) {
    static const Group GROUPS[] = {
        {"mechanisms", mechanisms}, {"huge_lengths", huge_lengths}, {"buffers", buffers}, {"reading_attributes",
            reading_attributes},
        {"templates", templates},   {"rights", rights},             {"pins", pins},
    };
    return run_groups(count, argument, GROUPS, COUNT(GROUPS));
}
