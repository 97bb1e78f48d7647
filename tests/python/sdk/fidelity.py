"""Does with Azure's SDKs what the module does, one operation for each line of standard input, and says when it is done.

A line is the operation's name and its arguments, of which bytes are base64url. API_VERSION is what the module says; the SDKs
must know it. MANAGED_HSM says that the vault is one, whose keys are all protected by hardware, and which has nothing else.
"""

import datetime
import hashlib
import os
import sys

from azure.core.exceptions import ResourceNotFoundError
from azure.keyvault.certificates import ApiVersion as CertificatesVersion
from azure.keyvault.certificates import CertificateClient, CertificatePolicy
from azure.keyvault.keys import ApiVersion as KeysVersion
from azure.keyvault.keys import JsonWebKey, KeyClient
from azure.keyvault.keys.crypto import CryptographyClient
from azure.keyvault.secrets import ApiVersion as SecretsVersion
from azure.keyvault.secrets import SecretClient
from azure.identity import ClientSecretCredential
from cryptography.hazmat.primitives import serialization
from models import un64u

URL = os.environ["VAULT_URL"]
VERSION = os.environ["API_VERSION"]
for known in (KeysVersion, SecretsVersion, CertificatesVersion):
    assert VERSION in {version.value for version in known}, f"{known} hasn't {VERSION}"

credential = ClientSecretCredential(
    os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"], os.environ["AZURE_CLIENT_SECRET"],
    authority=os.environ["AZURE_AUTHORITY_HOST"], disable_instance_discovery=True)
keys = KeyClient(URL, credential, api_version=VERSION)
secrets = SecretClient(URL, credential, api_version=VERSION)
certificates = CertificateClient(URL, credential, api_version=VERSION)

MESSAGE = b"a message"
PAGE = 25
HSM = bool(os.environ["MANAGED_HSM"])
PROTECTED = {"hardware_protected": True} if HSM else {}
# What is written behind the kind of a key that is imported.
SUFFIX = "-HSM" if HSM else ""
# What the module's own tags say of keys that were made there.
MADE = {"p11_pri_CKA_LOCAL": "true"}


# Identifiers by name.
ids = {}


def kept(made):
    ids[made.name] = made.id


def version(name):
    return ids[name].rsplit("/", 1)[1]


def crypto(name):
    """A client that leaves every operation to the vault: one that may not read the key, as the SDK remembers it."""
    client = CryptographyClient(ids[name], credential, api_version=VERSION)
    client._keys_get_forbidden = True
    return client


def is_free(get, name):
    try:
        get(name)
    except ResourceNotFoundError:
        return
    raise AssertionError(f"{name} is there")


