/* Wrapping, unwrapping and deriving keys: each called wrongly in one way at a time, and the one code that it must answer
 * (PKCS#11 v3.2 §5.18.3 to §5.18.5).
 *
 *   abi_wrap MODULE     PINs come from PIN and SO_PIN; the token exists */
#define _GNU_SOURCE
#include "groups.h"

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_BYTE bytes[64] = "sixteen bytes, and sixteen more, and sixteen more, and sixteen!", iv[16], out[600];
static CK_ULONG length, aes_type = CKK_AES, generic_type = CKK_GENERIC_SECRET, sixteen = 16;
static CK_OBJECT_CLASS secret = CKO_SECRET_KEY, private_class = CKO_PRIVATE_KEY, data = CKO_DATA;
static CK_OBJECT_HANDLE made;
static CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0}, kwp = {CKM_AES_KEY_WRAP_KWP, NULL, 0},
    cbc_pad = {CKM_AES_CBC_PAD, iv, 16}, rsa_pkcs = {CKM_RSA_PKCS, NULL, 0};
static CK_RSA_PKCS_OAEP_PARAMS oaep_parameters = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
static CK_RSA_AES_KEY_WRAP_PARAMS rsa_aes_parameters = {256, &oaep_parameters};
static CK_MECHANISM oaep = {CKM_RSA_PKCS_OAEP, &oaep_parameters, sizeof oaep_parameters},
    rsa_aes = {CKM_RSA_AES_KEY_WRAP, &rsa_aes_parameters, sizeof rsa_aes_parameters};
static CK_ATTRIBUTE aes_template[] = {{CKA_CLASS, &secret, 8}, {CKA_KEY_TYPE, &aes_type, 8}},
    derived[] = {{CKA_CLASS, &secret, 8}, {CKA_KEY_TYPE, &generic_type, 8}, {CKA_VALUE_LEN, &sixteen, 8}};

/* What every group uses: a key that wraps, one that is wrapped, RSA and P-256 pairs, a key to derive from. */
static CK_SESSION_HANDLE s;
static CK_OBJECT_HANDLE wrapper, target, base, rsa_public, rsa, ec_public, ec;
static CK_BYTE point[67] = {4, 65};

static void prepare(void) {
    CK_ULONG bits = 2048;
    CK_MECHANISM generate = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE publics[] = {{CKA_MODULUS_BITS, &bits, 8}, {CKA_WRAP, &yes, 1}}, privates[] = {{CKA_UNWRAP, &yes, 1}},
        deriving = {CKA_DERIVE, &yes, 1}, public_point = {CKA_EC_POINT, point, sizeof point};
    s = user_session();
    wrapper = session_secret(s, CKK_AES, bytes, 32, USES(CKA_WRAP, CKA_UNWRAP));
    target = session_secret(s, CKK_AES, bytes, 16, USES(CKA_ENCRYPT));
    base = session_secret(s, CKK_GENERIC_SECRET, bytes, 32, USES(CKA_DERIVE));
    IS(CKR_OK, f->C_GenerateKeyPair(s, &generate, publics, 2, privates, 1, &rsa_public, &rsa));
    IS(CKR_OK, session_pair(s, "p256", &deriving, 1, &ec_public, &ec));
    IS(CKR_OK, f->C_GetAttributeValue(s, ec_public, &public_point, 1));
}

#define BAD(call) IS(CKR_ARGUMENTS_BAD, f->call)
#define WRAP(m, with, what) (length = sizeof out, f->C_WrapKey(s, &m, with, what, out, &length))
#define UNWRAP(m, with, from, size) f->C_UnwrapKey(s, &m, with, from, size, aes_template, 2, &made)
#define DERIVE(m, from) f->C_DeriveKey(s, &m, from, derived, 3, &made)

