"""Roles and settings by the administration SDK, at a key vault or at a Managed HSM: VAULT_URL says which."""

import uuid

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.administration import (
    KeyVaultAccessControlClient, KeyVaultDataAction, KeyVaultPermission, KeyVaultRoleScope, KeyVaultSetting,
    KeyVaultSettingsClient, KeyVaultSettingType)
from azure.keyvault.keys import KeyClient
from vault import Case, URL, administrator, fresh, http, keys, main, stranger

IS_HSM = ".managedhsm." in URL
WHOLE = KeyVaultRoleScope.GLOBAL
NAMESPACE = "Microsoft.KeyVault/managedHsm/" if IS_HSM else "Microsoft.KeyVault/vaults/"
READ = NAMESPACE + ("keys/read/action" if IS_HSM else "keys/read")
SIGN = NAMESPACE + "keys/sign/action"
READER = "Managed HSM Crypto Auditor" if IS_HSM else "Key Vault Reader"
USER = "Managed HSM Crypto User" if IS_HSM else "Key Vault Crypto User"
SETTING = "AllowKeyManagementOperationsThroughARM"

roles = KeyVaultAccessControlClient(URL, administrator)
settings = KeyVaultSettingsClient(URL, administrator)


def object_id():
    """The stranger's, which no role was given to yet: a client of the vault is told it with every denial."""
    try:
        list(KeyClient(URL, stranger()).list_properties_of_keys())
    except HttpResponseError as error:
        return error.message.split("oid=")[1][:36]
    raise AssertionError("the stranger may list keys")


STRANGER = object_id()
theirs = KeyClient(URL, stranger())
by_name = {role.role_name: role for role in roles.list_role_definitions(WHOLE)}


def make_key():
    return keys.create_ec_key(fresh("key"), hardware_protected=IS_HSM).name


class Definitions(Case):
    def test_the_built_in_roles_are_those_of_the_manner(self):
        prefix = "Managed HSM " if IS_HSM else "Key Vault "
        self.assertEqual(len(by_name), 9 if IS_HSM else 11)
        self.assertTrue(all(name.startswith(prefix) for name in by_name), by_name)
        for role in by_name.values():
            self.assertEqual(role.id, f"Microsoft.KeyVault/providers/Microsoft.Authorization/roleDefinitions/{role.name}")
            self.assertEqual((role.role_type, role.type), ("AKVBuiltInRole", "Microsoft.Authorization/roleDefinitions"))
            self.assertEqual((role.assignable_scopes, role.description), (["/"], ""))
            [permission] = role.permissions
            for actions in [permission.actions, permission.not_actions, permission.not_data_actions]:
                self.assertIsInstance(actions, list)
            got = roles.get_role_definition(WHOLE, role.name)
            self.assertEqual((got.id, got.permissions[0].data_actions), (role.id, permission.data_actions))
        for scope in ["/keys/any"] + ["/keys"] * IS_HSM:
            self.assertEqual({role.role_name for role in roles.list_role_definitions(scope)}, set(by_name))

    def test_a_role_is_made_changed_and_deleted(self):
        name = uuid.uuid4()
        read = KeyVaultPermission(data_actions=[READ])
        made = roles.set_role_definition(WHOLE, name=name, role_name="Readers", description="read", permissions=[read])
        self.assertEqual((made.name, made.role_name, made.description), (str(name), "Readers", "read"))
        self.assertEqual((made.role_type, made.assignable_scopes), ("CustomRole", ["/"]))
        self.assertEqual(made.permissions[0].data_actions, [READ])
        both = KeyVaultPermission(data_actions=[NAMESPACE + "keys/*"], not_data_actions=[SIGN])
        changed = roles.set_role_definition(WHOLE, name=name, role_name="Readers", permissions=[both])
        self.assertEqual((changed.id, changed.description), (made.id, ""))
        got = roles.get_role_definition(WHOLE, name)
        self.assertEqual(got.permissions[0].not_data_actions, [SIGN])
        self.assertIn(made.id, [role.id for role in roles.list_role_definitions(WHOLE)])
        roles.delete_role_definition(WHOLE, name)
        with self.refused(404, "RoleDefinitionNotFound"):
            roles.get_role_definition(WHOLE, name)
        # The SDK takes one that isn't there for deleted.
        roles.delete_role_definition(WHOLE, name)

    def test_a_role_may_have_any_of_the_sdks_data_actions(self):
        if IS_HSM:
            made = roles.set_role_definition(WHOLE, permissions=[KeyVaultPermission(data_actions=list(KeyVaultDataAction))])
            self.assertEqual(made.permissions[0].data_actions, list(KeyVaultDataAction))
            self.assertEqual(made.role_name, made.name)
            roles.delete_role_definition(WHOLE, made.name)
        else:
            with self.refused(400, "BadParameter"):
                roles.set_role_definition(
                    WHOLE, permissions=[KeyVaultPermission(data_actions=[KeyVaultDataAction.RANDOM_NUMBERS_GENERATE])])

    def test_what_is_wrong_is_refused(self):
        with self.refused(403, "Forbidden", "RoleDefinitionIsBuiltIn"):
            roles.set_role_definition(WHOLE, name=by_name[READER].name, permissions=[])
        with self.refused(403, "Forbidden", "RoleDefinitionIsBuiltIn"):
            roles.delete_role_definition(WHOLE, by_name[READER].name)
        with self.refused(400, "BadParameter"):
            roles.set_role_definition(WHOLE, name="not-a-guid", permissions=[])
        with self.refused(400, "BadParameter"):
            roles.set_role_definition("/keys/any", permissions=[])


