/* The part of PKCS#11 v3.2 that the C programs of these tests use: its types, its numbers, and one list of every function
 * in the order of CK_FUNCTION_LIST_3_2. Written from the specification so that a test needs no header of a distribution,
 * none of which knows 3.2. */
#ifndef STRONGROOM_TESTS_CRYPTOKI_H
#define STRONGROOM_TESTS_CRYPTOKI_H

typedef unsigned char CK_BYTE, CK_BBOOL, CK_UTF8CHAR;
typedef unsigned long CK_ULONG, CK_RV, CK_FLAGS, CK_SLOT_ID, CK_SESSION_HANDLE, CK_OBJECT_HANDLE, CK_MECHANISM_TYPE,
    CK_ATTRIBUTE_TYPE, CK_USER_TYPE, CK_OBJECT_CLASS;
typedef void *CK_VOID_PTR;

typedef struct { CK_BYTE major, minor; } CK_VERSION;
typedef struct { CK_ATTRIBUTE_TYPE type; void *value; CK_ULONG length; } CK_ATTRIBUTE;
typedef struct { CK_MECHANISM_TYPE mechanism; void *parameter; CK_ULONG length; } CK_MECHANISM;
typedef struct { CK_ULONG min, max; CK_FLAGS flags; } CK_MECHANISM_INFO;
typedef struct { CK_MECHANISM_TYPE hash; CK_ULONG mgf, salt_length; } CK_RSA_PKCS_PSS_PARAMS;
typedef struct { CK_BYTE *iv; CK_ULONG iv_length, iv_bits; CK_BYTE *aad; CK_ULONG aad_length, tag_bits; } CK_GCM_PARAMS;
typedef struct {
    CK_BYTE *iv;
    CK_ULONG iv_length, iv_fixed_bits, iv_generator;
    CK_BYTE *tag;
    CK_ULONG tag_bits;
} CK_GCM_MESSAGE_PARAMS;
typedef struct { CK_ULONG hash, mgf, source; void *data; CK_ULONG data_length; } CK_RSA_PKCS_OAEP_PARAMS;
typedef struct { CK_BBOOL prehash; CK_ULONG context_length; CK_BYTE *context; } CK_EDDSA_PARAMS;
typedef struct { CK_SLOT_ID slot; CK_ULONG state; CK_FLAGS flags; CK_ULONG device_error; } CK_SESSION_INFO;
typedef struct {
    CK_VERSION cryptoki;
    CK_UTF8CHAR manufacturer[32];
    CK_FLAGS flags;
    CK_UTF8CHAR description[32];
    CK_VERSION library;
} CK_INFO;
typedef struct {
    CK_UTF8CHAR description[64], manufacturer[32];
    CK_FLAGS flags;
    CK_VERSION hardware, firmware;
} CK_SLOT_INFO;
typedef struct {
    CK_UTF8CHAR label[32], manufacturer[32], model[16];
    CK_BYTE serial[16];
    CK_FLAGS flags;
    CK_ULONG max_sessions, sessions, max_rw_sessions, rw_sessions, max_pin, min_pin, total_public, free_public,
        total_private, free_private;
    CK_VERSION hardware, firmware;
    CK_BYTE utc_time[16];
} CK_TOKEN_INFO;
typedef struct {
    CK_RV (*create_mutex)(void **);
    CK_RV (*destroy_mutex)(void *);
    CK_RV (*lock_mutex)(void *);
    CK_RV (*unlock_mutex)(void *);
    CK_FLAGS flags;
    void *reserved;
} CK_C_INITIALIZE_ARGS;
typedef struct { CK_UTF8CHAR *name; void *functions; CK_FLAGS flags; } CK_INTERFACE;

enum {
    CK_FALSE = 0,
    CK_TRUE = 1,

    CKF_OS_LOCKING_OK = 2,
    CKF_LIBRARY_CANT_CREATE_OS_THREADS = 1,
    CKF_RW_SESSION = 2,
    CKF_SERIAL_SESSION = 4,
    CKF_TOKEN_PRESENT = 1,
    CKF_LOGIN_REQUIRED = 4,
    CKF_USER_PIN_INITIALIZED = 8,
    CKF_TOKEN_INITIALIZED = 0x400,
    CKF_INTERFACE_FORK_SAFE = 1,