static CK_ECDH1_DERIVE_PARAMS ecdh_parameters = {CKD_NULL, 0, NULL, sizeof point, point};
static CK_HKDF_PARAMS hkdf_parameters = {1, 1, CKM_SHA256, CKF_HKDF_SALT_NULL, NULL, 0, 0, NULL, 0};
static CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &ecdh_parameters, sizeof ecdh_parameters},
    hkdf = {CKM_HKDF_DERIVE, &hkdf_parameters, sizeof hkdf_parameters};

static void null_pointers(void) {
    prepare();
    length = sizeof out;
    BAD(C_WrapKey(s, NULL, wrapper, target, out, &length)); BAD(C_WrapKey(s, &kw, wrapper, target, out, NULL));
    IS(CKR_OK, WRAP(kw, wrapper, target));
    BAD(C_UnwrapKey(s, NULL, wrapper, out, 24, aes_template, 2, &made));
    BAD(C_UnwrapKey(s, &kw, wrapper, NULL, 24, aes_template, 2, &made));
    BAD(C_UnwrapKey(s, &kw, wrapper, out, 24, NULL, 2, &made));
    BAD(C_UnwrapKey(s, &kw, wrapper, out, 24, aes_template, 2, NULL));
    BAD(C_DeriveKey(s, NULL, ec, derived, 3, &made)); BAD(C_DeriveKey(s, &ecdh, ec, NULL, 3, &made));
    BAD(C_DeriveKey(s, &ecdh, ec, derived, 3, NULL));
    for (size_t i = 0; i < COUNT(HUGE_LENGTHS); i++) {
        CK_ULONG n = HUGE_LENGTHS[i];
        length = n; BAD(C_WrapKey(s, &kw, wrapper, target, out, &length));
        BAD(C_UnwrapKey(s, &kw, wrapper, out, n, aes_template, 2, &made));
        BAD(C_UnwrapKey(s, &kw, wrapper, out, 24, aes_template, n, &made));
        BAD(C_DeriveKey(s, &ecdh, ec, derived, n, &made));
        CK_ATTRIBUTE endless[] = {derived[0], derived[1], {CKA_LABEL, bytes, n}};
        BAD(C_UnwrapKey(s, &kw, wrapper, out, 24, endless, 3, &made));
        BAD(C_DeriveKey(s, &ecdh, ec, endless, 3, &made));
    }
    IS(CKR_OK, UNWRAP(kw, wrapper, out, 24)); IS(CKR_OK, DERIVE(ecdh, ec)); IS(CKR_OK, DERIVE(hkdf, base));
}

/* §5.2: the length any number of times, too little room any number of times. */
static void buffers(void) {
    prepare();
    struct { CK_MECHANISM *m; CK_OBJECT_HANDLE with; CK_ULONG needed; } wraps[] = {
        {&kw, wrapper, 24}, {&kwp, wrapper, 24}, {&cbc_pad, wrapper, 32}, {&rsa_pkcs, rsa_public, 256},
        {&oaep, rsa_public, 256}, {&rsa_aes, rsa_public, 256 + 24},
    };
    for (size_t i = 0; i < COUNT(wraps); i++) {
        CK_ULONG little[] = {0, 1, wraps[i].needed - 1}, n = wraps[i].needed;
        for (int k = 0; k < 3; k++)
            length = 0, IS(CKR_OK, f->C_WrapKey(s, wraps[i].m, wraps[i].with, target, NULL, &length)),
                HOLDS(length == n);
        for (int k = 0; k < 3; k++)
            length = little[k], IS(CKR_BUFFER_TOO_SMALL, f->C_WrapKey(s, wraps[i].m, wraps[i].with, target, out,
                &length)),
            HOLDS(length == n);
        length = n; IS(CKR_OK, f->C_WrapKey(s, wraps[i].m, wraps[i].with, target, out, &length)); HOLDS(length == n);
        CK_OBJECT_HANDLE back = wraps[i].with == rsa_public ? rsa : wrapper;
        IS(CKR_OK, f->C_UnwrapKey(s, wraps[i].m, back, out, n, aes_template, 2, &made));
    }
}

