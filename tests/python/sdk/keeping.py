"""Backups of single keys and secrets, rotation and its policy, and what is refused to everybody."""

import datetime

from azure.keyvault.keys import (
    KeyClient, KeyRotationLifetimeAction, KeyRotationPolicy, KeyRotationPolicyAction)
from azure.keyvault.keys.crypto import SignatureAlgorithm
from azure.keyvault.secrets import SecretClient
from vault import Case, URL, fresh, http, keys, main, remote, secrets, stranger

ROTATE, NOTIFY = KeyRotationPolicyAction.rotate, KeyRotationPolicyAction.notify


def delete_for_good(kind, name):
    assert http("DELETE", f"/{kind}/{name}").status_code == 200
    assert http("DELETE", f"/deleted{kind}/{name}").status_code == 204


class Backups(Case):
    def test_a_key_comes_back_with_its_versions_and_signs(self):
        name = fresh("restored")
        made = [keys.create_ec_key(name, tags={"version": str(number)}) for number in range(3)]
        blob = keys.backup_key(name)
        digest = b"\1" * 32
        signatures = [remote(key).sign(SignatureAlgorithm.es256, digest).signature for key in made]
        with self.refused(409, "Conflict"):
            keys.restore_key_backup(blob)
        http("DELETE", f"/keys/{name}")
        with self.refused(409, "Conflict"):
            keys.restore_key_backup(blob)
        http("DELETE", f"/deletedkeys/{name}")
        restored = keys.restore_key_backup(blob)
        self.assertEqual((restored.id, restored.properties.tags), (made[-1].id, {"version": "2"}))
        for key, signature in zip(made, signatures):
            again = keys.get_key(name, key.properties.version)
            self.assertEqual((again.key.x, again.properties.created_on), (key.key.x, key.properties.created_on))
            self.assertTrue(remote(again).verify(SignatureAlgorithm.es256, digest, signature).is_valid)
        signed = remote(restored).sign(SignatureAlgorithm.es256, digest)
        self.assertTrue(remote(made[-1]).verify(SignatureAlgorithm.es256, digest, signed.signature).is_valid)

    def test_a_secret_comes_back_with_its_versions(self):
        name = fresh("restored")
        made = [secrets.set_secret(name, f"value {number}", content_type="text/plain") for number in range(3)]
        blob = secrets.backup_secret(name)
        delete_for_good("secrets", name)
        self.assertEqual(secrets.restore_secret_backup(blob).id, made[-1].id)
        for number, version in enumerate(made):
            again = secrets.get_secret(name, version.properties.version)
            self.assertEqual((again.value, again.properties.content_type), (f"value {number}", "text/plain"))

    def test_a_blob_that_was_changed_or_is_of_another_kind_is_refused(self):
        name = fresh("blob")
        keys.create_ec_key(name)
        blob = keys.backup_key(name)
        delete_for_good("keys", name)
        for bad in [blob[:-1], blob[:20] + bytes([blob[20] ^ 1]) + blob[21:], blob[:-1] + bytes([blob[-1] ^ 1])]:
            with self.refused(400, "BadParameter"):
                keys.restore_key_backup(bad)
        with self.refused(400, "BadParameter"):
            secrets.restore_secret_backup(blob)
        keys.restore_key_backup(blob)

    def test_who_has_no_role_takes_and_restores_no_backup(self):
        key, secret = keys.create_ec_key(fresh("closed")), secrets.set_secret(fresh("closed"), "v")
        blobs = keys.backup_key(key.name), secrets.backup_secret(secret.name)
        delete_for_good("keys", key.name)
        delete_for_good("secrets", secret.name)
        client, other = KeyClient(URL, stranger()), SecretClient(URL, stranger())
        for attempt in [lambda: client.backup_key("any"), lambda: client.restore_key_backup(blobs[0]),
                        lambda: other.backup_secret("any"), lambda: other.restore_secret_backup(blobs[1])]:
            with self.refused(403, "Forbidden", "ForbiddenByRbac"):
                attempt()
        with self.refused(404, "KeyNotFound"):
            keys.get_key(key.name)


