//! What `aws-lc-rs` does not expose, through `aws-lc-sys`. The only file of this layer with `unsafe`.
