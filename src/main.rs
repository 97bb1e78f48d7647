//! The `strongroom` command; everything is in [`strongroom::cli`].

fn main() -> std::process::ExitCode {
    strongroom::cli::run()
}