    CKU_SO = 0,
    CKU_USER = 1,
    CKU_CONTEXT_SPECIFIC = 2,

    CKO_DATA = 0,
    CKO_CERTIFICATE = 1,
    CKO_PUBLIC_KEY = 2,
    CKO_PRIVATE_KEY = 3,
    CKO_SECRET_KEY = 4,

    CKK_RSA = 0,
    CKK_EC = 3,
    CKK_GENERIC_SECRET = 0x10,
    CKK_AES = 0x1f,
    CKK_EC_EDWARDS = 0x40,

    CKC_X_509 = 0,

    CKA_CLASS = 0x0,
    CKA_TOKEN = 0x1,
    CKA_PRIVATE = 0x2,
    CKA_LABEL = 0x3,
    CKA_UNIQUE_ID = 0x4,
    CKA_APPLICATION = 0x10,
    CKA_VALUE = 0x11,
    CKA_CERTIFICATE_TYPE = 0x80,
    CKA_ISSUER = 0x81,
    CKA_SERIAL_NUMBER = 0x82,
    CKA_KEY_TYPE = 0x100,
    CKA_SUBJECT = 0x101,
    CKA_ID = 0x102,
    CKA_SENSITIVE = 0x103,
    CKA_ENCRYPT = 0x104,
    CKA_DECRYPT = 0x105,
    CKA_WRAP = 0x106,
    CKA_UNWRAP = 0x107,
    CKA_SIGN = 0x108,
    CKA_VERIFY = 0x10a,
    CKA_MODULUS = 0x120,
    CKA_MODULUS_BITS = 0x121,
    CKA_PUBLIC_EXPONENT = 0x122,
    CKA_VALUE_LEN = 0x161,
    CKA_EXTRACTABLE = 0x162,
    CKA_EC_PARAMS = 0x180,
    CKA_EC_POINT = 0x181,

    CKM_RSA_PKCS_KEY_PAIR_GEN = 0x0,
    CKM_RSA_PKCS = 0x1,
    CKM_RSA_X_509 = 0x3,
    CKM_SHA256_RSA_PKCS = 0x40,
    CKM_RSA_PKCS_PSS = 0xd,
    CKM_SHA256_RSA_PKCS_PSS = 0x43,
    CKM_SHA256 = 0x250,
    CKM_SHA512 = 0x270,
    CKM_RSA_PKCS_OAEP = 0x9,
    CKM_AES_CBC = 0x1082,
    CKM_AES_CBC_PAD = 0x1085,
    CKM_AES_GCM = 0x1087,
    CKM_EC_KEY_PAIR_GEN = 0x1040,
    CKM_ECDSA = 0x1041,
    CKM_ECDSA_SHA256 = 0x1044,
    CKM_EC_EDWARDS_KEY_PAIR_GEN = 0x1055,
    CKM_EDDSA = 0x1057,
    CKG_MGF1_SHA1 = 1,
    CKG_MGF1_SHA256 = 2,

