"""Backups of the whole vault to a target of the server's configuration, and restoring it or one key from there.

BACKUPS is the directory of the target `nightly`; `sealed` is another target, whose backups nothing would open. FOREIGN and
NEWER are files in `nightly`: a backup of another vault, and one that says it is of a later format.
"""

import os
import pathlib

from azure.core.exceptions import HttpResponseError
from azure.keyvault.administration import KeyVaultBackupClient
from azure.keyvault.keys.crypto import SignatureAlgorithm
from vault import Case, TARGET, URL, administrator, fresh, http, keys, main, remote, secrets, stranger

DIRECTORY = pathlib.Path(os.environ["BACKUPS"])
HOST = TARGET.rsplit("/", 1)[0]
DIGEST = b"\1" * 32
QUICK = {"_polling_interval": 0.1}

client = KeyVaultBackupClient(URL, administrator)


def backed_up(**options):
    """The address of a backup that was just made."""
    return client.begin_backup(TARGET, use_managed_identity=True, **QUICK, **options).result().folder_url


def restored(url, **options):
    client.begin_restore(url, use_managed_identity=True, **QUICK, **options).wait()


def gone(name):
    assert http("DELETE", f"/keys/{name}").status_code == 200
    assert http("DELETE", f"/deletedkeys/{name}").status_code == 204


class WholeVaults(Case):
    def test_a_vault_goes_back_to_what_it_was(self):
        kept, lost, since = keys.create_ec_key(fresh("kept")), keys.create_ec_key(fresh("lost")), fresh("since")
        secret = secrets.set_secret(fresh("secret"), "before")
        url = backed_up()
        self.assertTrue(url.startswith(TARGET + "/vault-"), url)
        gone(lost.name)
        keys.create_ec_key(since)
        secrets.set_secret(secret.name, "after")
        restored(url)
        signature = remote(lost).sign(SignatureAlgorithm.es256, DIGEST).signature
        self.assertTrue(remote(keys.get_key(lost.name)).verify(SignatureAlgorithm.es256, DIGEST, signature).is_valid)
        self.assertEqual(keys.get_key(kept.name).id, kept.id)
        self.assertEqual(secrets.get_secret(secret.name).value, "before")
        with self.refused(404, "KeyNotFound"):
            keys.get_key(since)

    def test_a_token_for_a_storage_service_is_taken_and_not_needed(self):
        url = client.begin_backup(TARGET, sas_token="?sv=2020&sig=x", **QUICK).result().folder_url
        client.begin_restore(url, sas_token="?sv=2020&sig=x", **QUICK).wait()

    def test_a_backup_is_one_file_for_its_owner_alone(self):
        url = backed_up()
        file = DIRECTORY / url.rsplit("/", 1)[1]
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertEqual([other.name for other in DIRECTORY.iterdir() if other.name.startswith(".")], [])

    def test_a_poller_goes_on_from_its_token(self):
        token = client.begin_backup(TARGET, use_managed_identity=True, **QUICK).continuation_token()
        url = backed_up(continuation_token=token)
        self.assertTrue((DIRECTORY / url.rsplit("/", 1)[1]).exists())

    def test_checks_do_nothing(self):
        key = keys.create_ec_key(fresh("checked"))
        url, before = backed_up(), sorted(DIRECTORY.iterdir())
        since = keys.create_ec_key(fresh("since"))
        client.begin_pre_backup(TARGET, use_managed_identity=True, **QUICK).wait()
        client.begin_pre_restore(url, use_managed_identity=True, **QUICK).wait()
        self.assertEqual(sorted(DIRECTORY.iterdir()), before)
        self.assertEqual([keys.get_key(of.name).id for of in (key, since)], [key.id, since.id])


class OneKey(Case):
    def test_a_key_comes_back_with_all_its_versions(self):
        name = fresh("one")
        made = [keys.create_ec_key(name) for _ in range(3)]
        since, url = keys.create_ec_key(fresh("since")), backed_up()
        gone(name)
        restored(url, key_name=name)
        self.assertEqual(keys.get_key(name).id, made[-1].id)
        versions = {of.version for of in keys.list_properties_of_key_versions(name)}
        self.assertEqual(versions, {of.properties.version for of in made})
        self.assertEqual(keys.get_key(since.name).id, since.id)

    def test_a_name_that_something_has_or_had_is_refused(self):
        key = keys.create_ec_key(fresh("one"))
        url = backed_up()
        with self.refused(409, "Conflict", "ObjectExists"):
            restored(url, key_name=key.name)
        http("DELETE", f"/keys/{key.name}")
        with self.refused(409, "Conflict", "ObjectIsDeletedButRecoverable"):
            restored(url, key_name=key.name)
        http("DELETE", f"/deletedkeys/{key.name}")
        restored(url, key_name=key.name)

    def test_a_key_that_the_backup_has_not_is_told(self):
        with self.assertRaises(HttpResponseError) as raised:
            restored(backed_up(), key_name=fresh("never"))
        self.assertEqual(raised.exception.error.code, "KeyNotFound")