/* ---- keys */

static void wrapping_keys(void) {
    prepare();
    CK_OBJECT_HANDLE never[] = {0, 1UL << 40, 1UL << 62, ~0UL}, object,
                     useless = session_secret(s, CKK_AES, bytes, 16, NULL, 0),
                     generic = session_secret(s, CKK_GENERIC_SECRET, bytes, 16, USES(CKA_WRAP, CKA_UNWRAP));
    CK_ATTRIBUTE class = {CKA_CLASS, &data, 8};
    IS(CKR_OK, f->C_CreateObject(s, &class, 1, &object)); IS(CKR_OK, WRAP(kw, wrapper, target));
    for (size_t i = 0; i < COUNT(never); i++) {
        IS(CKR_WRAPPING_KEY_HANDLE_INVALID, WRAP(kw, never[i], target));
        IS(CKR_KEY_HANDLE_INVALID, WRAP(kw, wrapper, never[i]));
        IS(CKR_UNWRAPPING_KEY_HANDLE_INVALID, UNWRAP(kw, never[i], out, 24));
        IS(CKR_KEY_HANDLE_INVALID, DERIVE(ecdh, never[i]));
    }
    IS(CKR_WRAPPING_KEY_HANDLE_INVALID, WRAP(kw, object, target));
    IS(CKR_UNWRAPPING_KEY_HANDLE_INVALID, UNWRAP(kw, object, out, 24));
    IS(CKR_KEY_HANDLE_INVALID, WRAP(kw, wrapper, object)); IS(CKR_KEY_HANDLE_INVALID, DERIVE(hkdf, object));
    /* Without the usage. */
    IS(CKR_KEY_FUNCTION_NOT_PERMITTED, WRAP(kw, useless, target));
    IS(CKR_KEY_FUNCTION_NOT_PERMITTED, UNWRAP(kw, useless, out, 24));
    IS(CKR_KEY_TYPE_INCONSISTENT, DERIVE(hkdf, useless)); IS(CKR_KEY_TYPE_INCONSISTENT, DERIVE(ecdh, rsa));
    /* Of another type, of the other half. */
    IS(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, WRAP(kw, generic, target));
    IS(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, WRAP(kw, rsa_public, target));
    IS(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, WRAP(rsa_pkcs, wrapper, target));
    IS(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, WRAP(rsa_pkcs, rsa, target));
    IS(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, UNWRAP(kw, generic, out, 24));
    IS(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, UNWRAP(kw, rsa, out, 24));
    IS(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, UNWRAP(rsa_pkcs, wrapper, out, 24));
    IS(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, UNWRAP(rsa_pkcs, rsa_public, out, 24));
    IS(CKR_KEY_TYPE_INCONSISTENT, DERIVE(ecdh, base)); IS(CKR_KEY_TYPE_INCONSISTENT, DERIVE(hkdf, ec));
    IS(CKR_KEY_TYPE_INCONSISTENT, DERIVE(ecdh, ec_public));
    /* Mechanisms that don't wrap, or derive. */
    CK_MECHANISM_TYPE foreign[] = {~0UL, 0x7fffffff, CKM_SHA256, CKM_ECDSA, CKM_AES_KEY_GEN, CKM_AES_CMAC};
    for (size_t i = 0; i < COUNT(foreign); i++) {
        CK_MECHANISM m = {foreign[i], NULL, 0};
        IS(CKR_MECHANISM_INVALID, WRAP(m, wrapper, target)); IS(CKR_MECHANISM_INVALID, UNWRAP(m, wrapper, out, 24));
        IS(CKR_MECHANISM_INVALID, DERIVE(m, base));
    }
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0}, raw = {CKM_RSA_X_509, NULL, 0};
    IS(CKR_MECHANISM_INVALID, WRAP(ecb, wrapper, target)); IS(CKR_MECHANISM_INVALID, WRAP(raw, rsa_public, target));
    IS(CKR_MECHANISM_INVALID, DERIVE(kw, base)); IS(CKR_MECHANISM_INVALID, WRAP(ecdh, wrapper, target));
}

