"""A token of the module, used through python-pkcs11: a case for every class of operation.

tests/clients.rs runs this with the module's path in MODULE, the token's label in TOKEN, and the PINs in PIN and SO_PIN.
"""

import datetime
import hashlib
import hmac
import os
import unittest

import pkcs11
from pkcs11 import KDF, MGF, Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.mechanisms import CTRParams, GCMParams
from pkcs11.util.ec import (
    decode_ec_private_key,
    decode_ec_public_key,
    encode_ec_public_key,
    encode_ecdsa_signature,
    encode_named_curve_parameters,
)
from pkcs11.util.rsa import decode_rsa_public_key, encode_rsa_public_key

LIBRARY = pkcs11.lib(os.environ["MODULE"])
PIN, SO_PIN, LABEL = os.environ["PIN"], os.environ["SO_PIN"], os.environ["TOKEN"]
MESSAGE = b"a message that several clients sign"

CIPHER = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT
SIGN = MechanismFlag.SIGN | MechanismFlag.VERIFY
WRAP = MechanismFlag.WRAP | MechanismFlag.UNWRAP
READABLE = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}
EXTRACTABLE = {Attribute.EXTRACTABLE: True}
CURVES = {"secp256r1": 32, "secp384r1": 48, "secp521r1": 66, "secp256k1": 32}


def token():
    return LIBRARY.get_token(token_label=LABEL)


class Logged(unittest.TestCase):
    """A read-write session of the user for each case."""

    def setUp(self):
        self.session = token().open(rw=True, user_pin=PIN)
        self.addCleanup(self.session.close)

    def aes(self, capabilities=CIPHER, bits=256, value=None):
        if value is None:
            return self.session.generate_key(KeyType.AES, bits, capabilities=capabilities)
        return self.session.create_object(
            {
                Attribute.CLASS: ObjectClass.SECRET_KEY,
                Attribute.KEY_TYPE: KeyType.AES,
                Attribute.VALUE: value,
                Attribute.ENCRYPT: bool(capabilities & MechanismFlag.ENCRYPT),
                Attribute.DECRYPT: bool(capabilities & MechanismFlag.DECRYPT),
                Attribute.SIGN: bool(capabilities & MechanismFlag.SIGN),
                Attribute.VERIFY: bool(capabilities & MechanismFlag.VERIFY),
                Attribute.WRAP: bool(capabilities & MechanismFlag.WRAP),
                Attribute.UNWRAP: bool(capabilities & MechanismFlag.UNWRAP),
            }
        )

    def rsa(self, capabilities=CIPHER | SIGN, bits=2048):
        return self.session.generate_keypair(KeyType.RSA, bits, capabilities=capabilities)

    def curve(self, name, key_type=KeyType.EC, **options):
        parameters = self.session.create_domain_parameters(
            key_type, {Attribute.EC_PARAMS: encode_named_curve_parameters(name)}, local=True
        )
        return parameters.generate_keypair(**options)

    def secret(self, value, key_type=KeyType.GENERIC_SECRET, **usages):
        attributes = {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: key_type,
            Attribute.VALUE: value,
            **READABLE,
        }
        attributes.update({Attribute[name.upper()]: True for name in usages})
        return self.session.create_object(attributes)


class TokenAndSession(unittest.TestCase):
    def test_slots_tokens_and_mechanisms_are_told(self):
        slot = token().slot
        self.assertIn(Mechanism.ECDSA, slot.get_mechanisms())
        info = slot.get_mechanism_info(Mechanism.RSA_PKCS)
        self.assertEqual(info.min_key_length, 2048)
        self.assertTrue(info.flags & MechanismFlag.SIGN)
        self.assertTrue(token().flags & pkcs11.constants.TokenFlag.TOKEN_INITIALIZED)
        self.assertTrue(LIBRARY.manufacturer_id)

    def test_a_wrong_pin_is_incorrect(self):
        with self.assertRaises(pkcs11.exceptions.PinIncorrect):
            token().open(rw=True, user_pin="wrong-pin-1")

    def test_without_a_login_private_keys_are_neither_seen_nor_made(self):
        with token().open(rw=True) as session:
            with self.assertRaises(pkcs11.exceptions.UserNotLoggedIn):
                session.generate_keypair(KeyType.RSA, 2048, store=True)
            self.assertEqual(list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})), [])

    def test_a_read_only_session_makes_no_token_objects(self):
        with token().open(user_pin=PIN) as session:
            with self.assertRaises(pkcs11.exceptions.SessionReadOnly):
                session.generate_key(KeyType.AES, 256, capabilities=CIPHER, store=True)
            self.assertFalse(session.rw)

    def test_the_pin_is_changed_by_the_user_and_set_anew_by_the_officer(self):
        with token().open(rw=True, user_pin=PIN) as session:
            session.set_pin(PIN, "another-pin-1")
        with token().open(rw=True, so_pin=SO_PIN) as session:
            session.init_pin(PIN)
        token().open(user_pin=PIN).close()


