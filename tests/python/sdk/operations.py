"""Every operation of the server from one table: done at every api-version, refused to who has no role, and refused when
something is wrong with it."""

import base64
import dataclasses
import datetime
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from vault import (
    API_VERSIONS, Case, OPERATIONS, TARGET, b64u, finished, fresh, http, keys, main, secrets, stranger)

DIGEST = b64u(b"\1" * 32)
BLOCK = b64u(b"\2" * 16)


class Things(dict):
    """What a request speaks of, made when it does: `{ec}` is a key that stays, `{new}` a name that nothing has."""

    stay = {}

    def __missing__(self, name):
        kind, _, what = name.partition("_")
        if kind in ("new", "doomed", "deleted", "backup", "taken", "merged", "no", "whole", "lost", "job", "restored", "guid",
                    "principal", "role", "usedrole", "assignment"):
            self[name] = getattr(self, kind)(what)
        else:
            if name not in self.stay:
                self.stay[name] = getattr(self, name)()
            self[name] = self.stay[name]
        return self[name]

    def new(self, _what):
        return fresh("new")

    def doomed(self, what):
        name = fresh("doomed")
        if what == "key":
            keys.create_ec_key(name)
        elif what == "secret":
            secrets.set_secret(name, "v")
        elif what == "certificate":
            self.do("POST", f"/certificates/{name}/create", {"policy": SELF_SIGNED}, 202)
        elif what == "request":
            self.do("POST", f"/certificates/{name}/create", {"policy": WAITS}, 202)
        elif what == "issuer":
            self.do("PUT", f"/certificates/issuers/{name}", {"provider": "Test"})
        elif what == "contacts":
            self.do("PUT", "/certificates/contacts", CONTACTS)
            return ""
        return name

    def no(self, _what):
        """Makes an end of the contacts."""
        http("DELETE", "/certificates/contacts")
        return ""

    def merged(self, what):
        """A certificate for what waits, or for a key that nothing waits with."""
        key = ec.generate_private_key(ec.SECP256R1())
        if what == "leaf":
            operation = self.do("GET", f"/certificates/{self['doomed_request']}/pending")
            public = x509.load_der_x509_csr(base64.b64decode(operation["csr"])).public_key()
        else:
            public = key.public_key()
        return base64.b64encode(issued(public, key).public_bytes(serialization.Encoding.DER)).decode()

    def certificate(self):
        return self.doomed("certificate")

    def waits(self):
        return self.doomed("request")

    def issuer(self):
        return self.doomed("issuer")

    def asked(self):
        """A certificate that an issuer of another provider is asked for."""
        name = fresh("asked")
        policy = {**SELF_SIGNED, "issuer": {"name": self["issuer"]}}
        self.do("POST", f"/certificates/{name}/create", {"policy": policy}, 202)
        return name

    def pem(self):
        """A key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PrivateFormat.PKCS8
        text = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        return (text + issued(key.public_key(), key).public_bytes(serialization.Encoding.PEM)).decode()

    def deleted(self, what):
        name = self.doomed(what)
        self.do("DELETE", f"/{what}s/{name}")
        return name

    def backup(self, what):
        """A backup of something that is gone since."""
        name = self.doomed(what)
        blob = self.do("POST", f"/{what}s/{name}/backup")["value"]
        self.do("DELETE", f"/{what}s/{name}")
        self.do("DELETE", f"/deleted{what}s/{name}", status=204)
        return blob

    def whole(self, _what):
        """A backup of the vault as it is."""
        answer = http("POST", "/backup", STORAGE)
        return finished(answer)["azureStorageBlobContainerUri"].rsplit("/", 1)[1]

    def lost(self, _what):
        """A key that is in the backup `{whole}` and nowhere else."""
        name = self.doomed("key")
        self["whole"] = self.whole("")
        self.do("DELETE", f"/keys/{name}")
        self.do("DELETE", f"/deletedkeys/{name}", status=204)
        return name

    def job(self, _what):
        answer = http("POST", "/prebackup", STORAGE)
        return finished(answer)["jobId"]

    def restored(self, _what):
        body = {"sasTokenParameters": STORAGE, "folderToRestore": self["whole"]}
        return finished(http("PUT", "/prerestore", body))["jobId"]

    def taken(self, what):
        """A backup of something that is still there."""
        return self.do("POST", f"/{what}s/{self.doomed(what)}/backup")["value"]

    def do(self, method, path, body=None, status=200):
        answer = http(method, path, body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def guid(self, _what):
        return str(uuid.uuid4())

    principal = guid

    def role(self, _what):
        return self.do("PUT", f"{DEFINITIONS}/{uuid.uuid4()}", {"properties": {}}, 201)["name"]

    def assignment(self, _what, role=None):
        given = {"properties": {"roleDefinitionId": role or READER, "principalId": str(uuid.uuid4())}}
        return self.do("PUT", f"{ASSIGNMENTS}/{uuid.uuid4()}", given, 201)["name"]

    def usedrole(self, what):
        role = self.role(what)
        self.assignment(what, role)
        return role

    def ec(self):
        return keys.create_ec_key(fresh("ec")).name

    def rsa(self):
        return keys.create_rsa_key(fresh("rsa"), size=2048).name

    def aes(self):
        return keys.create_oct_key(fresh("aes"), size=256).name

    def disabled(self):
        return keys.create_ec_key(fresh("disabled"), enabled=False).name

    def signs(self):
        return keys.create_rsa_key(fresh("signs"), size=2048, key_operations=["sign"]).name

    def secret(self):
        return secrets.set_secret(fresh("secret"), "v").name

    def closed(self):
        return secrets.set_secret(fresh("closed"), "v", enabled=False).name

    def signature(self):
        return self.do("POST", f"/keys/{self['ec']}//sign", {"alg": "ES256", "value": DIGEST})["value"]

    def ciphertext(self):
        return self.do("POST", f"/keys/{self['rsa']}//encrypt", {"alg": "RSA-OAEP", "value": DIGEST})["value"]

    def wrapped(self):
        return self.do("POST", f"/keys/{self['aes']}//wrapkey", {"alg": "A256KW", "value": DIGEST})["value"]

    def fill(self, what):
        """`what` with names for what it speaks of."""
        if isinstance(what, str):
            return what.format_map(self)
        if isinstance(what, dict):
            return {name: self.fill(value) for name, value in what.items()}
        if isinstance(what, list):
            return [self.fill(value) for value in what]
        return what


def issued(public, key):
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "operations")])
    now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, public, x509.random_serial_number(), now - day, now + day)
    return builder.sign(key, hashes.SHA256())


@dataclasses.dataclass
class Wrong:
    """What is changed about a good request, and what it is then answered."""

    status: int
    code: str
    inner: str = None
    path: str = None
    body: object = None
    query: dict = None


@dataclasses.dataclass
class Row:
    """An operation: a good request, what its answer has, and what is refused."""

    operation: str
    method: str
    path: str
    body: object
    answers: str
    wrong: list
    status: int = 200
    without_version: bool = False


def bad(body=None, **change):
    return Wrong(400, "BadParameter", body=body, **change)


def absent(code, path):
    return Wrong(404, code, path=path)


def forbidden(inner, path, body=None):
    return Wrong(403, "Forbidden", inner, path=path, body=body)


JWK = {"kty": "oct", "k": BLOCK}
SIGN = {"alg": "ES256", "value": DIGEST}
PAGES = [bad(query={"maxresults": "26"}), bad(query={"maxresults": "0"}), bad(query={"$skiptoken": "*"})]
POLICY = {"lifetimeActions": [{"trigger": {"timeAfterCreate": "P90D"}, "action": {"type": "Rotate"}}]}
SELF_SIGNED = {"issuer": {"name": "Self"}, "key_props": {"kty": "EC"}, "x509_props": {"subject": "CN=operations"}}
WAITS = {**SELF_SIGNED, "issuer": {"name": "Unknown"}}
CONTACTS = {"contacts": [{"email": "who@example.org", "name": "Who"}]}
BUNDLE, ITEM = "key.kid key.kty attributes.enabled attributes.created", "value"
SECRET = "id attributes.enabled attributes.recoveryLevel"
GONE = " recoveryId deletedDate scheduledPurgeDate"
CERTIFICATE = "id kid sid cer x5t attributes.exp policy.id policy.attributes.created"
OPERATION = "id csr issuer.name status request_id cancellation_requested"
ISSUER = "id provider credentials attributes.created attributes.enabled"

STORAGE = {"storageResourceUri": TARGET}
RESTORE = {"sasTokenParameters": STORAGE, "folderToRestore": "{whole}"}
KEY_RESTORE = {"sasTokenParameters": STORAGE, "folder": "{whole}"}
NO_TARGETS = [bad({"storageResourceUri": "/etc"}), bad({"storageResourceUri": 1}), bad({}),
              Wrong(404, "BackupTargetNotFound", body={"storageResourceUri": TARGET + "ly"})]
JOB = "jobId status startTime"


def no_folders(member):
    of = lambda folder: {"sasTokenParameters": STORAGE, member: folder}
    return [bad(of("..")), bad(of("/etc")), bad(of(1)), bad({member: "x"}), bad({"sasTokenParameters": STORAGE}),
            bad({"sasTokenParameters": {"storageResourceUri": "/etc"}, member: "x"}),
            Wrong(400, "BackupForeign", body=of("other-20200101T000000Z.backup")),
            Wrong(404, "BackupNotFound", body=of("vault-20200101T000000Z.backup"))]


DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"
ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
READER = "21090545-7ca7-4776-b22c-e363652d74d2"
ROLE = "id name type properties.roleName properties.permissions properties.assignableScopes"
ASSIGNMENT = "id name type properties.scope properties.roleDefinitionId properties.principalId"
GIVEN = {"properties": {"roleDefinitionId": READER, "principalId": "{principal}"}}
SETTING = "/settings/AllowKeyManagementOperationsThroughARM"

TABLE = [
    Row("KeyCreate", "POST", "/keys/{new}/create", {"kty": "EC"}, BUNDLE, [
        bad({"kty": "DSA"}), bad({"kty": "EC", "crv": "P-192"}), bad({"kty": "RSA", "key_size": 1024}), bad({}),
        bad({"kty": "EC", "key_ops": ["encrypt"]}), bad({"kty": "EC", "key_ops": "sign"}),
        bad({"kty": "EC", "tags": {str(number): "" for number in range(16)}}),
        bad({"kty": "EC", "attributes": {"nbf": 2, "exp": 1}}), bad({"kty": "RSA-HSM", "release_policy": {}}),
        bad(path="/keys/a_b/create"), bad(path="/keys/" + "x" * 128 + "/create"),
        Wrong(409, "Conflict", "ObjectIsDeletedButRecoverable", path="/keys/{deleted_key}/create"),
    ]),
    Row("KeyImport", "PUT", "/keys/{new}", {"key": JWK}, BUNDLE, [
        bad({}), bad({"key": {"kty": "RSA", "n": "AQAB"}}), bad({"key": {"kty": "oct", "k": "AQAB"}}),
        bad({"key": {"kty": "oct", "k": "!"}}), bad({"key": {"kty": "EC", "crv": "P-256", "x": DIGEST, "y": DIGEST, "d": DIGEST}}),
    ]),
    Row("KeyGet", "GET", "/keys/{ec}/", None, BUNDLE, [
        absent("KeyNotFound", "/keys/{new}"), absent("KeyNotFound", "/keys/{ec}/" + "0" * 32), bad(path="/keys/{ec}/zz"),
        absent("KeyNotFound", "/keys/{deleted_key}"),
    ]),
    Row("KeyUpdate", "PATCH", "/keys/{ec}", {"tags": {"a": "b"}}, BUNDLE, [
        bad({"key_ops": ["wrapKey"]}), bad({"attributes": {"nbf": 2, "exp": 1}}), absent("KeyNotFound", "/keys/{new}"),
        bad({"attributes": {"exp": "soon"}}),
    ]),
    Row("KeyList", "GET", "/keys", None, ITEM, PAGES),
    Row("KeyListVersions", "GET", "/keys/{ec}/versions", None, ITEM, PAGES + [
        absent("KeyNotFound", "/keys/{new}/versions")]),
    Row("KeySign", "POST", "/keys/{ec}//sign", SIGN, "kid value", [
        bad({"alg": "ES256", "value": BLOCK}), bad({"alg": "RS256", "value": DIGEST}), bad({"alg": "none", "value": DIGEST}),
        bad({"alg": "RSA-OAEP", "value": DIGEST}), bad({"alg": "ES256", "value": "!"}), bad({"value": DIGEST}), bad([]),
        absent("KeyNotFound", "/keys/{new}//sign"), forbidden("KeyDisabled", "/keys/{disabled}//sign"),
    ]),
    Row("KeyVerify", "POST", "/keys/{ec}//verify", {"alg": "ES256", "digest": DIGEST, "value": "{signature}"}, "value", [
        bad({"alg": "ES256", "digest": BLOCK, "value": DIGEST}), bad({"alg": "ES256", "digest": DIGEST}),
        forbidden("KeyOperationForbidden", "/keys/{signs}//verify", {"alg": "RS256", "digest": DIGEST, "value": DIGEST}),
    ]),
    Row("KeyEncrypt", "POST", "/keys/{rsa}//encrypt", {"alg": "RSA-OAEP", "value": DIGEST}, "kid value", [
        bad({"alg": "RSA-OAEP", "value": b64u(b"x" * 215)}), bad({"alg": "RS256", "value": DIGEST}),
        bad({"alg": "A256GCM", "value": DIGEST}), bad({"alg": "RSA-OAEP", "value": DIGEST, "aad": DIGEST}),
        forbidden("KeyOperationForbidden", "/keys/{signs}//encrypt"),
    ]),
    Row("KeyDecrypt", "POST", "/keys/{rsa}//decrypt", {"alg": "RSA-OAEP", "value": "{ciphertext}"}, "kid value", [
        bad({"alg": "RSA-OAEP", "value": DIGEST}), bad({"alg": "RSA-OAEP"}),
        forbidden("KeyOperationForbidden", "/keys/{signs}//decrypt"),
    ]),
    Row("KeyWrap", "POST", "/keys/{aes}//wrapkey", {"alg": "A256KW", "value": DIGEST}, "kid value", [
        bad({"alg": "A256KW", "value": b64u(b"short")}), bad({"alg": "A128KW", "value": DIGEST}),
        bad({"alg": "A256GCM", "value": DIGEST}),
    ]),
    Row("KeyUnwrap", "POST", "/keys/{aes}//unwrapkey", {"alg": "A256KW", "value": "{wrapped}"}, "kid value", [
        bad({"alg": "A256KW", "value": DIGEST}), bad({"alg": "A256KW", "value": ""}),
    ]),
    Row("RandomBytesGet", "POST", "/rng", {"count": 16}, "value", [bad({"count": 0}), bad({"count": 129}), bad({})]),
    Row("KeyDelete", "DELETE", "/keys/{doomed_key}", None, BUNDLE + GONE, [
        absent("KeyNotFound", "/keys/{new}"), absent("KeyNotFound", "/keys/{deleted_key}")]),
    Row("KeyListDeleted", "GET", "/deletedkeys", None, ITEM, PAGES),
    Row("KeyGetDeleted", "GET", "/deletedkeys/{deleted_key}", None, BUNDLE + GONE, [
        absent("KeyNotFound", "/deletedkeys/{ec}")]),
    Row("KeyRecover", "POST", "/deletedkeys/{deleted_key}/recover", None, BUNDLE, [
        absent("KeyNotFound", "/deletedkeys/{ec}/recover")]),
    Row("KeyPurge", "DELETE", "/deletedkeys/{deleted_key}", None, "", [absent("KeyNotFound", "/deletedkeys/{ec}")], 204),
    Row("KeyBackup", "POST", "/keys/{ec}/backup", None, "value", [
        absent("KeyNotFound", "/keys/{new}/backup"), absent("KeyNotFound", "/keys/{deleted_key}/backup")]),
    Row("KeyRestore", "POST", "/keys/restore", {"value": "{backup_key}"}, BUNDLE, [
        bad({}), bad({"value": "!"}), bad({"value": DIGEST}), bad({"value": "{backup_secret}"}),
        Wrong(409, "Conflict", body={"value": "{taken_key}"}),
    ]),
    Row("KeyRotate", "POST", "/keys/{ec}/rotate", None, BUNDLE, [absent("KeyNotFound", "/keys/{new}/rotate")]),
    Row("KeyRotationPolicyGet", "GET", "/keys/{ec}/rotationpolicy", None, "id lifetimeActions attributes", [
        absent("KeyNotFound", "/keys/{new}/rotationpolicy")]),
    Row("KeyRotationPolicySet", "PUT", "/keys/{ec}/rotationpolicy", POLICY, "id lifetimeActions attributes.created", [
        bad({"attributes": {"expiryTime": "P27D"}}), bad({"attributes": {"expiryTime": "soon"}}),
        bad({"lifetimeActions": POLICY["lifetimeActions"] * 2}), bad({"lifetimeActions": [{"action": {"type": "Dance"}}]}),
        absent("KeyNotFound", "/keys/{new}/rotationpolicy"),
    ]),
    # What is refused to everybody.
    Row("KeyRelease", "POST", "/keys/{ec}//release", {"target": "x"}, "error", [
        bad({"target": "x"}), bad({"target": "x", "enc": "CKM_RSA_AES_KEY_WRAP"})], 400),
    Row("KeyGetAttestation", "GET", "/keys/{ec}//attestation", None, "error", [
        absent("KeyNotFound", "/keys/{new}//attestation")], 400),
    Row("SecretBackup", "POST", "/secrets/{secret}/backup", None, "value", [
        absent("SecretNotFound", "/secrets/{new}/backup")]),
    Row("SecretRestore", "POST", "/secrets/restore", {"value": "{backup_secret}"}, SECRET, [
        bad({}), bad({"value": 1}), bad({"value": "{backup_key}"}), Wrong(409, "Conflict", body={"value": "{taken_secret}"}),
    ]),
    Row("SecretSet", "PUT", "/secrets/{new}", {"value": "v"}, SECRET + " value", [
        bad({}), bad({"value": 1}), bad({"value": "x" * (25 * 1024 + 1)}), bad({"value": "v", "contentType": "x" * 256}),
        bad({"value": "v", "tags": {"a": "x" * 257}}), bad(path="/secrets/a.b"),
        Wrong(409, "Conflict", "ObjectIsDeletedButRecoverable", path="/secrets/{deleted_secret}"),
    ]),
    Row("SecretGet", "GET", "/secrets/{secret}/", None, SECRET + " value", [
        absent("SecretNotFound", "/secrets/{new}"), absent("SecretNotFound", "/secrets/{secret}/" + "f" * 32),
        forbidden("SecretDisabled", "/secrets/{closed}"), absent("SecretNotFound", "/secrets/{deleted_secret}"),
    ]),
    Row("SecretUpdate", "PATCH", "/secrets/{secret}/", {"contentType": "text/plain"}, SECRET, [
        bad({"contentType": "x" * 256}), bad({"tags": []}), absent("SecretNotFound", "/secrets/{new}")]),
    Row("SecretList", "GET", "/secrets", None, ITEM, PAGES),
    Row("SecretListVersions", "GET", "/secrets/{secret}/versions", None, ITEM, PAGES + [
        absent("SecretNotFound", "/secrets/{new}/versions")]),
    Row("SecretDelete", "DELETE", "/secrets/{doomed_secret}", None, SECRET + GONE, [
        absent("SecretNotFound", "/secrets/{new}")]),
    Row("SecretListDeleted", "GET", "/deletedsecrets", None, ITEM, PAGES),
    Row("SecretGetDeleted", "GET", "/deletedsecrets/{deleted_secret}", None, SECRET + GONE, [
        absent("SecretNotFound", "/deletedsecrets/{secret}")]),
    Row("SecretRecover", "POST", "/deletedsecrets/{deleted_secret}/recover", None, SECRET, [
        absent("SecretNotFound", "/deletedsecrets/{secret}/recover")]),
    Row("SecretPurge", "DELETE", "/deletedsecrets/{deleted_secret}", None, "", [
        absent("SecretNotFound", "/deletedsecrets/{secret}")], 204),
    Row("CertificateCreate", "POST", "/certificates/{new}/create", {"policy": SELF_SIGNED}, OPERATION, [
        bad({}), bad({"policy": {}}), bad({"policy": {**SELF_SIGNED, "issuer": {}}}),
        bad({"policy": {**SELF_SIGNED, "x509_props": {"subject": "nobody"}}}),
        bad({"policy": {**SELF_SIGNED, "key_props": {"kty": "oct"}}}), bad({"policy": SELF_SIGNED, "tags": []}),
        bad({"policy": SELF_SIGNED, "tags": {"a": "x" * 257}}), bad(path="/certificates/a_b/create"),
        bad(path="/certificates/issuers/create"),
        Wrong(404, "IssuerNotFound", body={"policy": {**SELF_SIGNED, "issuer": {"name": "{new_issuer}"}}}),
        Wrong(409, "Conflict", "ObjectIsDeletedButRecoverable", path="/certificates/{deleted_certificate}/create"),
        Wrong(409, "Conflict", "PendingCertificateExists", path="/certificates/{doomed_request}/create"),
        Wrong(409, "Conflict", path="/certificates/{ec}/create"),
    ], 202),
    Row("CertificateImport", "POST", "/certificates/{new}/import", {"value": "{pem}"}, CERTIFICATE, [
        bad({}), bad({"value": ""}), bad({"value": "!"}), bad({"value": DIGEST}), bad({"value": "/etc/hostname"}),
        bad({"value": "{pem}", "policy": {"secret_props": {"contentType": "application/x-pkcs12"}}}),
        bad({"value": "{pem}", "policy": {"key_props": {"kty": "RSA"}}}),
        Wrong(409, "Conflict", "ObjectIsDeletedButRecoverable", path="/certificates/{deleted_certificate}/import"),
        Wrong(409, "Conflict", "PendingCertificateExists", path="/certificates/{doomed_request}/import"),
    ]),
    Row("CertificateGet", "GET", "/certificates/{certificate}/", None, CERTIFICATE, [
        absent("CertificateNotFound", "/certificates/{new}"), bad(path="/certificates/{certificate}/zz"),
        absent("CertificateNotFound", "/certificates/{certificate}/" + "0" * 32),
        absent("CertificateNotFound", "/certificates/{deleted_certificate}"),
    ]),
    Row("CertificateUpdate", "PATCH", "/certificates/{certificate}", {"tags": {"a": "b"}}, CERTIFICATE, [
        bad({"tags": {"a": "x" * 257}}), bad({"attributes": {"enabled": 1}}), bad({"policy": {"key_props": {"kty": "oct"}}}),
        absent("CertificateNotFound", "/certificates/{new}"),
    ]),
    Row("CertificateList", "GET", "/certificates", None, ITEM, PAGES),
    Row("CertificateListVersions", "GET", "/certificates/{certificate}/versions", None, ITEM, PAGES + [
        absent("CertificateNotFound", "/certificates/{new}/versions")]),
    Row("CertificatePolicyGet", "GET", "/certificates/{certificate}/policy", None, "id key_props issuer.name", [
        absent("CertificateNotFound", "/certificates/{new}/policy")]),
    Row("CertificatePolicySet", "PATCH", "/certificates/{certificate}/policy", {"x509_props": {"validity_months": 6}},
        "id x509_props.validity_months lifetime_actions", [
        bad({"x509_props": {"validity_months": 0}}), bad({"key_props": {"kty": "EC", "crv": "P-192"}}),
        bad({"lifetime_actions": [{"trigger": {}, "action": {"action_type": "AutoRenew"}}]}),
        bad({"lifetime_actions": 1}), absent("CertificateNotFound", "/certificates/{new}/policy"),
    ]),
    Row("CertificatePendingGet", "GET", "/certificates/{waits}/pending", None, OPERATION, [
        absent("PendingCertificateNotFound", "/certificates/{new}/pending")]),
    Row("CertificatePendingUpdate", "PATCH", "/certificates/{asked}/pending", {"cancellation_requested": True}, OPERATION, [
        bad({}), bad({"cancellation_requested": "yes"}), bad(path="/certificates/{waits}/pending"),
        bad(path="/certificates/{certificate}/pending"), absent("PendingCertificateNotFound", "/certificates/{new}/pending"),
    ]),
    Row("CertificatePendingDelete", "DELETE", "/certificates/{doomed_request}/pending", None, OPERATION, [
        absent("PendingCertificateNotFound", "/certificates/{new}/pending")]),
    Row("CertificatePendingMerge", "POST", "/certificates/{doomed_request}/pending/merge", {"x5c": ["{merged_leaf}"]},
        CERTIFICATE, [
        bad({}), bad({"x5c": []}), bad({"x5c": "{merged_leaf}"}), bad({"x5c": [DIGEST]}), bad({"x5c": ["{merged_other}"]}),
        bad({"x5c": ["{merged_leaf}", "{merged_other}"]}), bad({"x5c": ["{merged_leaf}"] * 21}),
        Wrong(404, "PendingCertificateNotFound", path="/certificates/{new}/pending/merge"),
    ], 201),
    Row("CertificateBackup", "POST", "/certificates/{certificate}/backup", None, "value", [
        absent("CertificateNotFound", "/certificates/{new}/backup"),
        absent("CertificateNotFound", "/certificates/{waits}/backup")]),
    Row("CertificateRestore", "POST", "/certificates/restore", {"value": "{backup_certificate}"}, CERTIFICATE, [
        bad({}), bad({"value": "!"}), bad({"value": DIGEST}), bad({"value": "{backup_key}"}),
        Wrong(409, "Conflict", body={"value": "{taken_certificate}"}),
    ]),
    Row("CertificateDelete", "DELETE", "/certificates/{doomed_certificate}", None, CERTIFICATE + GONE, [
        absent("CertificateNotFound", "/certificates/{new}"),
        absent("CertificateNotFound", "/certificates/{deleted_certificate}")]),
    Row("CertificateListDeleted", "GET", "/deletedcertificates", None, ITEM, PAGES),
    Row("CertificateGetDeleted", "GET", "/deletedcertificates/{deleted_certificate}", None, CERTIFICATE + GONE, [
        absent("CertificateNotFound", "/deletedcertificates/{certificate}")]),
    Row("CertificateRecover", "POST", "/deletedcertificates/{deleted_certificate}/recover", None, CERTIFICATE, [
        absent("CertificateNotFound", "/deletedcertificates/{certificate}/recover")]),
    Row("CertificatePurge", "DELETE", "/deletedcertificates/{deleted_certificate}", None, "", [
        absent("CertificateNotFound", "/deletedcertificates/{certificate}")], 204),
    Row("CertificateIssuersList", "GET", "/certificates/issuers", None, ITEM, PAGES),
    Row("CertificateIssuerGet", "GET", "/certificates/issuers/{issuer}", None, ISSUER, [
        absent("IssuerNotFound", "/certificates/issuers/{new}"), bad(path="/certificates/issuers/a_b")]),
    Row("CertificateIssuerSet", "PUT", "/certificates/issuers/{new}", {"provider": "Test"}, ISSUER, [
        bad({}), bad({"provider": ""}), bad({"provider": "x" * 256}), bad({"provider": 1}),
        bad({"provider": "Strongroom", "credentials": {"account_id": "a/b"}}), bad(path="/certificates/issuers/Self"),
        bad({"provider": "Test", "org_details": {"admin_details": [{}] * 21}}),
    ]),
    Row("CertificateIssuerUpdate", "PATCH", "/certificates/issuers/{issuer}", {"attributes": {"enabled": True}}, ISSUER, [
        bad({"attributes": {"enabled": "no"}}), bad({"provider": ""}), absent("IssuerNotFound", "/certificates/issuers/{new}")]),
    Row("CertificateIssuerDelete", "DELETE", "/certificates/issuers/{doomed_issuer}", None, ISSUER, [
        absent("IssuerNotFound", "/certificates/issuers/{new}")]),
    Row("CertificateContactsSet", "PUT", "/certificates/contacts", CONTACTS, "id contacts", [
        bad({}), bad({"contacts": []}), bad({"contacts": [{"email": "nobody"}]}), bad({"contacts": [{"name": "x"}]})]),
    Row("CertificateContactsGet", "GET", "/certificates/contacts{doomed_contacts}", None, "id contacts", [
        absent("ContactsNotFound", "/certificates/contacts{no_contacts}")]),
    Row("CertificateContactsDelete", "DELETE", "/certificates/contacts{doomed_contacts}", None, "id contacts", [
        absent("ContactsNotFound", "/certificates/contacts{no_contacts}")]),
    Row("FullBackup", "POST", "/backup", STORAGE, JOB, NO_TARGETS, 202),
    Row("PreFullBackup", "POST", "/prebackup", STORAGE, JOB, NO_TARGETS, 202),
    Row("FullBackupStatus", "GET", "/backup/{job}/pending", None, JOB, [
        absent("JobNotFound", "/backup/{new}/pending"), absent("JobNotFound", "/restore/{job}/pending"),
        absent("JobNotFound", "/backup/a_b/pending")], without_version=True),
    Row("FullRestore", "PUT", "/restore", RESTORE, JOB, no_folders("folderToRestore"), 202),
    Row("PreFullRestore", "PUT", "/prerestore", RESTORE, JOB, no_folders("folderToRestore"), 202),
    Row("FullRestoreStatus", "GET", "/restore/{restored}/pending", None, JOB, [
        absent("JobNotFound", "/restore/{new}/pending"), absent("JobNotFound", "/backup/{restored}/pending")],
        without_version=True),
    Row("SelectiveKeyRestore", "PUT", "/keys/{lost}/restore", KEY_RESTORE, JOB, no_folders("folder") + [
        Wrong(409, "Conflict", "ObjectExists", path="/keys/{ec}/restore"),
        Wrong(409, "Conflict", "ObjectIsDeletedButRecoverable", path="/keys/{deleted_key}/restore"),
    ], 202),
    Row("RoleDefinitionList", "GET", DEFINITIONS, None, ITEM, PAGES + [
        bad(query={"$filter": "name"}), bad(path="/keys" + DEFINITIONS), bad(path="/locks/a" + DEFINITIONS)]),
    Row("RoleDefinitionGet", "GET", DEFINITIONS + "/{role}", None, ROLE, [
        bad(path=DEFINITIONS + "/one"), absent("RoleDefinitionNotFound", DEFINITIONS + "/{guid}")]),
    Row("RoleDefinitionSet", "PUT", DEFINITIONS + "/{guid}", {"properties": {}}, ROLE, [
        bad({}), bad({"properties": []}), bad({"properties": {"type": "AKVBuiltInRole"}}),
        bad({"properties": {"permissions": [{"dataActions": ["keys/read"]}]}}),
        bad({"properties": {"permissions": [{"actions": ["*"]}]}}), bad({"properties": {"assignableScopes": ["/keys"]}}),
        bad(path=DEFINITIONS + "/one"), bad(path="/keys/a" + DEFINITIONS + "/{guid}"),
        forbidden("RoleDefinitionIsBuiltIn", DEFINITIONS + "/" + READER),
        Wrong(409, "Conflict", "RoleDefinitionWithSameNameExists",
              body={"properties": {"roleName": "key vault reader"}}),
    ], 201),
    Row("RoleDefinitionDelete", "DELETE", DEFINITIONS + "/{role}", None, ROLE, [
        absent("RoleDefinitionNotFound", DEFINITIONS + "/{guid}"), bad(path="/keys/a" + DEFINITIONS + "/{role}"),
        forbidden("RoleDefinitionIsBuiltIn", DEFINITIONS + "/" + READER),
        Wrong(409, "Conflict", "RoleDefinitionHasAssignments", path=DEFINITIONS + "/{usedrole}")]),
    Row("RoleAssignmentList", "GET", ASSIGNMENTS, None, ITEM, PAGES + [
        bad(query={"$filter": "principalId"}), bad(path="/keys" + ASSIGNMENTS)]),
    Row("RoleAssignmentGet", "GET", ASSIGNMENTS + "/{assignment}", None, ASSIGNMENT, [
        bad(path=ASSIGNMENTS + "/one"), absent("RoleAssignmentNotFound", ASSIGNMENTS + "/{guid}"),
        absent("RoleAssignmentNotFound", "/keys/a" + ASSIGNMENTS + "/{assignment}")]),
    Row("RoleAssignmentCreate", "PUT", ASSIGNMENTS + "/{guid}", GIVEN, ASSIGNMENT, [
        bad({}), bad({"properties": {}}), bad({"properties": {**GIVEN["properties"], "principalId": "me"}}),
        bad({"properties": {**GIVEN["properties"], "roleDefinitionId": "Reader"}}),
        bad({"properties": {**GIVEN["properties"], "roleDefinitionId": "{guid}"}}),
        bad(path=ASSIGNMENTS + "/one"), bad(path="/keys" + ASSIGNMENTS + "/{guid}"),
        Wrong(409, "RoleAssignmentExists", path=ASSIGNMENTS + "/{assignment}"),
    ], 201),
    Row("RoleAssignmentDelete", "DELETE", ASSIGNMENTS + "/{assignment}", None, ASSIGNMENT, [
        bad(path=ASSIGNMENTS + "/one"), absent("RoleAssignmentNotFound", ASSIGNMENTS + "/{guid}")]),
    Row("SettingsGet", "GET", "/settings", None, "settings", [Wrong(405, "MethodNotAllowed", path="/rng")]),
    Row("SettingGet", "GET", SETTING, None, "name value type", [absent("SettingNotFound", "/settings/other")]),
    Row("SettingUpdate", "PATCH", SETTING, {"value": "false"}, "name value type", [
        bad({}), bad({"value": "False"}), bad({"value": True}), absent("SettingNotFound", "/settings/other")]),
]


class Operations(Case):
    def ask(self, row, things, wrong=Wrong(0, ""), **how):
        path = things.fill(wrong.path or row.path)
        body = things.fill(row.body if wrong.body is None else wrong.body)
        return http(row.method, path, body, query=wrong.query, **how)

    def is_error(self, answer, status, code, inner=None):
        self.assertEqual(answer.status_code, status, answer.text)
        error = answer.json()["error"]
        self.assertEqual(error["code"], code, error)
        self.assertTrue(error["message"], error)
        if inner:
            self.assertEqual(error["innererror"]["code"], inner, error)
        if status == 404:
            self.assertIn("not found", error["message"])
        self.has_headers(answer)

    def has_headers(self, answer):
        for name, value in [("Cache-Control", "no-cache"), ("Pragma", "no-cache"), ("Expires", "-1"),
                            ("X-Content-Type-Options", "nosniff")]:
            self.assertEqual(answer.headers.get(name), value)
        for name in ["x-ms-request-id", "x-ms-keyvault-service-version", "x-ms-keyvault-region",
                     "x-ms-keyvault-network-info"]:
            self.assertTrue(answer.headers.get(name), name)

    def is_done(self, row, answer):
        self.assertEqual(answer.status_code, row.status, answer.text)
        self.has_headers(answer)
        for path in row.answers.split():
            found = answer.json()
            for name in path.split("."):
                self.assertIn(name, found, path)
                found = found[name]
        if not row.answers:
            self.assertEqual(answer.content, b"")
        if "azure-asyncoperation" in answer.headers:
            finished(answer)

    def test_every_operation_of_the_server_has_its_row(self):
        self.assertEqual({row.operation for row in TABLE}, OPERATIONS)
        self.assertEqual([row.operation for row in TABLE if not row.wrong], [])

    def test_every_operation_is_done_at_every_api_version(self):
        for version in API_VERSIONS:
            for row in TABLE:
                with self.subTest(row.operation, version=version):
                    self.is_done(row, self.ask(row, Things(), version=version))

    def test_who_has_no_role_is_denied_every_operation_and_nothing_is_done(self):
        nobody = stranger()
        for row in TABLE:
            with self.subTest(row.operation):
                things = Things()
                denied = self.ask(row, things, credential=nobody)
                self.is_error(denied, 403, "Forbidden", "ForbiddenByRbac")
                # The same request on the same objects is still there to be done.
                self.is_done(row, self.ask(row, things))

    def test_what_is_wrong_is_refused(self):
        for row in TABLE:
            for wrong in row.wrong:
                with self.subTest(row.operation, wrong=wrong):
                    answer = self.ask(row, Things(), wrong)
                    self.is_error(answer, wrong.status, wrong.code, wrong.inner)

    def test_the_token_and_the_api_version_are_looked_at_in_this_order(self):
        for row in TABLE:
            with self.subTest(row.operation):
                things = Things()
                self.is_error(self.ask(row, things, credential=None, version=None), 401, "Unauthorized")
                for version in ["7.99", "2025-07-01-preview"]:
                    self.is_error(self.ask(row, things, version=version), 400, "BadParameter")
                if row.without_version:
                    self.is_done(row, self.ask(row, things, version=None))
                    continue
                for version in [None, ""]:
                    self.is_error(self.ask(row, things, version=version), 400, "BadParameter")
                self.assertIn("api-version", self.ask(row, things, version=None).json()["error"]["message"])

    def test_a_body_that_is_none_is_refused(self):
        for row in filter(lambda row: row.body is not None, TABLE):
            path = Things().fill(row.path)
            for wrong in [b"{", b"[]", b"null", b'"text"', b"\xff", b'{"a"'] :
                with self.subTest(row.operation, body=wrong):
                    answer = http(row.method, path, data=wrong)
                    self.is_error(answer, 400, "BadParameter")

    def test_the_client_s_request_id_comes_back(self):
        answer = http("GET", "/keys", headers={"x-ms-client-request-id": "5a9c"})
        self.assertEqual(answer.headers["x-ms-client-request-id"], "5a9c")

    def test_a_method_that_a_path_has_not_is_refused(self):
        self.is_error(http("PATCH", "/rng", {}), 405, "MethodNotAllowed")
        self.is_error(http("GET", "/nothing"), 404, "NotFound")


if __name__ == "__main__":
    main()
