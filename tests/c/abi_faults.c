/* Calls every function of the module as no caller should: without initialising, with NULL pointers, wrong sizes, in the wrong
 * order, with stale handles and those of other sessions, with wrong mechanism parameters, with lengths that no memory has.
 * Each call must return a code that the specification allows for it; a crash or a hang is the worst answer.
 *
 *   abi_faults MODULE     PINs come from PIN and SO_PIN; the token exists
 *
 * Prints each wrong answer; ends with 0 if there was none. */
#define _GNU_SOURCE
#include <signal.h>

#include "token.h"

static CK_FUNCTION_LIST_3_2 *f;
static int wrong, checked;

/* EXPECT(call, code, code...): the call returns one of these. */
#define EXPECT(call, ...) \
    do { \
        CK_RV expected_[] = {__VA_ARGS__}; \
        judge(#call, __LINE__, (call), expected_, sizeof expected_ / sizeof *expected_); \
    } while (0)

static void judge(const char *call, int line, CK_RV got, const CK_RV *allowed, size_t count) {
    checked++;
    for (size_t i = 0; i < count; i++)
        if (got == allowed[i]) return;
    wrong++;
    printf("line %d: %s: 0x%lx, allowed:", line, call, got);
    for (size_t i = 0; i < count; i++) printf(" 0x%lx", allowed[i]);
    putchar('\n');
}

#define HUGE (~0UL)
#define HALF (1UL << 63)
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- every function by name, called with the same ten arguments ---- */

typedef CK_RV (*Anything)(CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG);
typedef struct { const char *name; Anything call; } Function;
static Function functions[128];
static size_t function_count;

static void list_functions(void) {
#define LIST(name, parameters) functions[function_count++] = (Function){#name, (Anything)(void (*)(void))f->name};
    CK_FUNCTIONS_2_40(LIST)
    CK_FUNCTIONS_3_0(LIST)
    CK_FUNCTIONS_3_2(LIST)
    for (size_t i = 0; i < function_count; i++)
        if (!functions[i].call) fail("%s is NULL", functions[i].name);
}

static int is_one_of(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(name, names[i])) return 1;
    return 0;
}

/* Work without C_Initialize. */
static const char *const ANY_TIME[] = {"C_Initialize", "C_GetFunctionList", "C_GetInterfaceList", "C_GetInterface"};
/* Take no session first. */
static const char *const NO_SESSION[] = {
    "C_Finalize", "C_GetInfo", "C_GetSlotList", "C_GetSlotInfo", "C_GetTokenInfo", "C_GetMechanismList",
    "C_GetMechanismInfo", "C_InitToken", "C_OpenSession", "C_CloseAllSessions", "C_WaitForSlotEvent",
};
/* Of the old parallel functions nothing is left but their answer. */
static const char *const PARALLEL[] = {"C_GetFunctionStatus", "C_CancelFunction"};