static CK_OBJECT_HANDLE secret_with(CK_ATTRIBUTE extra) {
    CK_ATTRIBUTE template[] = {aes_template[0], aes_template[1], {CKA_VALUE, bytes, 16}, extra, {CKA_SENSITIVE, &no, 1},
                               {CKA_EXTRACTABLE, &yes, 1}};
    CK_OBJECT_HANDLE key;
    must(f->C_CreateObject(s, template, extra.type == CKA_EXTRACTABLE ? 4 : 6, &key), "C_CreateObject");
    return key;
}

static void wrapped_keys(void) {
    prepare();
    /* §4.10, §4.11, §5.18.3: what may leave, and under what. */
    CK_OBJECT_HANDLE staying = secret_with((CK_ATTRIBUTE){CKA_EXTRACTABLE, &no, 1}),
                     careful = secret_with((CK_ATTRIBUTE){CKA_WRAP_WITH_TRUSTED, &yes, 1}), odd, public;
    CK_MECHANISM *ways[] = {&kw, &kwp, &cbc_pad};
    for (size_t i = 0; i < COUNT(ways); i++) {
        IS(CKR_KEY_UNEXTRACTABLE, WRAP(*ways[i], wrapper, staying));
        IS(CKR_KEY_NOT_WRAPPABLE, WRAP(*ways[i], wrapper, careful));
        IS(CKR_KEY_NOT_WRAPPABLE, WRAP(*ways[i], wrapper, ec_public));
        IS(CKR_KEY_UNEXTRACTABLE, WRAP(*ways[i], wrapper, ec));
    }
    CK_ATTRIBUTE leaving[] = {{CKA_EXTRACTABLE, &yes, 1}, {CKA_SENSITIVE, &no, 1}};
    CK_OBJECT_HANDLE leaving_key;
    IS(CKR_OK, session_pair(s, "p256", leaving, 2, &public, &leaving_key));
    IS(CKR_KEY_NOT_WRAPPABLE, WRAP(rsa_pkcs, rsa_public, leaving_key));
    IS(CKR_KEY_NOT_WRAPPABLE, WRAP(oaep, rsa_public, leaving_key));
    IS(CKR_OK, WRAP(kwp, wrapper, leaving_key)); IS(CKR_OK, WRAP(cbc_pad, wrapper, leaving_key));
    IS(CKR_OK, WRAP(rsa_aes, rsa_public, leaving_key));
    /* AES key wrap takes whole half-blocks, RSA what its modulus has room for. */
    odd = session_secret(s, CKK_GENERIC_SECRET, bytes, 17, NULL, 0); IS(CKR_KEY_SIZE_RANGE, WRAP(kw, wrapper, odd));
    CK_BYTE much[300] = {1};
    odd = session_secret(s, CKK_GENERIC_SECRET, much, 300, NULL, 0);
    IS(CKR_KEY_SIZE_RANGE, WRAP(rsa_pkcs, rsa_public, odd));
    IS(CKR_KEY_SIZE_RANGE, WRAP(oaep, rsa_public, odd));
    /* §4.11: a key under which only some keys are wrapped. */
    CK_ATTRIBUTE wanted = {CKA_KEY_TYPE, &generic_type, 8}, choosy_template = {CKA_WRAP_TEMPLATE, &wanted,
        sizeof wanted};
    CK_ATTRIBUTE choosy[] = {aes_template[0], aes_template[1], {CKA_VALUE, bytes, 16}, {CKA_WRAP, &yes, 1},
        choosy_template};
    IS(CKR_OK, f->C_CreateObject(s, choosy, 5, &odd)); IS(CKR_KEY_HANDLE_INVALID, WRAP(kw, odd, target));
    IS(CKR_OK, WRAP(kw, odd, base));
    /* What came in is damaged, or of no possible length. */
    IS(CKR_OK, WRAP(kw, wrapper, target)); out[3] ^= 1; IS(CKR_WRAPPED_KEY_INVALID, UNWRAP(kw, wrapper, out, 24));
    CK_ULONG lengths[] = {0, 1, 8, 23, 25};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        IS(CKR_WRAPPED_KEY_LEN_RANGE, UNWRAP(kw, wrapper, out, lengths[i]));
        IS(CKR_WRAPPED_KEY_LEN_RANGE, UNWRAP(cbc_pad, wrapper, out, lengths[i]));
        IS(CKR_WRAPPED_KEY_LEN_RANGE, UNWRAP(rsa_pkcs, rsa, out, lengths[i]));
        IS(CKR_WRAPPED_KEY_LEN_RANGE, UNWRAP(oaep, rsa, out, lengths[i]));
        IS(CKR_WRAPPED_KEY_LEN_RANGE, UNWRAP(rsa_aes, rsa, out, lengths[i]));
    }
    IS(CKR_WRAPPED_KEY_INVALID, UNWRAP(cbc_pad, wrapper, out, 32));
    IS(CKR_WRAPPED_KEY_INVALID, UNWRAP(oaep, rsa, out, 256));
    IS(CKR_WRAPPED_KEY_INVALID, UNWRAP(kwp, wrapper, out, 24));
}