    CKR_OK = 0x0,
    CKR_HOST_MEMORY = 0x2,
    CKR_SLOT_ID_INVALID = 0x3,
    CKR_GENERAL_ERROR = 0x5,
    CKR_FUNCTION_FAILED = 0x6,
    CKR_ARGUMENTS_BAD = 0x7,
    CKR_NEED_TO_CREATE_THREADS = 0x9,
    CKR_CANT_LOCK = 0xa,
    CKR_ATTRIBUTE_READ_ONLY = 0x10,
    CKR_ATTRIBUTE_SENSITIVE = 0x11,
    CKR_ATTRIBUTE_TYPE_INVALID = 0x12,
    CKR_ATTRIBUTE_VALUE_INVALID = 0x13,
    CKR_ACTION_PROHIBITED = 0x1b,
    CKR_DATA_INVALID = 0x20,
    CKR_DATA_LEN_RANGE = 0x21,
    CKR_DEVICE_ERROR = 0x30,
    CKR_DEVICE_MEMORY = 0x31,
    CKR_FUNCTION_NOT_PARALLEL = 0x51,
    CKR_FUNCTION_NOT_SUPPORTED = 0x54,
    CKR_KEY_HANDLE_INVALID = 0x60,
    CKR_KEY_SIZE_RANGE = 0x62,
    CKR_KEY_TYPE_INCONSISTENT = 0x63,
    CKR_KEY_FUNCTION_NOT_PERMITTED = 0x68,
    CKR_MECHANISM_INVALID = 0x70,
    CKR_MECHANISM_PARAM_INVALID = 0x71,
    CKR_OBJECT_HANDLE_INVALID = 0x82,
    CKR_OPERATION_ACTIVE = 0x90,
    CKR_OPERATION_NOT_INITIALIZED = 0x91,
    CKR_PIN_INCORRECT = 0xa0,
    CKR_PIN_INVALID = 0xa1,
    CKR_PIN_LEN_RANGE = 0xa2,
    CKR_PIN_LOCKED = 0xa4,
    CKR_SESSION_CLOSED = 0xb0,
    CKR_SESSION_HANDLE_INVALID = 0xb3,
    CKR_SESSION_PARALLEL_NOT_SUPPORTED = 0xb4,
    CKR_SESSION_READ_ONLY = 0xb5,
    CKR_SESSION_EXISTS = 0xb6,
    CKR_SESSION_READ_ONLY_EXISTS = 0xb7,
    CKR_SIGNATURE_INVALID = 0xc0,
    CKR_SIGNATURE_LEN_RANGE = 0xc1,
    CKR_TEMPLATE_INCOMPLETE = 0xd0,
    CKR_TEMPLATE_INCONSISTENT = 0xd1,
    CKR_TOKEN_WRITE_PROTECTED = 0xe2,
    CKR_USER_ALREADY_LOGGED_IN = 0x100,
    CKR_USER_NOT_LOGGED_IN = 0x101,
    CKR_USER_PIN_NOT_INITIALIZED = 0x102,
    CKR_USER_TYPE_INVALID = 0x103,
    CKR_USER_ANOTHER_ALREADY_LOGGED_IN = 0x104,
    CKR_RANDOM_SEED_NOT_SUPPORTED = 0x120,
    CKR_BUFFER_TOO_SMALL = 0x150,
    CKR_CRYPTOKI_NOT_INITIALIZED = 0x190,
    CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191,
    CKR_FUNCTION_REJECTED = 0x200,
    CKR_OPERATION_CANCEL_FAILED = 0x202,
};
#define CK_UNAVAILABLE_INFORMATION (~0UL)

/* X(name, parameters) for every function, in the order of the list; CK_S, CK_O, CK_M, CK_B, CK_L, CK_A are short for the
 * parameters that come again and again. */
