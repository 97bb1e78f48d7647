"""A token of the module, used through PyKCS11: a case for every class of operation.

tests/clients.rs runs this with the module's path in MODULE, the token's label in TOKEN, and the PINs in PIN and SO_PIN.
"""

import hashlib
import hmac
import os
import unittest

import PyKCS11
from PyKCS11 import *  # noqa: F403 - CKA_*, CKM_*, CKR_* by their names

PIN, SO_PIN, LABEL = os.environ["PIN"], os.environ["SO_PIN"], os.environ["TOKEN"]
MESSAGE = b"a message that several clients sign"
P256 = bytes.fromhex("06082a8648ce3d030107")
ED25519 = bytes.fromhex("06032b6570")
X25519 = bytes.fromhex("06032b656e")

LIBRARY = PyKCS11.PyKCS11Lib()
LIBRARY.load(os.environ["MODULE"])


def slot():
    for number in LIBRARY.getSlotList(tokenPresent=True):
        if LIBRARY.getTokenInfo(number).label.strip() == LABEL:
            return number
    raise LookupError(LABEL)


class Raises:
    """The call inside answers this code."""

    def __init__(self, case, code):
        self.case, self.code = case, code

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.case.assertIsNotNone(error, f"answered CKR_OK for {CKR[self.code]}")
        if isinstance(error, PyKCS11.PyKCS11Error):
            self.case.assertEqual(CKR[error.value], CKR[self.code])
            return True
        return False


class Logged(unittest.TestCase):
    """A read-write session of the user for each case."""

    def setUp(self):
        self.session = LIBRARY.openSession(slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION)
        self.addCleanup(self.session.closeSession)
        self.session.login(PIN)
        self.addCleanup(self.session.logout)

    def raises(self, code):
        return Raises(self, code)

    def aes(self, *usages, length=32, **attributes):
        template = [(CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, CKK_AES), (CKA_VALUE_LEN, length), (CKA_TOKEN, False)]
        template += [(usage, True) for usage in usages]
        template += [(CKA[f"CKA_{name.upper()}"], value) for name, value in attributes.items()]
        return self.session.generateKey(template)

    def secret(self, value, key_type=CKK_GENERIC_SECRET, *usages):
        template = [(CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, key_type), (CKA_TOKEN, False), (CKA_VALUE, value)]
        template += [(CKA_SENSITIVE, False), (CKA_EXTRACTABLE, True)]
        return self.session.createObject(template + [(usage, True) for usage in usages])

    def rsa(self, *usages, extractable=False):
        public, private = usages[::2], usages[1::2]
        return self.session.generateKeyPair(
            [(CKA_TOKEN, False), (CKA_MODULUS_BITS, 2048), (CKA_PUBLIC_EXPONENT, (1, 0, 1))]
            + [(usage, True) for usage in public],
            [(CKA_TOKEN, False), (CKA_PRIVATE, True), (CKA_EXTRACTABLE, extractable)]
            + [(usage, True) for usage in private],
        )

    def curve(self, params, mechanism, *usages):
        public, private = usages[::2], usages[1::2]
        return self.session.generateKeyPair(
            [(CKA_TOKEN, False), (CKA_EC_PARAMS, params)] + [(usage, True) for usage in public if usage is not None],
            [(CKA_TOKEN, False)] + [(usage, True) for usage in private],
            mecha=PyKCS11.Mechanism(mechanism, None),
        )

    def value(self, key):
        return bytes(self.session.getAttributeValue(key, [CKA_VALUE])[0])

    def point(self, key):
        return bytes(self.session.getAttributeValue(key, [CKA_EC_POINT])[0])


