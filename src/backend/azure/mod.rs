//! Vaults at the interface of Azure Key Vault and Managed HSM, which our own server speaks too.

pub mod session;
