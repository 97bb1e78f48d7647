//! Which of a server's records a restore over REST leaves as they are: who may do what, how they prove who they are, and what
//! the server proves itself with. Else whoever may restore could let in again whom an administrator had removed, give
//! themselves back a role that was taken from them, or take the last administrator away. The command's `restore` brings all
//! of it back: it asks for the vault's directory and what opens the backup, not for a role.

use super::job::Job;
use crate::server::access::{AccessPolicy, Assignment, Chosen, CustomRole};
use crate::server::settings::Settings;
use crate::server::{authority, blob, identity, record, token};
use crate::vault::Retention;

/// What the labels of those records begin with.
pub fn beginnings() -> Vec<Vec<u8>> {
    vec![
        // They say what is being done now.
        record::labels::<Job>(),
        record::labels::<Assignment>(),
        record::labels::<CustomRole>(),
        record::labels::<AccessPolicy>(),
        record::labels::<Chosen>(),
        record::labels::<identity::Identity>(),
        record::labels::<identity::Group>(),
        identity::HASH_KEY.to_vec(),
        token::key_labels(),
        // The tenant, which every token names.
        record::labels::<Settings>(),
        // How long what is deleted can be brought back.
        Retention::LABEL.to_vec(),
        authority::labels(),
        blob::KEY.to_vec(),
    ]
}