#define CK_S CK_SESSION_HANDLE
#define CK_O CK_OBJECT_HANDLE
#define CK_M CK_MECHANISM *
#define CK_B CK_BYTE *
#define CK_L CK_ULONG *
#define CK_A CK_ATTRIBUTE *
#define CK_FUNCTIONS_2_40(X) \
    X(C_Initialize, (void *)) \
    X(C_Finalize, (void *)) \
    X(C_GetInfo, (CK_INFO *)) \
    X(C_GetFunctionList, (void **)) \
    X(C_GetSlotList, (CK_BBOOL, CK_SLOT_ID *, CK_L)) \
    X(C_GetSlotInfo, (CK_SLOT_ID, CK_SLOT_INFO *)) \
    X(C_GetTokenInfo, (CK_SLOT_ID, CK_TOKEN_INFO *)) \
    X(C_GetMechanismList, (CK_SLOT_ID, CK_MECHANISM_TYPE *, CK_L)) \
    X(C_GetMechanismInfo, (CK_SLOT_ID, CK_MECHANISM_TYPE, CK_MECHANISM_INFO *)) \
    X(C_InitToken, (CK_SLOT_ID, CK_UTF8CHAR *, CK_ULONG, CK_UTF8CHAR *)) \
    X(C_InitPIN, (CK_S, CK_UTF8CHAR *, CK_ULONG)) \
    X(C_SetPIN, (CK_S, CK_UTF8CHAR *, CK_ULONG, CK_UTF8CHAR *, CK_ULONG)) \
    X(C_OpenSession, (CK_SLOT_ID, CK_FLAGS, void *, void *, CK_S *)) \
    X(C_CloseSession, (CK_S)) \
    X(C_CloseAllSessions, (CK_SLOT_ID)) \
    X(C_GetSessionInfo, (CK_S, CK_SESSION_INFO *)) \
    X(C_GetOperationState, (CK_S, CK_B, CK_L)) \
    X(C_SetOperationState, (CK_S, CK_B, CK_ULONG, CK_O, CK_O)) \
    X(C_Login, (CK_S, CK_USER_TYPE, CK_UTF8CHAR *, CK_ULONG)) \
    X(C_Logout, (CK_S)) \
    X(C_CreateObject, (CK_S, CK_A, CK_ULONG, CK_O *)) \
    X(C_CopyObject, (CK_S, CK_O, CK_A, CK_ULONG, CK_O *)) \
    X(C_DestroyObject, (CK_S, CK_O)) \
    X(C_GetObjectSize, (CK_S, CK_O, CK_L)) \
    X(C_GetAttributeValue, (CK_S, CK_O, CK_A, CK_ULONG)) \
    X(C_SetAttributeValue, (CK_S, CK_O, CK_A, CK_ULONG)) \
    X(C_FindObjectsInit, (CK_S, CK_A, CK_ULONG)) \
    X(C_FindObjects, (CK_S, CK_O *, CK_ULONG, CK_L)) \
    X(C_FindObjectsFinal, (CK_S)) \
    X(C_EncryptInit, (CK_S, CK_M, CK_O)) \
    X(C_Encrypt, (CK_S, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_EncryptUpdate, (CK_S, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_EncryptFinal, (CK_S, CK_B, CK_L)) \
    X(C_DecryptInit, (CK_S, CK_M, CK_O)) \
    X(C_Decrypt, (CK_S, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_DecryptUpdate, (CK_S, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_DecryptFinal, (CK_S, CK_B, CK_L)) \
    X(C_DigestInit, (CK_S, CK_M)) \
    X(C_Digest, (CK_S, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_DigestUpdate, (CK_S, CK_B, CK_ULONG)) \
    X(C_DigestKey, (CK_S, CK_O)) \
    X(C_DigestFinal, (CK_S, CK_B, CK_L)) \
    X(C_SignInit, (CK_S, CK_M, CK_O)) \
    X(C_Sign, (CK_S, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_SignUpdate, (CK_S, CK_B, CK_ULONG)) \
    X(C_SignFinal, (CK_S, CK_B, CK_L)) \
    X(C_SignRecoverInit, (CK_S, CK_M, CK_O)) \
    X(C_SignRecover, (CK_S, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_VerifyInit, (CK_S, CK_M, CK_O)) \
    X(C_Verify, (CK_S, CK_B, CK_ULONG, CK_B, CK_ULONG)) \
    X(C_VerifyUpdate, (CK_S, CK_B, CK_ULONG)) \
    X(C_VerifyFinal, (CK_S, CK_B, CK_ULONG)) \
    X(C_VerifyRecoverInit, (CK_S, CK_M, CK_O)) \
    X(C_VerifyRecover, (CK_S, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_DigestEncryptUpdate, (CK_S, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_DecryptDigestUpdate, (CK_S, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_SignEncryptUpdate, (CK_S, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_DecryptVerifyUpdate, (CK_S, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_GenerateKey, (CK_S, CK_M, CK_A, CK_ULONG, CK_O *)) \
    X(C_GenerateKeyPair, (CK_S, CK_M, CK_A, CK_ULONG, CK_A, CK_ULONG, CK_O *, CK_O *)) \
    X(C_WrapKey, (CK_S, CK_M, CK_O, CK_O, CK_B, CK_L)) \
    X(C_UnwrapKey, (CK_S, CK_M, CK_O, CK_B, CK_ULONG, CK_A, CK_ULONG, CK_O *)) \
    X(C_DeriveKey, (CK_S, CK_M, CK_O, CK_A, CK_ULONG, CK_O *)) \
    X(C_SeedRandom, (CK_S, CK_B, CK_ULONG)) \
    X(C_GenerateRandom, (CK_S, CK_B, CK_ULONG)) \
    X(C_GetFunctionStatus, (CK_S)) \
    X(C_CancelFunction, (CK_S)) \
    X(C_WaitForSlotEvent, (CK_FLAGS, CK_SLOT_ID *, void *))
#define CK_FUNCTIONS_3_0(X) \
    X(C_GetInterfaceList, (CK_INTERFACE *, CK_L)) \
    X(C_GetInterface, (CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS)) \
    X(C_LoginUser, (CK_S, CK_USER_TYPE, CK_UTF8CHAR *, CK_ULONG, CK_UTF8CHAR *, CK_ULONG)) \
    X(C_SessionCancel, (CK_S, CK_FLAGS)) \
    X(C_MessageEncryptInit, (CK_S, CK_M, CK_O)) \
    X(C_EncryptMessage, (CK_S, void *, CK_ULONG, CK_B, CK_ULONG, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_EncryptMessageBegin, (CK_S, void *, CK_ULONG, CK_B, CK_ULONG)) \
    X(C_EncryptMessageNext, (CK_S, void *, CK_ULONG, CK_B, CK_ULONG, CK_B, CK_L, CK_FLAGS)) \
    X(C_MessageEncryptFinal, (CK_S)) \
    X(C_MessageDecryptInit, (CK_S, CK_M, CK_O)) \
    X(C_DecryptMessage, (CK_S, void *, CK_ULONG, CK_B, CK_ULONG, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_DecryptMessageBegin, (CK_S, void *, CK_ULONG, CK_B, CK_ULONG)) \
    X(C_DecryptMessageNext, (CK_S, void *, CK_ULONG, CK_B, CK_ULONG, CK_B, CK_L, CK_FLAGS)) \
    X(C_MessageDecryptFinal, (CK_S)) \
    X(C_MessageSignInit, (CK_S, CK_M, CK_O)) \
    X(C_SignMessage, (CK_S, void *, CK_ULONG, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_SignMessageBegin, (CK_S, void *, CK_ULONG)) \
    X(C_SignMessageNext, (CK_S, void *, CK_ULONG, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_MessageSignFinal, (CK_S)) \
    X(C_MessageVerifyInit, (CK_S, CK_M, CK_O)) \
    X(C_VerifyMessage, (CK_S, void *, CK_ULONG, CK_B, CK_ULONG, CK_B, CK_ULONG)) \
    X(C_VerifyMessageBegin, (CK_S, void *, CK_ULONG)) \
    X(C_VerifyMessageNext, (CK_S, void *, CK_ULONG, CK_B, CK_ULONG, CK_B, CK_ULONG)) \
    X(C_MessageVerifyFinal, (CK_S))
#define CK_FUNCTIONS_3_2(X) \
    X(C_EncapsulateKey, (CK_S, CK_M, CK_O, CK_A, CK_ULONG, CK_B, CK_L, CK_O *)) \
    X(C_DecapsulateKey, (CK_S, CK_M, CK_O, CK_A, CK_ULONG, CK_B, CK_ULONG, CK_O *)) \
    X(C_VerifySignatureInit, (CK_S, CK_M, CK_O, CK_B, CK_ULONG)) \
    X(C_VerifySignature, (CK_S, CK_B, CK_ULONG)) \
    X(C_VerifySignatureUpdate, (CK_S, CK_B, CK_ULONG)) \
    X(C_VerifySignatureFinal, (CK_S)) \
    X(C_GetSessionValidationFlags, (CK_S, CK_ULONG, CK_FLAGS *)) \
    X(C_AsyncComplete, (CK_S, CK_UTF8CHAR *, void *)) \
    X(C_AsyncGetID, (CK_S, CK_UTF8CHAR *, CK_L)) \
    X(C_AsyncJoin, (CK_S, CK_UTF8CHAR *, CK_ULONG, CK_B, CK_ULONG)) \
    X(C_WrapKeyAuthenticated, (CK_S, CK_M, CK_O, CK_O, CK_B, CK_ULONG, CK_B, CK_L)) \
    X(C_UnwrapKeyAuthenticated, (CK_S, CK_M, CK_O, CK_B, CK_ULONG, CK_A, CK_ULONG, CK_B, CK_ULONG, CK_O *))

#define CK_DECLARE(name, parameters) CK_RV(*name) parameters;
typedef struct { CK_VERSION version; CK_FUNCTIONS_2_40(CK_DECLARE) } CK_FUNCTION_LIST;
typedef struct {
    CK_VERSION version;
    CK_FUNCTIONS_2_40(CK_DECLARE) CK_FUNCTIONS_3_0(CK_DECLARE) CK_FUNCTIONS_3_2(CK_DECLARE)
} CK_FUNCTION_LIST_3_2;

#endif