class Rotation(Case):
    def actions(self, policy):
        return [(of.action, of.time_after_create, of.time_before_expiry) for of in policy.lifetime_actions]

    def test_a_rotated_key_has_a_new_version_of_its_kind(self):
        for made in [
            keys.create_rsa_key(fresh("rotated"), size=3072, tags={"a": "b"}, key_operations=["sign", "verify"]),
            keys.create_ec_key(fresh("rotated"), curve="P-384", hardware_protected=True),
            keys.create_oct_key(fresh("rotated"), size=192),
        ]:
            rotated = keys.rotate_key(made.name)
            self.assertNotEqual(rotated.id, made.id)
            self.assertEqual(keys.get_key(made.name).id, rotated.id)
            for of in ["key_type", "key_operations"]:
                self.assertEqual(getattr(rotated, of), getattr(made, of))
            self.assertEqual((rotated.key.crv, len(rotated.key.n or b"")), (made.key.crv, len(made.key.n or b"")))
            self.assertEqual((rotated.properties.tags or {}), (made.properties.tags or {}))
            self.assertIsNone(rotated.properties.expires_on)
            self.assertEqual(len(list(keys.list_properties_of_key_versions(made.name))), 2)

    def test_a_policy_says_how_long_the_next_version_lives(self):
        made = keys.create_ec_key(fresh("policy"))
        keys.update_key_rotation_policy(made.name, KeyRotationPolicy(expires_in="P90D"))
        self.assertIsNone(keys.get_key(made.name).properties.expires_on)
        of = keys.rotate_key(made.name).properties
        life = of.expires_on - datetime.datetime.now(datetime.timezone.utc)
        self.assertAlmostEqual(life.total_seconds(), 90 * 24 * 3600, delta=600)

    def test_a_policy_is_completed_as_the_service_does_it(self):
        name = keys.create_ec_key(fresh("policy")).name
        notice = (NOTIFY, None, "P30D")
        self.assertEqual(self.actions(keys.get_key_rotation_policy(name)), [notice])
        put = keys.update_key_rotation_policy(name, KeyRotationPolicy())
        self.assertEqual((self.actions(put), put.expires_in), ([notice], None))
        rotate = KeyRotationLifetimeAction(ROTATE, time_after_create="P60D")
        put = keys.update_key_rotation_policy(name, KeyRotationPolicy(lifetime_actions=[rotate], expires_in="P2Y"))
        self.assertEqual(set(self.actions(put)), {notice, (ROTATE, "P60D", None)})
        read = keys.get_key_rotation_policy(name)
        self.assertEqual((set(self.actions(read)), read.expires_in), (set(self.actions(put)), "P2Y"))
        self.assertEqual((read.id, read.created_on), (f"{URL}/keys/{name}/rotationpolicy", put.created_on))
        told = KeyRotationLifetimeAction(NOTIFY, time_before_expiry="P10D")
        put = keys.update_key_rotation_policy(name, KeyRotationPolicy(lifetime_actions=[told], expires_in="P90D"))
        self.assertEqual(self.actions(put), [(NOTIFY, None, "P10D")])

    def test_a_policy_that_cannot_be_kept_is_refused(self):
        name = keys.create_ec_key(fresh("policy")).name
        rotate = KeyRotationLifetimeAction(ROTATE, time_before_expiry="P10D")
        for policy in [
            KeyRotationPolicy(expires_in="P27D"), KeyRotationPolicy(expires_in="never"),
            KeyRotationPolicy(lifetime_actions=[rotate, rotate], expires_in="P90D"),
            KeyRotationPolicy(lifetime_actions=[rotate]),
        ]:
            with self.refused(400, "BadParameter"):
                keys.update_key_rotation_policy(name, policy)

    def test_who_has_no_role_rotates_nothing(self):
        name, client = keys.create_ec_key(fresh("closed")).name, KeyClient(URL, stranger())
        for attempt in [lambda: client.rotate_key(name), lambda: client.get_key_rotation_policy(name),
                        lambda: client.update_key_rotation_policy(name, KeyRotationPolicy())]:
            with self.refused(403, "Forbidden", "ForbiddenByRbac"):
                attempt()
        self.assertEqual(len(list(keys.list_properties_of_key_versions(name))), 1)

    def test_release_and_attestation_are_refused_clearly(self):
        name = keys.create_rsa_key(fresh("released"), size=2048).name
        with self.refused(400, "BadParameter") as refused:
            keys.release_key(name, "an assertion")
        self.assertIn("releases no keys", refused.message)
        with self.refused(400, "BadParameter") as refused:
            keys.get_key_attestation(name)
        self.assertIn("attests no keys", refused.message)


if __name__ == "__main__":
    main()
