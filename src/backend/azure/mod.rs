//! Vaults at the interface of Azure Key Vault and Managed HSM, which our own server speaks too.
//!
//! The official `azure_*` crates aren't used: each of their calls needs an asynchronous runtime and its threads, which a
//! host process has none of (`CKF_LIBRARY_CANT_CREATE_OS_THREADS`) and which wouldn't survive a fork. What they promise
//! towards the service is kept: the challenge is checked before a token is sent, tokens are renewed ahead of their end,
//! and requests have the shapes of their models.

mod challenge;
mod credential;
mod refusal;
pub mod session;
