/*
 * Strongroom's entry points: PKCS#11 v3.2, and by it 3.1, 3.0 and 2.40.
 *
 * Include a standard pkcs11.h of any version before this file; its types and constants are used here.
 * Made by cbindgen: cbindgen --config cbindgen.toml --output include/strongroom.h .
 */

#ifndef STRONGROOM_H
#define STRONGROOM_H

#if !defined(CK_PTR) && !defined(CRYPTOKI_VERSION_MAJOR)
#error "include pkcs11.h before strongroom.h"
#endif

/* What older headers don't have. */
#if !defined(CRYPTOKI_VERSION_MAJOR) || CRYPTOKI_VERSION_MAJOR < 3
typedef struct CK_INTERFACE CK_INTERFACE;
#endif
#if !defined(CRYPTOKI_VERSION_MAJOR) || CRYPTOKI_VERSION_MAJOR < 3 || \
    (CRYPTOKI_VERSION_MAJOR == 3 && CRYPTOKI_VERSION_MINOR < 2)
typedef struct CK_ASYNC_DATA CK_ASYNC_DATA;
typedef CK_ULONG CK_SESSION_VALIDATION_FLAGS_TYPE;
#endif

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Nothing runs in parallel.
CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE session);

// Nothing runs in parallel.
CK_RV C_CancelFunction(CK_SESSION_HANDLE session);

// Not done.
CK_RV C_AsyncComplete(CK_SESSION_HANDLE session, CK_UTF8CHAR *functionName, CK_ASYNC_DATA *result);

// Not done.
CK_RV C_AsyncGetID(CK_SESSION_HANDLE session, CK_UTF8CHAR *functionName, CK_ULONG *id);

// Not done.
CK_RV C_AsyncJoin(CK_SESSION_HANDLE session, CK_UTF8CHAR *functionName, CK_ULONG id, CK_BYTE *data, CK_ULONG dataLen);

// Begins an encryption; a NULL mechanism ends one.
CK_RV C_EncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);

// Encrypts in one part.
CK_RV C_Encrypt(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG dataLen, CK_BYTE *encrypted, CK_ULONG *encryptedLen);

// Encrypts a part.
CK_RV C_EncryptUpdate(CK_SESSION_HANDLE session,
                      CK_BYTE *dataPart,
                      CK_ULONG dataPartLen,
                      CK_BYTE *encryptedPart,
                      CK_ULONG *encryptedPartLen);

// Ends an encryption in parts.
CK_RV C_EncryptFinal(CK_SESSION_HANDLE session, CK_BYTE *lastEncryptedPart, CK_ULONG *lastEncryptedPartLen);

// Begins a decryption; a NULL mechanism ends one.
CK_RV C_DecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);

// Decrypts in one part.
CK_RV C_Decrypt(CK_SESSION_HANDLE session, CK_BYTE *encrypted, CK_ULONG encryptedLen, CK_BYTE *data, CK_ULONG *dataLen);

// Decrypts a part.
CK_RV C_DecryptUpdate(CK_SESSION_HANDLE session,
                      CK_BYTE *encryptedPart,
                      CK_ULONG encryptedPartLen,
                      CK_BYTE *dataPart,
                      CK_ULONG *dataPartLen);

// Ends a decryption in parts.
CK_RV C_DecryptFinal(CK_SESSION_HANDLE session, CK_BYTE *lastPart, CK_ULONG *lastPartLen);

// Digests and encrypts a part.
CK_RV C_DigestEncryptUpdate(CK_SESSION_HANDLE session,
                            CK_BYTE *part,
                            CK_ULONG partLen,
                            CK_BYTE *encryptedPart,
                            CK_ULONG *encryptedPartLen);

// Decrypts and digests a part.
CK_RV C_DecryptDigestUpdate(CK_SESSION_HANDLE session,
                            CK_BYTE *encryptedPart,
                            CK_ULONG encryptedPartLen,
                            CK_BYTE *part,
                            CK_ULONG *partLen);