static void templates(void) {
    prepare();
    IS(CKR_OK, WRAP(kw, wrapper, target));
    CK_BBOOL *t = &yes;
    struct { CK_ATTRIBUTE with; CK_RV code; } wrong[] = {
        {{CKA_VALUE, bytes, 16}, CKR_ATTRIBUTE_READ_ONLY}, {{CKA_LOCAL, t, 1}, CKR_ATTRIBUTE_READ_ONLY},
        {{CKA_NEVER_EXTRACTABLE, t, 1}, CKR_ATTRIBUTE_READ_ONLY}, {{CKA_TOKEN, bytes, 1}, CKR_ATTRIBUTE_VALUE_INVALID},
        {{CKA_TOKEN, t, 0}, CKR_ATTRIBUTE_VALUE_INVALID}, {{0x7777, t, 1}, CKR_ATTRIBUTE_TYPE_INVALID},
        {{CKA_MODULUS, t, 1}, CKR_TEMPLATE_INCONSISTENT}, {{CKA_LABEL, NULL, 3}, CKR_ARGUMENTS_BAD},
        {{CKA_CLASS, &data, 8}, CKR_TEMPLATE_INCONSISTENT}, {{CKA_TRUSTED, t, 1}, CKR_ATTRIBUTE_READ_ONLY},
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        CK_ATTRIBUTE unwrapped[] = {aes_template[0], aes_template[1], wrong[i].with},
                     made_of[] = {derived[0], derived[1], derived[2], wrong[i].with};
        note("C_UnwrapKey and C_DeriveKey with a wrong attribute");
        judge("C_UnwrapKey, wrong[i]", (int)i, f->C_UnwrapKey(s, &kw, wrapper, out, 24, unwrapped, 3, &made),
            wrong[i].code, "its code");
        judge("C_DeriveKey, wrong[i]", (int)i, f->C_DeriveKey(s, &ecdh, ec, made_of, 4, &made), wrong[i].code,
            "its code");
        judge("C_DeriveKey, wrong[i]", (int)i, f->C_DeriveKey(s, &hkdf, base, made_of, 4, &made), wrong[i].code,
            "its code");
    }
    IS(CKR_TEMPLATE_INCOMPLETE, f->C_UnwrapKey(s, &kw, wrapper, out, 24, aes_template, 1, &made));
    IS(CKR_TEMPLATE_INCOMPLETE, f->C_UnwrapKey(s, &kw, wrapper, out, 24, NULL, 0, &made));
    /* A private key is what was wrapped, or it isn't. */
    CK_ULONG ec_type = CKK_EC, rsa_type = CKK_RSA;
    CK_ATTRIBUTE as_private[] = {{CKA_CLASS, &private_class, 8}, {CKA_KEY_TYPE, &ec_type, 8}},
                 as_rsa[] = {as_private[0], {CKA_KEY_TYPE, &rsa_type, 8}}, leaving[] = {{CKA_EXTRACTABLE, &yes, 1},
                     {CKA_SENSITIVE, &no, 1}};
    CK_OBJECT_HANDLE public, leaving_key;
    IS(CKR_WRAPPED_KEY_INVALID, f->C_UnwrapKey(s, &kw, wrapper, out, 24, as_private, 2, &made));
    IS(CKR_TEMPLATE_INCONSISTENT, f->C_UnwrapKey(s, &rsa_pkcs, rsa, out, 256, as_private, 2, &made));
    IS(CKR_OK, session_pair(s, "p256", leaving, 2, &public, &leaving_key)); IS(CKR_OK, WRAP(kwp, wrapper, leaving_key));
    IS(CKR_OK, f->C_UnwrapKey(s, &kwp, wrapper, out, length, as_private, 2, &made));
    IS(CKR_WRAPPED_KEY_INVALID, f->C_UnwrapKey(s, &kwp, wrapper, out, length, as_rsa, 2, &made));
    /* Where it is stored. */
    CK_SESSION_HANDLE reader = open_session(0);
    CK_ATTRIBUTE on_token[] = {derived[0], derived[1], derived[2], {CKA_TOKEN, &yes, 1}};
    IS(CKR_OK, WRAP(kw, wrapper, target));
    CK_ATTRIBUTE unwrapped[] = {aes_template[0], aes_template[1], {CKA_TOKEN, &yes, 1}};
    IS(CKR_SESSION_READ_ONLY, f->C_UnwrapKey(reader, &kw, wrapper, out, 24, unwrapped, 3, &made));
    IS(CKR_SESSION_READ_ONLY, f->C_DeriveKey(reader, &ecdh, ec, on_token, 4, &made));
    /* Lengths of what is derived: as much as there is, and no key that there isn't. */
    CK_ULONG sizes[] = {0, 33, 1UL << 32, ~0UL}, seventeen = 17;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        CK_ATTRIBUTE sized[] = {derived[0], derived[1], {CKA_VALUE_LEN, &sizes[i], 8}};
        note("C_DeriveKey with a wrong length");
        CK_RV rv = f->C_DeriveKey(s, &ecdh, ec, sized, 3, &made);
        judge("C_DeriveKey, sizes[i]", (int)i, rv == CKR_KEY_SIZE_RANGE ? CKR_ATTRIBUTE_VALUE_INVALID : rv,
            CKR_ATTRIBUTE_VALUE_INVALID, "");
    }
    CK_ATTRIBUTE no_length[] = {derived[0], derived[1]}, no_type[] = {derived[0], derived[2]},
        odd_aes[] = {aes_template[0], aes_template[1], {CKA_VALUE_LEN, &seventeen, 8}};
    IS(CKR_TEMPLATE_INCOMPLETE, f->C_DeriveKey(s, &hkdf, base, no_length, 2, &made));
    IS(CKR_OK, f->C_DeriveKey(s, &ecdh, ec, no_length, 2, &made));
    IS(CKR_OK, f->C_DeriveKey(s, &ecdh, ec, no_type, 2, &made));
    IS(CKR_ATTRIBUTE_VALUE_INVALID, f->C_DeriveKey(s, &hkdf, base, odd_aes, 3, &made));
}

