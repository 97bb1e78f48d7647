"""The SDKs over connections with a client certificate, whose identity may do everything with secrets and keys.

CERTIFICATE and KEY are the client's; REVOKE is a command after which the certificate is revoked, and SERVER_PID the process
that has to be told so.
"""

import os
import signal
import subprocess
import time
import unittest

import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys._shared import http_challenge_cache as challenges_of_keys
from azure.keyvault.keys.crypto import SignatureAlgorithm
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets._shared import http_challenge_cache as challenges_of_secrets
from vault import URL, Case, administrator, fresh, main, remote, secrets

PAIR = os.environ["CERTIFICATE"], os.environ["KEY"]
CA = os.environ["REQUESTS_CA_BUNDLE"]


class Counting:
    """The administrator's tokens, and how often one was asked for."""

    def __init__(self):
        self.asked = 0

    def get_token(self, *scopes, **options):
        self.asked += 1
        return administrator.get_token(*scopes, **options)


class Nobody:
    """A credential that has no token to give."""

    def get_token(self, *scopes, **options):
        raise ClientAuthenticationError("there is none")


def for_the_first_time(client, credential):
    """A client with the certificate, in a process that doesn't know yet where tokens are from."""
    for challenges in challenges_of_keys, challenges_of_secrets:
        challenges.clear()
    return client(URL, credential, connection_cert=PAIR)


def versions(name):
    return len(list(secrets.list_properties_of_secret_versions(name)))


class Peers(Case):
    def test_what_a_client_asks_first_is_not_carried_out(self):
        credential, name = Counting(), fresh("probed")
        for_the_first_time(SecretClient, credential).set_secret(name, "once")
        self.assertEqual((credential.asked, versions(name)), (1, 1))
        self.assertEqual(secrets.get_secret(name).value, "once")

    def test_who_has_no_token_sets_nothing(self):
        name = fresh("refused")
        with self.assertRaises(ClientAuthenticationError):
            for_the_first_time(SecretClient, Nobody()).set_secret(name, "never")
        with self.refused(404, "SecretNotFound"):
            secrets.get_secret(name)

    def test_what_needs_no_body_is_done_once_and_without_a_token(self):
        name = fresh("plain")
        secrets.set_secret(name, "value")
        client = for_the_first_time(SecretClient, Nobody())
        self.assertEqual(client.get_secret(name).value, "value")
        self.assertIn(name, [found.name for found in client.list_properties_of_secrets()])
        client.begin_delete_secret(name).wait()
        client.purge_deleted_secret(name)
        with self.refused(404, "SecretNotFound"):
            secrets.get_secret(name)

    def test_keys_are_made_once_and_sign(self):
        name = fresh("key")
        client = for_the_first_time(KeyClient, Counting())
        key = client.create_ec_key(name)
        self.assertEqual(len(list(client.list_properties_of_key_versions(name))), 1)
        signer = remote(key, Counting(), connection_cert=PAIR)
        signature = signer.sign(SignatureAlgorithm.es256, bytes(32)).signature
        self.assertTrue(signer.verify(SignatureAlgorithm.es256, bytes(32), signature).is_valid)

    def test_the_token_decides_where_there_is_one(self):
        class Wrong:
            def get_token(self, *scopes, **options):
                return administrator.get_token(*scopes, **options)._replace(token="not.a.token")

        name = fresh("wrong")
        with self.refused(401, "Unauthorized"):
            for_the_first_time(SecretClient, Wrong()).set_secret(name, "never")

    def test_z_a_certificate_that_is_revoked_stops_counting_on_its_connection(self):
        session = requests.Session()
        session.cert, session.verify = PAIR, CA
        status = lambda: session.get(f"{URL}/secrets?api-version=7.5").status_code
        self.assertEqual(status(), 200)
        subprocess.run(os.environ["REVOKE"], shell=True, check=True, capture_output=True)
        os.kill(int(os.environ["SERVER_PID"]), signal.SIGHUP)
        # The signal is carried out beside the requests.
        end = time.monotonic() + 30
        while status() == 200 and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(status(), 401)
        with requests.Session() as other:
            other.verify = CA
            self.assertEqual(other.get(f"{URL}/secrets?api-version=7.5").status_code, 401)


if __name__ == "__main__":
    main()
