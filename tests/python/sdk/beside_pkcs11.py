"""One vault from both sides: what the SDKs make is used through PKCS#11, and the reverse.

MODULE names the module, TOKEN its token, PIN the user's PIN; STRONGROOM_VAULT is the vault's directory, which the server serves.
"""

import base64
import datetime
import os
import re
import subprocess
import tempfile

import pkcs11
from azure.keyvault.certificates import CertificatePolicy
from azure.keyvault.keys.crypto import SignatureAlgorithm
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.serialization import load_der_public_key, pkcs12
from pkcs11 import Attribute, ObjectClass
from vault import Case, certificates, fresh, http, keys, main, remote, secrets

folder = tempfile.mkdtemp(dir=".")
DIGEST = bytes(range(32))


class Refused(Exception):
    """pkcs11-tool said no, and why."""


def tool(*arguments, given=None):
    """Runs pkcs11-tool, logged in, with a file that holds what is given; returns what it wrote into its output file."""
    inside, outside = os.path.join(folder, "in"), os.path.join(folder, "out")
    if given is not None:
        with open(inside, "wb") as file:
            file.write(given)
        arguments = (*arguments, "--input-file", inside, "--output-file", outside)
    command = ["pkcs11-tool", "--module", os.environ["MODULE"], "--login", "--pin", os.environ["PIN"], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Refused(f"{command}: {done.stderr}")
    if given is not None:
        with open(outside, "rb") as file:
            return file.read()
    return done.stdout


def id_of(label):
    """The id of the private key with this label: pkcs11-tool signs with a key by its id alone."""
    listed = tool("--list-objects", "--type", "privkey")
    return re.search(f"label: +{label}\n +ID: +([0-9a-f]+)", listed)[1]


def point_of(number):
    """The point of a P-256 key: the octets in an OCTET STRING."""
    listed = tool("--list-objects", "--type", "pubkey").split("Public Key Object")
    found, = [text for text in listed if re.search(f"ID: +{number}\n", text)]
    return bytes.fromhex(re.search("EC_POINT: +0441([0-9a-f]{130})", found)[1])


def written(*arguments):
    """What pkcs11-tool reads out of an object."""
    outside = os.path.join(folder, "object")
    tool("--read-object", *arguments, "--output-file", outside)
    with open(outside, "rb") as file:
        return file.read()


class Keys(Case):
    def test_keys_of_the_sdk_sign_through_the_module(self):
        ecdsa = keys.create_ec_key(fresh("ec"))
        signature = tool("--sign", "--mechanism", "ECDSA", "--id", id_of(ecdsa.name), given=DIGEST)
        self.assertTrue(remote(ecdsa).verify(SignatureAlgorithm.es256, DIGEST, signature).is_valid)
        rsa = keys.create_rsa_key(fresh("rsa"), size=2048)
        signature = tool("--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", id_of(rsa.name), given=b"message")
        digest = hashes.Hash(hashes.SHA256())
        digest.update(b"message")
        self.assertTrue(remote(rsa).verify(SignatureAlgorithm.rs256, digest.finalize(), signature).is_valid)

    def test_keys_of_the_tool_are_listed_and_used_by_the_sdk_whatever_their_labels(self):
        before = {of.name for of in keys.list_properties_of_keys()}
        labels = ["my key_1", "ключ", "A", "a"]
        for number, label in enumerate(labels, 1):
            tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--id", f"0{number}", "--usage-sign")
        made = [keys.get_key(of.name) for of in keys.list_properties_of_keys() if of.name not in before]
        self.assertEqual(len(made), 4, made)
        self.assertEqual(len({key.name.lower() for key in made}), 4)
        for key in made:
            self.assertRegex(key.name, "^[0-9a-zA-Z-]{1,127}$")
        by_point = {(key.key.x, key.key.y): key for key in made}
        for number, label in enumerate(labels, 1):
            point = point_of(f"0{number}")
            public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
            key = by_point[point[1:33], point[33:]]
            signature = remote(key).sign(SignatureAlgorithm.es256, DIGEST).signature
            r, s = [int.from_bytes(half, "big") for half in (signature[:32], signature[32:])]
            form = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
            public.verify(utils.encode_dss_signature(r, s), DIGEST, form)
            signature = tool("--sign", "--mechanism", "ECDSA", "--id", f"0{number}", given=DIGEST)
            self.assertTrue(remote(key).verify(SignatureAlgorithm.es256, DIGEST, signature).is_valid)
            self.assertIn(label, tool("--list-objects", "--type", "privkey"))
        self.assertIn("A", [key.name for key in made])

    def test_an_rsa_key_of_the_tool_decrypts_for_the_sdk(self):
        before = {of.name for of in keys.list_properties_of_keys()}
        tool("--keypairgen", "--key-type", "rsa:2048", "--label", "decrypts", "--id", "77", "--usage-decrypt")
        key, = [keys.get_key(of.name) for of in keys.list_properties_of_keys() if of.name not in before]
        self.assertEqual((key.name, key.key_type), ("decrypts", "RSA"))
        self.assertLessEqual({"encrypt", "decrypt"}, set(key.key_operations))
        public = load_der_public_key(written("--type", "pubkey", "--id", "77"))
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        opened = remote(key).decrypt("RSA-OAEP-256", public.encrypt(b"kept", oaep))
        self.assertEqual(opened.plaintext, b"kept")

    def test_a_key_that_is_disabled_or_deleted_over_rest_signs_no_more(self):
        key = keys.create_ec_key(fresh("stopped"))
        sign = ("--sign", "--mechanism", "ECDSA", "--id", id_of(key.name))
        tool(*sign, given=DIGEST)
        keys.update_key_properties(key.name, enabled=False)
        with self.assertRaises(Refused):
            tool(*sign, given=DIGEST)
        keys.update_key_properties(key.name, enabled=True)
        tool(*sign, given=DIGEST)
        keys.begin_delete_key(key.name, _polling_interval=0.1).result()
        with self.assertRaises(Refused):
            tool(*sign, given=DIGEST)
        keys.begin_recover_deleted_key(key.name, _polling_interval=0.1).result()
        tool(*sign, given=DIGEST)


class Certificates(Case):
    def objects(self, **wanted):
        token = pkcs11.lib(os.environ["MODULE"]).get_token(token_label=os.environ["TOKEN"])
        names = {"of": Attribute.CLASS, "label": Attribute.LABEL, "id": Attribute.ID}
        with token.open(user_pin=os.environ["PIN"]) as session:
            found = session.get_objects({names[name]: value for name, value in wanted.items()})
            read = [Attribute.LABEL, Attribute.ID, Attribute.VALUE]
            of = [{name: one[name] for name in read if name is not Attribute.VALUE or wanted["of"] is ObjectClass.CERTIFICATE}
                  for one in found]
        return of

    def test_a_certificate_and_its_key_share_their_id_and_those_above_it_appear_as_long_as_they_are_needed(self):
        key, above = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = issued("beside root", above.public_key(), "beside root", above)
        leaf = issued("beside", key.public_key(), "beside root", above)
        file = pkcs12.serialize_key_and_certificates(b"x", key, leaf, [root], serialization.NoEncryption())
        names = [fresh("imported"), fresh("imported")]
        for name in names:
            made = certificates.import_certificate(name, file)
            number, = [one[Attribute.ID] for one in self.objects(of=ObjectClass.PRIVATE_KEY, label=name)]
            shown, = self.objects(of=ObjectClass.CERTIFICATE, label=name)
            self.assertEqual((shown[Attribute.ID], shown[Attribute.VALUE]), (number, bytes(made.cer)))
            self.assertEqual(len(self.objects(of=ObjectClass.PUBLIC_KEY, label=name)), 1)
        chain = lambda: [one[Attribute.VALUE] for one in self.objects(of=ObjectClass.CERTIFICATE, label="beside root")]
        der = root.public_bytes(serialization.Encoding.DER)
        self.assertEqual(chain(), [der])
        # What it is made of is no data object, and what waits for an authority is nothing at all.
        self.assertEqual(self.objects(of=ObjectClass.DATA, label=names[0]), [])
        waits = fresh("waits")
        certificates.begin_create_certificate(waits, CertificatePolicy("Unknown", subject="CN=waits", key_type="EC"))
        self.assertNotIn(waits, tool("--list-objects"))
        certificates.begin_delete_certificate(names[0], _polling_interval=0.1).result()
        self.assertEqual(self.objects(of=ObjectClass.PRIVATE_KEY, label=names[0]), [])
        certificates.purge_deleted_certificate(names[0])
        self.assertEqual(chain(), [der])
        certificates.begin_delete_certificate(names[1], _polling_interval=0.1).result()
        self.assertEqual(chain(), [der])
        certificates.begin_recover_deleted_certificate(names[1], _polling_interval=0.1).result()
        certificates.begin_delete_certificate(names[1], _polling_interval=0.1).result()
        certificates.purge_deleted_certificate(names[1])
        self.assertEqual(chain(), [])


    def test_a_key_that_may_leave_wrapped_alone_is_in_no_secret(self):
        token = pkcs11.lib(os.environ["MODULE"]).get_token(token_label=os.environ["TOKEN"])
        for sensitive in [True, False]:
            name, key = fresh("wrapped"), ec.generate_private_key(ec.SECP256R1())
            private = key.private_numbers().private_value.to_bytes(32, "big")
            with token.open(rw=True, user_pin=os.environ["PIN"]) as session:
                session.create_object({
                    Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.KEY_TYPE: pkcs11.KeyType.EC,
                    Attribute.TOKEN: True, Attribute.LABEL: name, Attribute.ID: name.encode(), Attribute.SIGN: True,
                    Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: sensitive, Attribute.VALUE: private,
                    Attribute.EC_PARAMS: bytes.fromhex("06082a8648ce3d030107")})
                session.create_object({
                    Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                    Attribute.TOKEN: True, Attribute.LABEL: name, Attribute.ID: name.encode(), Attribute.SUBJECT: b"",
                    Attribute.VALUE: issued(name, key.public_key(), name, key).public_bytes(serialization.Encoding.DER)})
            bundle = pkcs12.load_pkcs12(base64.b64decode(secrets.get_secret(name).value), None)
            self.assertEqual(bundle.key is None, sensitive)
            self.assertEqual(certificates.get_certificate_policy(name).exportable, not sensitive)


def issued(subject, public, issuer, signer):
    name = lambda text: x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, text)])
    now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(
        name(issuer), name(subject), public, x509.random_serial_number(), now - day, now + day)
    return builder.sign(signer, hashes.SHA256())


