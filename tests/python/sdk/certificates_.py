"""Every operation of azure-keyvault-certificates' CertificateClient, and the key and the secret of a certificate."""

import base64
import datetime
import ipaddress

from azure.keyvault.certificates import (
    AdministratorContact, CertificateClient, CertificateContact, CertificateContentType, CertificatePolicy,
    CertificatePolicyAction, KeyCurveName, KeyType, KeyUsageType, LifetimeAction, WellKnownIssuerNames)
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import SignatureAlgorithm
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from vault import URL, Case, certificates, fresh, http, keys, main, remote, secrets, stranger

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
SELF, UNKNOWN = WellKnownIssuerNames.self, WellKnownIssuerNames.unknown
PEM, PFX = CertificateContentType.pem, CertificateContentType.pkcs12


def ec_policy(subject="CN=www.example.org", issuer=SELF, **more):
    return CertificatePolicy(issuer, subject=subject, key_type=KeyType.ec, key_curve_name=KeyCurveName.p_256, **more)


def create(name, policy=None, **more):
    return certificates.begin_create_certificate(name, policy or ec_policy(), _polling_interval=0.1, **more).result()


def parsed(certificate):
    return x509.load_der_x509_certificate(bytes(certificate.cer))


def delete(name):
    return certificates.begin_delete_certificate(name, _polling_interval=0.1).result()


def delete_for_good(name):
    delete(name)
    certificates.purge_deleted_certificate(name)


