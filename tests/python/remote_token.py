"""A token whose keys stay at a server, used through python-pkcs11.

tests/azure_module runs this with the module's path in MODULE, the token's label in TOKEN and the PIN in PIN.
"""

import os
import unittest

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

LIBRARY = pkcs11.lib(os.environ["MODULE"])
PIN, LABEL = os.environ["PIN"], os.environ["TOKEN"]
SIGN = MechanismFlag.SIGN | MechanismFlag.VERIFY
CIPHER = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT


class RemoteToken(unittest.TestCase):
    def setUp(self):
        self.session = LIBRARY.get_token(token_label=LABEL).open(rw=True, user_pin=PIN)

    def tearDown(self):
        self.session.close()

    def test_rsa_signs_and_decrypts(self):
        public, private = self.session.generate_keypair(KeyType.RSA, 2048, label="rsa", store=True)
        signature = private.sign(b"message", mechanism=Mechanism.SHA256_RSA_PKCS)
        self.assertTrue(public.verify(b"message", signature, mechanism=Mechanism.SHA256_RSA_PKCS))
        self.assertFalse(public.verify(b"another", signature, mechanism=Mechanism.SHA256_RSA_PKCS))
        self.assertEqual(private.decrypt(public.encrypt(b"secret")), b"secret")

    def test_a_key_is_renamed_found_and_deleted(self):
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        parameters = self.session.create_domain_parameters(KeyType.EC, curve, local=True)
        public, private = parameters.generate_keypair(store=True, label="curve", capabilities=SIGN)
        signature = private.sign(b"d" * 32, mechanism=Mechanism.ECDSA)
        self.assertTrue(public.verify(b"d" * 32, signature, mechanism=Mechanism.ECDSA))
        private[Attribute.LABEL] = "renamed"
        found = self.session.get_key(label="renamed", object_class=ObjectClass.PRIVATE_KEY)
        self.assertEqual(found.id, public.id)
        found.destroy()
        self.assertEqual(list(self.session.get_objects({Attribute.ID: public.id})), [])

    def test_aes_encrypts_where_the_key_is_whole_and_in_parts(self):
        key = self.session.generate_key(KeyType.AES, 256, store=True, label="aes", capabilities=CIPHER)
        iv = self.session.generate_random(128)
        whole = key.encrypt(b"data" * 10, mechanism_param=iv)
        self.assertEqual(b"".join(key.encrypt([b"data"] * 10, mechanism_param=iv)), whole)
        self.assertEqual(key.decrypt(whole, mechanism_param=iv), b"data" * 10)

    def test_what_it_has_not_is_not_offered(self):
        offered = LIBRARY.get_token(token_label=LABEL).slot.get_mechanisms()
        self.assertIn(Mechanism.AES_CBC_PAD, offered)
        self.assertNotIn(Mechanism.ECDH1_DERIVE, offered)
        self.assertNotIn(Mechanism.SHA256_HMAC, offered)


if __name__ == "__main__":
    unittest.main()