class KeyGeneration(Logged):
    def test_rsa(self):
        public, private = self.rsa(bits=3072)
        self.assertEqual((public.key_length, private.key_length), (3072, 3072))
        self.assertEqual(public[Attribute.MODULUS], private[Attribute.MODULUS])
        with self.assertRaises(pkcs11.exceptions.AttributeSensitive):
            private[Attribute.PRIVATE_EXPONENT]

    def test_every_curve(self):
        for name, length in CURVES.items():
            public, private = self.curve(name)
            self.assertEqual(len(public[Attribute.EC_POINT]), 2 * length + (4 if length == 66 else 3))
            self.assertEqual(private.key_type, KeyType.EC)

    def test_edwards(self):
        public, _ = self.curve("1.3.101.112", KeyType.EC_EDWARDS)
        self.assertIn(len(public[Attribute.EC_POINT]), (32, 34))

    def test_secret_keys(self):
        for bits in (128, 192, 256):
            self.assertEqual(self.aes(bits=bits).key_length, bits)
        key = self.session.generate_key(KeyType.GENERIC_SECRET, 160, capabilities=SIGN)
        self.assertEqual(key[Attribute.VALUE_LEN], 20)
        self.assertTrue(key[Attribute.LOCAL] and key[Attribute.ALWAYS_SENSITIVE] and key[Attribute.NEVER_EXTRACTABLE])

    def test_a_secret_key_does_not_both_wrap_and_decrypt(self):
        with self.assertRaises(pkcs11.exceptions.TemplateInconsistent):
            self.session.generate_key(KeyType.AES, 256)


class Signing(Logged):
    def test_rsa_in_one_part_and_in_several(self):
        public, private = self.rsa()
        pss = (Mechanism.SHA256, MGF.SHA256, 32)
        for mechanism, parameter in [
            (Mechanism.SHA1_RSA_PKCS, None),
            (Mechanism.SHA256_RSA_PKCS, None),
            (Mechanism.SHA512_RSA_PKCS, None),
            (Mechanism.SHA256_RSA_PKCS_PSS, pss),
        ]:
            options = {"mechanism": mechanism, "mechanism_param": parameter}
            for data in (MESSAGE, [MESSAGE[:7], MESSAGE[7:]]):
                signature = private.sign(data, **options)
                self.assertTrue(public.verify(MESSAGE, signature, **options))
                self.assertFalse(public.verify(MESSAGE + b".", signature, **options))

    def test_rsa_of_a_ready_digest(self):
        public, private = self.rsa()
        digest = hashlib.sha256(MESSAGE).digest()
        pss = {"mechanism": Mechanism.RSA_PKCS_PSS, "mechanism_param": (Mechanism.SHA256, MGF.SHA1, 11)}
        self.assertTrue(public.verify(digest, private.sign(digest, **pss), **pss))
        block = b"\0" + bytes(255)[:-1] + b"\7"
        raw = {"mechanism": Mechanism.RSA_X_509}
        self.assertTrue(public.verify(block, private.sign(block, **raw), **raw))

    def test_ecdsa_of_every_curve(self):
        for name, length in CURVES.items():
            public, private = self.curve(name)
            for mechanism in (Mechanism.ECDSA_SHA1, Mechanism.ECDSA_SHA256, Mechanism.ECDSA_SHA512):
                signature = private.sign(MESSAGE, mechanism=mechanism)
                self.assertEqual(len(signature), 2 * length)
                self.assertTrue(encode_ecdsa_signature(signature))
                self.assertTrue(public.verify(MESSAGE, signature, mechanism=mechanism))
            digest = hashlib.sha384(MESSAGE).digest()
            signature = private.sign(digest, mechanism=Mechanism.ECDSA)
            self.assertTrue(public.verify(MESSAGE, signature, mechanism=Mechanism.ECDSA_SHA384))

    def test_ed25519(self):
        public, private = self.curve("1.3.101.112", KeyType.EC_EDWARDS)
        signature = private.sign(MESSAGE)
        self.assertTrue(public.verify(MESSAGE, signature))
        self.assertTrue(public.verify(MESSAGE, signature, mechanism=Mechanism.EDDSA, mechanism_param=(False, None)))

    def test_macs(self):
        for name in ("sha1", "sha224", "sha256", "sha384", "sha512"):
            mechanism = Mechanism["SHA_1_HMAC" if name == "sha1" else f"{name.upper()}_HMAC"]
            key = self.secret(b"k" * 32, sign=True, verify=True)
            mac = key.sign(MESSAGE, mechanism=mechanism)
            self.assertEqual(mac, hmac.new(b"k" * 32, MESSAGE, name).digest())
            self.assertTrue(key.verify(MESSAGE, mac, mechanism=mechanism))
            self.assertFalse(key.verify(MESSAGE, mac[:-1] + bytes([mac[-1] ^ 1]), mechanism=mechanism))
        key = self.aes(SIGN)
        mac = key.sign([MESSAGE[:3], MESSAGE[3:]], mechanism=Mechanism.AES_CMAC)
        self.assertTrue(key.verify(MESSAGE, mac, mechanism=Mechanism.AES_CMAC))


