//! The PKCS#11 front end: v3.2, and the older function lists over the same functions.
//!
//! A call goes straight down: [`abi`] turns pointers into slices, [`session`] finds the session, [`operation`] holds what
//! it is doing, and the vault's key signs. So one `C_Sign` of a digest is four files: `abi/sign.rs`, `operation/sign.rs`,
//! the key of the vault at hand (`backend/local/key.rs`) and `crypto/private_key.rs`. What every call passes on its way
//! (panics, sessions, buffers) is in [`abi`] and [`session::table`]. [`module`] is what `C_Initialize` makes and `C_Finalize` ends, [`slot`] a
//! vault as PKCS#11 sees it. [`mechanism`] and [`attribute`] are the two tables that all else asks. `unsafe` stands in
//! [`abi`] alone.

#[allow(unsafe_code)]
pub mod abi;
pub mod attribute;
pub mod ec;
pub mod error;
pub mod find;
pub mod mechanism;
pub mod module;
pub mod object;
pub mod operation;
pub mod session;
pub mod slot;
pub mod template;