def spki(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def pkcs8(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issue(subject, key, issuer=None, issuer_key=None, ca=False, days=30):
    """A certificate that isn't the vault's work."""
    builder = x509.CertificateBuilder(
        issuer_name=issuer.subject if issuer else named(subject), subject_name=named(subject), public_key=key,
        serial_number=x509.random_serial_number(), not_valid_before=NOW - DAY, not_valid_after=NOW + days * DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    sign = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(issuer_key, sign)


class Authority:
    """A root, an intermediate, and what they issue."""

    def __init__(self):
        self.root_key, self.key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256R1())
        self.root = issue("Test Root", self.root_key.public_key(), issuer_key=self.root_key, ca=True)
        self.intermediate = issue("Test CA", self.key.public_key(), self.root, self.root_key, ca=True)

    def issue(self, subject, key):
        return issue(subject, key, self.intermediate, self.key)

    def chain(self):
        return [self.intermediate, self.root]


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def pfx(key, leaf, chain=(), password=None):
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"test", key, leaf, chain, protection)


class Creating(Case):
    def test_a_self_signed_certificate_is_there_with_its_key_and_its_secret(self):
        name = fresh("self")
        made = create(name, tags={"a": "b"})
        version = made.properties.version
        self.assertEqual(made.id, f"{URL}/certificates/{name}/{version}")
        self.assertEqual(made.key_id, f"{URL}/keys/{name}/{version}")
        self.assertEqual(made.secret_id, f"{URL}/secrets/{name}/{version}")
        self.assertEqual((made.properties.tags, made.properties.enabled), ({"a": "b"}, True))
        got = certificates.get_certificate(name)
        self.assertEqual((got.id, bytes(got.cer)), (made.id, bytes(made.cer)))
        self.assertEqual(certificates.get_certificate_version(name, version).id, made.id)
        certificate = parsed(made)
        self.assertEqual(certificate.subject, named("www.example.org"))
        certificate.verify_directly_issued_by(certificate)
        self.assertEqual(bytes(made.properties.x509_thumbprint), certificate.fingerprint(hashes.SHA1()))
        self.assertEqual(made.properties.expires_on, certificate.not_valid_after_utc)
        self.assertEqual(made.properties.not_before, certificate.not_valid_before_utc)
        self.assertTrue(datetime.timedelta(minutes=9) < NOW - certificate.not_valid_before_utc + DAY < DAY * 2)
        key = keys.get_key(name)
        self.assertEqual((key.id, key.properties.managed), (made.key_id, True))
        digest = b"\1" * 32
        signed = remote(key).sign(SignatureAlgorithm.es256, digest)
        self.assertTrue(remote(key).verify(SignatureAlgorithm.es256, digest, signed.signature).is_valid)

    def test_the_operation_says_where_it_is_and_what_came_of_it(self):
        name = fresh("polled")
        answer = http("POST", f"/certificates/{name}/create", {
            "policy": {"issuer": {"name": "Self"}, "x509_props": {"subject": "CN=polled"}}}, version="7.4")
        self.assertEqual(answer.status_code, 202)
        operation = answer.json()
        self.assertEqual((operation["status"], operation["cancellation_requested"]), ("inProgress", False))
        self.assertEqual(operation["id"], f"{URL}/certificates/{name}/pending")
        address = f"{operation['id']}?api-version=7.4&request_id={operation['request_id']}"
        self.assertEqual(answer.headers["Location"], address)
        self.assertGreater(int(answer.headers["Retry-After"]), 0)
        csr = x509.load_der_x509_csr(base64.b64decode(operation["csr"], validate=True))
        self.assertTrue(csr.is_signature_valid)
        polled = certificates.get_certificate_operation(name)
        self.assertEqual((polled.status, polled.target), ("completed", f"{URL}/certificates/{name}"))
        self.assertEqual((polled.issuer_name, polled.error), ("Self", None))
        self.assertEqual(spki(csr.public_key()), spki(parsed(certificates.get_certificate(name)).public_key()))
        gone = certificates.delete_certificate_operation(name)
        self.assertEqual(gone.status, "completed")
        with self.refused(404, "PendingCertificateNotFound") as refused:
            certificates.get_certificate_operation(name)
        self.assertIn("not found", refused.message)
        self.assertTrue(certificates.get_certificate(name).cer)

    def test_everything_that_a_policy_says_is_in_the_certificate(self):
        policy = CertificatePolicy(
            SELF, subject="CN=full,O=Example\\, Inc,C=DE", san_dns_names=["a.example", "*.b.example"],
            san_emails=["who@example.org"], san_user_principal_names=["who@corp.example"],
            san_ip_addresses=["192.0.2.7", "2001:db8::7"], san_uris=["spiffe://example/a"], validity_in_months=30,
            enhanced_key_usage=["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.4"], key_type=KeyType.rsa, key_size=3072,
            key_usage=[KeyUsageType.digital_signature, KeyUsageType.crl_sign], exportable=False, reuse_key=False,
            content_type=PEM)
        made = create(fresh("full"), policy)
        certificate = parsed(made)
        self.assertEqual(certificate.subject.rfc4514_string(), "CN=full,O=Example\\, Inc,C=DE")
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(set(names.get_values_for_type(x509.DNSName)), {"a.example", "*.b.example"})
        self.assertEqual(names.get_values_for_type(x509.RFC822Name), ["who@example.org"])
        self.assertEqual(names.get_values_for_type(x509.UniformResourceIdentifier), ["spiffe://example/a"])
        addresses = {ipaddress.ip_address("192.0.2.7"), ipaddress.ip_address("2001:db8::7")}
        self.assertEqual(set(names.get_values_for_type(x509.IPAddress)), addresses)
        upn = names.get_values_for_type(x509.OtherName)[0]
        self.assertEqual(upn.type_id.dotted_string, "1.3.6.1.4.1.311.20.2.3")
        self.assertTrue(upn.value.endswith(b"who@corp.example"))
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        self.assertEqual((usage.digital_signature, usage.crl_sign, usage.key_encipherment), (True, True, False))
        extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(list(extended), [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION])
        self.assertFalse(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
        self.assertEqual(certificate.public_key().key_size, 3072)
        life = (made.properties.expires_on.year - NOW.year) * 12 + made.properties.expires_on.month - NOW.month
        self.assertEqual(life, 30)
        shown = made.policy
        self.assertEqual((shown.key_size, shown.exportable, shown.content_type), (3072, False, PEM))
        self.assertEqual((shown.validity_in_months, shown.san_ip_addresses), (30, ["192.0.2.7", "2001:db8::7"]))

    def test_every_kind_of_key_is_made(self):
        for kind, size, curve in [
            (KeyType.rsa, 2048, None), (KeyType.rsa, 4096, None), (KeyType.ec, None, KeyCurveName.p_384),
            (KeyType.ec, None, KeyCurveName.p_521), (KeyType.ec, 256, None), (KeyType.ec, None, KeyCurveName.p_256_k),
        ]:
            made = create(fresh("kind"), CertificatePolicy(
                SELF, subject="CN=kind", key_type=kind, key_size=size, key_curve_name=curve))
            self.assertEqual(spki(parsed(made).public_key()), spki(public_key_of(keys.get_key(made.name))))
        for kind in [KeyType.rsa_hsm, KeyType.ec_hsm]:
            policy = CertificatePolicy(SELF, subject="CN=kind", key_type=kind, exportable=False)
            made = create(fresh("hsm"), policy)
            self.assertEqual((made.policy.key_type, keys.get_key(made.name).key_type), (kind, kind))
            with self.refused(400, "BadParameter"):
                create(fresh("hsm"), CertificatePolicy(SELF, subject="CN=kind", key_type=kind, exportable=True))

    def test_what_a_policy_leaves_out_is_filled(self):
        name = fresh("filled")
        http("POST", f"/certificates/{name}/create", {
            "policy": {"issuer": {"name": "Self"}, "x509_props": {"subject": "CN=filled"}}})
        policy = http("GET", f"/certificates/{name}/policy").json()
        self.assertEqual(policy["id"], f"{URL}/certificates/{name}/policy")
        self.assertEqual(
            policy["key_props"], {"exportable": True, "kty": "RSA", "key_size": 2048, "reuse_key": False})
        self.assertEqual(policy["secret_props"], {"contentType": "application/x-pkcs12"})
        self.assertEqual(policy["x509_props"], {
            "subject": "CN=filled", "ekus": ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"],
            "key_usage": ["digitalSignature", "keyEncipherment"], "validity_months": 12,
            "basic_constraints": {"ca": False}})
        self.assertEqual(policy["lifetime_actions"], [
            {"trigger": {"lifetime_percentage": 80}, "action": {"action_type": "AutoRenew"}}])
        self.assertEqual((policy["issuer"], policy["attributes"]["enabled"]), ({"name": "Self"}, True))

    def test_versions_follow_each_other_and_a_key_is_used_again_if_the_policy_says_so(self):
        name = fresh("renewed")
        first = create(name, ec_policy(reuse_key=True))
        second = create(name, ec_policy("CN=second", reuse_key=True))
        self.assertEqual(spki(parsed(first).public_key()), spki(parsed(second).public_key()))
        self.assertEqual(second.key_id, first.key_id)
        self.assertEqual(second.secret_id, f"{URL}/secrets/{name}/{second.properties.version}")
        self.assertEqual(keys.get_key(name).properties.expires_on, second.properties.expires_on)
        third = create(name, ec_policy("CN=third"))
        self.assertNotEqual(spki(parsed(second).public_key()), spki(parsed(third).public_key()))
        self.assertEqual(third.key_id, f"{URL}/keys/{name}/{third.properties.version}")
        self.assertEqual(certificates.get_certificate(name).id, third.id)
        self.assertEqual(bytes(certificates.get_certificate_version(name, first.properties.version).cer), bytes(first.cer))
        listed = {of.version: of for of in certificates.list_properties_of_certificate_versions(name)}
        self.assertEqual(set(listed), {of.properties.version for of in [first, second, third]})
        self.assertEqual(bytes(listed[first.properties.version].x509_thumbprint), bytes(first.properties.x509_thumbprint))
        self.assertEqual(len(list(keys.list_properties_of_key_versions(name))), 2)
        self.assertEqual(len(list(secrets.list_properties_of_secret_versions(name))), 3)

    def test_without_a_policy_the_one_that_stands_is_used(self):
        name = fresh("again")
        made = create(name, ec_policy("CN=again"))
        self.assertEqual(http("POST", f"/certificates/{name}/create", {}).status_code, 202)
        again = certificates.get_certificate(name)
        self.assertNotEqual(again.id, made.id)
        self.assertEqual(parsed(again).subject, named("again"))


def public_key_of(key):
    if key.key.n:
        return rsa.RSAPublicNumbers(int.from_bytes(key.key.e, "big"), int.from_bytes(key.key.n, "big")).public_key()
    curve = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1, "P-256K": ec.SECP256K1}[key.key.crv]
    x, y = int.from_bytes(key.key.x, "big"), int.from_bytes(key.key.y, "big")
    return ec.EllipticCurvePublicNumbers(x, y, curve()).public_key()


class Policies(Case):
    def test_a_policy_is_changed_member_by_member_and_counts_for_the_next_version(self):
        name = fresh("policy")
        made = create(name)
        actions = [LifetimeAction(CertificatePolicyAction.email_contacts, days_before_expiry=40)]
        changed = certificates.update_certificate_policy(name, CertificatePolicy(
            SELF, subject="CN=changed", validity_in_months=3, lifetime_actions=actions))
        self.assertEqual((changed.subject, changed.validity_in_months), ("CN=changed", 3))
        self.assertEqual((changed.key_type, changed.key_curve_name), (KeyType.ec, KeyCurveName.p_256))
        read = certificates.get_certificate_policy(name)
        self.assertEqual([(of.action, of.days_before_expiry, of.lifetime_percentage) for of in read.lifetime_actions],
                         [(CertificatePolicyAction.email_contacts, 40, None)])
        self.assertEqual((read.created_on, read.updated_on >= read.created_on), (changed.created_on, True))
        self.assertEqual(certificates.get_certificate(name).policy.subject, "CN=changed")
        self.assertEqual(bytes(certificates.get_certificate(name).cer), bytes(made.cer))
        http("POST", f"/certificates/{name}/create", {})
        self.assertEqual(parsed(certificates.get_certificate(name)).subject, named("changed"))

    def test_a_policy_outside_the_rules_is_refused(self):
        base = {"issuer": {"name": "Self"}, "x509_props": {"subject": "CN=x"}}
        for part, wrong in [
            ("x509_props", [{}, {"subject": ""}, {"subject": "no name"}, {"subject": "CN=x", "validity_months": 0},
                            {"subject": "CN=x", "validity_months": 1201}, {"subject": "CN=x", "ekus": ["server"]},
                            {"subject": "CN=x", "key_usage": ["sign"]}, {"subject": "CN=" + "x" * 3000},
                            {"sans": {"dns_names": ["a b"]}}, {"sans": {"emails": ["nobody"]}}, {"sans": {"upns": [""]}},
                            {"sans": {"ipAddresses": ["1.2.3"]}}, {"sans": {"uris": ["x"]}}, {"sans": {}},
                            {"sans": {"dns_names": ["a.example"] * 501}}]),
            ("key_props", [{"kty": "oct"}, {"kty": "DSA"}, {"kty": "RSA", "key_size": 1024}, {"kty": "EC", "crv": "P-192"},
                           {"kty": "EC", "crv": "P-256", "key_size": 384}, {"kty": "RSA-HSM", "exportable": True},
                           {"exportable": "yes"}]),
            ("secret_props", [{"contentType": "text/plain"}, {"contentType": 1}]),
            ("issuer", [{}, {"name": ""}, {"name": "a_b"}, {"name": "Self", "cty": "x" * 256}]),
            ("lifetime_actions", [
                [{"trigger": {}, "action": {"action_type": "AutoRenew"}}],
                [{"trigger": {"lifetime_percentage": 0}, "action": {"action_type": "AutoRenew"}}],
                [{"trigger": {"lifetime_percentage": 100}, "action": {"action_type": "AutoRenew"}}],
                [{"trigger": {"days_before_expiry": 0}, "action": {"action_type": "AutoRenew"}}],
                [{"trigger": {"days_before_expiry": 12 * 27 + 1}, "action": {"action_type": "AutoRenew"}}],
                [{"trigger": {"lifetime_percentage": 50, "days_before_expiry": 5}, "action": {"action_type": "AutoRenew"}}],
                [{"trigger": {"lifetime_percentage": 50}, "action": {"action_type": "Explode"}}],
                [{"trigger": {"lifetime_percentage": 50}, "action": {"action_type": "AutoRenew"}}] * 2,
                "never"]),
        ]:
            for value in wrong:
                with self.subTest(part, value=value):
                    answer = http("POST", f"/certificates/{fresh('x')}/create", {"policy": {**base, part: value}})
                    self.assertEqual((answer.status_code, answer.json()["error"]["code"]), (400, "BadParameter"), answer.text)
        answer = http("POST", f"/certificates/{fresh('x')}/create", {
            "policy": {**base, "more": 1, "platformManaged": {"certificateUsage": "x", "metadata": {"a": [1]}},
                       "lifetime_actions": [{"trigger": {"days_before_expiry": 12 * 27},
                                             "action": {"action_type": "EmailContacts"}}]}})
        self.assertEqual(answer.status_code, 202, answer.text)

    def test_what_azure_managed_says_is_kept(self):
        name = fresh("platform")
        policy = {"issuer": {"name": "Self"}, "x509_props": {"sans": {"dns_names": ["a.example"]}},
                  "platformManaged": {"certificateUsage": "x", "metadata": {"a": [1]}}}
        http("POST", f"/certificates/{name}/create", {"policy": policy}, version="2026-04-01")
        kept = http("GET", f"/certificates/{name}/policy", version="2026-04-01").json()
        self.assertEqual(kept["platformManaged"], policy["platformManaged"])
        self.assertEqual(len(parsed(certificates.get_certificate(name)).subject), 0)


class Pending(Case):
    def waits(self, name, **more):
        return certificates.begin_create_certificate(name, ec_policy(issuer=UNKNOWN, **more)).result()

    def csr(self, name):
        return x509.load_der_x509_csr(bytes(certificates.get_certificate_operation(name).csr))

    def test_a_certificate_is_merged_with_its_chain(self):
        name, authority = fresh("merged"), Authority()
        operation = self.waits(name)
        self.assertEqual((operation.status.lower(), operation.issuer_name), ("inprogress", "Unknown"))
        pending = certificates.get_certificate(name)
        self.assertEqual((pending.properties.enabled, pending.key_id, pending.secret_id, pending.cer),
                         (False, None, None, None))
        for get, code in [(lambda: keys.get_key(name), "KeyNotFound"), (lambda: secrets.get_secret(name), "SecretNotFound")]:
            with self.refused(404, code):
                get()
        leaf = authority.issue("merged", self.csr(name).public_key())
        merged = certificates.merge_certificate(name, [der(leaf), *map(der, authority.chain())], tags={"m": "1"})
        self.assertEqual((bytes(merged.cer), merged.properties.tags), (der(leaf), {"m": "1"}))
        self.assertEqual((merged.id, merged.properties.enabled), (pending.id, True))
        self.assertEqual(merged.key_id, f"{URL}/keys/{name}/{pending.properties.version}")
        self.assertEqual(certificates.get_certificate_operation(name).status, "completed")
        bundle = pkcs12.load_pkcs12(base64.b64decode(secrets.get_secret(name).value), None)
        self.assertEqual(bundle.cert.certificate, leaf)
        self.assertEqual([of.certificate for of in bundle.additional_certs], authority.chain())
        self.assertEqual(spki(bundle.key.public_key()), spki(leaf.public_key()))
        with self.refused(404, "PendingCertificateNotFound"):
            certificates.merge_certificate(name, [der(leaf)])

    def test_a_merge_with_anything_else_is_refused_and_the_request_goes_on_waiting(self):
        name, authority = fresh("merged"), Authority()
        self.waits(name)
        other = authority.issue("other", ec.generate_private_key(ec.SECP256R1()).public_key())
        leaf = authority.issue("merged", self.csr(name).public_key())
        stray = Authority().root
        for chain in [[], [b"nothing"], [der(other)], [der(other), *map(der, authority.chain())],
                      [der(leaf), der(stray)], [der(leaf)[:-1]]]:
            with self.refused(400, "BadParameter"):
                certificates.merge_certificate(name, chain)
        self.assertEqual(certificates.get_certificate_operation(name).status.lower(), "inprogress")
        certificates.merge_certificate(name, [der(authority.root), der(leaf), der(authority.intermediate)])
        self.assertEqual(bytes(certificates.get_certificate(name).cer), der(leaf))

    def test_nothing_else_is_made_under_a_name_that_waits(self):
        name = fresh("waits")
        self.waits(name)
        key = ec.generate_private_key(ec.SECP256R1())
        own = issue("own", key.public_key(), issuer_key=key)
        for attempt in [lambda: create(name), lambda: certificates.import_certificate(name, pfx(key, own))]:
            with self.refused(409, "Conflict"):
                attempt()
        for attempt in [lambda: keys.create_ec_key(name), lambda: secrets.set_secret(name, "v")]:
            with self.refused(403, "Forbidden", "ObjectIsManaged"):
                attempt()

    def test_what_waits_is_listed_only_when_it_is_asked_for_and_is_deleted_and_recovered(self):
        name = fresh("waits")
        self.waits(name)
        lists = lambda **how: {of.name for of in certificates.list_properties_of_certificates(**how)}
        self.assertNotIn(name, lists())
        self.assertIn(name, lists(include_pending=True))
        self.assertEqual([of.enabled for of in certificates.list_properties_of_certificate_versions(name)], [False])
        delete(name)
        gone = lambda **how: {of.name for of in certificates.list_deleted_certificates(**how)}
        self.assertNotIn(name, gone())
        self.assertIn(name, gone(include_pending=True))
        with self.refused(404, "PendingCertificateNotFound"):
            certificates.get_certificate_operation(name)
        certificates.begin_recover_deleted_certificate(name, _polling_interval=0.1).result()
        authority = Authority()
        certificates.merge_certificate(name, [der(authority.issue("x", self.csr(name).public_key()))])
        self.assertIn(name, lists())

    def test_an_operation_of_another_provider_is_cancelled_and_deleted(self):
        issuer = fresh("issuer")
        certificates.create_issuer(issuer, "DigiCert")
        name = fresh("cancelled")
        policy = ec_policy(issuer=issuer, certificate_type="OV")
        certificates.begin_create_certificate(name, policy, _polling_interval=60)
        self.assertEqual(certificates.get_certificate_operation(name).status, "inProgress")
        cancelled = certificates.cancel_certificate_operation(name)
        self.assertEqual((cancelled.cancellation_requested, cancelled.status), (True, "inProgress"))
        self.assertEqual(certificates.get_certificate_operation(name).status, "cancelled")
        with self.refused(400, "BadParameter"):
            certificates.merge_certificate(name, [der(Authority().issue("x", self.csr(name).public_key()))])
        deleted = certificates.delete_certificate_operation(name)
        self.assertEqual(deleted.status, "cancelled")
        with self.refused(404, "PendingCertificateNotFound") as refused:
            certificates.get_certificate_operation(name)
        self.assertIn("not found", refused.message)
        self.assertFalse(certificates.get_certificate(name).properties.enabled)
        delete(name)
        again = fresh("cancelled")
        certificates.begin_create_certificate(again, policy, _polling_interval=60)
        certificates.cancel_certificate_operation(again)
        self.assertTrue(create(again).cer)

    def test_what_cannot_be_cancelled_says_so(self):
        waits, done = fresh("waits"), fresh("done")
        self.waits(waits)
        create(done)
        for name in [waits, done]:
            with self.refused(400, "BadParameter"):
                certificates.cancel_certificate_operation(name)
        with self.refused(404, "PendingCertificateNotFound"):
            certificates.cancel_certificate_operation(fresh("none"))

    def test_a_new_version_waits_beside_the_old_one(self):
        name, authority = fresh("beside"), Authority()
        old = create(name)
        self.waits(name)
        self.assertEqual(certificates.get_certificate(name).id, old.id)
        self.assertEqual(len(list(certificates.list_properties_of_certificate_versions(name))), 2)
        certificates.delete_certificate_operation(name)
        self.assertEqual(len(list(certificates.list_properties_of_certificate_versions(name))), 1)
        self.waits(name, reuse_key=True)
        self.assertEqual(spki(self.csr(name).public_key()), spki(parsed(old).public_key()))
        merged = certificates.merge_certificate(name, [der(authority.issue("x", self.csr(name).public_key()))])
        self.assertEqual((merged.key_id, certificates.get_certificate(name).id), (old.key_id, merged.id))


class Issuing(Case):
    def authority(self):
        """A CA of the vault, under a name that an issuer may have."""
        name, key = fresh("ca"), ec.generate_private_key(ec.SECP256R1())
        root = issue("Own Root", key.public_key(), issuer_key=key, ca=True, days=900)
        certificates.import_certificate(name, pfx(key, root))
        return name, root

    def test_an_authority_of_the_vault_signs_at_once(self):
        name, root = self.authority()
        certificates.create_issuer(name, "Strongroom")
        issuer = fresh("issuer")
        certificates.create_issuer(issuer, "Strongroom", account_id=name)
        for of in [name, issuer]:
            made = create(fresh("issued"), ec_policy(issuer=of))
            leaf = parsed(made)
            leaf.verify_directly_issued_by(root)
            own = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
            self.assertTrue(own)
            bundle = pkcs12.load_pkcs12(base64.b64decode(secrets.get_secret(made.name).value), None)
            self.assertEqual([of.certificate for of in bundle.additional_certs], [root])

    def test_an_issuer_that_cannot_sign_fails_with_a_reason(self):
        plain = fresh("plain")
        create(plain)
        name, _ = self.authority()
        certificates.create_issuer(name, "Strongroom", enabled=False)
        cases = [(plain, {}), (fresh("absent"), {}), (name, {"enabled": False})]
        for account, attributes in cases:
            issuer = fresh("issuer")
            certificates.create_issuer(issuer, "Strongroom", account_id=account, **attributes)
            made = fresh("failed")
            operation = create(made, ec_policy(issuer=issuer))
            self.assertEqual(operation.status, "failed")
            self.assertTrue(operation.error.code and operation.error.message.endswith("."))
            self.assertFalse(certificates.get_certificate(made).properties.enabled)
            self.assertTrue(create(made).cer)
        long = CertificatePolicy(name, subject="CN=long", validity_in_months=120)
        certificates.update_issuer(name, enabled=True)
        self.assertEqual(create(fresh("long"), long).status, "failed")
        with self.refused(404, "IssuerNotFound"):
            create(fresh("none"), ec_policy(issuer=fresh("none")))


class Importing(Case):
    def forms(self, key, leaf, chain):
        text = b"".join([b"Bag Attributes\n    friendlyName: x\n", pkcs8(key), b"between\n", pem(leaf), *map(pem, chain)])
        return [
            (pfx(key, leaf, chain), {}), (pfx(key, leaf, chain, b"pass"), {"password": "pass"}),
            (text, {"policy": CertificatePolicy(UNKNOWN, content_type=PEM)}),
        ]

    def test_pkcs12_and_pem_come_with_key_and_chain(self):
        authority = Authority()
        for key in [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048),
                    ec.generate_private_key(ec.SECP521R1()), ed25519.Ed25519PrivateKey.generate()]:
            leaf = authority.issue("imported", key.public_key())
            for value, how in self.forms(key, leaf, authority.chain()):
                name = fresh("imported")
                made = certificates.import_certificate(name, value, tags={"a": "b"}, **how)
                self.assertEqual((bytes(made.cer), made.properties.tags), (der(leaf), {"a": "b"}))
                self.assertEqual(made.policy.subject, "CN=imported")
                self.assertEqual((made.policy.issuer_name, made.policy.exportable), ("Unknown", True))
                self.assertEqual(made.key_id, f"{URL}/keys/{name}/{made.properties.version}")
                secret = secrets.get_secret(name)
                if secret.properties.content_type == PEM:
                    self.assertIn("policy", how)
                    found = x509.load_pem_x509_certificates(secret.value.encode())
                    own = serialization.load_pem_private_key(secret.value.encode(), None)
                else:
                    bundle = pkcs12.load_pkcs12(base64.b64decode(secret.value), None)
                    found = [bundle.cert.certificate, *(of.certificate for of in bundle.additional_certs)]
                    own = bundle.key
                self.assertEqual(found, [leaf, *authority.chain()])
                self.assertEqual(pkcs8(own), pkcs8(key))

    def test_the_order_of_a_chain_is_kept_when_that_is_asked_for(self):
        authority, key = Authority(), ec.generate_private_key(ec.SECP256R1())
        leaf = authority.issue("ordered", key.public_key())
        odd = [authority.root, authority.intermediate]
        for preserve, wanted in [(True, odd), (False, authority.chain())]:
            name = fresh("ordered")
            made = certificates.import_certificate(name, pfx(key, leaf, odd), preserve_order=preserve)
            self.assertEqual(made.properties.preserve_order, preserve)
            bundle = pkcs12.load_pkcs12(base64.b64decode(secrets.get_secret(name).value), None)
            self.assertEqual([of.certificate for of in bundle.additional_certs], wanted)

    def test_what_is_no_certificate_with_its_key_is_refused_and_nothing_is_made(self):
        authority, key = Authority(), ec.generate_private_key(ec.SECP256R1())
        other, leaf = ec.generate_private_key(ec.SECP256R1()), None
        leaf = authority.issue("refused", key.public_key())
        good = pfx(key, leaf, password=b"pass")
        texts = lambda *parts: b"".join(parts)
        pem_policy = {"policy": CertificatePolicy(UNKNOWN, content_type=PEM)}
        stray = Authority().intermediate
        wrong = [
            (good, {"password": "wrong"}), (good, {}), (b"", {}), (b"nothing", {}), (good[:-20], {"password": "pass"}),
            (der(leaf), {}), (pkcs12.serialize_key_and_certificates(None, None, leaf, None, serialization.NoEncryption()), {}),
            (pfx(key, leaf, [stray]), {}), (pfx(key, leaf), pem_policy),
            (pem(leaf), pem_policy), (pkcs8(key), pem_policy), (texts(pkcs8(other), pem(leaf)), pem_policy),
            (texts(pkcs8(key), pkcs8(other), pem(leaf)), pem_policy), (texts(pkcs8(key), pem(leaf)[:-30]), pem_policy),
            (texts(pkcs8(key), pem(leaf), pem(stray)), pem_policy),
            (pfx(key, leaf), {"policy": CertificatePolicy(UNKNOWN, key_type=KeyType.rsa)}),
            (pfx(key, leaf), {"policy": CertificatePolicy(UNKNOWN, key_type=KeyType.ec_hsm, exportable=True)}),
            (b"/etc/ssl/certs/ssl-cert.pem", {}), (b"file:///etc/passwd", pem_policy),
        ]
        for number, (value, how) in enumerate(wrong):
            with self.subTest(number=number):
                name = fresh("refused")
                with self.refused(400, "BadParameter"):
                    certificates.import_certificate(name, value, **how)
                with self.refused(404, "CertificateNotFound"):
                    certificates.get_certificate(name)
                with self.refused(404, "KeyNotFound"):
                    keys.get_key(name)
        answer = http("POST", f"/certificates/{fresh('large')}/import", {"value": "A" * 2_000_000})
        self.assertEqual(answer.status_code, 413)

    def test_a_later_version_may_be_made_under_the_policy_of_what_was_imported(self):
        key = rsa.generate_private_key(65537, 2048)
        own = issue("policy", key.public_key(), issuer_key=key, days=60)
        name = fresh("imported")
        policy = CertificatePolicy(SELF, exportable=False, reuse_key=True)
        made = certificates.import_certificate(name, pfx(key, own), policy=policy)
        self.assertEqual((made.policy.exportable, made.policy.validity_in_months), (False, 2))
        http("POST", f"/certificates/{name}/create", {})
        again = certificates.get_certificate(name)
        self.assertEqual((again.key_id, parsed(again).subject), (made.key_id, named("policy")))