class Encryption(Logged):
    def test_rsa(self):
        public, private = self.rsa()
        for mechanism, parameter in [
            (Mechanism.RSA_PKCS, None),
            (Mechanism.RSA_PKCS_OAEP, (Mechanism.SHA_1, MGF.SHA1, None)),
            (Mechanism.RSA_PKCS_OAEP, (Mechanism.SHA256, MGF.SHA256, None)),
            (Mechanism.RSA_PKCS_OAEP, (Mechanism.SHA256, MGF.SHA1, b"label")),
        ]:
            options = {"mechanism": mechanism, "mechanism_param": parameter}
            sealed = public.encrypt(MESSAGE, **options)
            self.assertEqual(private.decrypt(sealed, **options), MESSAGE)

    def test_aes_in_one_part_and_in_several(self):
        iv = bytes(range(16))
        blocks = bytes(range(64))
        for mechanism, parameter in [
            (Mechanism.AES_ECB, None),
            (Mechanism.AES_CBC, iv),
            (Mechanism.AES_CBC_PAD, iv),
            (Mechanism.AES_CTR, CTRParams(iv[:12])),
            (Mechanism.AES_GCM, GCMParams(iv[:12], b"also authenticated", 128)),
            (Mechanism.AES_GCM, GCMParams(iv[:8], None, 96)),
        ]:
            options = {"mechanism": mechanism, "mechanism_param": parameter}
            key = self.aes()
            sealed = key.encrypt(blocks, **options)
            self.assertNotEqual(sealed[:64], blocks)
            self.assertEqual(b"".join(key.encrypt([blocks[:5], blocks[5:]], **options)), sealed)
            self.assertEqual(key.decrypt(sealed, **options), blocks)
            self.assertEqual(b"".join(key.decrypt([sealed[:9], sealed[9:]], **options)), blocks)

    def test_a_changed_ciphertext_is_invalid(self):
        key = self.aes()
        options = {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(bytes(12))}
        sealed = key.encrypt(MESSAGE, **options)
        with self.assertRaises(pkcs11.exceptions.EncryptedDataInvalid):
            key.decrypt(sealed[:-1] + bytes([sealed[-1] ^ 1]), **options)