class Refusals(Case):
    def fails(self, code, *said):
        """A job that is started and fails with this."""
        return _Fails(self, code, said)

    def test_what_is_no_good_backup_of_this_vault_is_told_apart(self):
        key, url = keys.create_ec_key(fresh("stays")), backed_up()
        name = url.rsplit("/", 1)[1]
        whole = (DIRECTORY / name).read_bytes()
        middle = len(whole) // 2
        for number, damaged in enumerate([
            whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1:], whole[:-1], whole[:40], b"", b"no backup",
            whole + b"x", whole[:5] + bytes([whole[5] ^ 1]) + whole[6:],
        ]):
            of = f"vault-20200101T000000Z-{number + 2}.backup"
            (DIRECTORY / of).write_bytes(damaged)
            for attempt in (lambda of: restored(of), lambda of: restored(of, key_name=fresh("none")),
                            lambda of: client.begin_pre_restore(of, use_managed_identity=True, **QUICK).wait()):
                with self.fails("BackupDamaged"):
                    attempt(f"{TARGET}/{of}")
        with self.fails("BackupForeign"):
            restored(f"{TARGET}/{os.environ['FOREIGN']}")
        with self.fails("BackupForeign"):
            client.begin_pre_restore(f"{TARGET}/{os.environ['FOREIGN']}", use_managed_identity=True, **QUICK).wait()
        with self.fails("BackupForeign"):
            restored(f"{TARGET}/{os.environ['FOREIGN']}", key_name=fresh("none"))
        (DIRECTORY / "foreign").write_bytes(whole)
        with self.fails("BackupForeign"):
            restored(f"{TARGET}/foreign")
        with self.fails("BackupNewer", "format 99"):
            restored(f"{TARGET}/{os.environ['NEWER']}")
        self.assertEqual(keys.get_key(key.name).id, key.id)

    def test_a_backup_that_nothing_would_open_is_not_made(self):
        sealed = HOST + "/sealed"
        for begin in (client.begin_backup, client.begin_pre_backup):
            with self.fails("NoRecoveryKey"):
                begin(sealed, use_managed_identity=True, **QUICK).wait()

    def test_only_targets_of_the_configuration_are_named(self):
        for storage in ["https://elsewhere.example/nightly", HOST.replace("backup.", "x.") + "/nightly", HOST, "/etc",
                        "file:///etc", TARGET + "/..", TARGET + "?sv=1", TARGET.replace("https", "http"), ""]:
            for path in ("/backup", "/prebackup"):
                self.assertEqual(http("POST", path, {"storageResourceUri": storage}).status_code, 400, storage)
        for storage in [HOST + "/weekly", HOST + "/..", HOST + "/%2e%2e", HOST + "/nightly%2fx"]:
            answer = http("POST", "/backup", {"storageResourceUri": storage})
            self.assertEqual((answer.status_code, answer.json()["error"]["code"]), (404, "BackupTargetNotFound"), storage)

    def test_a_folder_is_never_a_path(self):
        (DIRECTORY.parent / "outside").write_bytes(b"x")
        storage = {"storageResourceUri": TARGET}
        for folder in ["..", ".", "../outside", "/etc/passwd", "a/b", "..%2foutside", "%2e%2e", "x\0y", "x" * 256, "", "a b"]:
            for path, member in (("/restore", "folderToRestore"), ("/prerestore", "folderToRestore"),
                                 (f"/keys/{fresh('none')}/restore", "folder")):
                answer = http("PUT", path, {"sasTokenParameters": storage, member: folder})
                self.assertEqual((answer.status_code, answer.json()["error"]["code"]), (400, "BadParameter"), folder)
        with self.refused(404, "BackupNotFound"):
            restored(TARGET + "/vault-20200101T000000Z.backup")

    def test_who_has_no_role_backs_up_and_restores_nothing(self):
        url = backed_up()
        other, before = KeyVaultBackupClient(URL, stranger()), sorted(DIRECTORY.iterdir())
        for attempt in [lambda: other.begin_backup(TARGET, use_managed_identity=True),
                        lambda: other.begin_pre_backup(TARGET, use_managed_identity=True),
                        lambda: other.begin_restore(url, use_managed_identity=True),
                        lambda: other.begin_restore(url, use_managed_identity=True, key_name="any"),
                        lambda: other.begin_pre_restore(url, use_managed_identity=True)]:
            with self.refused(403, "Forbidden", "ForbiddenByRbac"):
                attempt()
        self.assertEqual(sorted(DIRECTORY.iterdir()), before)

    def test_a_job_is_asked_about_without_an_api_version_and_by_its_family(self):
        started = http("POST", "/backup", {"storageResourceUri": TARGET})
        self.assertEqual(started.status_code, 202, started.text)
        self.assertEqual(started.json()["status"], "InProgress")
        self.assertTrue(int(started.headers["Retry-After"]) > 0)
        pending = started.headers["azure-asyncoperation"]
        self.assertEqual(pending, f"{URL}/backup/{started.json()['jobId']}/pending")
        while (told := http("GET", pending, version=None).json())["status"] == "InProgress":
            pass
        self.assertEqual((told["status"], told["error"]), ("Succeeded", None))
        self.assertGreaterEqual(told["endTime"], told["startTime"])
        self.assertEqual(http("GET", pending, version="1.0").status_code, 400)
        self.assertEqual(http("GET", pending.replace("/backup/", "/restore/", 1), version=None).status_code, 404)


class _Fails:
    def __init__(self, case, code, said):
        self.case, self.code, self.said = case, code, said

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _trace):
        if kind is None:
            self.case.fail(f"done, instead of {self.code}")
        if not isinstance(error, HttpResponseError):
            return False
        self.case.assertEqual(error.error.code if error.error else None, self.code, error.message)
        for text in self.said:
            self.case.assertIn(text, error.error.message)
        self.case.assertNotIn(str(DIRECTORY), str(error))
        return True


if __name__ == "__main__":
    main()
