"""Keys and secrets that are deleted, listed, recovered and purged, by the SDKs' own pollers."""

from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import SignatureAlgorithm
from azure.keyvault.secrets import SecretClient
from vault import Case, URL, fresh, http, keys, main, remote, secrets, stranger

DAYS_90 = 90 * 24 * 3600


class Keys:
    """The key client's calls."""

    segment, absent = "keys", "KeyNotFound"
    client, of_a_stranger = keys, KeyClient(URL, stranger())
    make = staticmethod(keys.create_ec_key)
    calls = ["begin_delete_key", "get_deleted_key", "list_deleted_keys", "begin_recover_deleted_key",
             "purge_deleted_key", "get_key", "list_properties_of_keys", "list_properties_of_key_versions"]


class Secrets:
    """The secret client's."""

    segment, absent = "secrets", "SecretNotFound"
    client, of_a_stranger = secrets, SecretClient(URL, stranger())
    make = staticmethod(lambda name: secrets.set_secret(name, "value", tags={"a": "b"}))
    calls = ["begin_delete_secret", "get_deleted_secret", "list_deleted_secrets", "begin_recover_deleted_secret",
             "purge_deleted_secret", "get_secret", "list_properties_of_secrets", "list_properties_of_secret_versions"]


class Deleting(Case):
    def of(self, kind, client=None):
        client = client or kind.client
        return [getattr(client, call) for call in kind.calls]

    def delete(self, kind, name):
        return self.of(kind)[0](name, _polling_interval=0.1).result()

    def both(self, case):
        for kind in [Keys, Secrets]:
            with self.subTest(kind.segment):
                case(kind, *self.of(kind))

    def test_what_is_deleted_is_shown_with_its_dates_and_nowhere_else(self):
        def case(kind, _delete, get_deleted, _list, _recover, _purge, get, list_all, list_versions):
            name = fresh("deleted")
            made = [kind.make(name) for _ in range(3)]
            for deleted in [self.delete(kind, name), get_deleted(name)]:
                self.assertEqual((deleted.name, deleted.id), (name, made[-1].id))
                self.assertEqual(deleted.recovery_id, f"{URL}/deleted{kind.segment}/{name}")
                dates = deleted.scheduled_purge_date - deleted.deleted_date
                self.assertEqual(dates.total_seconds(), DAYS_90)
            self.assertEqual(http("GET", deleted.recovery_id).json()["recoveryId"], deleted.recovery_id)
            for attempt in [lambda: get(name), lambda: get(name, made[0].properties.version),
                            lambda: list(list_versions(name))]:
                with self.refused(404, kind.absent):
                    attempt()
            self.assertNotIn(name, [of.name for of in list_all()])
            with self.refused(409, "Conflict", "ObjectIsDeletedButRecoverable"):
                kind.make(name)

        self.both(case)

    def test_what_is_recovered_is_there_with_all_versions(self):
        def case(kind, _delete, get_deleted, _list, recover, _purge, get, _all, list_versions):
            name = fresh("recovered")
            made = [kind.make(name) for _ in range(3)]
            self.delete(kind, name)
            recovered = recover(name, _polling_interval=0.1).result()
            of = getattr(recovered, "properties", recovered)
            self.assertEqual(of.id, made[-1].id)
            self.assertEqual(get(name).id, made[-1].id)
            listed = {of.version for of in list_versions(name)}
            self.assertEqual(listed, {version.properties.version for version in made})
            with self.refused(404, kind.absent):
                get_deleted(name)

        self.both(case)

    def test_what_is_purged_is_gone_and_its_name_is_free(self):
        def case(kind, _delete, get_deleted, list_deleted, recover, purge, get, _all, list_versions):
            name = fresh("purged")
            before = kind.make(name)
            self.delete(kind, name)
            self.assertIsNone(purge(name))
            for attempt in [lambda: get_deleted(name), lambda: get(name), lambda: purge(name),
                            lambda: recover(name).result()]:
                with self.refused(404, kind.absent):
                    attempt()
            self.assertNotIn(name, [deleted.name for deleted in list_deleted()])
            after = kind.make(name)
            self.assertNotEqual(after.id, before.id)
            self.assertEqual(len(list(list_versions(name))), 1)

        self.both(case)

    def test_the_list_of_what_is_deleted_is_followed_over_its_pages(self):
        def case(kind, _delete, get_deleted, list_deleted, *_rest):
            names = {fresh("page") for _ in range(29)}
            for name in names:
                kind.make(name)
                http("DELETE", f"/{kind.segment}/{name}")
            listed = {deleted.name: deleted for deleted in list_deleted() if deleted.name in names}
            self.assertEqual(set(listed), names)
            for name, deleted in listed.items():
                self.assertEqual(deleted.recovery_id, f"{URL}/deleted{kind.segment}/{name}")
                self.assertEqual(deleted.deleted_date, get_deleted(name).deleted_date)
            pages = [len(list(page)) for page in list_deleted(max_page_size=10).by_page()]
            self.assertEqual(set(pages[:-1]), {10})

        self.both(case)

    def test_a_deleted_key_signs_no_more_and_a_recovered_one_again(self):
        key = keys.create_ec_key(fresh("signs"))
        client, digest = remote(key), b"\1" * 32
        client.sign(SignatureAlgorithm.es256, digest)
        self.delete(Keys, key.name)
        with self.refused(404, "KeyNotFound"):
            client.sign(SignatureAlgorithm.es256, digest)
        keys.begin_recover_deleted_key(key.name, _polling_interval=0.1).result()
        client.sign(SignatureAlgorithm.es256, digest)

    def test_a_recovered_secret_has_its_value(self):
        name = fresh("kept")
        secrets.set_secret(name, "value", content_type="text/plain")
        self.delete(Secrets, name)
        secrets.begin_recover_deleted_secret(name, _polling_interval=0.1).result()
        self.assertEqual((secrets.get_secret(name).value, secrets.get_secret(name).properties.content_type),
                         ("value", "text/plain"))

    def test_who_has_no_role_deletes_recovers_and_purges_nothing(self):
        def case(kind, *_calls):
            name, gone = fresh("closed"), fresh("closed")
            kind.make(name)
            kind.make(gone)
            self.delete(kind, gone)
            delete, get_deleted, list_deleted, recover, purge, *_ = self.of(kind, kind.of_a_stranger)
            for attempt in [lambda: delete(name), lambda: get_deleted(gone), lambda: list(list_deleted()),
                            lambda: recover(gone), lambda: purge(gone)]:
                with self.refused(403, "Forbidden", "ForbiddenByRbac"):
                    attempt()
            self.of(kind)[5](name)
            self.of(kind)[1](gone)

        self.both(case)


if __name__ == "__main__":
    main()
