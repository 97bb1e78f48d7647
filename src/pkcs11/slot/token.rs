//! The token in a slot: what it says of itself, its PINs, logging in and out (PKCS#11 v3.2 §5.5, §5.6.8 to §5.6.10).

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use cryptoki_sys::*;

use super::{Admission, SECURITY_OFFICER, Slot, USER};
use crate::pkcs11::error::Rv;
use crate::vault::{Pin, PinState, Role, Unlock, VaultInfo};

/// `CK_INFO`'s, `CK_SLOT_INFO`'s and `CK_TOKEN_INFO`'s manufacturer.
pub const MANUFACTURER: &str = "Strongroom";
const MODEL: &str = "Strongroom vault";

impl Slot {
    /// What `C_GetSlotInfo` answers. The token is in the slot even before it is initialised.
    pub fn info(&self) -> CK_SLOT_INFO {
        let location = self.vault.info().map(|info| info.location).unwrap_or_default();
        CK_SLOT_INFO {
            slotDescription: padded(&location),
            manufacturerID: padded(MANUFACTURER),
            flags: CKF_TOKEN_PRESENT,
            hardwareVersion: CK_VERSION { major: 0, minor: 0 },
            firmwareVersion: library_version(),
        }
    }

    /// What `C_GetTokenInfo` answers.
    pub fn token_info(&self) -> Result<CK_TOKEN_INFO, Rv> {
        let info = self.vault.info()?;
        let (read_write, total) = {
            let admission = self.admission();
            (admission.read_write as CK_ULONG, admission.total() as CK_ULONG)
        };
        Ok(CK_TOKEN_INFO {
            label: padded(&info.label),
            manufacturerID: padded(MANUFACTURER),
            model: padded(MODEL),
            serialNumber: padded(&info.serial),
            flags: token_flags(&info),
            ulMaxSessionCount: CK_EFFECTIVELY_INFINITE,
            ulSessionCount: total,
            ulMaxRwSessionCount: CK_EFFECTIVELY_INFINITE,
            ulRwSessionCount: read_write,
            ulMaxPinLen: info.pin_len.1 as CK_ULONG,
            ulMinPinLen: info.pin_len.0 as CK_ULONG,
            ulTotalPublicMemory: CK_UNAVAILABLE_INFORMATION,
            ulFreePublicMemory: CK_UNAVAILABLE_INFORMATION,
            ulTotalPrivateMemory: CK_UNAVAILABLE_INFORMATION,
            ulFreePrivateMemory: CK_UNAVAILABLE_INFORMATION,
            hardwareVersion: CK_VERSION { major: 0, minor: 0 },
            firmwareVersion: library_version(),
            // No CKF_CLOCK_ON_TOKEN.
            utcTime: [b' '; 16],
        })
    }

    /// `C_InitToken`.
    pub fn init_token(&self, label: &[u8; 32], so_pin: &Pin) -> Result<(), Rv> {
        let label = std::str::from_utf8(label).map_err(|_| Rv(CKR_ARGUMENTS_BAD))?.trim_end_matches(' ');
        let admission = self.admission();
        if admission.total() > 0 {
            return Err(Rv(CKR_SESSION_EXISTS));
        }
        self.vault.initialize(label, so_pin)?;
        self.note_initialized(true);
        Ok(())
    }

    /// `C_InitPIN`, in a read-write session of the security officer.
    pub fn init_pin(&self, read_write: bool, pin: &Pin) -> Result<(), Rv> {
        if !read_write || self.role() != Some(Role::SecurityOfficer) {
            return Err(Rv(CKR_USER_NOT_LOGGED_IN));
        }
        Ok(self.vault.set_pin(Role::User, pin)?)
    }

    /// `C_SetPIN`: the PIN of who is logged in; the user's if nobody is.
    pub fn set_pin(&self, read_write: bool, old: &Pin, new: &Pin) -> Result<(), Rv> {
        if !read_write {
            return Err(Rv(CKR_SESSION_READ_ONLY));
        }
        Ok(self.vault.change_pin(self.role().unwrap_or(Role::User), old, new)?)
    }

