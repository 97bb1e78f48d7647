"""Every operation of azure-keyvault-secrets' SecretClient."""

import datetime
import unittest

from azure.keyvault.secrets import SecretClient
from vault import Case, administrator, fresh, http, main, secrets, stranger, URL

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)


class Secrets(Case):
    def test_a_secret_comes_back_as_it_was_set(self):
        name = fresh("full")
        made = secrets.set_secret(
            name, "wörld\n€ \U0001f511", tags={"a": "b", "ü": ""}, content_type="text/plain", not_before=NOW - DAY,
            expires_on=NOW + DAY)
        for got in [made, secrets.get_secret(name), secrets.get_secret(name, made.properties.version)]:
            self.assertEqual(got.value, "wörld\n€ \U0001f511")
            self.assertEqual((got.name, got.id), (name, made.id))
            of = got.properties
            self.assertEqual((of.content_type, of.tags, of.enabled), ("text/plain", {"a": "b", "ü": ""}, True))
            self.assertEqual((of.not_before, of.expires_on), (NOW - DAY, NOW + DAY))
            self.assertEqual((of.recoverable_days, of.recovery_level), (90, "Recoverable+Purgeable"))
            self.assertEqual(of.vault_url, URL)
            self.assertTrue(abs(of.created_on - NOW) < DAY and of.updated_on >= of.created_on)
        self.assertEqual(made.id, f"{URL}/secrets/{name}/{made.properties.version}")

    def test_the_newest_version_is_the_current_one_and_older_ones_stay(self):
        name = fresh("versions")
        made = [secrets.set_secret(name, f"value {number}") for number in range(3)]
        self.assertEqual(secrets.get_secret(name).id, made[-1].id)
        for number, version in enumerate(made):
            self.assertEqual(secrets.get_secret(name, version.properties.version).value, f"value {number}")
        listed = {version.version for version in secrets.list_properties_of_secret_versions(name)}
        self.assertEqual(listed, {version.properties.version for version in made})

    def test_names_are_compared_without_case(self):
        name = fresh("Mixed")
        made = secrets.set_secret(name, "one")
        self.assertEqual(secrets.get_secret(name.upper()).value, "one")
        self.assertEqual(secrets.set_secret(name.lower(), "two").properties.name.lower(), name.lower())
        self.assertEqual(len(list(secrets.list_properties_of_secret_versions(name))), 2)
        self.assertEqual(secrets.get_secret(name, made.properties.version).value, "one")

    def test_what_is_updated_changes_and_the_rest_stays(self):
        made = secrets.set_secret(fresh("updated"), "v", tags={"a": "b"}, content_type="one", expires_on=NOW + DAY)
        after = secrets.update_secret_properties(made.name, made.properties.version, content_type="two")
        self.assertEqual((after.content_type, after.tags, after.expires_on), ("two", {"a": "b"}, NOW + DAY))
        after = secrets.update_secret_properties(made.name, tags={}, enabled=False)
        self.assertEqual((after.content_type, after.tags or {}, after.enabled), ("two", {}, False))
        with self.refused(403, "Forbidden", "SecretDisabled"):
            secrets.get_secret(made.name)
        secrets.update_secret_properties(made.name, enabled=True)
        self.assertEqual(secrets.get_secret(made.name).value, "v")

    def test_a_list_is_followed_over_its_pages(self):
        names = {fresh("listed") for _ in range(57)}
        for name in names:
            secrets.set_secret(name, "v", tags={"t": name}, content_type="text/plain")
        listed = {of.name: of for of in secrets.list_properties_of_secrets() if of.name in names}
        self.assertEqual(set(listed), names)
        for name, of in listed.items():
            self.assertEqual((of.tags, of.content_type, of.version), ({"t": name}, "text/plain", None))
            self.assertEqual(of.id, f"{URL}/secrets/{name}")
        pages = [len(list(page)) for page in secrets.list_properties_of_secrets(max_page_size=10).by_page()]
        self.assertEqual(set(pages[:-1]), {10})
        self.assertLessEqual(57, sum(pages))

    def test_versions_are_followed_over_their_pages(self):
        name = fresh("many")
        made = [secrets.set_secret(name, str(number)).properties.version for number in range(31)]
        listed = [of.version for of in secrets.list_properties_of_secret_versions(name)]
        self.assertEqual((len(listed), set(listed)), (31, set(made)))

    def test_the_longest_value_is_kept(self):
        name = fresh("long")
        secrets.set_secret(name, "x" * 25 * 1024)
        self.assertEqual(len(secrets.get_secret(name).value), 25 * 1024)
        with self.refused(400, "BadParameter"):
            secrets.set_secret(name, "x" * (25 * 1024 + 1))

    def test_an_absent_secret_is_not_found(self):
        with self.refused(404, "SecretNotFound") as refused:
            secrets.get_secret(fresh("absent"))
        self.assertIn("not found", refused.message)

    def test_a_next_link_is_followed_as_it_is(self):
        for _ in range(4):
            secrets.set_secret(fresh("linked"), "v")
        first = http("GET", "/secrets", query={"maxresults": "3"}, version="2026-04-01").json()
        self.assertTrue(first["nextLink"].startswith(f"{URL}/secrets?"), first["nextLink"])
        second = http("GET", first["nextLink"], version=None).json()
        both = {item["id"] for item in first["value"]} & {item["id"] for item in second["value"]}
        self.assertEqual((len(first["value"]), both), (3, set()))


class Strangers(Case):
    def test_who_has_no_role_sees_nothing(self):
        known = secrets.set_secret(fresh("closed"), "v")
        client = SecretClient(URL, stranger())
        for attempt in [
            lambda: client.get_secret(known.name),
            lambda: client.set_secret(known.name, "w"),
            lambda: client.update_secret_properties(known.name, enabled=False),
            lambda: list(client.list_properties_of_secrets()),
            lambda: list(client.list_properties_of_secret_versions(known.name)),
        ]:
            with self.refused(403, "Forbidden", "ForbiddenByRbac"):
                attempt()
        self.assertEqual(secrets.get_secret(known.name).value, "v")


if __name__ == "__main__":
    main()
