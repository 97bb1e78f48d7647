"""Tokens of another issuer, OpenBao, shown at the vault as they are.

RS256 and ES256 are files with tokens of somebody who is in the issuer's group `operators`, signed so, which is a group here that
may do everything with secrets; NOT_ALLOWED is signed in a way that the issuer isn't allowed here, ELSEWHERE is for something
else.
"""

import os
import time

from azure.core.credentials import AccessToken
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient
from vault import Case, URL, fresh, main


class FromFile:
    """A credential of somebody who got a token elsewhere."""

    def __init__(self, name):
        with open(os.environ[name]) as file:
            self.token = file.read()

    def get_token(self, *_scopes, **_options):
        return AccessToken(self.token, int(time.time()) + 600)


class Foreign(Case):
    def test_a_group_of_the_issuer_is_ours_with_its_role(self):
        for name in ["RS256", "ES256"]:
            client, secret = SecretClient(URL, FromFile(name)), fresh("written")
            client.set_secret(secret, "value")
            self.assertEqual(client.get_secret(secret).value, "value")

    def test_a_role_goes_no_further_than_it_says(self):
        with self.refused(403, "Forbidden", "ForbiddenByRbac"):
            list(KeyClient(URL, FromFile("RS256")).list_properties_of_keys())

    def test_a_token_for_something_else_or_signed_otherwise_does_not_count(self):
        for name in ["NOT_ALLOWED", "ELSEWHERE"]:
            with self.refused(401, "Unauthorized"):
                SecretClient(URL, FromFile(name)).set_secret("never", "value")
        with self.refused(404, "SecretNotFound"):
            SecretClient(URL, FromFile("RS256")).get_secret("never")


if __name__ == "__main__":
    main()