class Secrets(Case):
    def test_the_secret_holds_the_key_if_it_may_leave(self):
        for exportable in [True, False]:
            for content_type in [PEM, PFX]:
                made = create(fresh("secret"), ec_policy(exportable=exportable, content_type=content_type))
                secret = secrets.get_secret(made.name, made.properties.version)
                self.assertEqual((secret.id, secret.properties.key_id), (made.secret_id, made.key_id))
                self.assertEqual((secret.properties.content_type, secret.properties.managed), (content_type, True))
                self.assertEqual(secret.properties.expires_on, made.properties.expires_on)
                self.assertEqual(secrets.get_secret(made.name).value, secret.value)
                if content_type == PEM:
                    self.assertEqual(x509.load_pem_x509_certificate(secret.value.encode()), parsed(made))
                    self.assertEqual("PRIVATE KEY" in secret.value, exportable)
                else:
                    bundle = pkcs12.load_pkcs12(base64.b64decode(secret.value), None)
                    self.assertEqual(bundle.key is not None, exportable)
                    shown = bundle.cert or bundle.additional_certs[0]
                    self.assertEqual(shown.certificate, parsed(made))

    def test_another_type_is_given_when_it_is_asked_for(self):
        made = create(fresh("secret"))
        asked = http("GET", f"/secrets/{made.name}/", query={"outContentType": "application/x-pem-file"},
                     version="2026-04-01").json()
        self.assertEqual(asked["contentType"], "application/x-pem-file")
        self.assertEqual(x509.load_pem_x509_certificate(asked["value"].encode()), parsed(made))
        answer = http("GET", f"/secrets/{made.name}/", query={"outContentType": "text/plain"}, version="2026-04-01")
        self.assertEqual(answer.status_code, 400)

    def test_key_and_secret_are_listed_and_change_only_with_the_certificate(self):
        made = create(fresh("managed"))
        name, version = made.name, made.properties.version
        self.assertTrue([of for of in secrets.list_properties_of_secrets() if of.name == name and of.managed])
        self.assertTrue([of for of in keys.list_properties_of_keys() if of.name == name and of.managed])
        for attempt in [
            lambda: keys.begin_delete_key(name), lambda: keys.rotate_key(name), lambda: keys.create_ec_key(name),
            lambda: keys.create_oct_key(name), lambda: keys.backup_key(name),
            lambda: secrets.begin_delete_secret(name), lambda: secrets.set_secret(name, "v"),
            lambda: secrets.update_secret_properties(name, version, enabled=False), lambda: secrets.backup_secret(name),
        ]:
            with self.refused(403, "Forbidden", "ObjectIsManaged"):
                attempt()
        answer = http("PUT", f"/keys/{name}", {"key": {"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAA"}})
        self.assertEqual(answer.status_code, 403)
        self.assertEqual(certificates.get_certificate(name).id, made.id)

    def test_what_is_disabled_takes_key_and_secret_with_it(self):
        made = create(fresh("disabled"))
        changed = certificates.update_certificate_properties(made.name, enabled=False, tags={"x": "y"})
        self.assertEqual((changed.properties.enabled, changed.properties.tags), (False, {"x": "y"}))
        with self.refused(403, "Forbidden", "SecretDisabled"):
            secrets.get_secret(made.name)
        with self.refused(403, "Forbidden", "KeyDisabled"):
            remote(keys.get_key(made.name)).sign(SignatureAlgorithm.es256, b"\1" * 32)
        self.assertTrue(certificates.get_certificate(made.name).cer)
        changed = certificates.update_certificate_properties(made.name, made.properties.version, enabled=True)
        self.assertEqual((changed.properties.enabled, changed.properties.tags), (True, {"x": "y"}))
        self.assertTrue(secrets.get_secret(made.name).value)
        self.assertTrue(remote(keys.get_key(made.name)).sign(SignatureAlgorithm.es256, b"\1" * 32).signature)

    def test_a_key_that_versions_share_is_disabled_with_the_last_of_them(self):
        name = fresh("shared")
        versions = [create(name, ec_policy(reuse_key=True)).properties.version for _ in range(2)]
        certificates.update_certificate_properties(name, versions[0], enabled=False)
        self.assertTrue(keys.get_key(name).properties.enabled)
        certificates.update_certificate_properties(name, versions[1], enabled=False)
        self.assertFalse(keys.get_key(name).properties.enabled)

    def test_a_name_that_a_key_or_a_secret_has_is_not_a_certificates(self):
        key, secret = keys.create_ec_key(fresh("own")).name, secrets.set_secret(fresh("own"), "v").name
        for name in [key, secret]:
            with self.refused(409, "Conflict"):
                create(name)


