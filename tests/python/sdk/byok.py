"""Keys that were wrapped elsewhere for a key of the vault, taken in with the official SDK.

FILES is a directory with `keys.json`: for each wrapped key its file, kind, curve and either its public key (PEM) or, of an AES
key, its bytes in hexadecimal digits. What it says under `wrong` no vault may take.
"""

import json
import os
import pathlib

from azure.keyvault.keys import JsonWebKey
from azure.keyvault.keys.crypto import EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from vault import Case, fresh, keys, main, remote

FILES = pathlib.Path(os.environ["FILES"])
KEYS = json.loads((FILES / "keys.json").read_text())
DIGEST = b"\1" * 32


def taken_in(of):
    blob = (FILES / of["file"]).read_bytes()
    ops = ["wrapKey", "unwrapKey"] if of["kty"] == "oct" else ["sign", "verify"]
    jwk = JsonWebKey(kty=of["kty"] + "-HSM", crv=of.get("crv"), key_ops=ops, t=blob)
    return keys.import_key(fresh("brought"), jwk, hardware_protected=True)


class Brought(Case):
    def test_every_wrapped_key_is_taken_in_and_is_that_key(self):
        for of in KEYS["good"]:
            with self.subTest(of["file"]):
                key = taken_in(of)
                self.assertEqual(key.key_type, of["kty"] + "-HSM")
                if "hex" in of:
                    wrapped = remote(key).wrap_key(KeyWrapAlgorithm.aes_256, DIGEST)
                    self.assertEqual(aes_key_unwrap(bytes.fromhex(of["hex"]), wrapped.encrypted_key), DIGEST)
                elif of["kty"] == "oct":
                    wrapped = remote(key).wrap_key(KeyWrapAlgorithm.aes_256, DIGEST)
                    self.assertEqual(remote(key).unwrap_key(KeyWrapAlgorithm.aes_256, wrapped.encrypted_key).key, DIGEST)
                else:
                    self.signs(key, serialization.load_pem_public_key((FILES / of["public"]).read_bytes()))

    def signs(self, key, public):
        """What the vault signs is verified with the public key that was there before."""
        if isinstance(public, rsa.RSAPublicKey):
            signature = remote(key).sign(SignatureAlgorithm.rs256, DIGEST).signature
            public.verify(signature, DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
            return
        size = {"P-256": 32, "P-384": 48, "P-521": 66, "P-256K": 32}[key.key.crv]
        algorithm, of = {"P-256": ("ES256", hashes.SHA256()), "P-384": ("ES384", hashes.SHA384()),
                         "P-521": ("ES512", hashes.SHA512()), "P-256K": ("ES256K", hashes.SHA256())}[key.key.crv]
        digest = b"\1" * of.digest_size
        signature = remote(key).sign(SignatureAlgorithm(algorithm), digest).signature
        numbers = [int.from_bytes(part, "big") for part in (signature[:size], signature[size:])]
        from cryptography.hazmat.primitives.asymmetric import ec
        public.verify(utils.encode_dss_signature(*numbers), digest, ec.ECDSA(utils.Prehashed(of)))

    def test_what_was_wrapped_for_another_key_or_changed_is_refused(self):
        for of in KEYS["wrong"]:
            with self.subTest(of["file"]), self.refused(400, "BadParameter"):
                taken_in(of)
        good = KEYS["good"][0]
        blob = json.loads((FILES / good["file"]).read_text())
        for place, value in [("ciphertext", blob["ciphertext"][:-8]), ("schema_version", "2.0.0")]:
            (FILES / "changed").write_text(json.dumps({**blob, place: value}))
            with self.subTest(place), self.refused(400, "BadParameter"):
                taken_in({**good, "file": "changed"})

    def test_the_key_that_takes_keys_in_does_nothing_else(self):
        key = keys.get_key(os.environ["KEK"])
        self.assertEqual([op for op in key.key_operations], ["import"])
        with self.refused(403, "Forbidden"):
            remote(key).decrypt(EncryptionAlgorithm.rsa_oaep, b"\1" * 256)


if __name__ == "__main__":
    main()