    /// `C_Login`. `None` for a PIN is the protected authentication path: the configuration says how to unlock.
    pub fn login(&self, user: CK_USER_TYPE, pin: Option<Pin>) -> Result<(), Rv> {
        let (role, mark) = match user {
            CKU_USER => (Role::User, USER),
            CKU_SO => (Role::SecurityOfficer, SECURITY_OFFICER),
            _ => return Err(Rv(CKR_USER_TYPE_INVALID)),
        };
        // Another thread's login usually answers for this one too.
        let waited = self.entered.wait_timeout_while(self.admission(), FOR_ANOTHER, |admission| admission.entering > 0);
        let mut admission = waited.unwrap_or_else(PoisonError::into_inner).0;
        self.expect_login(&admission, role)?;
        let endings = admission.endings;
        admission.entering += 1;
        drop(admission);
        let entering = Entering(self);
        let unlocked = self.way_in(role, pin).and_then(|way| self.vault.unlock(&way).map_err(Rv::at_login));
        let admission = entering.end();
        unlocked?;
        let allowed = match admission.endings == endings {
            true => self.expect_login(&admission, role),
            false => Err(Rv(CKR_SESSION_HANDLE_INVALID)),
        };
        match allowed {
            Ok(()) => self.role.store(mark, Ordering::Release),
            Err(_) if self.role().is_none() && admission.entering == 0 => self.vault.lock(),
            Err(_) => {}
        }
        allowed
    }

    /// Whether somebody may log in so now: asked before the vault is, and again afterwards.
    fn expect_login(&self, admission: &Admission, role: Role) -> Result<(), Rv> {
        // The caller's session was found before, and another thread may have closed it since. If it was the last one, a
        // login would outlive every session: the next to open one would be logged in without a PIN.
        if admission.total() == 0 {
            return Err(Rv(CKR_SESSION_HANDLE_INVALID));
        }
        match self.confirmed_role() {
            Some(present) if present == role => return Err(Rv(CKR_USER_ALREADY_LOGGED_IN)),
            Some(_) => return Err(Rv(CKR_USER_ANOTHER_ALREADY_LOGGED_IN)),
            None => {}
        }
        if role == Role::SecurityOfficer && admission.read_only > 0 {
            return Err(Rv(CKR_SESSION_READ_ONLY_EXISTS));
        }
        Ok(())
    }

    /// Checks the user's PIN once more, for one use of a key. Who isn't logged in has no such key in use.
    pub fn check_pin(&self, pin: Option<Pin>) -> Result<(), Rv> {
        if self.confirmed_role() != Some(Role::User) {
            return Err(Rv(CKR_USER_NOT_LOGGED_IN));
        }
        self.vault.unlock(&self.way_in(Role::User, pin)?).map_err(Rv::at_login)
    }

    /// `C_Logout`.
    pub fn logout(&self) -> Result<(), Rv> {
        let _admission = self.admission();
        if self.role().is_none() {
            return Err(Rv(CKR_USER_NOT_LOGGED_IN));
        }
        self.end_login();
        Ok(())
    }

    /// An empty PIN is none: programs that read it from a URI or a prompt pass it so.
    fn way_in(&self, role: Role, pin: Option<Pin>) -> Result<Unlock, Rv> {
        match pin {
            Some(pin) if !pin.expose().is_empty() => Ok(Unlock::Pin(role, pin)),
            given => {
                let configured = role == Role::User && self.vault.info()?.unlock_configured;
                match given {
                    _ if configured => Ok(Unlock::Configured),
                    Some(_) => Err(Rv(CKR_PIN_INCORRECT)),
                    None => Err(Rv(CKR_ARGUMENTS_BAD)),
                }
            }
        }
    }
}

/// How long a login waits for another thread's.
const FOR_ANOTHER: Duration = Duration::from_secs(1);

/// A login that the vault is asked for, with no lock held: it may take the time of a whole call.
struct Entering<'a>(&'a Slot);

impl<'a> Entering<'a> {
    /// Its end, from where the lock is held.
    fn end(self) -> MutexGuard<'a, Admission> {
        let slot = self.0;
        std::mem::forget(self);
        Self::left(slot)
    }

    fn left(slot: &'a Slot) -> MutexGuard<'a, Admission> {
        let mut admission = slot.admission();
        admission.entering -= 1;
        slot.entered.notify_all();
        admission
    }
}

impl Drop for Entering<'_> {
    /// After a panic.
    fn drop(&mut self) {
        drop(Self::left(self.0));
    }
}

fn token_flags(info: &VaultInfo) -> CK_FLAGS {
    let mut flags = CKF_RNG | CKF_LOGIN_REQUIRED;
    let mut set = |flag, condition| flags |= if condition { flag } else { 0 };
    set(CKF_TOKEN_INITIALIZED, info.initialized);
    set(CKF_WRITE_PROTECTED, info.read_only);
    set(CKF_USER_PIN_INITIALIZED, info.user_pin.is_some());
    set(CKF_PROTECTED_AUTHENTICATION_PATH, info.unlock_configured);
    let user = info.user_pin.unwrap_or_default();
    set(CKF_USER_PIN_COUNT_LOW, is_low(user));
    set(CKF_USER_PIN_FINAL_TRY, is_final_try(user));
    set(CKF_USER_PIN_LOCKED, is_locked(user));
    let officer = info.so_pin.unwrap_or_default();
    set(CKF_SO_PIN_COUNT_LOW, is_low(officer));
    set(CKF_SO_PIN_FINAL_TRY, is_final_try(officer));
    set(CKF_SO_PIN_LOCKED, is_locked(officer));
    flags
}

