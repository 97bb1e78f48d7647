"""Every operation of azure-keyvault-keys' KeyClient, with keys of every kind."""

import datetime

from azure.keyvault.keys import ApiVersion, JsonWebKey, KeyClient, KeyCurveName, KeyOperation, KeyType
from azure.keyvault.keys.crypto import SignatureAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from vault import Case, URL, administrator, fresh, http, keys, main, remote, stranger

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
SIX = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]

CURVES = {
    KeyCurveName.p_256: (ec.SECP256R1(), SignatureAlgorithm.es256, hashes.SHA256(), 32),
    KeyCurveName.p_384: (ec.SECP384R1(), SignatureAlgorithm.es384, hashes.SHA384(), 48),
    KeyCurveName.p_521: (ec.SECP521R1(), SignatureAlgorithm.es512, hashes.SHA512(), 66),
    KeyCurveName.p_256_k: (ec.SECP256K1(), SignatureAlgorithm.es256_k, hashes.SHA256(), 32),
}


def number(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


class Creating(Case):
    def test_an_ec_key_of_every_curve_is_made(self):
        for curve, (_, _, _, size) in CURVES.items():
            for hsm in [False, True]:
                key = keys.create_ec_key(fresh("ec"), curve=curve, hardware_protected=hsm)
                self.assertEqual(key.key_type, KeyType.ec_hsm if hsm else KeyType.ec)
                self.assertEqual((key.key.crv, len(key.key.x), len(key.key.y)), (curve, size, size))
                self.assertEqual(key.key_operations, ["sign", "verify"])

    def test_an_rsa_key_of_every_size_is_made(self):
        for size in [2048, 3072, 4096]:
            key = keys.create_rsa_key(fresh("rsa"), size=size, hardware_protected=size == 3072)
            self.assertEqual(key.key_type, KeyType.rsa_hsm if size == 3072 else KeyType.rsa)
            self.assertEqual((len(key.key.n) * 8, key.key.e), (size, b"\1\0\1"))
            self.assertEqual(key.key_operations, SIX)

    def test_an_rsa_key_has_the_exponent_that_was_asked_for(self):
        for exponent in [3, 17, 65537]:
            key = keys.create_rsa_key(fresh("exponent"), size=2048, hardware_protected=True, public_exponent=exponent)
            self.assertEqual(int.from_bytes(key.key.e, "big"), exponent)

    def test_a_secret_key_of_every_size_is_made_and_not_shown(self):
        for size in [128, 192, 256]:
            for hsm in [False, True]:
                key = keys.create_oct_key(fresh("oct"), size=size, hardware_protected=hsm)
                self.assertEqual(key.key_type, KeyType.oct_hsm if hsm else KeyType.oct)
                self.assertIsNone(key.key.k)

    def test_a_key_comes_back_as_it_was_made(self):
        name = fresh("full")
        made = keys.create_key(
            name, KeyType.rsa, size=2048, key_operations=[KeyOperation.sign, KeyOperation.wrap_key], enabled=True,
            tags={"a": "b"}, not_before=NOW - DAY, expires_on=NOW + DAY)
        for key in [made, keys.get_key(name), keys.get_key(name, made.properties.version)]:
            of = key.properties
            self.assertEqual((key.name, key.id, of.version), (name, made.id, made.properties.version))
            self.assertEqual(key.key_operations, ["sign", "wrapKey"])
            self.assertEqual((of.tags, of.enabled, of.not_before, of.expires_on), ({"a": "b"}, True, NOW - DAY, NOW + DAY))
            self.assertEqual((of.exportable, of.recoverable_days, of.recovery_level), (False, 90, "Recoverable+Purgeable"))
            self.assertEqual((of.vault_url, bool(of.managed)), (URL, False))
            self.assertEqual(key.key.n, made.key.n)
            self.assertIsNone(key.key.d)
        self.assertEqual(made.id, f"{URL}/keys/{name}/{made.properties.version}")

    def test_a_key_outside_its_dates_can_be_made_and_read(self):
        for dates in [dict(expires_on=NOW - DAY), dict(not_before=NOW + DAY)]:
            made = keys.create_ec_key(fresh("dated"), **dates)
            self.assertEqual(keys.get_key(made.name).id, made.id)

    def test_making_it_again_makes_a_version_and_older_ones_go_on(self):
        name = fresh("again")
        made = [keys.create_ec_key(name) for _ in range(3)]
        self.assertEqual(keys.get_key(name).id, made[-1].id)
        digest = b"\7" * 32
        for key in made:
            signed = remote(key).sign(SignatureAlgorithm.es256, digest)
            self.assertEqual(signed.key_id, key.id)
            self.assertTrue(remote(key).verify(SignatureAlgorithm.es256, digest, signed.signature).is_valid)
        listed = {of.version for of in keys.list_properties_of_key_versions(name)}
        self.assertEqual(listed, {key.properties.version for key in made})

    def test_release_and_export_are_refused_clearly(self):
        with self.refused(400, "BadParameter") as refused:
            keys.create_rsa_key(fresh("exported"), hardware_protected=True, exportable=True)
        self.assertIn("releases no keys", refused.message)


class Importing(Case):
    def signs_and_verifies(self, key, algorithm, size, check):
        digest = bytes(range(size))
        signature = remote(key).sign(algorithm, digest).signature
        self.assertTrue(remote(key).verify(algorithm, digest, signature).is_valid)
        check(digest, signature)

    def test_ec_keys_of_others_are_taken(self):
        for curve, (form, algorithm, digest, size) in CURVES.items():
            own = ec.generate_private_key(form)
            numbers = own.private_numbers()
            at = [numbers.public_numbers.x, numbers.public_numbers.y, numbers.private_value]
            x, y, d = [value.to_bytes(size, "big") for value in at]
            jwk = JsonWebKey(kty="EC", crv=curve, x=x, y=y, d=d, key_ops=["sign", "verify"])
            key = keys.import_key(fresh("ec"), jwk, tags={"from": "cryptography"})
            self.assertEqual((key.key.x, key.key.y, key.key.d), (x, y, None))
            self.assertEqual((key.key_type, key.properties.tags), (KeyType.ec, {"from": "cryptography"}))

            def check(given, signature):
                from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
                r, s = [int.from_bytes(half, "big") for half in (signature[:size], signature[size:])]
                own.public_key().verify(encode_dss_signature(r, s), given, ec.ECDSA(Prehashed(digest)))

            self.signs_and_verifies(key, algorithm, digest.digest_size, check)

    def test_rsa_keys_of_others_are_taken(self):
        from cryptography.hazmat.primitives.asymmetric import padding
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
        for size in [2048, 3072, 4096]:
            for hsm in [False, True]:
                own = rsa.generate_private_key(65537, size)
                of = own.private_numbers()
                parts = dict(n=of.public_numbers.n, e=65537, d=of.d, p=of.p, q=of.q, dp=of.dmp1, dq=of.dmq1, qi=of.iqmp)
                # Some senders put zeros before their numbers.
                parts = {name: b"\0" * hsm + number(value) for name, value in parts.items()}
                jwk = JsonWebKey(kty="RSA", key_ops=SIX, **parts)
                key = keys.import_key(fresh("rsa"), jwk, hardware_protected=hsm)
                self.assertEqual(key.key_type, KeyType.rsa_hsm if hsm else KeyType.rsa)
                self.assertEqual((key.key.n, key.key.d), (number(of.public_numbers.n), None))
                self.signs_and_verifies(
                    key, SignatureAlgorithm.rs256, 32,
                    lambda digest, signature: own.public_key().verify(
                        signature, digest, padding.PKCS1v15(), Prehashed(hashes.SHA256())))

    def test_secret_keys_of_others_are_taken(self):
        import hmac
        for size in [16, 24, 32]:
            jwk = JsonWebKey(kty="oct", k=bytes(range(size)), key_ops=["sign", "verify"])
            key = keys.import_key(fresh("oct"), jwk)
            self.assertEqual((key.key_type, key.key.k), (KeyType.oct, None))
            code = remote(key).sign(SignatureAlgorithm.hs256, b"\1" * 32).signature
            self.assertEqual(code, hmac.digest(bytes(range(size)), b"\1" * 32, "sha256"))


class Managing(Case):
    def test_what_is_updated_changes_and_the_rest_stays(self):
        made = keys.create_rsa_key(fresh("updated"), size=2048, tags={"a": "b"}, expires_on=NOW + DAY)
        after = keys.update_key_properties(made.name, made.properties.version, key_operations=["sign"])
        self.assertEqual((after.key_operations, after.properties.tags), (["sign"], {"a": "b"}))
        self.assertEqual(after.properties.expires_on, NOW + DAY)
        after = keys.update_key_properties(made.name, tags={"c": "d"}, enabled=False)
        self.assertEqual((after.properties.tags, after.properties.enabled), ({"c": "d"}, False))
        self.assertEqual((after.id, keys.get_key(made.name).properties.enabled), (made.id, False))
        with self.refused(403, "Forbidden", "KeyDisabled"):
            remote(made).sign(SignatureAlgorithm.rs256, b"\1" * 32)
        keys.update_key_properties(made.name, enabled=True)
        self.assertEqual(len(remote(made).sign(SignatureAlgorithm.rs256, b"\1" * 32).signature), 256)

    def test_a_list_is_followed_over_its_pages(self):
        names = {fresh("listed") for _ in range(53)}
        for name in names:
            keys.create_ec_key(name, tags={"t": name})
        listed = {of.name: of for of in keys.list_properties_of_keys() if of.name in names}
        self.assertEqual(set(listed), names)
        for name, of in listed.items():
            self.assertEqual((of.id, of.version, of.tags, of.enabled), (f"{URL}/keys/{name}", None, {"t": name}, True))
        pages = [len(list(page)) for page in keys.list_properties_of_keys(max_page_size=7).by_page()]
        self.assertEqual(set(pages[:-1]), {7})
        self.assertLessEqual(53, sum(pages))

    def test_versions_are_followed_over_their_pages(self):
        name = fresh("many")
        made = [keys.create_ec_key(name).properties.version for _ in range(27)]
        listed = [of.version for of in keys.list_properties_of_key_versions(name)]
        self.assertEqual((len(listed), set(listed)), (27, set(made)))

    def test_a_client_is_made_of_a_name(self):
        made = keys.create_ec_key(fresh("named"))
        client = keys.get_cryptography_client(made.name)
        signed = client.sign(SignatureAlgorithm.es256, b"\1" * 32)
        self.assertEqual(signed.key_id, made.id)
        self.assertTrue(client.verify(SignatureAlgorithm.es256, b"\1" * 32, signed.signature).is_valid)

    def test_random_bytes_are_as_many_as_asked(self):
        for count in [1, 32, 128]:
            self.assertEqual(len(keys.get_random_bytes(count)), count)
        self.assertNotEqual(keys.get_random_bytes(32), keys.get_random_bytes(32))

    def test_an_absent_key_is_not_found(self):
        with self.refused(404, "KeyNotFound") as refused:
            keys.get_key(fresh("absent"))
        self.assertIn("not found", refused.message)

    def test_every_api_version_of_the_sdk_makes_and_uses_a_key(self):
        for version in ApiVersion:
            client = KeyClient(URL, administrator, api_version=version)
            key = client.create_ec_key(fresh("version"))
            self.assertEqual(client.get_key(key.name).id, key.id)
            signed = remote(key, api_version=version).sign(SignatureAlgorithm.es256, b"\1" * 32)
            self.assertTrue(remote(key).verify(SignatureAlgorithm.es256, b"\1" * 32, signed.signature).is_valid)


class Dates(Case):
    """`nbf` and `exp` bind what makes something new."""

    def test_an_expired_key_verifies_and_decrypts_but_neither_signs_nor_encrypts(self):
        self.bound(dict(expires_on=NOW - DAY), "KeyExpired")

    def test_a_key_that_is_not_valid_yet_verifies_and_decrypts_but_neither_signs_nor_encrypts(self):
        self.bound(dict(not_before=NOW + DAY), "KeyNotYetValid")

    def bound(self, dates, inner):
        key = keys.create_rsa_key(fresh("dated"), size=2048)
        client = remote(key)
        digest = b"\1" * 32
        signature = client.sign(SignatureAlgorithm.ps256, digest).signature
        ciphertext = client.encrypt("RSA-OAEP-256", b"kept").ciphertext
        wrapped = client.wrap_key("RSA-OAEP-256", b"kept").encrypted_key
        keys.update_key_properties(key.name, **dates)
        client = remote(keys.get_key(key.name))
        # The client itself looks at the dates when it knows them: this one doesn't.
        client._not_before = client._expires_on = None
        self.assertTrue(client.verify(SignatureAlgorithm.ps256, digest, signature).is_valid)
        self.assertEqual(client.decrypt("RSA-OAEP-256", ciphertext).plaintext, b"kept")
        self.assertEqual(client.unwrap_key("RSA-OAEP-256", wrapped).key, b"kept")
        for attempt in [
            lambda: client.sign(SignatureAlgorithm.ps256, digest),
            lambda: client.encrypt("RSA-OAEP-256", b"kept"),
            lambda: client.wrap_key("RSA-OAEP-256", b"kept"),
        ]:
            with self.refused(403, "Forbidden", inner):
                attempt()


class Strangers(Case):
    def test_who_has_no_role_sees_and_makes_nothing(self):
        known = keys.create_ec_key(fresh("closed"))
        client = KeyClient(URL, stranger())
        jwk = JsonWebKey(kty="oct", k=b"\1" * 32)
        for attempt in [
            lambda: client.get_key(known.name),
            lambda: client.create_ec_key(known.name),
            lambda: client.import_key(known.name, jwk),
            lambda: client.update_key_properties(known.name, enabled=False),
            lambda: list(client.list_properties_of_keys()),
            lambda: list(client.list_properties_of_key_versions(known.name)),
            lambda: client.get_random_bytes(4),
            lambda: remote(known, stranger()).sign(SignatureAlgorithm.es256, b"\1" * 32),
            lambda: remote(known, stranger()).verify(SignatureAlgorithm.es256, b"\1" * 32, b"\1" * 64),
        ]:
            with self.refused(403, "Forbidden", "ForbiddenByRbac"):
                attempt()
        self.assertEqual(len(list(keys.list_properties_of_key_versions(known.name))), 1)

    def test_without_a_token_the_challenge_comes_before_everything(self):
        for path in ["/keys/x/create", "/nowhere/at/all"]:
            answer = http("POST", path, version=None, credential=None)
            self.assertEqual(answer.status_code, 401)
            self.assertRegex(answer.headers["WWW-Authenticate"], r'^Bearer authorization="https://.+", resource="https://.+"$')
            self.assertEqual(answer.json()["error"]["code"], "Unauthorized")


if __name__ == "__main__":
    main()
