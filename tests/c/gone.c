/* A PKCS#11 module whose token is pulled out while it is read: SoftHSM's functions, but from the call on that GONE_AFTER
 * counts, C_GetAttributeValue answers that the device was removed. It says when it is ended. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "cryptoki.h"

#define DEVICE_REMOVED 0x32UL

static CK_FUNCTION_LIST *theirs;
static CK_FUNCTION_LIST ours;
static long left;

static CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *template, CK_ULONG count) {
    if (left-- <= 0) return DEVICE_REMOVED;
    return theirs->C_GetAttributeValue(session, object, template, count);
}

static CK_RV finalize(void *reserved) {
    fputs("the module was ended\n", stderr);
    return theirs->C_Finalize(reserved);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list) {
    void *module = dlopen(getenv("GONE_MODULE"), RTLD_NOW | RTLD_LOCAL);
    CK_RV (*get)(CK_FUNCTION_LIST **) = module ? (CK_RV(*)(CK_FUNCTION_LIST **))dlsym(module, "C_GetFunctionList") : NULL;
    if (!get || get(&theirs) != CKR_OK) return CKR_GENERAL_ERROR;
    left = atol(getenv("GONE_AFTER"));
    ours = *theirs;
    ours.C_GetAttributeValue = get_attribute_value;
    ours.C_Finalize = finalize;
    *list = &ours;
    return CKR_OK;
}