class Assignments(Case):
    def give(self, scope, role, principal=None):
        given = roles.create_role_assignment(scope, by_name[role].id, principal or str(uuid.uuid4()))
        self.addCleanup(roles.delete_role_assignment, scope, given.name)
        return given

    def test_a_role_is_given_shown_and_taken_away(self):
        for scope in ["/", "/keys/some"] + ["/keys"] * IS_HSM:
            principal, name = str(uuid.uuid4()), uuid.uuid4()
            given = roles.create_role_assignment(scope, by_name[READER].id, principal, name=name)
            self.assertEqual((given.name, given.type), (str(name), "Microsoft.Authorization/roleAssignments"))
            place = "" if scope == "/" else scope
            self.assertEqual(given.role_assignment_id,
                             f"{place}/providers/Microsoft.Authorization/roleAssignments/{name}")
            properties = given.properties
            self.assertEqual((properties.scope, properties.principal_id, properties.role_definition_id),
                             (scope, principal, by_name[READER].id))
            got = roles.get_role_assignment(scope, name)
            self.assertEqual(got.properties.principal_id, principal)
            self.assertIn(str(name), [one.name for one in roles.list_role_assignments(scope)])
            roles.delete_role_assignment(scope, name)
            with self.assertRaises(ResourceNotFoundError):
                roles.get_role_assignment(scope, name)
            roles.delete_role_assignment(scope, name)

    def test_what_a_role_allows_counts_at_once_and_no_longer_when_it_is_taken_away(self):
        key, other = make_key(), make_key()
        with self.refused(403, "Forbidden", "ForbiddenByRbac"):
            theirs.get_key(key)
        given = roles.create_role_assignment(f"/keys/{key}", by_name[USER].id, STRANGER)
        self.assertEqual(theirs.get_key(key).name, key)
        with self.refused(403, "Forbidden", "ForbiddenByRbac"):
            theirs.get_key(other)
        roles.delete_role_assignment(f"/keys/{key}", given.name)
        with self.refused(403, "Forbidden", "ForbiddenByRbac"):
            theirs.get_key(key)

    def test_a_role_that_was_made_here_allows_what_it_says(self):
        key = make_key()
        role = roles.set_role_definition(WHOLE, permissions=[KeyVaultPermission(
            data_actions=[NAMESPACE + "keys/*"], not_data_actions=[READ])])
        given = roles.create_role_assignment(WHOLE, role.id, STRANGER)
        self.assertEqual(theirs.create_ec_key(fresh("theirs"), hardware_protected=IS_HSM).key.crv, "P-256")
        with self.refused(403, "Forbidden", "ForbiddenByRbac"):
            theirs.get_key(key)
        with self.refused(409, "Conflict", "RoleDefinitionHasAssignments"):
            roles.delete_role_definition(WHOLE, role.name)
        roles.delete_role_assignment(WHOLE, given.name)
        roles.delete_role_definition(WHOLE, role.name)

    def test_more_than_a_page_is_listed(self):
        principal = str(uuid.uuid4())
        given = {self.give(f"/keys/key-{number}", READER, principal).name for number in range(30)}
        self.assertLessEqual(given, {one.name for one in roles.list_role_assignments(WHOLE)})

    def test_what_is_wrong_is_refused(self):
        given = self.give("/keys/some", READER)
        role = given.properties.role_definition_id
        with self.refused(409, "RoleAssignmentExists"):
            roles.create_role_assignment("/keys/some", role, given.properties.principal_id)
        with self.refused(400, "BadParameter"):
            roles.create_role_assignment("/keys/some", role, "somebody")
        with self.refused(400, "BadParameter"):
            roles.create_role_assignment("/keys/some", role.replace(role[-12:], "0" * 12), STRANGER)
        with self.refused(400, "BadParameter"):
            roles.create_role_assignment("/secrets/some" if IS_HSM else KeyVaultRoleScope.KEYS, role, STRANGER)

    def test_the_last_administrator_stays(self):
        name = "Managed HSM Administrator" if IS_HSM else "Key Vault Administrator"
        [own] = [one for one in roles.list_role_assignments(WHOLE)
                 if one.properties.role_definition_id == by_name[name].id]
        with self.refused(403, "Forbidden", "AccessDenied"):
            roles.delete_role_assignment(WHOLE, own.name)

    def test_who_may_not_give_roles_gives_none(self):
        client = KeyVaultAccessControlClient(URL, stranger())
        for attempt in [lambda: client.create_role_assignment(WHOLE, by_name[READER].id, STRANGER),
                        lambda: list(client.list_role_assignments(WHOLE)),
                        lambda: client.set_role_definition(WHOLE, permissions=[]),
                        lambda: list(client.list_role_definitions(WHOLE))]:
            with self.refused(403, "Forbidden", "ForbiddenByRbac"):
                attempt()


