"""CryptographyClient with every algorithm of the server's table, each operation done in the vault and the outcome judged by
`cryptography`, which has the same keys: what the vault signs or encrypts it verifies or decrypts, and the reverse."""

import hmac
import os

from azure.keyvault.keys import JsonWebKey
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, keywrap, padding as block_padding
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from vault import ALGORITHMS, Case, administrator, fresh, keys, main, remote

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES = {
    "ES256": ("P-256", ec.SECP256R1(), hashes.SHA256(), 32),
    "ES384": ("P-384", ec.SECP384R1(), hashes.SHA384(), 48),
    "ES512": ("P-521", ec.SECP521R1(), hashes.SHA512(), 66),
    "ES256K": ("P-256K", ec.SECP256K1(), hashes.SHA256(), 32),
}
OAEP = {
    name: padding.OAEP(padding.MGF1(digest), digest, None)
    for name, digest in [("RSA-OAEP", hashes.SHA1()), ("RSA-OAEP-256", hashes.SHA256())]
}
# DigestInfo of SHA-256 without its digest (RFC 8017 §9.2).
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def number(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def imported(kty, own, **parts):
    return remote(keys.import_key(fresh(kty), JsonWebKey(kty=kty, key_ops=own, **parts)))


class Rsa:
    """An RSA key that both sides have."""

    own = rsa.generate_private_key(65537, 2048)
    of = own.private_numbers()
    public = own.public_key()
    vault = imported(
        "RSA", ["sign", "verify", "encrypt", "decrypt", "wrapKey", "unwrapKey"], n=number(of.public_numbers.n),
        e=b"\1\0\1", d=number(of.d), p=number(of.p), q=number(of.q), dp=number(of.dmp1), dq=number(of.dmq1),
        qi=number(of.iqmp))


class Aes:
    """Secret keys that both sides have, by their bits."""

    own = {bits: os.urandom(bits // 8) for bits in [128, 192, 256]}
    vault = {
        bits: imported("oct", ["sign", "verify", "encrypt", "decrypt", "wrapKey", "unwrapKey"], k=key)
        for bits, key in own.items()
    }


class Signing(Case):
    def exchange(self, client, algorithm, digest, sign, verify):
        """`sign` and `verify` are the other side's."""
        signature = client.sign(algorithm, digest).signature
        verify(signature, digest)
        for good in [signature, sign(digest)]:
            answer = client.verify(algorithm, digest, good)
            self.assertIs(answer.is_valid, True)
            self.assertEqual(answer.key_id, client.key_id)
        for bad in [bytes([signature[0] ^ 1]) + signature[1:], signature[:-1], b"\0" * len(signature)]:
            self.assertIs(client.verify(algorithm, digest, bad).is_valid, False)
        self.assertIs(client.verify(algorithm, digest[:-1] + bytes([digest[-1] ^ 1]), signature).is_valid, False)

    def rsa(self, algorithm, pad, digest):
        self.exchange(
            Rsa.vault, algorithm, os.urandom(digest.digest_size),
            lambda given: Rsa.own.sign(given, pad, Prehashed(digest)),
            lambda signature, given: Rsa.public.verify(signature, given, pad, Prehashed(digest)))

    def test_rsa_pkcs1(self):
        for bits, digest in HASHES.items():
            self.rsa(SignatureAlgorithm(f"RS{bits}"), padding.PKCS1v15(), digest)

    def test_rsa_pss_with_a_salt_as_long_as_the_digest(self):
        for bits, digest in HASHES.items():
            self.rsa(SignatureAlgorithm(f"PS{bits}"), padding.PSS(padding.MGF1(digest), digest.digest_size), digest)

    def test_rsnull_pads_a_ready_digest_info(self):
        digest = os.urandom(32)
        pad, form = padding.PKCS1v15(), Prehashed(hashes.SHA256())
        self.exchange(
            Rsa.vault, "RSNULL", SHA256_INFO + digest,
            lambda given: Rsa.own.sign(given[-32:], pad, form),
            lambda signature, given: Rsa.public.verify(signature, given[-32:], pad, form))

    def test_ecdsa_on_every_curve(self):
        for name, (curve, form, digest, size) in CURVES.items():
            own = ec.generate_private_key(form)
            of = own.private_numbers()
            values = [of.public_numbers.x, of.public_numbers.y, of.private_value]
            x, y, d = [value.to_bytes(size, "big") for value in values]
            client = imported("EC", ["sign", "verify"], crv=curve, x=x, y=y, d=d)

            def sign(given):
                halves = decode_dss_signature(own.sign(given, ec.ECDSA(Prehashed(digest))))
                return b"".join(half.to_bytes(size, "big") for half in halves)

            def verify(signature, given):
                self.assertEqual(len(signature), 2 * size)
                r, s = [int.from_bytes(half, "big") for half in (signature[:size], signature[size:])]
                own.public_key().verify(encode_dss_signature(r, s), given, ec.ECDSA(Prehashed(digest)))

            self.exchange(client, SignatureAlgorithm(name), os.urandom(digest.digest_size), sign, verify)

    def test_hmac_with_keys_of_every_size(self):
        for bits, key in Aes.own.items():
            for size, digest in HASHES.items():
                code = lambda given: hmac.digest(key, given, f"sha{size}")
                self.exchange(
                    Aes.vault[bits], SignatureAlgorithm(f"HS{size}"), os.urandom(digest.digest_size), code,
                    lambda signature, given: self.assertEqual(signature, code(given)))

    def test_what_the_sdk_verifies_itself_the_vault_signed(self):
        for key, algorithms in [
            (keys.create_rsa_key(fresh("local"), size=2048), ["RS256", "RS512", "PS256", "PS384"]),
            (keys.create_ec_key(fresh("local"), curve="P-521"), ["ES512"]),
        ]:
            client = CryptographyClient(key, administrator)
            for algorithm in map(SignatureAlgorithm, algorithms):
                digest = os.urandom(int(algorithm[-3:]) // 8)
                self.assertTrue(client.verify(algorithm, digest, client.sign(algorithm, digest).signature).is_valid)

    def test_a_key_of_the_vault_is_a_private_key_of_cryptography(self):
        client = CryptographyClient(keys.create_rsa_key(fresh("held"), size=2048), administrator)
        held = client.create_rsa_private_key()
        signature = held.sign(b"message", padding.PKCS1v15(), hashes.SHA256())
        public = held.public_key().public_numbers().public_key()
        public.verify(signature, b"message", padding.PKCS1v15(), hashes.SHA256())
        with self.assertRaises(InvalidSignature):
            public.verify(signature, b"another", padding.PKCS1v15(), hashes.SHA256())
        sealed = public.encrypt(b"kept", OAEP["RSA-OAEP"])
        self.assertEqual(held.decrypt(sealed, OAEP["RSA-OAEP"]), b"kept")


class Secrecy(Case):
    def test_rsa_encrypts_and_wraps(self):
        schemes = {**OAEP, "RSA1_5": padding.PKCS1v15()}
        for name, pad in schemes.items():
            for plain in [b"", b"kept", os.urandom(32)]:
                sealed = Rsa.vault.encrypt(EncryptionAlgorithm(name), plain)
                self.assertEqual(Rsa.own.decrypt(sealed.ciphertext, pad), plain)
                ciphertext = Rsa.public.encrypt(plain, pad)
                self.assertEqual(Rsa.vault.decrypt(EncryptionAlgorithm(name), ciphertext).plaintext, plain)
            key = os.urandom(32)
            wrapped = Rsa.vault.wrap_key(KeyWrapAlgorithm(name), key)
            self.assertEqual(Rsa.own.decrypt(wrapped.encrypted_key, pad), key)
            self.assertEqual(Rsa.vault.unwrap_key(KeyWrapAlgorithm(name), Rsa.public.encrypt(key, pad)).key, key)

    def test_aes_gcm_makes_the_iv_and_authenticates_what_stands_beside(self):
        for bits, key in Aes.own.items():
            client, algorithm = Aes.vault[bits], EncryptionAlgorithm(f"A{bits}GCM")
            seen = set()
            for plain, beside in [(b"kept", b"beside"), (os.urandom(100), b""), (b"", b"beside")]:
                sealed = client.encrypt(algorithm, plain, additional_authenticated_data=beside or None)
                given = sealed.ciphertext + sealed.tag
                self.assertEqual((len(sealed.iv), len(sealed.tag)), (12, 16))
                self.assertEqual(AESGCM(key).decrypt(sealed.iv, given, beside or None), plain)
                seen.add(sealed.iv)
                iv = os.urandom(12)
                other = AESGCM(key).encrypt(iv, plain, beside or None)
                opened = client.decrypt(
                    algorithm, other[:-16], iv=iv, authentication_tag=other[-16:],
                    additional_authenticated_data=beside or None)
                self.assertEqual(opened.plaintext, plain)
                with self.refused(400, "BadParameter"):
                    client.decrypt(
                        algorithm, other[:-16], iv=iv, authentication_tag=other[-16:],
                        additional_authenticated_data=b"another")
            self.assertEqual(len(seen), 3)

    def test_aes_cbc_takes_the_callers_iv(self):
        for bits, key in Aes.own.items():
            for name, padded in [(f"A{bits}CBC", False), (f"A{bits}CBCPAD", True)]:
                client, algorithm = Aes.vault[bits], EncryptionAlgorithm(name)
                for plain in [os.urandom(48)] + [os.urandom(7), b""] * padded:
                    iv = os.urandom(16)
                    cipher = Cipher(algorithms.AES(key), modes.CBC(iv))
                    pad = block_padding.PKCS7(128)
                    whole = plain
                    if padded:
                        padder = pad.padder()
                        whole = padder.update(plain) + padder.finalize()
                    encryptor = cipher.encryptor()
                    expected = encryptor.update(whole) + encryptor.finalize()
                    sealed = client.encrypt(algorithm, plain, iv=iv)
                    self.assertEqual((sealed.ciphertext, sealed.iv), (expected, iv))
                    self.assertEqual(client.decrypt(algorithm, expected, iv=iv).plaintext, plain)

    def test_aes_wraps_keys(self):
        for bits, key in Aes.own.items():
            client = Aes.vault[bits]
            for name in [f"A{bits}KW", "CKM_AES_KEY_WRAP"]:
                inner = os.urandom(40)
                wrapped = client.wrap_key(KeyWrapAlgorithm(name), inner).encrypted_key
                self.assertEqual(wrapped, keywrap.aes_key_wrap(key, inner))
                self.assertEqual(client.unwrap_key(KeyWrapAlgorithm(name), wrapped).key, inner)
            for inner in [b"x", os.urandom(121)]:
                name = KeyWrapAlgorithm.ckm_aes_key_wrap_pad
                wrapped = client.wrap_key(name, inner).encrypted_key
                self.assertEqual(wrapped, keywrap.aes_key_wrap_with_padding(key, inner))
                self.assertEqual(client.unwrap_key(name, wrapped).key, inner)

    def test_a_ciphertext_that_was_changed_says_nothing(self):
        said = set()
        oaep, cbc, gcm = "RSA-OAEP-256", "A256CBCPAD", "A256GCM"
        sealed = Aes.vault[256].encrypt(EncryptionAlgorithm(gcm), b"kept")
        for attempt in [
            lambda: Rsa.vault.decrypt(EncryptionAlgorithm(oaep), b"\1" * 256),
            lambda: Rsa.vault.decrypt(EncryptionAlgorithm(oaep), b"\1" * 255),
            lambda: Rsa.vault.unwrap_key(KeyWrapAlgorithm(oaep), b"\1" * 256),
            lambda: Aes.vault[256].decrypt(EncryptionAlgorithm(cbc), b"\1" * 17, iv=b"\0" * 16),
            lambda: Aes.vault[256].unwrap_key(KeyWrapAlgorithm("A256KW"), b"\1" * 40),
            lambda: Aes.vault[256].decrypt(
                EncryptionAlgorithm(gcm), b"\0" + sealed.ciphertext[1:], iv=sealed.iv, authentication_tag=sealed.tag),
        ]:
            with self.refused(400, "BadParameter") as refused:
                attempt()
            said.add(refused.message)
        self.assertEqual(len(said), 1, said)
        # RFC 8017's old padding has no error to tell: what comes out is random, and the same each time.
        first = Rsa.vault.decrypt(EncryptionAlgorithm.rsa1_5, b"\1" * 256).plaintext
        self.assertEqual(Rsa.vault.decrypt(EncryptionAlgorithm.rsa1_5, b"\1" * 256).plaintext, first)


class Coverage(Case):
    def test_every_algorithm_of_the_server_is_above(self):
        tried = {f"{kind}{size}" for kind in ["RS", "PS", "HS"] for size in HASHES} | set(CURVES) | {"RSNULL"}
        tried |= {*OAEP, "RSA1_5", "CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD"}
        tried |= {f"A{bits}{mode}" for bits in Aes.own for mode in ["GCM", "CBC", "CBCPAD", "KW"]}
        self.assertEqual(tried, ALGORITHMS)
        named = {*SignatureAlgorithm, *EncryptionAlgorithm, *KeyWrapAlgorithm}
        self.assertEqual({algorithm.value for algorithm in named} - ALGORITHMS, set())


if __name__ == "__main__":
    main()