// Signs and encrypts a part.
CK_RV C_SignEncryptUpdate(CK_SESSION_HANDLE session,
                          CK_BYTE *part,
                          CK_ULONG partLen,
                          CK_BYTE *encryptedPart,
                          CK_ULONG *encryptedPartLen);

// Decrypts and checks a part.
CK_RV C_DecryptVerifyUpdate(CK_SESSION_HANDLE session,
                            CK_BYTE *encryptedPart,
                            CK_ULONG encryptedPartLen,
                            CK_BYTE *part,
                            CK_ULONG *partLen);

// Begins a digest; a NULL mechanism ends one.
CK_RV C_DigestInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism);

// Digests in one part.
CK_RV C_Digest(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG dataLen, CK_BYTE *digest, CK_ULONG *digestLen);

// Adds a part to what is digested.
CK_RV C_DigestUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG partLen);

// Refused: a digest of a key gives it away.
CK_RV C_DigestKey(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key);

// Digests what came in parts.
CK_RV C_DigestFinal(CK_SESSION_HANDLE session, CK_BYTE *digest, CK_ULONG *digestLen);

// Starts the module in this process.
CK_RV C_Initialize(void *initArgs);

// Ends the module in this process.
CK_RV C_Finalize(void *reserved);

// Version and manufacturer.
CK_RV C_GetInfo(CK_INFO *info);

// The functions of version 2.40.
CK_RV C_GetFunctionList(CK_FUNCTION_LIST **functionList);

// All interfaces, the newest first.
CK_RV C_GetInterfaceList(CK_INTERFACE *interfacesList, CK_ULONG *count);

// The interface with this name and version; NULL leaves the choice.
CK_RV C_GetInterface(CK_UTF8CHAR *interfaceName, CK_VERSION *version, CK_INTERFACE **interface, CK_FLAGS flags);

// Generates a secret key.
CK_RV C_GenerateKey(CK_SESSION_HANDLE session,
                    CK_MECHANISM *mechanism,
                    CK_ATTRIBUTE *template_,
                    CK_ULONG count,
                    CK_OBJECT_HANDLE *key);

// Generates a key pair.
CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE session,
                        CK_MECHANISM *mechanism,
                        CK_ATTRIBUTE *publicKeyTemplate,
                        CK_ULONG publicKeyTemplateCount,
                        CK_ATTRIBUTE *privateKeyTemplate,
                        CK_ULONG privateKeyTemplateCount,
                        CK_OBJECT_HANDLE *publicKey,
                        CK_OBJECT_HANDLE *privateKey);

// Wraps a key: encrypts it so that it can leave.
CK_RV C_WrapKey(CK_SESSION_HANDLE session,
                CK_MECHANISM *mechanism,
                CK_OBJECT_HANDLE wrappingKey,
                CK_OBJECT_HANDLE key,
                CK_BYTE *wrappedKey,
                CK_ULONG *wrappedKeyLen);

// Makes a key of one that was wrapped.
CK_RV C_UnwrapKey(CK_SESSION_HANDLE session,
                  CK_MECHANISM *mechanism,
                  CK_OBJECT_HANDLE unwrappingKey,
                  CK_BYTE *wrappedKey,
                  CK_ULONG wrappedKeyLen,
                  CK_ATTRIBUTE *template_,
                  CK_ULONG count,
                  CK_OBJECT_HANDLE *key);

// Derives a key from another.
CK_RV C_DeriveKey(CK_SESSION_HANDLE session,
                  CK_MECHANISM *mechanism,
                  CK_OBJECT_HANDLE baseKey,
                  CK_ATTRIBUTE *template_,
                  CK_ULONG count,
                  CK_OBJECT_HANDLE *key);

// Not done.
CK_RV C_EncapsulateKey(CK_SESSION_HANDLE session,
                       CK_MECHANISM *mechanism,
                       CK_OBJECT_HANDLE publicKey,
                       CK_ATTRIBUTE *template_,
                       CK_ULONG count,
                       CK_BYTE *ciphertext,
                       CK_ULONG *ciphertextLen,
                       CK_OBJECT_HANDLE *key);

