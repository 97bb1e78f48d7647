//! The PKCS#11 front end.

pub mod attribute;
pub mod ec;
pub mod error;
pub mod find;
pub mod object;
pub mod template;