class Keeping(Case):
    def test_certificate_key_and_secret_are_deleted_recovered_and_purged_together(self):
        made = [create(name, ec_policy()) for name in [fresh("gone")] for _ in range(2)][-1]
        name = made.name
        value = secrets.get_secret(name).value
        deleted = delete(name)
        for of in [deleted, certificates.get_deleted_certificate(name)]:
            self.assertEqual((of.id, bytes(of.cer), of.key_id), (made.id, bytes(made.cer), made.key_id))
            self.assertEqual(of.recovery_id, f"{URL}/deletedcertificates/{name}")
            self.assertEqual((of.scheduled_purge_date - of.deleted_on).days, 90)
        self.assertIn(name, [of.name for of in certificates.list_deleted_certificates()])
        self.assertTrue(keys.get_deleted_key(name).properties.managed)
        self.assertTrue(secrets.get_deleted_secret(name).properties.managed)
        self.assertIn(name, [of.name for of in secrets.list_deleted_secrets()])
        for get, code in [
            (lambda: certificates.get_certificate(name), "CertificateNotFound"), (lambda: keys.get_key(name), "KeyNotFound"),
            (lambda: secrets.get_secret(name), "SecretNotFound"),
            (lambda: certificates.get_certificate_policy(name), "CertificateNotFound"),
        ]:
            with self.refused(404, code):
                get()
        for attempt in [
            lambda: keys.begin_recover_deleted_key(name), lambda: keys.purge_deleted_key(name),
            lambda: secrets.begin_recover_deleted_secret(name), lambda: secrets.purge_deleted_secret(name),
        ]:
            with self.refused(403, "Forbidden", "ObjectIsManaged"):
                attempt()
        with self.refused(409, "Conflict", "ObjectIsDeletedButRecoverable"):
            create(name)
        recovered = certificates.begin_recover_deleted_certificate(name, _polling_interval=0.1).result()
        self.assertEqual((recovered.id, secrets.get_secret(name).value), (made.id, value))
        self.assertEqual(len(list(certificates.list_properties_of_certificate_versions(name))), 2)
        delete_for_good(name)
        for get, code in [
            (lambda: certificates.get_deleted_certificate(name), "CertificateNotFound"),
            (lambda: keys.get_deleted_key(name), "KeyNotFound"),
            (lambda: secrets.get_deleted_secret(name), "SecretNotFound"),
        ]:
            with self.refused(404, code):
                get()
        self.assertTrue(create(name).cer)

    def test_a_certificate_comes_back_from_its_backup_with_versions_key_and_chain(self):
        name, authority, key = fresh("restored"), Authority(), ec.generate_private_key(ec.SECP256R1())
        first = certificates.import_certificate(
            name, pfx(key, authority.issue("restored", key.public_key()), authority.chain()))
        second = create(name, ec_policy(reuse_key=True), tags={"n": "2"})
        old = secrets.get_secret(name, first.properties.version).value
        blob = certificates.backup_certificate(name)
        with self.refused(409, "Conflict"):
            certificates.restore_certificate_backup(blob)
        delete_for_good(name)
        restored = certificates.restore_certificate_backup(blob)
        self.assertEqual((restored.id, restored.properties.tags, restored.key_id), (second.id, {"n": "2"}, first.key_id))
        self.assertEqual(secrets.get_secret(name, first.properties.version).value, old)
        self.assertEqual(remote(keys.get_key(name)).sign(SignatureAlgorithm.es256, b"\1" * 32).key_id, first.key_id)
        for bad in [blob[:-1], blob[:-1] + bytes([blob[-1] ^ 1]), b"nothing"]:
            with self.refused(400, "BadParameter"):
                certificates.restore_certificate_backup(bad)
        with self.refused(400, "BadParameter"):
            keys.restore_key_backup(blob)

    def test_a_list_is_followed_over_its_pages(self):
        names = {fresh("listed") for _ in range(28)}
        for name in names:
            http("POST", f"/certificates/{name}/create", {
                "policy": {"issuer": {"name": "Self"}, "key_props": {"kty": "EC"}, "x509_props": {"subject": "CN=l"}},
                "tags": {"t": name}})
        listed = {of.name: of for of in certificates.list_properties_of_certificates() if of.name in names}
        self.assertEqual(set(listed), names)
        for name, of in listed.items():
            self.assertEqual((of.tags, of.version, of.id), ({"t": name}, None, f"{URL}/certificates/{name}"))
            self.assertTrue(of.x509_thumbprint and of.created_on and of.expires_on)
            self.assertIsNone(of.recovery_level)
        pages = [len(list(page)) for page in certificates.list_properties_of_certificates(max_page_size=10).by_page()]
        self.assertEqual(set(pages[:-1]), {10})


