//! Progress of slow work, on standard error and only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Output;

/// A spinner while `work` runs.
pub(super) fn spin<T>(output: &Output, what: &str, work: impl FnOnce() -> T) -> T {
    // indicatif draws to standard error and hides itself where that is no terminal.
    let bar = if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    let result = work();
    bar.finish_and_clear();
    result
}

/// A bar that `work` moves: done, of how many.
pub(super) fn count<T>(output: &Output, what: &str, work: impl FnOnce(&mut dyn FnMut(usize, usize)) -> T) -> T {
    let bar = ProgressBar::hidden();
    // Drawn from the first step on: before that `work` may ask something.
    let mut shown = output.is_json();
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    let result = work(&mut |done, all| {
        bar.set_length(all as u64);
        if !std::mem::replace(&mut shown, true) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    result
}
