//! What a program prints, waited for until a moment and no longer, and without a thread.

use std::io;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

/// Runs a program, without a shell, and gives what it prints, at most so many bytes. An error says what went wrong. What it
/// says of errors goes nowhere: in a daemon descriptor 2 may be a client's connection.
pub fn output(command: &[String], most: usize, until: Instant) -> Result<Zeroizing<Vec<u8>>, String> {
    let [program, arguments @ ..] = command else { return Err("no program is named".into()) };
    check_starter(program)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{program} can't be started: {error}"))?;
    let outcome = read(&mut child, most, until).and_then(|printed| match printed {
        Some(printed) => Ok(ended(&mut child, until)?.map(|end| (printed, end))),
        None => Ok(None),
    });
    match outcome {
        Ok(Some((printed, Ended::WithoutError))) => Ok(printed),
        Ok(Some((_, Ended::With(status)))) => Err(format!("{program} failed: {status}: run it by hand to see why")),
        Ok(None) => {
            end(&mut child);
            Err(format!("{program} took too long, or printed more than {most} bytes"))
        }
        Err(error) => {
            end(&mut child);
            Err(format!("{program}: {error}"))
        }
    }
}

/// Fails in a process that has more rights than who started it: that one chose the environment, and with it what a name
/// means and what the program does.
pub fn check_starter(program: &str) -> Result<(), String> {
    match super::env::is_more_privileged_than_its_starter() {
        true => Err(format!(
            "{program} isn't started by a program that has more rights than who started it (set-user-id, file capabilities)"
        )),
        false => Ok(()),
    }
}

/// How a program ended.
enum Ended {
    /// With status 0; or unknown, in a host that ignores SIGCHLD: then what was printed is judged alone.
    WithoutError,
    With(ExitStatus),
}

/// Waits for its end, which needn't come with the end of what it prints; `None` if it is still running at the moment.
fn ended(child: &mut Child, until: Instant) -> io::Result<Option<Ended>> {
    let mut pause = Duration::from_micros(200);
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(Some(Ended::WithoutError)),
            Ok(Some(status)) => return Ok(Some(Ended::With(status))),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(Some(Ended::WithoutError)),
            Err(error) => return Err(error),
            Ok(None) if Instant::now() >= until => return Ok(None),
            Ok(None) => std::thread::sleep(pause.min(until.saturating_duration_since(Instant::now()))),
        }
        pause = (2 * pause).min(Duration::from_millis(20));
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Everything up to the end of what it prints; `None` if that is too late or too much.
fn read(child: &mut Child, most: usize, until: Instant) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut printed = Zeroizing::new(Vec::with_capacity(most));
    let Some(mut stdout) = child.stdout.take() else { return Ok(Some(printed)) };
    let mut piece = Zeroizing::new([0; 4096]);
    loop {
        if !is_readable(stdout.as_raw_fd(), until)? {
            return Ok(None);
        }
        let len = stdout.read(&mut *piece)?;
        if len == 0 {
            return Ok(Some(printed));
        }
        if printed.len() + len > most {
            return Ok(None);
        }
        printed.extend_from_slice(&piece[..len]);
    }
}

fn is_readable(descriptor: i32, until: Instant) -> io::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now()).as_millis().min(60_000) as i32;
        let mut polled = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, which lives through the call.
        match unsafe { libc::poll(&mut polled, 1, left) } {
            1.. => return Ok(true),
            0 if Instant::now() >= until => return Ok(false),
            0 => {}
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    fn run(script: &str, most: usize, patience: Duration) -> Result<String, String> {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        let printed = output(&command, most, Instant::now() + patience)?;
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }

    #[test]
    fn a_program_is_heard_to_its_end_and_no_longer_than_its_time() {
        let patience = Duration::from_secs(30);
        assert_eq!(run("echo one; sleep 0.05; echo two", 100, patience).unwrap(), "one\ntwo\n");
        assert!(run("echo x; exit 3", 100, patience).unwrap_err().contains("exit status: 3"));
        assert_eq!(run("echo x; exec >&-; sleep 0.05", 100, patience).unwrap(), "x\n");
        assert!(run("echo too much", 4, patience).unwrap_err().contains("more than 4"));
        for endless in ["exec sleep 60", "echo x; exec >&-; exec sleep 60"] {
            let begun = Instant::now();
            assert!(run(endless, 100, Duration::from_millis(50)).unwrap_err().contains("too long"));
            assert!(begun.elapsed() < Duration::from_secs(20));
        }
        let missing = output(&["/no/such/program".to_owned()], 10, Instant::now()).unwrap_err();
        assert!(missing.contains("/no/such/program"), "{missing}");
    }

    #[test]
    fn what_a_program_says_of_errors_is_not_written_to_descriptor_2() {
        let told = run("readlink /proc/self/fd/2", 100, Duration::from_secs(30)).unwrap();
        assert_eq!(told, "/dev/null\n");
    }

    /// Set in the copy of this program that has another's rights.
    const INSIDE: &str = "STRONGROOM_TEST_INSIDE";

    #[test]
    fn a_set_user_id_program_starts_none() {
        if std::env::var_os(INSIDE).is_some() {
            assert!(run("echo x", 100, Duration::from_secs(30)).unwrap_err().contains("more rights"));
            return;
        }
        if crate::sys::env::effective_uid() != 0 {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy");
        fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        // Root starts it as somebody else.
        chown(&copy, Some(65534), None).unwrap();
        fs::set_permissions(&copy, Permissions::from_mode(0o4755)).unwrap();
        let this = "sys::program::tests::a_set_user_id_program_starts_none";
        let inside = Command::new(&copy).args(["--exact", this]).env(INSIDE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&inside.stdout).into_owned() + &String::from_utf8_lossy(&inside.stderr);
        assert!(inside.status.success() && said.contains("1 passed"), "{said}");
    }
}
