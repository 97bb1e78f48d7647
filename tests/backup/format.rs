//! Every released format of a backup can be opened: backups of each lie in `tests/data`.

use std::path::Path;

use strongroom::vault::*;

use crate::faults::*;
use crate::{passphrase, private, restore};

#[test]
fn backups_of_format_1_open_and_what_is_in_them_works() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/backup-format-1");
    let recovery = "aa09-3714-42ae-8beb-f4e5-d216-1bf6-4471-b3ae-1b92-10dd-6349-0047-a2c1-e580-c903";
    let recovery = BackupKey::Recovery(RecoveryKey::parse(recovery).unwrap());
    for (file, key) in [("by-recovery-key", recovery), ("by-passphrase", passphrase("correct horse battery"))] {
        let place = place();
        let to = place.path().join("vault");
        let restored = restore(&*open(&to), &folder.join(file), &key, false).unwrap();
        assert_eq!((restored.label.label.as_str(), restored.written), ("format 1", 14));
        // With the PIN that it had.
        let vault = unlocked(&to);
        assert_eq!(Tally::of(&vault.image()), restored.label.tallies);
        for name in ["www", "rsa"] {
            signs_correctly(&*vault, &private(&*vault, name)).unwrap();
        }
        assert_eq!(private(&*vault, "www").version.unwrap().ordinal, 2);
        assert!(matches!(sign(&*vault, private(&*vault, "ed").number), Err(VaultError::Disabled)));
        let image = vault.image();
        let note = image.with_name(Collection::Secrets, "note").next().unwrap();
        assert_eq!(vault.secret(note.number).unwrap().expose(), b"value");
        // And it goes on as a vault.
        pair(&*vault, "later").unwrap();
    }
}