class TokenAndSession(unittest.TestCase):
    def test_library_slot_token_and_mechanisms_are_told(self):
        self.assertTrue(LIBRARY.getInfo().manufacturerID)
        self.assertTrue(LIBRARY.getSlotInfo(slot()).slotDescription)
        self.assertIn("CKF_TOKEN_INITIALIZED", LIBRARY.getTokenInfo(slot()).flags2text())
        self.assertIn("CKM_ECDSA", LIBRARY.getMechanismList(slot()))
        self.assertEqual(LIBRARY.getMechanismInfo(slot(), "CKM_RSA_PKCS").ulMinKeySize, 2048)

    def test_logging_in_and_out_changes_the_session(self):
        session = LIBRARY.openSession(slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION)
        self.assertEqual(session.getSessionInfo().state2text(), "CKS_RW_PUBLIC_SESSION")
        with Raises(self, CKR_PIN_INCORRECT):
            session.login("wrong-pin-1")
        session.login(PIN)
        self.assertEqual(session.getSessionInfo().state2text(), "CKS_RW_USER_FUNCTIONS")
        with Raises(self, CKR_USER_ALREADY_LOGGED_IN):
            session.login(PIN)
        session.logout()
        session.login(SO_PIN, CKU_SO)
        self.assertEqual(session.getSessionInfo().state2text(), "CKS_RW_SO_FUNCTIONS")
        session.logout()
        LIBRARY.closeAllSessions(slot())
        with Raises(self, CKR_SESSION_HANDLE_INVALID):
            session.getSessionInfo()

    def test_the_pin_is_changed_by_the_user_and_set_anew_by_the_officer(self):
        session = LIBRARY.openSession(slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION)
        session.login(PIN)
        session.setPin(PIN, "another-pin-1")
        session.logout()
        session.login(SO_PIN, CKU_SO)
        session.initPin(PIN)
        session.logout()
        session.login(PIN)
        session.logout()
        session.closeSession()

    def test_no_slot_event_is_waiting(self):
        with Raises(self, CKR_NO_EVENT):
            LIBRARY.waitForSlotEvent(CKF_DONT_BLOCK)


class Signing(Logged):
    def test_rsa(self):
        public, private = self.rsa(CKA_VERIFY, CKA_SIGN)
        pss = (CKM_SHA256, CKG_MGF1_SHA256, 32)
        for mechanism in [
            PyKCS11.Mechanism(CKM_RSA_PKCS, None),
            PyKCS11.Mechanism(CKM_SHA1_RSA_PKCS, None),
            PyKCS11.Mechanism(CKM_SHA256_RSA_PKCS, None),
            PyKCS11.Mechanism(CKM_SHA512_RSA_PKCS, None),
            PyKCS11.RSA_PSS_Mechanism(CKM_SHA256_RSA_PKCS_PSS, *pss),
        ]:
            signature = self.session.sign(private, MESSAGE, mechanism)
            self.assertTrue(self.session.verify(public, MESSAGE, signature, mechanism))
            self.assertFalse(self.session.verify(public, MESSAGE + b".", signature, mechanism))
        digest = hashlib.sha256(MESSAGE).digest()
        mechanism = PyKCS11.RSA_PSS_Mechanism(CKM_RSA_PKCS_PSS, *pss)
        signature = self.session.sign(private, digest, mechanism)
        self.assertTrue(self.session.verify(public, digest, signature, mechanism))

    def test_ecdsa_and_eddsa(self):
        public, private = self.curve(P256, CKM_EC_KEY_PAIR_GEN, CKA_VERIFY, CKA_SIGN)
        signature = self.session.sign(private, hashlib.sha256(MESSAGE).digest(), PyKCS11.Mechanism(CKM_ECDSA, None))
        mechanism = PyKCS11.Mechanism(CKM_ECDSA_SHA256, None)
        self.assertTrue(self.session.verify(public, MESSAGE, signature, mechanism))
        public, private = self.curve(ED25519, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKA_VERIFY, CKA_SIGN)
        signature = self.session.sign(private, MESSAGE, PyKCS11.EDDSA_Mechanism())
        self.assertTrue(self.session.verify(public, MESSAGE, signature, PyKCS11.EDDSA_Mechanism(False)))

    def test_macs(self):
        key = self.secret(b"k" * 32, CKK_GENERIC_SECRET, CKA_SIGN, CKA_VERIFY)
        for mechanism, name in [(CKM_SHA_1_HMAC, "sha1"), (CKM_SHA256_HMAC, "sha256"), (CKM_SHA512_HMAC, "sha512")]:
            mechanism = PyKCS11.Mechanism(mechanism, None)
            mac = self.session.sign(key, MESSAGE, mechanism)
            self.assertEqual(bytes(mac), hmac.new(b"k" * 32, MESSAGE, name).digest())
            self.assertTrue(self.session.verify(key, MESSAGE, mac, mechanism))
        key = self.aes(CKA_SIGN, CKA_VERIFY)
        mechanism = PyKCS11.Mechanism(CKM_AES_CMAC, None)
        self.assertTrue(self.session.verify(key, MESSAGE, self.session.sign(key, MESSAGE, mechanism), mechanism))


