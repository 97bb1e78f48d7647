//! What a program prints, waited for until a moment and no longer, and without a thread.

use std::io;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use zeroize::Zeroizing;

/// Runs a program, without a shell, and gives what it prints, at most so many bytes. An error says what went wrong.
pub fn output(command: &[String], most: usize, until: Instant) -> Result<Zeroizing<Vec<u8>>, String> {
    let [program, arguments @ ..] = command else { return Err("no program is named".into()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program} can't be started: {error}"))?;
    let read = read(&mut child, most, until);
    if !matches!(read, Ok(Some(_))) {
        let _ = child.kill();
    }
    let status = child.wait();
    let printed = match read {
        Ok(Some(printed)) => printed,
        Ok(None) => return Err(format!("{program} took too long, or printed more than {most} bytes")),
        Err(error) => return Err(format!("{program}: {error}")),
    };
    match status {
        Ok(status) if !status.success() => Err(format!("{program} failed: {status}")),
        Ok(_) => Ok(printed),
        // A host that ignores SIGCHLD leaves nothing to wait for; what was printed is judged alone.
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(printed),
        Err(error) => Err(format!("{program}: {error}")),
    }
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
    use std::time::Duration;

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
        assert!(run("echo too much", 4, patience).unwrap_err().contains("more than 4"));
        let begun = Instant::now();
        assert!(run("exec sleep 60", 100, Duration::from_millis(50)).unwrap_err().contains("too long"));
        assert!(begun.elapsed() < Duration::from_secs(20));
        let missing = output(&["/no/such/program".to_owned()], 10, Instant::now()).unwrap_err();
        assert!(missing.contains("/no/such/program"), "{missing}");
    }
}
