//! Keys.

use super::call::Call;

/// Whether the key that a call uses takes so long that it has threads of its own.
pub fn is_slow(_call: &Call) -> bool {
    false
}

/// Whether the key that a call is about has a public part.
pub fn is_asymmetric(_call: &Call) -> bool {
    false
}