// Not done.
CK_RV C_DecapsulateKey(CK_SESSION_HANDLE session,
                       CK_MECHANISM *mechanism,
                       CK_OBJECT_HANDLE privateKey,
                       CK_ATTRIBUTE *template_,
                       CK_ULONG count,
                       CK_BYTE *ciphertext,
                       CK_ULONG ciphertextLen,
                       CK_OBJECT_HANDLE *key);

// Not done.
CK_RV C_WrapKeyAuthenticated(CK_SESSION_HANDLE session,
                             CK_MECHANISM *mechanism,
                             CK_OBJECT_HANDLE wrappingKey,
                             CK_OBJECT_HANDLE key,
                             CK_BYTE *associatedData,
                             CK_ULONG associatedDataLen,
                             CK_BYTE *wrappedKey,
                             CK_ULONG *wrappedKeyLen);

// Not done.
CK_RV C_UnwrapKeyAuthenticated(CK_SESSION_HANDLE session,
                               CK_MECHANISM *mechanism,
                               CK_OBJECT_HANDLE unwrappingKey,
                               CK_BYTE *wrappedKey,
                               CK_ULONG wrappedKeyLen,
                               CK_ATTRIBUTE *template_,
                               CK_ULONG count,
                               CK_BYTE *associatedData,
                               CK_ULONG associatedDataLen,
                               CK_OBJECT_HANDLE *key);

// Begins to encrypt messages; a NULL mechanism ends it.
CK_RV C_MessageEncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);

// Encrypts a message in one part.
CK_RV C_EncryptMessage(CK_SESSION_HANDLE session,
                       void *parameter,
                       CK_ULONG parameterLen,
                       CK_BYTE *associatedData,
                       CK_ULONG associatedDataLen,
                       CK_BYTE *plaintext,
                       CK_ULONG plaintextLen,
                       CK_BYTE *ciphertext,
                       CK_ULONG *ciphertextLen);

// Begins to encrypt a message in parts.
CK_RV C_EncryptMessageBegin(CK_SESSION_HANDLE session,
                            void *parameter,
                            CK_ULONG parameterLen,
                            CK_BYTE *associatedData,
                            CK_ULONG associatedDataLen);

// Encrypts a part of a message, with `CKF_END_OF_MESSAGE` the last one.
CK_RV C_EncryptMessageNext(CK_SESSION_HANDLE session,
                           void *parameter,
                           CK_ULONG parameterLen,
                           CK_BYTE *plaintextPart,
                           CK_ULONG plaintextPartLen,
                           CK_BYTE *ciphertextPart,
                           CK_ULONG *ciphertextPartLen,
                           CK_FLAGS flags);

// Ends encrypting messages.
CK_RV C_MessageEncryptFinal(CK_SESSION_HANDLE session);

// Begins to decrypt messages; a NULL mechanism ends it.
CK_RV C_MessageDecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);

// Decrypts a message in one part.
CK_RV C_DecryptMessage(CK_SESSION_HANDLE session,
                       void *parameter,
                       CK_ULONG parameterLen,
                       CK_BYTE *associatedData,
                       CK_ULONG associatedDataLen,
                       CK_BYTE *ciphertext,
                       CK_ULONG ciphertextLen,
                       CK_BYTE *plaintext,
                       CK_ULONG *plaintextLen);

// Begins to decrypt a message in parts.
CK_RV C_DecryptMessageBegin(CK_SESSION_HANDLE session,
                            void *parameter,
                            CK_ULONG parameterLen,
                            CK_BYTE *associatedData,
                            CK_ULONG associatedDataLen);

// Decrypts a part of a message, with `CKF_END_OF_MESSAGE` the last one.
CK_RV C_DecryptMessageNext(CK_SESSION_HANDLE session,
                           void *parameter,
                           CK_ULONG parameterLen,
                           CK_BYTE *ciphertextPart,
                           CK_ULONG ciphertextPartLen,
                           CK_BYTE *plaintextPart,
                           CK_ULONG *plaintextPartLen,
                           CK_FLAGS flags);

// Ends decrypting messages.
CK_RV C_MessageDecryptFinal(CK_SESSION_HANDLE session);

