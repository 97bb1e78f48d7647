//! `strongroom serve`: the vault over Azure Key Vault's REST API.

pub mod keys;