class Encryption(Logged):
    def test_rsa(self):
        public, private = self.rsa(CKA_ENCRYPT, CKA_DECRYPT)
        for mechanism in [
            PyKCS11.Mechanism(CKM_RSA_PKCS, None),
            PyKCS11.RSAOAEPMechanism(CKM_SHA_1, CKG_MGF1_SHA1),
            PyKCS11.RSAOAEPMechanism(CKM_SHA256, CKG_MGF1_SHA256, b"label"),
        ]:
            sealed = self.session.encrypt(public, MESSAGE, mechanism)
            self.assertEqual(bytes(self.session.decrypt(private, sealed, mechanism)), MESSAGE)
        block = bytes([0, 1] + [7] * 254)
        raw = PyKCS11.Mechanism(CKM_RSA_X_509, None)
        sealed = self.session.encrypt(public, block, raw)
        self.assertEqual(bytes(self.session.decrypt(private, sealed, raw)), block)

    def test_aes_in_one_part_and_in_several(self):
        key, iv, blocks = self.aes(CKA_ENCRYPT, CKA_DECRYPT), bytes(range(16)), bytes(range(64))
        for mechanism in [
            PyKCS11.Mechanism(CKM_AES_ECB, None),
            PyKCS11.Mechanism(CKM_AES_CBC, iv),
            PyKCS11.Mechanism(CKM_AES_CBC_PAD, iv),
            PyKCS11.AES_CTR_Mechanism(32, iv),
            PyKCS11.AES_GCM_Mechanism(iv[:12], b"also authenticated", 128),
            PyKCS11.AES_GCM_Mechanism(iv, b"also authenticated", 96),
        ]:
            sealed = bytes(self.session.encrypt(key, blocks, mechanism))
            self.assertEqual(bytes(self.session.decrypt(key, sealed, mechanism)), blocks)
            self.session.encryptInit(mechanism, key)
            # PyKCS11 has room for as much output as there is input, so whole blocks go in.
            parts = [self.session.encryptUpdate(blocks[:16]), self.session.encryptUpdate(blocks[16:])]
            parts.append(self.session.encryptFinal())
            self.assertEqual(b"".join(map(bytes, parts)), sealed)
            # Where nothing comes out yet, PyKCS11 passes a NULL for no room, which is a question and no part.
            if isinstance(mechanism, PyKCS11.AES_GCM_Mechanism):
                continue
            self.session.decryptInit(mechanism, key)
            parts = [self.session.decryptUpdate(sealed[:32]), self.session.decryptUpdate(sealed[32:])]
            parts.append(self.session.decryptFinal())
            self.assertEqual(b"".join(map(bytes, parts)), blocks)

    def test_wrong_lengths_have_their_code(self):
        key = self.aes(CKA_ENCRYPT, CKA_DECRYPT)
        mechanism = PyKCS11.Mechanism(CKM_AES_CBC, bytes(16))
        with self.raises(CKR_DATA_LEN_RANGE):
            self.session.encrypt(key, b"short", mechanism)
        with self.raises(CKR_ENCRYPTED_DATA_LEN_RANGE):
            self.session.decrypt(key, b"short", mechanism)
        with self.raises(CKR_MECHANISM_PARAM_INVALID):
            self.session.encrypt(key, bytes(16), PyKCS11.Mechanism(CKM_AES_CBC, bytes(15)))