class Secrets(Case):
    def test_a_secret_of_the_sdk_is_a_data_object(self):
        name = fresh("secret")
        secrets.set_secret(name, "wörld")
        self.assertEqual(written("--type", "data", "--label", name), "wörld".encode())

    def test_a_data_object_of_the_tool_is_a_secret_of_octets(self):
        value = os.urandom(300)
        self.write("octets", value)
        read = secrets.get_secret("octets")
        self.assertEqual(base64.b64decode(read.value, validate=True), value)
        self.assertEqual(read.properties.content_type, "application/octet-stream")
        listed, = [of for of in secrets.list_properties_of_secrets() if of.name == "octets"]
        self.assertEqual(listed.content_type, "application/octet-stream")
        # A version that the SDK sets is text again.
        secrets.set_secret("octets", "text")
        self.assertEqual((secrets.get_secret("octets").value, secrets.get_secret("octets").properties.content_type),
                         ("text", None))

    def test_a_data_object_that_is_too_long_for_rest_is_listed_and_not_read(self):
        # pkcs11-tool writes 5,000 bytes at most.
        token = pkcs11.lib(os.environ["MODULE"]).get_token(token_label=os.environ["TOKEN"])
        with token.open(rw=True, user_pin=os.environ["PIN"]) as session:
            session.create_object({
                Attribute.CLASS: ObjectClass.DATA, Attribute.TOKEN: True, Attribute.PRIVATE: True,
                Attribute.LABEL: "long", Attribute.VALUE: bytes(25 * 1024 + 1)})
        self.assertIn("long", [of.name for of in secrets.list_properties_of_secrets()])
        with self.refused(400, "BadParameter"):
            secrets.get_secret("long")

    def test_a_service_record_is_seen_by_nobody(self):
        self.assertNotIn("identity/", tool("--list-objects"))
        for path in ["/secrets", "/keys"]:
            names = [item.get("id", item.get("kid")) for item in http("GET", path).json()["value"]]
            self.assertEqual([name for name in names if "identity" in name or "signing-key" in name], [])

    def write(self, label, value):
        file = os.path.join(folder, label)
        with open(file, "wb") as out:
            out.write(value)
        tool("--write-object", file, "--type", "data", "--label", label, "--private")


if __name__ == "__main__":
    main()
