"""The vault under test as its clients reach it, for the scripts beside this one.

VAULT_URL says where it is, and TARGET is what clients call the backup target `nightly` beside it. AZURE_AUTHORITY_HOST, AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and
REQUESTS_CA_BUNDLE are what the server tells its clients to set; STRANGER_ID and STRANGER_SECRET are an identity without any
role. OPERATIONS, ALGORITHMS and API_VERSIONS are the server's tables.
"""

import base64
import itertools
import os
import time
import unittest
import urllib.parse

import requests
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.keyvault.certificates import CertificateClient
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient
from azure.keyvault.secrets import SecretClient

URL = os.environ["VAULT_URL"]
OPERATIONS = set(os.environ["OPERATIONS"].split())
ALGORITHMS = set(os.environ["ALGORITHMS"].split())
API_VERSIONS = os.environ["API_VERSIONS"].split()
TARGET = "https://backup." + urllib.parse.urlsplit(URL).netloc.split(".", 1)[1] + "/nightly"
SCOPE = "https://" + urllib.parse.urlsplit(URL).netloc.split(".", 1)[1] + "/.default"

administrator = DefaultAzureCredential()


def stranger():
    """A credential of somebody who may do nothing."""
    return ClientSecretCredential("adfs", os.environ["STRANGER_ID"], os.environ["STRANGER_SECRET"])


keys = KeyClient(URL, administrator)
secrets = SecretClient(URL, administrator)
certificates = CertificateClient(URL, administrator)

_session = requests.Session()
_numbers = itertools.count(1)


def fresh(prefix="x"):
    """A name that nothing has yet."""
    return f"{prefix}-{next(_numbers)}"


def remote(key, credential=administrator, **options):
    """A client that leaves every operation to the vault: one that may not read the key, as the SDK remembers it."""
    client = CryptographyClient(key.id, credential, **options)
    client._keys_get_forbidden = True
    return client


def b64u(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def un64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def http(method, path, body=None, *, version="7.6", credential=administrator, query=None, headers=None,
         data=None):
    """A request without the SDK."""
    given = {"Authorization": "Bearer " + credential.get_token(SCOPE).token} if credential else {}
    query = dict({"api-version": version} if version else {}, **(query or {}))
    address = path if path.startswith("https:") else URL + path
    if data is not None:
        given["Content-Type"] = "application/json"
    return _session.request(
        method, address, params=query, json=body, data=data, headers={**given, **(headers or {})}, timeout=60)


def finished(answer):
    """What became of the job that this answer began; it must have succeeded."""
    assert answer.status_code == 202, answer.text
    pending = answer.headers["azure-asyncoperation"]
    while (job := http("GET", pending, version=None).json())["status"] == "InProgress":
        time.sleep(0.02)
    assert job["status"] == "Succeeded", job
    return job


class Case(unittest.TestCase):
    """Cases say what an error must be."""

    def refused(self, status, code, inner=None):
        """The block must be refused with this."""
        return _Refused(self, status, code, inner)


class _Refused:
    def __init__(self, case, status, code, inner):
        self.case, self.wanted = case, (status, code, inner)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _trace):
        if kind is None:
            self.case.fail(f"done, instead of {self.wanted}")
        if not isinstance(error, HttpResponseError):
            return False
        inner = error.error.innererror or {} if error.error else {}
        given = (error.status_code, error.error.code if error.error else None)
        self.case.assertEqual(given, self.wanted[:2], error.message)
        if self.wanted[2]:
            self.case.assertEqual(inner.get("code"), self.wanted[2], error.message)
        self.message = error.message
        return True


def main():
    unittest.main(module="__main__", verbosity=1)