// Not done.
CK_RV C_MessageSignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);

// Not done.
CK_RV C_SignMessage(CK_SESSION_HANDLE session,
                    void *parameter,
                    CK_ULONG parameterLen,
                    CK_BYTE *data,
                    CK_ULONG dataLen,
                    CK_BYTE *signature,
                    CK_ULONG *signatureLen);

// Not done.
CK_RV C_SignMessageBegin(CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameterLen);

// Not done.
CK_RV C_SignMessageNext(CK_SESSION_HANDLE session,
                        void *parameter,
                        CK_ULONG parameterLen,
                        CK_BYTE *data,
                        CK_ULONG dataLen,
                        CK_BYTE *signature,
                        CK_ULONG *signatureLen);

// Not done.
CK_RV C_MessageSignFinal(CK_SESSION_HANDLE session);

// Not done.
CK_RV C_MessageVerifyInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);

// Not done.
CK_RV C_VerifyMessage(CK_SESSION_HANDLE session,
                      void *parameter,
                      CK_ULONG parameterLen,
                      CK_BYTE *data,
                      CK_ULONG dataLen,
                      CK_BYTE *signature,
                      CK_ULONG signatureLen);

// Not done.
CK_RV C_VerifyMessageBegin(CK_SESSION_HANDLE session, void *parameter, CK_ULONG parameterLen);

// Not done.
CK_RV C_VerifyMessageNext(CK_SESSION_HANDLE session,
                          void *parameter,
                          CK_ULONG parameterLen,
                          CK_BYTE *data,
                          CK_ULONG dataLen,
                          CK_BYTE *signature,
                          CK_ULONG signatureLen);

// Not done.
CK_RV C_MessageVerifyFinal(CK_SESSION_HANDLE session);

// Creates an object.
CK_RV C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template_, CK_ULONG count, CK_OBJECT_HANDLE *object);

// Copies an object.
CK_RV C_CopyObject(CK_SESSION_HANDLE session,
                   CK_OBJECT_HANDLE object,
                   CK_ATTRIBUTE *template_,
                   CK_ULONG count,
                   CK_OBJECT_HANDLE *newObject);

// Destroys an object, for good.
CK_RV C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);

// About how many bytes an object takes.
CK_RV C_GetObjectSize(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ULONG *size);

// Attributes of an object.
CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *template_, CK_ULONG count);

// Changes attributes of an object.
CK_RV C_SetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *template_, CK_ULONG count);

// Begins a search.
CK_RV C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template_, CK_ULONG count);

// The next matches.
CK_RV C_FindObjects(CK_SESSION_HANDLE session,
                    CK_OBJECT_HANDLE *object,
                    CK_ULONG maxObjectCount,
                    CK_ULONG *objectCount);

// Ends a search.
CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE session);

// Refused: the generator takes its seed from the system alone.
CK_RV C_SeedRandom(CK_SESSION_HANDLE session, CK_BYTE *seed, CK_ULONG seedLen);

// Random bytes.
CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE *randomData, CK_ULONG randomLen);

// Opens a session. There are no notifications to call back for.
CK_RV C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify, CK_SESSION_HANDLE *session);

// Closes a session.
CK_RV C_CloseSession(CK_SESSION_HANDLE session);

// Closes all sessions with a slot.
CK_RV C_CloseAllSessions(CK_SLOT_ID slot);

// State of a session.
CK_RV C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO *info);

// Ends the operations that the flags name.
CK_RV C_SessionCancel(CK_SESSION_HANDLE session, CK_FLAGS flags);

// The state of a digest.
CK_RV C_GetOperationState(CK_SESSION_HANDLE session, CK_BYTE *operationState, CK_ULONG *operationStateLen);

// Goes on with a digest whose state was saved.
CK_RV C_SetOperationState(CK_SESSION_HANDLE session,
                          CK_BYTE *operationState,
                          CK_ULONG operationStateLen,
                          CK_OBJECT_HANDLE encryptionKey,
                          CK_OBJECT_HANDLE authenticationKey);

// Logs in; a NULL PIN unlocks as the configuration says.
CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE userType, CK_UTF8CHAR *pinValue, CK_ULONG pinLen);