class Wrapping(Logged):
    TEMPLATE = [
        (CKA_CLASS, CKO_SECRET_KEY),
        (CKA_KEY_TYPE, CKK_AES),
        (CKA_TOKEN, False),
        (CKA_SENSITIVE, False),
        (CKA_EXTRACTABLE, True),
    ]

    def test_secret_keys_are_wrapped_and_unwrapped_by_aes_and_rsa(self):
        aes = self.aes(CKA_WRAP, CKA_UNWRAP)
        public, private = self.rsa(CKA_WRAP, CKA_UNWRAP)
        key = self.secret(bytes(range(32)), CKK_AES, CKA_ENCRYPT)
        for wrapping, unwrapping, mechanism in [
            (aes, aes, PyKCS11.Mechanism(CKM_AES_KEY_WRAP, None)),
            (aes, aes, PyKCS11.Mechanism(CKM_AES_KEY_WRAP_PAD, None)),
            (aes, aes, PyKCS11.Mechanism(CKM_AES_CBC_PAD, bytes(16))),
            (public, private, PyKCS11.Mechanism(CKM_RSA_PKCS, None)),
            (public, private, PyKCS11.RSAOAEPMechanism(CKM_SHA256, CKG_MGF1_SHA256)),
        ]:
            wrapped = self.session.wrapKey(wrapping, key, mechanism)
            back = self.session.unwrapKey(unwrapping, wrapped, self.TEMPLATE, mechanism)
            self.assertEqual(self.value(back), bytes(range(32)))

    def test_a_private_key_is_wrapped_and_unwrapped(self):
        aes = self.aes(CKA_WRAP, CKA_UNWRAP)
        public, private = self.rsa(CKA_VERIFY, CKA_SIGN, extractable=True)
        mechanism = PyKCS11.Mechanism(CKM_AES_KEY_WRAP_PAD, None)
        template = [(CKA_CLASS, CKO_PRIVATE_KEY), (CKA_KEY_TYPE, CKK_RSA), (CKA_TOKEN, False), (CKA_SIGN, True)]
        back = self.session.unwrapKey(aes, self.session.wrapKey(aes, private, mechanism), template, mechanism)
        sign = PyKCS11.Mechanism(CKM_SHA256_RSA_PKCS, None)
        self.assertTrue(self.session.verify(public, MESSAGE, self.session.sign(back, MESSAGE, sign), sign))

    def test_what_is_not_extractable_or_not_for_wrapping_is_refused(self):
        mechanism = PyKCS11.Mechanism(CKM_AES_KEY_WRAP, None)
        aes = self.aes(CKA_WRAP)
        with self.raises(CKR_KEY_UNEXTRACTABLE):
            self.session.wrapKey(aes, self.aes(CKA_ENCRYPT), mechanism)
        with self.raises(CKR_KEY_FUNCTION_NOT_PERMITTED):
            key = self.aes(CKA_ENCRYPT, wrap=False)
            self.session.wrapKey(key, self.secret(bytes(16)), mechanism)