static void nothing_works_before_initialize(void) {
    for (size_t i = 0; i < function_count; i++) {
        if (is_one_of(functions[i].name, ANY_TIME, COUNT(ANY_TIME))) continue;
        CK_RV got = functions[i].call(0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        CK_RV allowed[] = {CKR_CRYPTOKI_NOT_INITIALIZED, CKR_FUNCTION_NOT_SUPPORTED, CKR_FUNCTION_NOT_PARALLEL};
        judge(functions[i].name, __LINE__, got, allowed, 3);
    }
}

/* A session that doesn't exist, then one that does, with nothing but NULLs and zeros behind it. */
static void nulls_are_refused(CK_SESSION_HANDLE session) {
    for (size_t i = 0; i < function_count; i++) {
        const char *name = functions[i].name;
        if (is_one_of(name, ANY_TIME, COUNT(ANY_TIME)) || is_one_of(name, NO_SESSION, COUNT(NO_SESSION))) continue;
        CK_RV none[] = {CKR_SESSION_HANDLE_INVALID, CKR_ARGUMENTS_BAD, CKR_FUNCTION_NOT_SUPPORTED,
                        is_one_of(name, PARALLEL, COUNT(PARALLEL)) ? CKR_FUNCTION_NOT_PARALLEL : CKR_SESSION_HANDLE_INVALID};
        CK_ULONG handles[] = {0, session + 4711, HUGE};
        for (size_t k = 0; k < COUNT(handles); k++)
            judge(name, __LINE__, functions[i].call(handles[k], 0, 0, 0, 0, 0, 0, 0, 0, 0), none, 4);
        if (!strcmp(name, "C_CloseSession") || !strcmp(name, "C_Logout") || !strcmp(name, "C_Login")) continue;
        CK_RV rv = functions[i].call(session, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        CK_RV with[] = {CKR_ARGUMENTS_BAD, CKR_FUNCTION_NOT_SUPPORTED, CKR_OPERATION_NOT_INITIALIZED,
                        CKR_FUNCTION_NOT_PARALLEL, CKR_RANDOM_SEED_NOT_SUPPORTED, CKR_OBJECT_HANDLE_INVALID,
                        CKR_KEY_HANDLE_INVALID, CKR_MECHANISM_INVALID, CKR_USER_NOT_LOGGED_IN, CKR_TEMPLATE_INCOMPLETE,
                        CKR_OPERATION_CANCEL_FAILED, CKR_SESSION_READ_ONLY, CKR_PIN_LEN_RANGE, CKR_PIN_INCORRECT,
                        /* C_SetOperationState; C_LoginUser as CKU_SO, which is 0. */
                        0x160 /* CKR_SAVED_STATE_INVALID */, CKR_SESSION_READ_ONLY_EXISTS, CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
                        /* An empty template, an empty change and an empty part are allowed. */
                        CKR_OK};
        judge(name, __LINE__, rv, with, COUNT(with));
        f->C_FindObjectsFinal(session);
        f->C_SessionCancel(session, HUGE);
    }
}

/* ---- initialising, interfaces, slots ---- */

static CK_RV mutex(void *any) { return any ? CKR_OK : CKR_OK; }
static CK_RV new_mutex(void **any) { return any ? CKR_OK : CKR_OK; }

static void initialising(void) {
    CK_C_INITIALIZE_ARGS one = {.lock_mutex = mutex}, three = {new_mutex, mutex, mutex, NULL, 0, NULL},
                         four = {new_mutex, mutex, mutex, mutex, 0, NULL}, reserved = {.reserved = &one},
                         no_threads = {.flags = CKF_LIBRARY_CANT_CREATE_OS_THREADS | CKF_OS_LOCKING_OK};
    EXPECT(f->C_Initialize(&one), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_Initialize(&three), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_Initialize(&reserved), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_Initialize(&four), CKR_OK);
    EXPECT(f->C_Initialize(NULL), CKR_CRYPTOKI_ALREADY_INITIALIZED);
    EXPECT(f->C_Finalize(&one), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_Finalize(NULL), CKR_OK);
    EXPECT(f->C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
    EXPECT(f->C_Initialize(&no_threads), CKR_OK);
    EXPECT(f->C_Finalize(NULL), CKR_OK);
    EXPECT(f->C_Initialize(NULL), CKR_OK);
}

static void interfaces(void) {
    CK_ULONG count = 0, small = 0;
    CK_INTERFACE list[16], *interface;
    CK_VERSION three_two = {3, 2}, nine = {9, 9};
    EXPECT(f->C_GetFunctionList(NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GetInterfaceList(NULL, NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GetInterfaceList(NULL, &count), CKR_OK);
    EXPECT(f->C_GetInterfaceList(list, &small), CKR_BUFFER_TOO_SMALL);
    EXPECT(count > 0 && count <= 16 ? f->C_GetInterfaceList(list, &count) : HUGE, CKR_OK);
    EXPECT(f->C_GetInterface(NULL, NULL, NULL, 0), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GetInterface(NULL, NULL, &interface, 0), CKR_OK);
    EXPECT(f->C_GetInterface((CK_UTF8CHAR *)"PKCS 11", &three_two, &interface, 0), CKR_OK);
    EXPECT(f->C_GetInterface((CK_UTF8CHAR *)"PKCS 11", &nine, &interface, 0), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GetInterface((CK_UTF8CHAR *)"Vendor other", NULL, &interface, 0), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GetInterface(NULL, NULL, &interface, CKF_INTERFACE_FORK_SAFE), CKR_FUNCTION_FAILED);
}

static void slots(CK_SLOT_ID slot) {
    CK_ULONG count = 0;
    CK_SLOT_ID one[1];
    CK_MECHANISM_TYPE mechanisms[1];
    CK_SESSION_HANDLE session;
    CK_MECHANISM_INFO mechanism;
    CK_SLOT_ID none = 0x7fffffff;
    CK_SLOT_INFO slot_info;
    CK_TOKEN_INFO token_info;
    EXPECT(f->C_GetInfo(NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GetSlotList(CK_TRUE, NULL, NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GetSlotList(CK_TRUE, one, &count), CKR_BUFFER_TOO_SMALL);
    EXPECT(f->C_GetSlotInfo(slot, NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GetSlotInfo(none, &slot_info), CKR_SLOT_ID_INVALID);
    EXPECT(f->C_GetTokenInfo(slot, NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GetTokenInfo(none, &token_info), CKR_SLOT_ID_INVALID);
    EXPECT(f->C_GetTokenInfo(HUGE, &token_info), CKR_SLOT_ID_INVALID);
    EXPECT(f->C_GetMechanismList(slot, NULL, NULL), CKR_ARGUMENTS_BAD);
    count = 1;
    EXPECT(f->C_GetMechanismList(slot, mechanisms, &count), CKR_BUFFER_TOO_SMALL);
    EXPECT(f->C_GetMechanismInfo(slot, CKM_RSA_PKCS, NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GetMechanismInfo(slot, 0x7fffffffUL, &mechanism), CKR_MECHANISM_INVALID);
    EXPECT(f->C_GetMechanismInfo(slot, HUGE, &mechanism), CKR_MECHANISM_INVALID);
    EXPECT(f->C_OpenSession(slot, CKF_RW_SESSION, NULL, NULL, &session), CKR_SESSION_PARALLEL_NOT_SUPPORTED);
    EXPECT(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_OpenSession(none, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_SLOT_ID_INVALID);
    EXPECT(f->C_CloseAllSessions(none), CKR_SLOT_ID_INVALID);
    EXPECT(f->C_InitToken(none, (CK_UTF8CHAR *)"12345678", 8, (CK_UTF8CHAR *)"                                "), CKR_SLOT_ID_INVALID);
    EXPECT(f->C_InitToken(slot, NULL, 8, NULL), CKR_ARGUMENTS_BAD, CKR_SESSION_EXISTS);
    EXPECT(f->C_WaitForSlotEvent(1, NULL, NULL), CKR_ARGUMENTS_BAD, CKR_FUNCTION_NOT_SUPPORTED, 8 /* CKR_NO_EVENT */);
}

/* ---- login ---- */

static void logging_in(CK_SESSION_HANDLE session, CK_SESSION_HANDLE read_only) {
    CK_UTF8CHAR pin[16] = "wrong-pin-000";
    const char *right = getenv("PIN"), *so = getenv("SO_PIN");
    EXPECT(f->C_Login(session, 99, pin, 8), CKR_USER_TYPE_INVALID);
    EXPECT(f->C_Login(session, CKU_CONTEXT_SPECIFIC, pin, 8), CKR_OPERATION_NOT_INITIALIZED, CKR_USER_TYPE_INVALID);
    EXPECT(f->C_Login(session, CKU_USER, NULL, 8), CKR_ARGUMENTS_BAD, CKR_PIN_INCORRECT);
    EXPECT(f->C_Login(session, CKU_USER, pin, HUGE), CKR_PIN_INCORRECT, CKR_ARGUMENTS_BAD, CKR_PIN_LEN_RANGE);
    EXPECT(f->C_Login(session, CKU_USER, pin, HALF), CKR_PIN_INCORRECT, CKR_ARGUMENTS_BAD, CKR_PIN_LEN_RANGE);
    EXPECT(f->C_Login(session, CKU_USER, pin, 13), CKR_PIN_INCORRECT);
    EXPECT(f->C_Logout(session), CKR_USER_NOT_LOGGED_IN);
    EXPECT(f->C_InitPIN(session, pin, 8), CKR_USER_NOT_LOGGED_IN);
    EXPECT(f->C_SetPIN(session, NULL, 8, NULL, 8), CKR_ARGUMENTS_BAD, CKR_PIN_INCORRECT);
    EXPECT(f->C_SetPIN(session, (CK_UTF8CHAR *)right, strlen(right), pin, 3), CKR_PIN_LEN_RANGE, CKR_PIN_INVALID);
    EXPECT(f->C_SetPIN(session, (CK_UTF8CHAR *)right, strlen(right), pin, HUGE), CKR_PIN_LEN_RANGE, CKR_PIN_INVALID, CKR_ARGUMENTS_BAD);
    EXPECT(f->C_SetPIN(read_only, (CK_UTF8CHAR *)right, strlen(right), pin, 13), CKR_SESSION_READ_ONLY);
    EXPECT(f->C_Login(session, CKU_SO, (CK_UTF8CHAR *)so, strlen(so)), CKR_SESSION_READ_ONLY_EXISTS);
    EXPECT(f->C_LoginUser(session, CKU_USER, (CK_UTF8CHAR *)right, strlen(right), pin, HUGE), CKR_ARGUMENTS_BAD,
           CKR_FUNCTION_NOT_SUPPORTED, CKR_OPERATION_NOT_INITIALIZED, CKR_USER_TYPE_INVALID);
    EXPECT(f->C_Login(session, CKU_USER, (CK_UTF8CHAR *)right, strlen(right)), CKR_OK);
    EXPECT(f->C_Login(read_only, CKU_USER, (CK_UTF8CHAR *)right, strlen(right)), CKR_USER_ALREADY_LOGGED_IN);
    EXPECT(f->C_Login(session, CKU_SO, (CK_UTF8CHAR *)so, strlen(so)), CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
    EXPECT(f->C_InitPIN(session, pin, 13), CKR_USER_NOT_LOGGED_IN);
}

/* ---- objects ---- */

static void objects(CK_SESSION_HANDLE session, CK_SESSION_HANDLE read_only, CK_OBJECT_HANDLE private) {
    CK_OBJECT_CLASS class = CKO_DATA, no_class = HUGE;
    CK_BBOOL yes = CK_TRUE, odd = 7;
    CK_OBJECT_HANDLE object = 0, stale, copy;
    CK_ULONG size, length;
    CK_BYTE buffer[600];
    CK_ATTRIBUTE data[] = {{CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1}, {CKA_VALUE, "v", 1}};
    EXPECT(f->C_CreateObject(session, NULL, 3, &object), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_CreateObject(session, data, 4, NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_CreateObject(session, data, HUGE, &object), CKR_ARGUMENTS_BAD, CKR_HOST_MEMORY, CKR_TEMPLATE_INCONSISTENT);
    EXPECT(f->C_CreateObject(session, data, HALF, &object), CKR_ARGUMENTS_BAD, CKR_HOST_MEMORY, CKR_TEMPLATE_INCONSISTENT);
    EXPECT(f->C_CreateObject(session, data, 0, &object), CKR_TEMPLATE_INCOMPLETE, CKR_ARGUMENTS_BAD);
    EXPECT(f->C_CreateObject(read_only, data, 4, &object), CKR_SESSION_READ_ONLY);
    struct { CK_ATTRIBUTE with; CK_RV allowed[4]; } bad[] = {
        {{CKA_CLASS, &class, 1}, {CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT}},
        {{CKA_CLASS, NULL, 8}, {CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD, CKR_TEMPLATE_INCONSISTENT}},
        {{CKA_CLASS, &no_class, 8}, {CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT}},
        {{CKA_TOKEN, &odd, 1}, {CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT}},
        {{CKA_TOKEN, &yes, 0}, {CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT}},
        {{CKA_LABEL, "x", HUGE}, {CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD, CKR_HOST_MEMORY}},
        {{CKA_LABEL, "x", HALF}, {CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD, CKR_HOST_MEMORY}},
        {{CKA_LABEL, NULL, 5}, {CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD}},
        {{CKA_MODULUS, "x", 1}, {CKR_ATTRIBUTE_TYPE_INVALID, CKR_TEMPLATE_INCONSISTENT}},
        {{CKA_UNIQUE_ID, "x", 1}, {CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT}},
        {{0x7777, "x", 1}, {CKR_ATTRIBUTE_TYPE_INVALID}},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        CK_ATTRIBUTE template[5] = {data[0], data[1], data[2], data[3], bad[i].with};
        int replaces = bad[i].with.type == CKA_CLASS ? 0 : bad[i].with.type == CKA_TOKEN ? 1 : 4;
        template[replaces] = bad[i].with;
        CK_RV got = f->C_CreateObject(session, template, replaces == 4 ? 5 : 4, &object);
        checked++;
        if (!got || (got != bad[i].allowed[0] && got != bad[i].allowed[1] && got != bad[i].allowed[2])) {
            wrong++;
            printf("C_CreateObject with wrong attribute %zu (type 0x%lx): 0x%lx\n", i, bad[i].with.type, got);
        }
    }
    EXPECT(f->C_CreateObject(session, data, 4, &object), CKR_OK);
    CK_ATTRIBUTE duplicate[] = {data[0], data[1], data[2], data[3], {CKA_VALUE, "w", 1}};
    EXPECT(f->C_CreateObject(session, duplicate, 5, &copy), CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_VALUE_INVALID);

    /* Three answers for one attribute, and all of a template are filled although some fail. */
    CK_ATTRIBUTE read[] = {{CKA_VALUE, NULL, 0}, {CKA_MODULUS, buffer, 8}, {CKA_TOKEN, &odd, 1}};
    EXPECT(f->C_GetAttributeValue(session, object, read, 3), CKR_ATTRIBUTE_TYPE_INVALID);
    EXPECT(read[0].length == 1 && read[1].length == HUGE && read[2].length == 1 && odd == 1 ? CKR_OK : 1, CKR_OK);
    CK_ATTRIBUTE small = {CKA_CLASS, buffer, 2}, sensitive = {CKA_VALUE, buffer, sizeof buffer};
    EXPECT(f->C_GetAttributeValue(session, object, &small, 1), CKR_BUFFER_TOO_SMALL);
    EXPECT(small.length == HUGE ? CKR_OK : 1, CKR_OK);
    EXPECT(f->C_GetAttributeValue(session, private, &sensitive, 1), CKR_ATTRIBUTE_SENSITIVE);
    EXPECT(sensitive.length == HUGE ? CKR_OK : 1, CKR_OK);
    EXPECT(f->C_GetAttributeValue(session, object, NULL, 1), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GetAttributeValue(session, object, read, HUGE), CKR_ARGUMENTS_BAD, CKR_HOST_MEMORY);
    EXPECT(f->C_GetAttributeValue(session, 0, read, 3), CKR_OBJECT_HANDLE_INVALID);
    EXPECT(f->C_GetAttributeValue(session, HUGE, read, 3), CKR_OBJECT_HANDLE_INVALID);

    CK_ATTRIBUTE own[] = {{CKA_CLASS, &class, sizeof class}}, no_label = {CKA_LABEL, NULL, 3};
    EXPECT(f->C_SetAttributeValue(session, object, own, 1), CKR_ATTRIBUTE_READ_ONLY);
    EXPECT(f->C_SetAttributeValue(session, object, &no_label, 1), CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD);
    EXPECT(f->C_SetAttributeValue(read_only, object, data + 3, 1), CKR_SESSION_READ_ONLY);
    EXPECT(f->C_SetAttributeValue(session, HALF, data + 3, 1), CKR_OBJECT_HANDLE_INVALID);
    EXPECT(f->C_CopyObject(session, object, NULL, 0, NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_CopyObject(session, object, NULL, 2, &copy), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_CopyObject(session, HUGE, NULL, 0, &copy), CKR_OBJECT_HANDLE_INVALID);
    EXPECT(f->C_GetObjectSize(session, object, NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GetObjectSize(session, HUGE, &size), CKR_OBJECT_HANDLE_INVALID);
    EXPECT(f->C_DestroyObject(read_only, object), CKR_SESSION_READ_ONLY);

    /* A stale handle stays stale. */
    stale = object;
    EXPECT(f->C_DestroyObject(session, object), CKR_OK);
    EXPECT(f->C_DestroyObject(session, stale), CKR_OBJECT_HANDLE_INVALID);
    EXPECT(f->C_GetAttributeValue(session, stale, data, 1), CKR_OBJECT_HANDLE_INVALID);
    EXPECT(f->C_CreateObject(session, data, 4, &object), CKR_OK);
    EXPECT(f->C_GetObjectSize(session, stale, &size), CKR_OBJECT_HANDLE_INVALID);
    EXPECT(f->C_DestroyObject(session, object), CKR_OK);

    /* A session object is gone with its session. */
    CK_SESSION_HANDLE passing = open_session(0);
    CK_BBOOL no = CK_FALSE;
    CK_ATTRIBUTE volatile_data[] = {data[0], {CKA_TOKEN, &no, 1}, data[3]};
    EXPECT(f->C_CreateObject(passing, volatile_data, 3, &object), CKR_OK);
    EXPECT(f->C_GetObjectSize(session, object, &size), CKR_OK);
    EXPECT(f->C_CloseSession(passing), CKR_OK);
    EXPECT(f->C_GetObjectSize(session, object, &size), CKR_OBJECT_HANDLE_INVALID);
    EXPECT(f->C_CloseSession(passing), CKR_SESSION_HANDLE_INVALID);

    EXPECT(f->C_FindObjects(session, &object, 1, &length), CKR_OPERATION_NOT_INITIALIZED);
    EXPECT(f->C_FindObjectsFinal(session), CKR_OPERATION_NOT_INITIALIZED);
    EXPECT(f->C_FindObjectsInit(session, NULL, 1), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_FindObjectsInit(session, data, HUGE), CKR_ARGUMENTS_BAD, CKR_HOST_MEMORY);
    EXPECT(f->C_FindObjectsInit(session, NULL, 0), CKR_OK);
    EXPECT(f->C_FindObjectsInit(session, NULL, 0), CKR_OPERATION_ACTIVE);
    EXPECT(f->C_FindObjects(session, NULL, 1, &length), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_FindObjects(session, &object, 1, NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_FindObjects(session, &object, 0, &length), CKR_OK, CKR_ARGUMENTS_BAD);
    f->C_FindObjectsFinal(session);
}

/* ---- signatures, verification, digests ---- */

static void signing_and_verifying(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE public,
                                  CK_OBJECT_HANDLE rsa) {
    CK_BYTE buffer[600] = {0}, big[8192] = {0};
    CK_ULONG length = sizeof buffer, zero = 0;
    CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0}, unknown = {0x7fffffff, NULL, 0}, rsa_pkcs = {CKM_RSA_PKCS, NULL, 0},
                 with_parameter = {CKM_ECDSA, buffer, 5}, huge_parameter = {CKM_RSA_PKCS_PSS, buffer, HUGE},
                 null_parameter = {CKM_RSA_PKCS_PSS, NULL, sizeof(CK_RSA_PKCS_PSS_PARAMS)},
                 no_parameter = {CKM_RSA_PKCS_PSS, NULL, 0}, digest = {CKM_SHA256, NULL, 0},
                 generator = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, raw = {CKM_RSA_X_509, NULL, 0};
    EXPECT(f->C_Sign(session, buffer, 32, buffer, &length), CKR_OPERATION_NOT_INITIALIZED);
    EXPECT(f->C_SignUpdate(session, buffer, 32), CKR_OPERATION_NOT_INITIALIZED);
    EXPECT(f->C_SignFinal(session, buffer, &length), CKR_OPERATION_NOT_INITIALIZED);
    EXPECT(f->C_SignInit(session, &unknown, private), CKR_MECHANISM_INVALID);
    EXPECT(f->C_SignInit(session, &digest, private), CKR_MECHANISM_INVALID);
    EXPECT(f->C_SignInit(session, &generator, private), CKR_MECHANISM_INVALID);
    EXPECT(f->C_SignInit(session, &ecdsa, 0), CKR_KEY_HANDLE_INVALID);
    EXPECT(f->C_SignInit(session, &ecdsa, HUGE), CKR_KEY_HANDLE_INVALID);
    EXPECT(f->C_SignInit(session, &ecdsa, public), CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_HANDLE_INVALID);
    EXPECT(f->C_SignInit(session, &ecdsa, rsa), CKR_KEY_TYPE_INCONSISTENT);
    EXPECT(f->C_SignInit(session, &rsa_pkcs, private), CKR_KEY_TYPE_INCONSISTENT);
    EXPECT(f->C_SignInit(session, &with_parameter, private), CKR_MECHANISM_PARAM_INVALID);
    EXPECT(f->C_SignInit(session, &huge_parameter, rsa), CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
    EXPECT(f->C_SignInit(session, &null_parameter, rsa), CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
    EXPECT(f->C_SignInit(session, &no_parameter, rsa), CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD);
    CK_RSA_PKCS_PSS_PARAMS pss[] = {{CKM_SHA256, 99, 32}, {0x7fffffff, CKG_MGF1_SHA256, 32}, {CKM_SHA256, CKG_MGF1_SHA256, HUGE},
                                    {CKM_SHA256, CKG_MGF1_SHA256, 5000}};
    for (size_t i = 0; i < COUNT(pss); i++) {
        CK_MECHANISM bad = {CKM_RSA_PKCS_PSS, &pss[i], sizeof *pss};
        EXPECT(f->C_SignInit(session, &bad, rsa), CKR_MECHANISM_PARAM_INVALID);
    }
    CK_EDDSA_PARAMS context = {0, HUGE, buffer};
    CK_MECHANISM eddsa = {CKM_EDDSA, &context, sizeof context};
    EXPECT(f->C_SignInit(session, &eddsa, private), CKR_KEY_TYPE_INCONSISTENT, CKR_MECHANISM_PARAM_INVALID);

    EXPECT(f->C_SignInit(session, &ecdsa, private), CKR_OK);
    EXPECT(f->C_SignInit(session, &ecdsa, private), CKR_OPERATION_ACTIVE);
    EXPECT(f->C_Sign(session, buffer, 32, NULL, &length), CKR_OK);
    EXPECT(length == 64 ? CKR_OK : 1, CKR_OK);
    EXPECT(f->C_Sign(session, buffer, 32, buffer, &zero), CKR_BUFFER_TOO_SMALL);
    EXPECT(zero == 64 ? CKR_OK : 1, CKR_OK);
    EXPECT(f->C_Sign(session, buffer, 32, buffer, &length), CKR_OK);
    EXPECT(f->C_Sign(session, buffer, 32, buffer, &length), CKR_OPERATION_NOT_INITIALIZED);

    /* Lengths that no memory has. */
    CK_ULONG lengths[] = {HUGE, HALF, HALF - 1};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        CK_SESSION_HANDLE passing = open_session(0);
        EXPECT(f->C_SignInit(passing, &rsa_pkcs, rsa), CKR_OK);
        EXPECT(f->C_Sign(passing, buffer, lengths[i], buffer, &length), CKR_ARGUMENTS_BAD, CKR_DATA_LEN_RANGE, CKR_HOST_MEMORY);
        f->C_CloseSession(passing);
    }
    CK_MECHANISM hashed = {CKM_ECDSA_SHA256, NULL, 0};
    EXPECT(f->C_SignInit(session, &hashed, private), CKR_OK);
    EXPECT(f->C_SignUpdate(session, NULL, 5), CKR_ARGUMENTS_BAD);
    f->C_SessionCancel(session, HUGE);
    EXPECT(f->C_SignInit(session, &hashed, private), CKR_OK, CKR_OPERATION_ACTIVE);
    EXPECT(f->C_SignUpdate(session, buffer, HUGE), CKR_ARGUMENTS_BAD, CKR_DATA_LEN_RANGE, CKR_HOST_MEMORY);
    f->C_SessionCancel(session, HUGE);

    /* What is too long for the key, and one-part after multi-part. */
    EXPECT(f->C_SignInit(session, &rsa_pkcs, rsa), CKR_OK);
    length = sizeof buffer;
    EXPECT(f->C_Sign(session, big, 250, buffer, &length), CKR_DATA_LEN_RANGE);
    EXPECT(f->C_SignInit(session, &raw, rsa), CKR_OK);
    memset(big, 0xff, sizeof big);
    EXPECT(f->C_Sign(session, big, 256, buffer, &length), CKR_DATA_INVALID, CKR_DATA_LEN_RANGE);
    EXPECT(f->C_SignInit(session, &hashed, private), CKR_OK);
    EXPECT(f->C_SignUpdate(session, buffer, 5), CKR_OK);
    EXPECT(f->C_Sign(session, buffer, 32, buffer, &length), CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED);
    f->C_SessionCancel(session, HUGE);

    EXPECT(f->C_VerifyInit(session, &ecdsa, private), CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_HANDLE_INVALID);
    EXPECT(f->C_Verify(session, buffer, 32, buffer, 64), CKR_OPERATION_NOT_INITIALIZED);
    CK_ULONG signatures[] = {0, 1, 63, 65, HUGE};
    for (size_t i = 0; i < COUNT(signatures); i++) {
        EXPECT(f->C_VerifyInit(session, &ecdsa, public), CKR_OK);
        EXPECT(f->C_Verify(session, buffer, 32, buffer, signatures[i]), CKR_SIGNATURE_LEN_RANGE,
               signatures[i] == HUGE ? CKR_ARGUMENTS_BAD : CKR_SIGNATURE_LEN_RANGE);
        f->C_SessionCancel(session, HUGE);
    }
    EXPECT(f->C_VerifyInit(session, &ecdsa, public), CKR_OK);
    EXPECT(f->C_Verify(session, buffer, 32, big, 64), CKR_SIGNATURE_INVALID);

    EXPECT(f->C_DigestInit(session, &ecdsa), CKR_MECHANISM_INVALID);
    EXPECT(f->C_DigestInit(session, NULL), CKR_ARGUMENTS_BAD, CKR_OPERATION_CANCEL_FAILED, CKR_OPERATION_NOT_INITIALIZED, CKR_OK);
    EXPECT(f->C_DigestInit(session, &digest), CKR_OK);
    zero = 0;
    EXPECT(f->C_Digest(session, buffer, 3, buffer, &zero), CKR_BUFFER_TOO_SMALL);
    EXPECT(f->C_Digest(session, buffer, HUGE, big, &length), CKR_ARGUMENTS_BAD, CKR_DATA_LEN_RANGE, CKR_HOST_MEMORY);
    f->C_SessionCancel(session, HUGE);
    EXPECT(f->C_GenerateRandom(session, NULL, 5), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GenerateRandom(session, buffer, HUGE), CKR_ARGUMENTS_BAD, CKR_HOST_MEMORY);
}

/* ---- generation ---- */

static void generating(CK_SESSION_HANDLE session, CK_SESSION_HANDLE read_only) {
    CK_OBJECT_HANDLE public, private;
    CK_ULONG bits = 1 << 20, odd_bits = 2049, few = 8;
    CK_BBOOL yes = CK_TRUE;
    CK_MECHANISM rsa = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0}, ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, sign = {CKM_ECDSA, NULL, 0},
                 edwards = {CKM_EC_EDWARDS_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE token = {CKA_TOKEN, &yes, 1};
    CK_ATTRIBUTE many = {CKA_MODULUS_BITS, &bits, sizeof bits}, odd = {CKA_MODULUS_BITS, &odd_bits, sizeof bits},
                 little = {CKA_MODULUS_BITS, &few, sizeof few}, no_curve = {CKA_EC_PARAMS, "\x06\x03\x2a\x03\x04", 5},
                 garbage = {CKA_EC_PARAMS, "\xff\xff\xff", 3}, curve = {CKA_EC_PARAMS, (void *)P256_OID, sizeof P256_OID};
    EXPECT(f->C_GenerateKeyPair(session, &rsa, NULL, 0, NULL, 0, &public, &private), CKR_TEMPLATE_INCOMPLETE);
    EXPECT(f->C_GenerateKeyPair(session, &rsa, &many, 1, NULL, 0, &public, &private), CKR_ATTRIBUTE_VALUE_INVALID, CKR_KEY_SIZE_RANGE);
    EXPECT(f->C_GenerateKeyPair(session, &rsa, &odd, 1, NULL, 0, &public, &private), CKR_ATTRIBUTE_VALUE_INVALID, CKR_KEY_SIZE_RANGE);
    EXPECT(f->C_GenerateKeyPair(session, &rsa, &little, 1, NULL, 0, &public, &private), CKR_ATTRIBUTE_VALUE_INVALID, CKR_KEY_SIZE_RANGE);
    EXPECT(f->C_GenerateKeyPair(session, &ec, &no_curve, 1, NULL, 0, &public, &private), CKR_ATTRIBUTE_VALUE_INVALID,
           0x140 /* CKR_DOMAIN_PARAMS_INVALID */, 0x130 /* CKR_CURVE_NOT_SUPPORTED in 3.x: 0x140 */);
    EXPECT(f->C_GenerateKeyPair(session, &ec, &garbage, 1, NULL, 0, &public, &private), CKR_ATTRIBUTE_VALUE_INVALID, 0x130, 0x140);
    EXPECT(f->C_GenerateKeyPair(session, &edwards, &curve, 1, NULL, 0, &public, &private), CKR_ATTRIBUTE_VALUE_INVALID, 0x130,
           0x140, CKR_TEMPLATE_INCONSISTENT);
    EXPECT(f->C_GenerateKeyPair(session, &sign, &curve, 1, NULL, 0, &public, &private), CKR_MECHANISM_INVALID);
    EXPECT(f->C_GenerateKeyPair(session, &ec, &curve, 1, NULL, 0, NULL, NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GenerateKeyPair(session, NULL, &curve, 1, NULL, 0, &public, &private), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_GenerateKeyPair(session, &ec, &curve, HUGE, NULL, 0, &public, &private), CKR_ARGUMENTS_BAD, CKR_HOST_MEMORY);
    EXPECT(f->C_GenerateKeyPair(session, &ec, &curve, 1, NULL, HALF, &public, &private), CKR_ARGUMENTS_BAD, CKR_HOST_MEMORY);
    CK_ATTRIBUTE both[] = {curve, token};
    EXPECT(f->C_GenerateKeyPair(read_only, &ec, both, 2, &token, 1, &public, &private), CKR_SESSION_READ_ONLY);
}

static void crashed(int signal) {
    printf("crashed with signal %d after %d checks\n", signal, checked);
    fflush(stdout);
    _exit(1);
}

int main(int count, char **argument) {
    if (count != 2) return 2;
    int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGALRM};
    for (size_t i = 0; i < COUNT(signals); i++) signal(signals[i], crashed);
    alarm(300);
    void *library = load(argument[1]);
    CK_RV (*get)(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS) =
        (CK_RV(*)(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS))dlsym(library, "C_GetInterface");
    CK_VERSION version = {3, 2};
    CK_INTERFACE *interface;
    must(get ? get((CK_UTF8CHAR *)"PKCS 11", &version, &interface, 0) : CKR_GENERAL_ERROR, "C_GetInterface");
    f = interface->functions;
    list_functions();
    nothing_works_before_initialize();
    interfaces();
    initialising();
    CK_SLOT_ID slot = first_slot();
    slots(slot);
    CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION), read_only = open_session(0);
    nulls_are_refused(session);
    logging_in(session, read_only);
    nulls_are_refused(session);
    CK_OBJECT_HANDLE public, private, rsa_public, rsa;
    must(generate(session, "p256", "faults", "f", 1, &public, &private), "C_GenerateKeyPair");
    must(generate(session, "rsa2048", "faults-rsa", "g", 1, &rsa_public, &rsa), "C_GenerateKeyPair");
    objects(session, read_only, private);
    signing_and_verifying(session, private, public, rsa);
    generating(session, read_only);

    /* Of a session that was closed nothing is left; the token goes on. */
    CK_SESSION_INFO info;
    EXPECT(f->C_GetSessionInfo(session, NULL), CKR_ARGUMENTS_BAD);
    EXPECT(f->C_CloseSession(session), CKR_OK);
    EXPECT(f->C_GetSessionInfo(session, &info), CKR_SESSION_HANDLE_INVALID);
    EXPECT(f->C_CloseAllSessions(slot), CKR_OK);
    EXPECT(f->C_GetSessionInfo(read_only, &info), CKR_SESSION_HANDLE_INVALID);
    session = open_session(CKF_RW_SESSION);
    EXPECT(f->C_Logout(session), CKR_USER_NOT_LOGGED_IN);
    EXPECT(f->C_Finalize(NULL), CKR_OK);
    nothing_works_before_initialize();
    printf("%d checks, %d wrong\n", checked, wrong);
    return wrong > 0;
}