def number(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def prepare():
    """What there is before both begin."""
    kept(keys.create_rsa_key("rsa", size=2048, **PROTECTED))
    for name, curve in [("p256", "P-256"), ("p384", "P-384"), ("p521", "P-521"), ("p256k", "P-256K")]:
        kept(keys.create_ec_key(name, curve=curve, **PROTECTED))
    every = ["encrypt", "decrypt", "wrapKey", "unwrapKey"]
    kept(keys.import_key("aes", JsonWebKey(kty="oct-HSM", k=b"\x09" * 32, key_ops=every), **PROTECTED))
    if HSM:
        return
    for name in ("module-site", "python-site"):
        made = certificates.begin_create_certificate(name, CertificatePolicy.get_default()).result()
        ids["certificate " + name] = made.id
    kept(secrets.set_secret("word", "a word", tags={"kind": "word"}))


def listing():
    for key in list(keys.list_properties_of_keys(max_page_size=PAGE)):
        for each in list(keys.list_properties_of_key_versions(key.name, max_page_size=PAGE)):
            keys.get_key(each.name, each.version)
    if HSM:
        return
    for certificate in list(certificates.list_properties_of_certificates(max_page_size=PAGE)):
        versions = certificates.list_properties_of_certificate_versions(certificate.name, max_page_size=PAGE)
        for each in list(versions):
            certificates.get_certificate_version(each.name, each.version)
    for secret in list(secrets.list_properties_of_secrets(max_page_size=PAGE)):
        # A certificate's secret is no object of its own.
        if not secret._managed:
            list(secrets.list_properties_of_secret_versions(secret.name, max_page_size=PAGE))


def sign(name, algorithm):
    if algorithm == "RSNULL":
        value = MESSAGE
    else:
        value = hashlib.new("sha" + algorithm[2:5], MESSAGE).digest()
    crypto(name).sign(algorithm, value)


def decrypt(name, algorithm, value):
    crypto(name).decrypt(algorithm, un64u(value))


def decrypt_gcm(name, value, iv, tag, aad):
    crypto(name).decrypt(
        "A256GCM", un64u(value), iv=un64u(iv), authentication_tag=un64u(tag), additional_authenticated_data=un64u(aad))


def encrypt(name, algorithm, value, iv):
    crypto(name).encrypt(algorithm, un64u(value), iv=un64u(iv))


def wrap(name, algorithm, value):
    crypto(name).wrap_key(algorithm, un64u(value))


def unwrap(name, algorithm, value):
    crypto(name).unwrap_key(algorithm, un64u(value))


def random(count):
    keys.get_random_bytes(int(count))


def create_ec(name):
    is_free(keys.get_key, name)
    kept(keys.create_ec_key(name, curve="P-256", key_operations=["sign", "verify"], tags=MADE, **PROTECTED))


def create_rsa(name):
    is_free(keys.get_key, name)
    every = ["sign", "verify", "encrypt", "decrypt", "wrapKey", "unwrapKey"]
    kept(keys.create_rsa_key(name, size=2048, key_operations=every, tags=MADE, **PROTECTED))


def create_oct(name):
    is_free(keys.get_key, name)
    tags = {**MADE, "p11_pri_CKA_VALUE_LEN": "32"}
    operations = ["encrypt", "decrypt"]
    kept(keys.create_oct_key(name, size=256, key_operations=operations, tags=tags, hardware_protected=True))


def import_rsa(name, pkcs8):
    is_free(keys.get_key, name)
    private = serialization.load_der_private_key(un64u(pkcs8), None).private_numbers()
    public = private.public_numbers
    kept(keys.import_key(name, JsonWebKey(
        kty="RSA" + SUFFIX, key_ops=["sign", "verify"], n=number(public.n), e=number(public.e), d=number(private.d),
        p=number(private.p), q=number(private.q), dp=number(private.dmp1), dq=number(private.dmq1),
        qi=number(private.iqmp)), **PROTECTED))


def import_ec(name, pkcs8):
    is_free(keys.get_key, name)
    private = serialization.load_der_private_key(un64u(pkcs8), None).private_numbers()
    public = private.public_numbers
    x, y, d = (n.to_bytes(32, "big") for n in (public.x, public.y, private.private_value))
    jwk = JsonWebKey(kty="EC" + SUFFIX, crv="P-256", key_ops=["sign", "verify"], x=x, y=y, d=d)
    kept(keys.import_key(name, jwk, **PROTECTED))


def import_oct(name, value):
    is_free(keys.get_key, name)
    jwk = JsonWebKey(kty="oct-HSM", key_ops=["encrypt", "decrypt"], k=un64u(value))
    kept(keys.import_key(name, jwk, tags={"p11_pri_CKA_ID": "ab01", "p11_pri_CKA_VALUE_LEN": "32"}, **PROTECTED))


def rename_key(name, label):
    key = keys.get_key(name, version(name))
    keys.update_key_properties(name, version(name), tags={**key.properties.tags, "p11_pri_CKA_LABEL": label})


def disable_key(name):
    keys.get_key(name, version(name))
    keys.update_key_properties(name, version(name), enabled=False)


def limit_key(name, expires):
    keys.get_key(name, version(name))
    when = datetime.datetime.fromtimestamp(int(expires), datetime.timezone.utc)
    keys.update_key_properties(name, version(name), expires_on=when)


def narrow_key(name):
    keys.get_key(name, version(name))
    keys.update_key_properties(name, version(name), key_operations=["verify"])


def rename_certificate(name, label):
    which = version("certificate " + name)
    certificates.get_certificate_version(name, which)
    certificates.update_certificate_properties(name, which, tags={"p11_pub_CKA_LABEL": label})


def set_secret(name, value):
    is_free(secrets.get_secret, name)
    kept(secrets.set_secret(name, value, content_type="application/octet-stream"))


def get_secret(name):
    # Once for the length, which is in no list.
    secrets.get_secret(name, version(name))
    secrets.get_secret(name, version(name))


def delete_key(name):
    # Whether it is its only version.
    next(keys.list_properties_of_key_versions(name, max_page_size=2).by_page())
    keys.begin_delete_key(name)


def delete_secret(name):
    next(secrets.list_properties_of_secret_versions(name, max_page_size=2).by_page())
    secrets.begin_delete_secret(name)


def delete_certificate(name):
    next(certificates.list_properties_of_certificate_versions(name, max_page_size=2).by_page())
    certificates.begin_delete_certificate(name)


for line in sys.stdin:
    operation, *arguments = line.split()
    globals()[operation](*arguments)
    print("done", operation, flush=True)