class Derivation(Logged):
    def test_both_sides_derive_the_same_key(self):
        template = [
            (CKA_CLASS, CKO_SECRET_KEY),
            (CKA_KEY_TYPE, CKK_GENERIC_SECRET),
            (CKA_TOKEN, False),
            (CKA_VALUE_LEN, 32),
            (CKA_SENSITIVE, False),
            (CKA_EXTRACTABLE, True),
        ]
        for params, mechanism in [(P256, CKM_EC_KEY_PAIR_GEN), (X25519, CKM_EC_MONTGOMERY_KEY_PAIR_GEN)]:
            one = self.curve(params, mechanism, None, CKA_DERIVE)
            other = self.curve(params, mechanism, None, CKA_DERIVE)
            for kdf, shared in [(CKD_NULL, None), (CKD_SHA1_KDF, b"shared"), (CKD_SHA256_KDF, b"shared")]:
                values = [
                    self.value(
                        self.session.deriveKey(
                            private, template, PyKCS11.ECDH1_DERIVE_Mechanism(self.point(public), kdf, shared)
                        )
                    )
                    for private, public in ((one[1], other[0]), (other[1], one[0]))
                ]
                self.assertEqual(values[0], values[1])


class Digests(Logged):
    def test_every_hash_in_one_part_and_in_several(self):
        for mechanism, name in [
            (CKM_SHA_1, "sha1"),
            (CKM_SHA224, "sha224"),
            (CKM_SHA256, "sha256"),
            (CKM_SHA384, "sha384"),
            (CKM_SHA512, "sha512"),
            (CKM_SHA3_256, "sha3_256"),
        ]:
            expected = hashlib.new(name, MESSAGE).digest()
            mechanism = PyKCS11.Mechanism(mechanism, None)
            self.assertEqual(bytes(self.session.digest(MESSAGE, mechanism)), expected)
            digest = self.session.digestSession(mechanism)
            digest.update(MESSAGE[:4])
            digest.update(MESSAGE[4:])
            self.assertEqual(bytes(digest.final()), expected)

    def test_random_bytes_differ_and_no_seed_is_taken(self):
        # The generator seeds itself, and takes nothing from callers.
        with self.raises(CKR_RANDOM_SEED_NOT_SUPPORTED):
            self.session.seedRandom(b"seed")
        one, other = self.session.generateRandom(32), self.session.generateRandom(32)
        self.assertEqual(len(one), 32)
        self.assertNotEqual(bytes(one), bytes(other))


class Objects(Logged):
    def test_an_object_is_made_found_read_changed_and_destroyed(self):
        data = self.session.createObject(
            [(CKA_CLASS, CKO_DATA), (CKA_TOKEN, True), (CKA_LABEL, "kept"), (CKA_VALUE, b"value")]
        )
        self.assertEqual(len(self.session.findObjects([(CKA_LABEL, "kept")])), 1)
        self.assertEqual(self.value(data), b"value")
        self.session.setAttributeValue(data, [(CKA_LABEL, "renamed")])
        self.assertEqual(self.session.getAttributeValue(data, [CKA_LABEL, CKA_TOKEN]), ["renamed", True])
        self.session.destroyObject(data)
        self.assertEqual(self.session.findObjects([(CKA_LABEL, "renamed")]), [])
        with self.raises(CKR_OBJECT_HANDLE_INVALID):
            self.session.destroyObject(data)

    def test_a_stored_key_pair_is_found_by_its_id(self):
        public, private = self.session.generateKeyPair(
            [(CKA_TOKEN, True), (CKA_EC_PARAMS, P256), (CKA_ID, (0x0A,)), (CKA_LABEL, "pair"), (CKA_VERIFY, True)],
            [(CKA_TOKEN, True), (CKA_ID, (0x0A,)), (CKA_LABEL, "pair"), (CKA_SIGN, True)],
            mecha=PyKCS11.Mechanism(CKM_EC_KEY_PAIR_GEN, None),
        )
        found = self.session.findObjects([(CKA_ID, (0x0A,)), (CKA_CLASS, CKO_PRIVATE_KEY)])
        self.assertEqual(len(found), 1)
        attributes = [CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE]
        values = [bool(value) for value in self.session.getAttributeValue(found[0], attributes)]
        self.assertEqual(values, [True, False, True, True, True])
        for key in (public, private):
            self.session.destroyObject(key)


if __name__ == "__main__":
    unittest.main(verbosity=2)