fn is_low(pin: PinState) -> bool {
    pin.failed > 0 && !is_locked(pin)
}

fn is_final_try(pin: PinState) -> bool {
    pin.limit > 0 && pin.failed + 1 == pin.limit
}

fn is_locked(pin: PinState) -> bool {
    pin.limit > 0 && pin.failed >= pin.limit
}

/// The package's version.
pub fn library_version() -> CK_VERSION {
    let part = |text: &str| text.parse().unwrap_or(0);
    CK_VERSION { major: part(env!("CARGO_PKG_VERSION_MAJOR")), minor: part(env!("CARGO_PKG_VERSION_MINOR")) }
}

/// `text` in a fixed field, cut at a character's end, filled with blanks and not terminated.
pub fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [b' '; N];
    let len = (0..=N.min(text.len())).rev().find(|len| text.is_char_boundary(*len)).unwrap_or(0);
    field[..len].copy_from_slice(&text.as_bytes()[..len]);
    field
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::config::{AzureConfig, AzureCredential, Backend, Config, Origin, VaultConfig};
    use crate::pkcs11::mechanism::Allowed;

    #[test]
    fn flags_follow_the_state_of_the_pin() {
        let flags = |failed| {
            token_flags(&VaultInfo {
                initialized: true,
                user_pin: Some(PinState { failed, limit: 10 }),
                ..VaultInfo::default()
            }) & (CKF_USER_PIN_INITIALIZED | CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED)
        };
        assert_eq!(flags(0), CKF_USER_PIN_INITIALIZED);
        assert_eq!(flags(1), CKF_USER_PIN_INITIALIZED | CKF_USER_PIN_COUNT_LOW);
        assert_eq!(flags(9), CKF_USER_PIN_INITIALIZED | CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY);
        assert_eq!(flags(10), CKF_USER_PIN_INITIALIZED | CKF_USER_PIN_LOCKED);
    }

    fn slot(vault: VaultConfig) -> Slot {
        let config = Config {
            source: None,
            vaults: vec![vault],
            vaults_dir: "/nonexistent".into(),
            log: None,
            server: None,
            discovery: None,
            passed_over: None,
        };
        let vault = crate::backend::open_all(&config).unwrap().remove(0);
        Slot::new(1, vault, Allowed::default(), &VaultInfo { initialized: true, ..VaultInfo::default() })
    }

    #[test]
    fn nobody_stands_behind_a_login_to_a_vault_that_is_silent() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("https://{}", silent.local_addr().unwrap());
        let credential = AzureCredential::ClientSecret { client_id: "us".into(), secret: None };
        let azure = AzureConfig::at(Origin::parse(&origin).unwrap(), credential);
        let slot = slot(VaultConfig { backend: Backend::Azure(azure), ..VaultConfig::local("web", "/nonexistent") });
        slot.admit(false).unwrap();
        let log_in = || slot.login(CKU_USER, Some(Pin::new(b"a secret".to_vec())));
        std::thread::scope(|scope| {
            let entering = scope.spawn(log_in);
            let asked = silent.accept().unwrap();
            assert_eq!(slot.token_info().unwrap().ulSessionCount, 1);
            assert_eq!(slot.logout(), Err(Rv(CKR_USER_NOT_LOGGED_IN)));
            slot.admit(true).unwrap();
            slot.leave(true);
            slot.leave(false);
            assert!(!entering.is_finished(), "they waited for it");
            drop((asked, silent));
            assert_eq!(entering.join().unwrap(), Err(Rv(CKR_DEVICE_ERROR)));
        });
        assert_eq!(log_in(), Err(Rv(CKR_SESSION_HANDLE_INVALID)));
    }

    #[test]
    fn who_has_no_session_any_more_can_not_log_in() {
        let slot = slot(VaultConfig::local("vault", "/nonexistent/vault"));
        let log_in = || slot.login(CKU_USER, Some(Pin::new(b"12345678".to_vec())));
        slot.admit(false).unwrap();
        assert_eq!(log_in(), Err(Rv(CKR_TOKEN_NOT_RECOGNIZED)), "the vault was asked");
        slot.leave(false);
        assert_eq!(log_in(), Err(Rv(CKR_SESSION_HANDLE_INVALID)));
    }

    #[test]
    fn a_label_is_cut_at_a_characters_end() {
        assert_eq!(padded::<4>("aä"), *b"a\xC3\xA4 ");
        assert_eq!(padded::<2>("aä"), *b"a ");
    }
}
