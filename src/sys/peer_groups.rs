//! The groups of the process at the other end of a Unix socket, as the kernel noted them when it connected.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Its supplementary groups; the one that it acted with comes with its user, and need not be among them. `None` where the
/// system doesn't say: Linux does since 4.13, some sandboxes never do.
pub fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Option<Vec<u32>>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut bytes = libc::socklen_t::try_from(size_of_val(&*groups)).map_err(io::Error::other)?;
        // SAFETY: the descriptor is open, and `bytes` is the length of `groups`, which the call fills no further.
        let status = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &mut bytes,
            )
        };
        let count = bytes as usize / size_of::<libc::gid_t>();
        if status == 0 {
            groups.truncate(count);
            return Ok(Some(groups));
        }
        let error = io::Error::last_os_error();
        // Too little room: the kernel says how much it takes.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() {
            return unless_unknown(error);
        }
        groups.resize(count, 0);
    }
}

/// An option that the system doesn't have is no failure.
fn unless_unknown(error: io::Error) -> io::Result<Option<Vec<u32>>> {
    match error.raw_os_error() {
        Some(libc::ENOPROTOOPT | libc::EOPNOTSUPP) => Ok(None),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_other_ends_groups_are_those_that_its_process_has() {
        let (here, _there) = UnixStream::pair().unwrap();
        let mut said = peer_groups(here.as_fd()).unwrap().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
        let mut own: Vec<u32> = line.split_whitespace().map(|group| group.parse().unwrap()).collect();
        said.sort_unstable();
        own.sort_unstable();
        assert_eq!(said, own);
    }

    #[test]
    fn a_system_that_does_not_know_the_question_leaves_a_peer_without_further_groups() {
        let answer = |code| unless_unknown(io::Error::from_raw_os_error(code));
        assert_eq!(answer(libc::ENOPROTOOPT).unwrap(), None);
        assert_eq!(answer(libc::EOPNOTSUPP).unwrap(), None);
        assert_eq!(answer(libc::ENODATA).unwrap_err().raw_os_error(), Some(libc::ENODATA));
    }
}