// Logs in under a user name, of which a vault has none: an empty one is as good as none.
CK_RV C_LoginUser(CK_SESSION_HANDLE session,
                  CK_USER_TYPE userType,
                  CK_UTF8CHAR *pinValue,
                  CK_ULONG pinLen,
                  CK_UTF8CHAR *username,
                  CK_ULONG usernameLen);

// Logs out.
CK_RV C_Logout(CK_SESSION_HANDLE session);

// Not done.
CK_RV C_GetSessionValidationFlags(CK_SESSION_HANDLE session,
                                  CK_SESSION_VALIDATION_FLAGS_TYPE flagsType,
                                  CK_FLAGS *flags);

// Begins a signature; a NULL mechanism ends one.
CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);

// Signs in one part.
CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG dataLen, CK_BYTE *signature, CK_ULONG *signatureLen);

// Adds a part to what is signed.
CK_RV C_SignUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG partLen);

// Signs what came in parts.
CK_RV C_SignFinal(CK_SESSION_HANDLE session, CK_BYTE *signature, CK_ULONG *signatureLen);

// Begins a signature from which the data can be had; a NULL mechanism ends one.
CK_RV C_SignRecoverInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);

// Signs.
CK_RV C_SignRecover(CK_SESSION_HANDLE session,
                    CK_BYTE *data,
                    CK_ULONG dataLen,
                    CK_BYTE *signature,
                    CK_ULONG *signatureLen);

// Ids of the slots; with a NULL buffer it looks for vaults that are new.
CK_RV C_GetSlotList(CK_BBOOL tokenPresent, CK_SLOT_ID *slotList, CK_ULONG *count);

// What is said of a slot.
CK_RV C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO *info);

// What a token says of itself.
CK_RV C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info);

// No slot changes by itself: there is no event to wait for.
CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID *slot, void *reserved);

// Numbers of the mechanisms.
CK_RV C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE *mechanismList, CK_ULONG *count);

// Sizes and uses of a mechanism.
CK_RV C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE mechanismType, CK_MECHANISM_INFO *info);

// Makes the vault, with the security officer's PIN.
CK_RV C_InitToken(CK_SLOT_ID slot, CK_UTF8CHAR *pinValue, CK_ULONG pinLen, CK_UTF8CHAR *label);

// Sets the user's PIN, by the security officer.
CK_RV C_InitPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR *pinValue, CK_ULONG pinLen);

// Changes a PIN.
CK_RV C_SetPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR *oldPin, CK_ULONG oldLen, CK_UTF8CHAR *newPin, CK_ULONG newLen);

// Begins a check of a signature; a NULL mechanism ends one.
CK_RV C_VerifyInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);

// Checks a signature of data in one part.
CK_RV C_Verify(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG dataLen, CK_BYTE *signature, CK_ULONG signatureLen);

// Adds a part to what was signed.
CK_RV C_VerifyUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG partLen);

// Checks a signature of data that came in parts.
CK_RV C_VerifyFinal(CK_SESSION_HANDLE session, CK_BYTE *signature, CK_ULONG signatureLen);

// Begins to have the data from a signature; a NULL mechanism ends it.
CK_RV C_VerifyRecoverInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);

// The data that was signed.
CK_RV C_VerifyRecover(CK_SESSION_HANDLE session,
                      CK_BYTE *signature,
                      CK_ULONG signatureLen,
                      CK_BYTE *data,
                      CK_ULONG *dataLen);

// Not done.
CK_RV C_VerifySignatureInit(CK_SESSION_HANDLE session,
                            CK_MECHANISM *mechanism,
                            CK_OBJECT_HANDLE key,
                            CK_BYTE *signature,
                            CK_ULONG signatureLen);

// Not done.
CK_RV C_VerifySignature(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG dataLen);

// Not done.
CK_RV C_VerifySignatureUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG partLen);

// Not done.
CK_RV C_VerifySignatureFinal(CK_SESSION_HANDLE session);

extern char *secure_getenv(const char *name);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* STRONGROOM_H */
