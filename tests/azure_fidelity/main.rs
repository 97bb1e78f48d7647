//! The module and Azure's own SDK for Python do the same things, and what each sends is compared on the way; and the module
//! takes every answer that the SDK's models have a name for.
#![cfg(feature = "server")]

#[path = "../proxy/mod.rs"]
mod proxy;
#[path = "../azure_session/scene.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod scene;

mod answers;
mod beside;
mod managed_hsm;
mod operations;
