"""The ways to log in that azure-identity has for programs of their own.

CERTIFICATE is a file with the certificate and the key of the identities READER_ID, which may read secrets, and WRITER_ID, which
may do everything with them. FEDERATED is a file with a token of another issuer for the writer, as Kubernetes projects one;
MANAGED is where programs of this machine get the writer's tokens, as everybody or with the secret header HEADER.
"""

import os
import re
from unittest import mock

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    CredentialUnavailableError,
    DefaultAzureCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.secrets import SecretClient
from vault import SCOPE, Case, URL, fresh, http, main

# The tenant's own name, which the challenge says.
TENANT = re.search("/([0-9a-f-]{36})\"", http("GET", "/keys", credential=None).headers["WWW-Authenticate"])[1]
CLIENT = os.environ["AZURE_CLIENT_ID"], os.environ["AZURE_CLIENT_SECRET"]
READER = os.environ["READER_ID"], os.environ["CERTIFICATE"]
WRITER = os.environ["WRITER_ID"], os.environ["CERTIFICATE"]
FEDERATED = {"client_id": WRITER[0], "token_file_path": os.environ["FEDERATED"]}

# What a program finds in its environment in Kubernetes, on a virtual machine and at App Service.
KUBERNETES = {"AZURE_FEDERATED_TOKEN_FILE": os.environ["FEDERATED"], "AZURE_CLIENT_ID": WRITER[0]}
MACHINE = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": os.environ["MANAGED"]}
APP_SERVICE = {"IDENTITY_ENDPOINT": os.environ["MANAGED"] + "/msi/token", "IDENTITY_HEADER": os.environ["HEADER"]}


# Where the environment's own secret would go before the others.
SECRET = ["AZURE_CLIENT_SECRET"]


def in_environment(variables, make, without=()):
    """A credential that is made, and first used, where these variables are set."""
    with mock.patch.dict(os.environ, variables):
        for name in without:
            del os.environ[name]
        credential = make()
        credential.get_token(SCOPE)
        return credential


class Credentials(Case):
    def sets_and_gets(self, credential):
        client, name = SecretClient(URL, credential), fresh("written")
        client.set_secret(name, "value")
        self.assertEqual(client.get_secret(name).value, "value")

    def test_every_way_to_log_in_sets_and_gets_a_secret(self):
        anywhere = {"disable_instance_discovery": True}
        for what, make in {
            "environment": EnvironmentCredential,
            "secret": lambda: ClientSecretCredential("adfs", *CLIENT),
            "secret, tenant": lambda: ClientSecretCredential(TENANT, *CLIENT, **anywhere),
            "certificate": lambda: CertificateCredential("adfs", *WRITER),
            "certificate, tenant": lambda: CertificateCredential(TENANT, *WRITER, **anywhere),
            "workload": lambda: WorkloadIdentityCredential(tenant_id="adfs", **FEDERATED),
            "workload, tenant": lambda: WorkloadIdentityCredential(tenant_id=TENANT, **FEDERATED, **anywhere),
            "workload, environment": lambda: in_environment(KUBERNETES, WorkloadIdentityCredential),
            "machine": lambda: in_environment(MACHINE, ManagedIdentityCredential),
            "machine, by its id": lambda: in_environment(MACHINE, lambda: ManagedIdentityCredential(client_id=WRITER[0])),
            "App Service": lambda: in_environment(APP_SERVICE, ManagedIdentityCredential),
            "default, secret": DefaultAzureCredential,
            "default, workload": lambda: in_environment(KUBERNETES, DefaultAzureCredential, SECRET),
            "default, machine": lambda: in_environment(MACHINE, DefaultAzureCredential, [*SECRET, "AZURE_CLIENT_ID"]),
            "default, App Service": lambda: in_environment(
                APP_SERVICE, DefaultAzureCredential, [*SECRET, "AZURE_CLIENT_ID"]),
        }.items():
            with self.subTest(what):
                self.sets_and_gets(make())

    def test_a_role_goes_no_further_than_it_says(self):
        client = SecretClient(URL, CertificateCredential("adfs", *READER))
        with self.refused(403, "Forbidden", "ForbiddenByRbac"):
            client.set_secret(fresh("written"), "value")

    def test_who_brings_a_wrong_secret_gets_no_token(self):
        for wrong in [
            ClientSecretCredential("adfs", CLIENT[0], CLIENT[1][::-1]),
            ClientSecretCredential("adfs", "00000000-0000-0000-0000-000000000000", CLIENT[1]),
            CertificateCredential("adfs", CLIENT[0], WRITER[1]),
            WorkloadIdentityCredential(tenant_id="adfs", **{**FEDERATED, "client_id": READER[0]}),
        ]:
            with self.assertRaises(ClientAuthenticationError):
                SecretClient(URL, wrong).get_secret("any")

    def test_a_machine_is_nobody_else_and_a_wrong_header_nobodys(self):
        with self.assertRaises(CredentialUnavailableError):
            in_environment(MACHINE, lambda: ManagedIdentityCredential(client_id=READER[0]))
        with self.assertRaises(ClientAuthenticationError):
            in_environment({**APP_SERVICE, "IDENTITY_HEADER": "x" * 43}, ManagedIdentityCredential)


if __name__ == "__main__":
    main()