class Beside(Case):
    def test_issuers_are_set_changed_listed_and_deleted(self):
        name = fresh("issuer")
        contact = AdministratorContact(first_name="A", last_name="B", email="a@b.example", phone="1")
        made = certificates.create_issuer(
            name, "Test", account_id="account", password="keep-this-secret", organization_id="org",
            admin_contacts=[contact], enabled=True)
        for got in [made, certificates.get_issuer(name)]:
            self.assertEqual((got.name, got.provider, got.account_id), (name, "Test", "account"))
            self.assertEqual((got.organization_id, got.enabled), ("org", True))
            self.assertEqual([(of.first_name, of.email) for of in got.admin_contacts], [("A", "a@b.example")])
            self.assertEqual(got.id, f"{URL}/certificates/issuers/{name}")
            self.assertTrue(abs(got.created_on - NOW) < DAY)
        raw = http("GET", f"/certificates/issuers/{name}").text
        self.assertNotIn("keep-this-secret", raw)
        self.assertNotIn("pwd", raw)
        changed = certificates.update_issuer(name, enabled=False)
        self.assertEqual((changed.enabled, changed.account_id), (False, "account"))
        changed = certificates.update_issuer(name, provider="Other", password="another")
        self.assertEqual((changed.provider, changed.enabled), ("Other", False))
        listed = {of.name: of.provider for of in certificates.list_properties_of_issuers()}
        self.assertEqual(listed[name], "Other")
        self.assertEqual(certificates.delete_issuer(name).name, name)
        for attempt in [lambda: certificates.get_issuer(name), lambda: certificates.delete_issuer(name),
                        lambda: certificates.update_issuer(name, enabled=True)]:
            with self.refused(404, "IssuerNotFound") as refused:
                attempt()
            self.assertIn("not found", refused.message)
        for word in [SELF, UNKNOWN]:
            with self.refused(400, "BadParameter"):
                certificates.create_issuer(word, "Test")

    def test_contacts_are_set_and_deletion_answers_them(self):
        with self.refused(404, "ContactsNotFound"):
            certificates.get_contacts()
        contacts = [CertificateContact(email="a@b.example", name="A", phone="1"), CertificateContact(email="c@d.example")]
        shown = lambda of: [(one.email, one.name, one.phone) for one in of]
        wanted = [("a@b.example", "A", "1"), ("c@d.example", None, None)]
        self.assertEqual(shown(certificates.set_contacts(contacts)), wanted)
        self.assertEqual(shown(certificates.get_contacts()), wanted)
        self.assertEqual(shown(certificates.set_contacts(contacts[:1])), wanted[:1])
        self.assertEqual(shown(certificates.delete_contacts()), wanted[:1])
        with self.refused(404, "ContactsNotFound"):
            certificates.delete_contacts()


class Strangers(Case):
    def test_who_has_no_role_does_nothing(self):
        known = create(fresh("closed"))
        client = CertificateClient(URL, stranger())
        for attempt in [
            lambda: client.get_certificate(known.name), lambda: client.begin_create_certificate(known.name, ec_policy()),
            lambda: client.import_certificate(known.name, b"x"), lambda: client.backup_certificate(known.name),
            lambda: client.get_certificate_policy(known.name), lambda: client.begin_delete_certificate(known.name),
            lambda: list(client.list_properties_of_certificates()), lambda: list(client.list_properties_of_issuers()),
            lambda: client.create_issuer("x", "Test"), lambda: client.get_contacts(),
            lambda: client.get_certificate_operation(known.name), lambda: client.merge_certificate(known.name, [b"x"]),
            lambda: KeyClient(URL, stranger()).get_key(known.name),
            lambda: SecretClient(URL, stranger()).get_secret(known.name),
        ]:
            with self.refused(403, "Forbidden", "ForbiddenByRbac"):
                attempt()
        self.assertEqual(certificates.get_certificate(known.name).id, known.id)


if __name__ == "__main__":
    main()