/* ---- parameters */

static void lengths_of(CK_MECHANISM right, CK_OBJECT_HANDLE with, CK_OBJECT_HANDLE back, CK_ULONG also) {
    CK_BYTE none[128] = {0};
    CK_ULONG lengths[] = {1, 3, 5, 7, 9, 15, 17, 23, 24, 39, 41, 47, 55, 57, 71, 73, ~0UL, 1UL << 63, 1UL << 62};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        CK_MECHANISM m = {right.mechanism, none, lengths[i]}, null = {right.mechanism, NULL, lengths[i]};
        if (lengths[i] != also) IS(CKR_MECHANISM_PARAM_INVALID, back ? WRAP(m, with, target) : DERIVE(m, with));
        if (lengths[i] != also && back) IS(CKR_MECHANISM_PARAM_INVALID, UNWRAP(m, back, bytes, 24));
        IS(CKR_MECHANISM_PARAM_INVALID, back ? WRAP(null, with, target) : DERIVE(null, with));
    }
    CK_MECHANISM null = {right.mechanism, NULL, 0};
    if (right.length) IS(CKR_MECHANISM_PARAM_INVALID, back ? WRAP(null, with, target) : DERIVE(null, with));
}

static void parameters(void) {
    prepare();
    CK_MECHANISM cofactor = {CKM_ECDH1_COFACTOR_DERIVE, &ecdh_parameters, sizeof ecdh_parameters};
    lengths_of(kw, wrapper, wrapper, 8); lengths_of(kwp, wrapper, wrapper, 4);
    lengths_of(cbc_pad, wrapper, wrapper, 16);
    lengths_of(rsa_pkcs, rsa_public, rsa, 0); lengths_of(oaep, rsa_public, rsa, 40);
    lengths_of(rsa_aes, rsa_public, rsa, 16);
    lengths_of(ecdh, ec, 0, 40); lengths_of(cofactor, ec, 0, 40); lengths_of(hkdf, base, 0, 72);
    /* §6.1.20 */
    CK_RSA_PKCS_OAEP_PARAMS no_hash = {0, CKG_MGF1_SHA256, 1, NULL, 0}, null_label = {CKM_SHA256, CKG_MGF1_SHA256, 1,
        NULL, 5};
    CK_RSA_AES_KEY_WRAP_PARAMS rsa_aes_wrong[] = {{0, &oaep_parameters}, {127, &oaep_parameters}, {512,
        &oaep_parameters},
        {~0UL, &oaep_parameters}, {(1UL << 32) + 256, &oaep_parameters}, {256, NULL}, {256, &no_hash}, {256,
            &null_label}};
    for (size_t i = 0; i < COUNT(rsa_aes_wrong); i++) {
        CK_MECHANISM m = {CKM_RSA_AES_KEY_WRAP, &rsa_aes_wrong[i], sizeof *rsa_aes_wrong};
        IS(CKR_MECHANISM_PARAM_INVALID, WRAP(m, rsa_public, target));
        IS(CKR_MECHANISM_PARAM_INVALID, UNWRAP(m, rsa, bytes, 64));
    }
    /* §6.3.17: derivation function, shared data, the other side's point. */
    CK_BYTE far[67];
    memset(far, 0xff, sizeof far); far[0] = 4; far[1] = 65; far[2] = 4;
    CK_ECDH1_DERIVE_PARAMS ecdh_wrong[] = {
        {0, 0, NULL, 67, point}, {99, 0, NULL, 67, point}, {~0UL, 0, NULL, 67, point}, {CKD_NULL, 3, bytes, 67, point},
        {CKD_NULL, 3, NULL, 67, point}, {CKD_SHA256_KDF, 3, NULL, 67, point}, {CKD_SHA256_KDF, ~0UL, bytes, 67, point},
        {CKD_NULL, 0, NULL, 0, NULL}, {CKD_NULL, 0, NULL, 67, NULL}, {CKD_NULL, 0, NULL, ~0UL, point},
        {CKD_NULL, 0, NULL, 1UL << 63, point}, {CKD_NULL, 0, NULL, 66, point}, {CKD_NULL, 0, NULL, 1, point},
        {CKD_NULL, 0, NULL, 67, far}, {CKD_NULL, 0, NULL, 64, point + 3},
    };
    for (size_t i = 0; i < COUNT(ecdh_wrong); i++) {
        CK_MECHANISM m = {CKM_ECDH1_DERIVE, &ecdh_wrong[i], sizeof *ecdh_wrong};
        IS(CKR_MECHANISM_PARAM_INVALID, DERIVE(m, ec)); m.mechanism = CKM_ECDH1_COFACTOR_DERIVE;
        IS(CKR_MECHANISM_PARAM_INVALID, DERIVE(m, ec));
    }
    /* §6.62: stages, hash, salt. */
    CK_HKDF_PARAMS hkdf_wrong[] = {
        {0, 0, CKM_SHA256, CKF_HKDF_SALT_NULL, NULL, 0, 0, NULL, 0}, {1, 1, 0, CKF_HKDF_SALT_NULL, NULL, 0, 0, NULL, 0},
        {1, 1, CKM_SHA256_HMAC, CKF_HKDF_SALT_NULL, NULL, 0, 0, NULL, 0}, {1, 1, ~0UL, CKF_HKDF_SALT_NULL, NULL, 0, 0,
            NULL, 0},
        {1, 1, CKM_SHA256, 0, NULL, 0, 0, NULL, 0}, {1, 1, CKM_SHA256, 3, NULL, 0, 0, NULL, 0}, {1, 0, CKM_SHA256,
            ~0UL, NULL, 0, 0, NULL, 0},
        {1, 1, CKM_SHA256, CKF_HKDF_SALT_DATA, NULL, 4, 0, NULL, 0}, {1, 1, CKM_SHA256, CKF_HKDF_SALT_DATA, bytes,
            ~0UL, 0, NULL, 0},
        {1, 1, CKM_SHA256, CKF_HKDF_SALT_NULL, NULL, 0, 0, NULL, 4}, {0, 1, CKM_SHA256, 0, NULL, 0, 0, bytes,
            1UL << 63},
    };
    for (size_t i = 0; i < COUNT(hkdf_wrong); i++) {
        CK_MECHANISM m = {CKM_HKDF_DERIVE, &hkdf_wrong[i], sizeof *hkdf_wrong};
        IS(CKR_MECHANISM_PARAM_INVALID, DERIVE(m, base)); m.mechanism = CKM_HKDF_DATA;
        CK_ATTRIBUTE as_data[] = {{CKA_CLASS, &data, 8}, derived[2]};
        IS(CKR_MECHANISM_PARAM_INVALID, f->C_DeriveKey(s, &m, base, as_data, 2, &made));
    }
    /* A salt that is a key is a key. */
    CK_OBJECT_HANDLE salts[] = {0, ~0UL, 1UL << 40};
    for (size_t i = 0; i < COUNT(salts); i++) {
        hkdf_parameters.salt_type = CKF_HKDF_SALT_KEY; hkdf_parameters.salt_key = salts[i];
        IS(CKR_KEY_HANDLE_INVALID, DERIVE(hkdf, base));
    }
    hkdf_parameters.salt_key = ec; IS(CKR_KEY_TYPE_INCONSISTENT, DERIVE(hkdf, base));
    hkdf_parameters.salt_key = target; IS(CKR_KEY_TYPE_INCONSISTENT, DERIVE(hkdf, base));
    hkdf_parameters.salt_key = base; IS(CKR_OK, DERIVE(hkdf, base));
}

int main(int count, char **argument) {
    static const Group GROUPS[] = {
        {"null_pointers", null_pointers}, {"buffers", buffers},     {"wrapping_keys", wrapping_keys},
        {"wrapped_keys", wrapped_keys},   {"templates", templates}, {"parameters", parameters},
    };
    return run_groups(count, argument, GROUPS, COUNT(GROUPS));
}