class Wrapping(Logged):
    def test_aes_wraps_and_unwraps_a_secret_key(self):
        iv = bytes(16)
        for mechanism, parameter in [
            (Mechanism.AES_KEY_WRAP, None),
            (Mechanism.AES_KEY_WRAP_PAD, None),
            (Mechanism.AES_CBC_PAD, iv),
        ]:
            options = {"mechanism": mechanism, "mechanism_param": parameter}
            wrapping = self.aes(WRAP)
            key = self.secret(bytes(range(32)), KeyType.AES, encrypt=True, decrypt=True)
            wrapped = wrapping.wrap_key(key, **options)
            back = wrapping.unwrap_key(
                ObjectClass.SECRET_KEY, KeyType.AES, wrapped, capabilities=CIPHER, template=READABLE, **options
            )
            self.assertEqual(back[Attribute.VALUE], bytes(range(32)))

    def test_rsa_wraps_and_unwraps_a_secret_key(self):
        for mechanism, parameter in [
            (Mechanism.RSA_PKCS, None),
            (Mechanism.RSA_PKCS_OAEP, (Mechanism.SHA256, MGF.SHA256, None)),
        ]:
            options = {"mechanism": mechanism, "mechanism_param": parameter}
            public, private = self.rsa(WRAP)
            key = self.secret(bytes(range(32)), KeyType.AES, encrypt=True, decrypt=True)
            wrapped = public.wrap_key(key, **options)
            back = private.unwrap_key(
                ObjectClass.SECRET_KEY, KeyType.AES, wrapped, capabilities=CIPHER, template=READABLE, **options
            )
            self.assertEqual(back[Attribute.VALUE], bytes(range(32)))

    def test_aes_wraps_and_unwraps_private_keys(self):
        wrapping = self.aes(WRAP)
        for key_type, pair in [
            (KeyType.RSA, self.session.generate_keypair(KeyType.RSA, 2048, private_template=EXTRACTABLE)),
            (KeyType.EC, self.curve("secp256r1", private_template=EXTRACTABLE)),
        ]:
            public, private = pair
            wrapped = wrapping.wrap_key(private, mechanism=Mechanism.AES_KEY_WRAP_PAD)
            back = wrapping.unwrap_key(
                ObjectClass.PRIVATE_KEY,
                key_type,
                wrapped,
                mechanism=Mechanism.AES_KEY_WRAP_PAD,
                # It also says of each use that a private key can't have that it isn't one.
                capabilities=MechanismFlag.SIGN,
            )
            self.assertTrue(public.verify(MESSAGE, back.sign(MESSAGE)))

    def test_what_is_not_extractable_is_not_wrapped(self):
        with self.assertRaises(pkcs11.exceptions.KeyUnextractable):
            self.aes(WRAP).wrap_key(self.aes())


class Derivation(Logged):
    def test_both_sides_of_every_curve_derive_the_same_key(self):
        for name in CURVES:
            one, other = [self.curve(name, capabilities=MechanismFlag.DERIVE) for _ in range(2)]
            for kdf, shared in ((KDF.NULL, None), (KDF.SHA1, b"shared"), (KDF.SHA256, None)):
                keys = [
                    private.derive_key(
                        KeyType.AES,
                        256,
                        mechanism_param=(kdf, shared, public[Attribute.EC_POINT]),
                        capabilities=CIPHER,
                        template=READABLE,
                    )
                    for private, public in ((one[1], other[0]), (other[1], one[0]))
                ]
                self.assertEqual(keys[0][Attribute.VALUE], keys[1][Attribute.VALUE])


class Digests(Logged):
    def test_every_hash_in_one_part_and_in_several(self):
        for name in ("sha1", "sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512"):
            mechanism = Mechanism["SHA_1" if name == "sha1" else name.upper()]
            expected = hashlib.new(name, MESSAGE).digest()
            self.assertEqual(self.session.digest(MESSAGE, mechanism=mechanism), expected)
            self.assertEqual(self.session.digest([MESSAGE[:4], MESSAGE[4:]], mechanism=mechanism), expected)

    def test_random_bytes_differ(self):
        one, other = self.session.generate_random(256), self.session.generate_random(256)
        self.assertEqual(len(one), 32)
        self.assertNotEqual(one, other)