class Settings(Case):
    def test_the_setting_is_shown_and_changed(self):
        [setting] = settings.list_settings()
        self.assertEqual((setting.name, setting.setting_type), (SETTING, KeyVaultSettingType.BOOLEAN))
        self.assertFalse(setting.getboolean())
        updated = settings.update_setting(KeyVaultSetting(name=SETTING, value=True))
        self.assertTrue(updated.getboolean())
        self.assertTrue(settings.get_setting(SETTING).getboolean())
        settings.update_setting(KeyVaultSetting(name=SETTING, value=False))
        self.assertFalse(settings.get_setting(SETTING).getboolean())

    def test_what_is_wrong_is_refused(self):
        with self.refused(404, "SettingNotFound"):
            settings.get_setting("Other")
        with self.refused(400, "BadParameter"):
            settings.update_setting(KeyVaultSetting(name=SETTING, value="yes"))
        with self.refused(403, "Forbidden", "ForbiddenByRbac"):
            KeyVaultSettingsClient(URL, stranger()).get_setting(SETTING)


class Hsm(Case):
    """What a Managed HSM has otherwise."""

    def setUp(self):
        if not IS_HSM:
            self.skipTest("a key vault")

    def test_keys_of_its_kinds_live_their_lives(self):
        made = [keys.create_rsa_key(fresh("rsa"), size=2048, hardware_protected=True),
                keys.create_ec_key(fresh("ec"), hardware_protected=True),
                keys.create_oct_key(fresh("oct"), size=256, hardware_protected=True)]
        self.assertEqual([key.key_type for key in made], ["RSA-HSM", "EC-HSM", "oct-HSM"])
        for key in made:
            client = keys.get_cryptography_client(key.name)
            if key.key_type != "EC-HSM":
                algorithm = "A256KW" if key.key_type == "oct-HSM" else "RSA-OAEP-256"
                wrapped = client.wrap_key(algorithm, b"\1" * 32)
                self.assertEqual(client.unwrap_key(algorithm, wrapped.encrypted_key).key, b"\1" * 32)
            rotated = keys.rotate_key(key.name) if key.key_type != "oct-HSM" else key
            self.assertEqual(rotated.key_type, key.key_type)
            keys.begin_delete_key(key.name, _polling_interval=0.1).wait()
            self.assertIn(key.name, [one.name for one in keys.list_deleted_keys()])
            keys.purge_deleted_key(key.name)

    def test_software_kinds_are_refused(self):
        for make in [keys.create_rsa_key, keys.create_ec_key, keys.create_oct_key]:
            with self.refused(400, "BadParameter"):
                make(fresh("soft"))

    def test_random_bytes_are_random(self):
        self.assertNotEqual(keys.get_random_bytes(32), keys.get_random_bytes(32))

    def test_secrets_and_certificates_are_not_there(self):
        for path in ["/secrets", "/certificates", "/secrets/a", "/deletedsecrets"]:
            answer = http("GET", path)
            self.assertEqual(answer.status_code, 404, answer.text)
            self.assertIn("not found", answer.json()["error"]["message"])


if __name__ == "__main__":
    main()
