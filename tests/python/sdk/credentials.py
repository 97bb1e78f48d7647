"""The ways to log in that azure-identity has for programs of their own.

CERTIFICATE is a file with the certificate and the key of the identity CERTIFIED_ID, which may read secrets.
"""

import os
import re

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientSecretCredential, DefaultAzureCredential, EnvironmentCredential
from azure.keyvault.secrets import SecretClient
from vault import Case, URL, fresh, http, main, secrets

# The tenant's own name, which the challenge says.
TENANT = re.search("/([0-9a-f-]{36})\"", http("GET", "/keys", credential=None).headers["WWW-Authenticate"])[1]
CLIENT = os.environ["AZURE_CLIENT_ID"], os.environ["AZURE_CLIENT_SECRET"]
CERTIFIED = os.environ["CERTIFIED_ID"], os.environ["CERTIFICATE"]


class Credentials(Case):
    def test_every_way_to_log_in_reads_a_secret(self):
        name = fresh("read")
        secrets.set_secret(name, "value")
        for credential in [
            DefaultAzureCredential(),
            EnvironmentCredential(),
            ClientSecretCredential("adfs", *CLIENT),
            ClientSecretCredential(TENANT, *CLIENT, disable_instance_discovery=True),
            CertificateCredential("adfs", *CERTIFIED),
            CertificateCredential(TENANT, *CERTIFIED, disable_instance_discovery=True),
        ]:
            with self.subTest(type(credential).__name__):
                self.assertEqual(SecretClient(URL, credential).get_secret(name).value, "value")

    def test_a_role_goes_no_further_than_it_says(self):
        client = SecretClient(URL, CertificateCredential("adfs", *CERTIFIED))
        with self.refused(403, "Forbidden", "ForbiddenByRbac"):
            client.set_secret(fresh("written"), "value")

    def test_who_brings_a_wrong_secret_gets_no_token(self):
        for wrong in [
            ClientSecretCredential("adfs", CLIENT[0], CLIENT[1][::-1]),
            ClientSecretCredential("adfs", "00000000-0000-0000-0000-000000000000", CLIENT[1]),
            CertificateCredential("adfs", CLIENT[0], CERTIFIED[1]),
        ]:
            with self.assertRaises(ClientAuthenticationError):
                SecretClient(URL, wrong).get_secret("any")


if __name__ == "__main__":
    main()