class Objects(Logged):
    def test_a_data_object_is_kept_searched_changed_copied_and_destroyed(self):
        data = self.session.create_object(
            {
                Attribute.CLASS: ObjectClass.DATA,
                Attribute.TOKEN: True,
                Attribute.LABEL: "kept",
                Attribute.VALUE: b"value",
            }
        )
        self.assertEqual(data[Attribute.VALUE], b"value")
        data[Attribute.LABEL] = "renamed"
        with token().open() as other:
            found = list(other.get_objects({Attribute.LABEL: "renamed"}))
            self.assertEqual([one[Attribute.VALUE] for one in found], [b"value"])
        copy = data.copy({Attribute.TOKEN: False, Attribute.LABEL: "copied"})
        self.assertEqual((copy[Attribute.VALUE], copy[Attribute.LABEL]), (b"value", "copied"))
        data.destroy()
        self.assertEqual(list(self.session.get_objects({Attribute.LABEL: "renamed"})), [])

    def test_a_key_is_found_by_label_id_class_and_type(self):
        public, private = self.session.generate_keypair(KeyType.RSA, 2048, store=True, label="found", id=b"\1\2")
        self.addCleanup(public.destroy)
        self.addCleanup(private.destroy)
        found = self.session.get_key(object_class=ObjectClass.PRIVATE_KEY, key_type=KeyType.RSA, label="found")
        self.assertEqual((found.label, found.id), ("found", b"\1\2"))
        self.assertEqual(self.session.get_key(object_class=ObjectClass.PUBLIC_KEY, id=b"\1\2").label, "found")
        with self.assertRaises(pkcs11.exceptions.MultipleObjectsReturned):
            self.session.get_key(label="found")
        with self.assertRaises(pkcs11.exceptions.NoSuchKey):
            self.session.get_key(label="never made")

    def test_attributes_are_read_together_and_refused_where_they_must_be(self):
        key = self.session.generate_key(
            KeyType.AES,
            128,
            capabilities=CIPHER,
            label="attributes",
            template={Attribute.START_DATE: datetime.date(2026, 1, 2), Attribute.MODIFIABLE: False},
        )
        self.assertEqual(key[Attribute.START_DATE], datetime.date(2026, 1, 2))
        values = key.get_attributes([Attribute.LABEL, Attribute.KEY_TYPE, Attribute.KEY_GEN_MECHANISM])
        self.assertEqual(values[Attribute.LABEL], "attributes")
        self.assertEqual(values[Attribute.KEY_GEN_MECHANISM], Mechanism.AES_KEY_GEN)
        with self.assertRaises(pkcs11.exceptions.AttributeSensitive):
            key[Attribute.VALUE]
        with self.assertRaises(pkcs11.exceptions.AttributeTypeInvalid):
            key[Attribute.MODULUS]
        # CKR_ACTION_PROHIBITED, which python-pkcs11 has no class of its own for.
        with self.assertRaises(pkcs11.exceptions.PKCS11Error):
            key[Attribute.LABEL] = "other"

    def test_public_keys_go_out_and_come_back(self):
        public, private = self.rsa()
        back = self.session.create_object(decode_rsa_public_key(encode_rsa_public_key(public), SIGN))
        self.assertTrue(back.verify(MESSAGE, private.sign(MESSAGE)))
        public, private = self.curve("secp384r1")
        back = self.session.create_object(decode_ec_public_key(encode_ec_public_key(public), SIGN))
        self.assertTrue(back.verify(MESSAGE, private.sign(MESSAGE)))

    def test_a_private_key_is_imported(self):
        # RFC 5915 §3: the scalar 1, and the generator as its point.
        point = (
            b"\4"
            + bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
            + bytes.fromhex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
        )
        curve = encode_named_curve_parameters("secp256r1")
        scalar = (1).to_bytes(32, "big")
        der = b"\2\1\1\4\x20" + scalar + b"\xa0" + bytes([len(curve)]) + curve
        private = self.session.create_object(decode_ec_private_key(b"\x30" + bytes([len(der)]) + der))
        public = self.session.create_object(
            {
                Attribute.CLASS: ObjectClass.PUBLIC_KEY,
                Attribute.KEY_TYPE: KeyType.EC,
                Attribute.EC_PARAMS: curve,
                Attribute.EC_POINT: b"\4" + bytes([len(point)]) + point,
                Attribute.VERIFY: True,
            }
        )
        self.assertTrue(public.verify(MESSAGE, private.sign(MESSAGE)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
