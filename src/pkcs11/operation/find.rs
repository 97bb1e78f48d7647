//! Searching (PKCS#11 v3.2 §5.7.7): the numbers of all matches are taken at `C_FindObjectsInit`, from one image.

use cryptoki_sys::*;

use super::{Kind, Operation};
use crate::pkcs11::error::Rv;
use crate::pkcs11::find::{Visibility, find};
use crate::pkcs11::session::Session;
use crate::pkcs11::template::Template;
use crate::vault::{ObjectNumber, Role};

/// A search.
pub struct Find {
    numbers: Vec<ObjectNumber>,
    handed_out: usize,
}

impl Session {
    /// `C_FindObjectsInit`. Takes in first what other processes changed.
    pub fn find_init(&mut self, template: &Template<'_>) -> Result<(), Rv> {
        self.expect_free(Kind::Find)?;
        self.slot.vault.refresh()?;
        let visibility =
            || Visibility { private: self.slot.role() == Some(Role::User), all_versions: self.slot.all_versions() };
        let mut numbers = std::mem::take(&mut self.results);
        numbers.clear();
        find(&self.slot.vault.image(), true, template, visibility(), &mut numbers);
        find(self.slot.objects.load().image(), false, template, visibility(), &mut numbers);
        self.operation = Operation::Find(Find { numbers, handed_out: 0 });
        Ok(())
    }

    /// `C_FindObjects`: writes handles to the start of `out` and returns how many.
    pub fn find(&mut self, out: &mut [CK_OBJECT_HANDLE]) -> Result<usize, Rv> {
        let Operation::Find(find) = &mut self.operation else { return Err(Rv(CKR_OPERATION_NOT_INITIALIZED)) };
        let rest = &find.numbers[find.handed_out..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        find.handed_out += count;
        Ok(count)
    }

    /// `C_FindObjectsFinal`.
    pub fn find_final(&mut self) -> Result<(), Rv> {
        match std::mem::take(&mut self.operation) {
            Operation::Find(find) => {
                self.results = find.numbers;
                Ok(())
            }
            other => {
                self.operation = other;
                Err(Rv(CKR_OPERATION_NOT_INITIALIZED))
            }
        }
    }
}
