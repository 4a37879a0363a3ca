//! What is mounted, from the text of `/proc/self/mountinfo`.

/// How a path is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mount {
    /// It is no mount point.
    Absent,
    /// For reading only.
    ReadOnly,
    /// For writing.
    Writable,
}

/// Looks `path` up in the text of a mountinfo file; the last mount on it is the one that shows.
pub fn find(mountinfo: &str, path: &str) -> Mount {
    let mut found = Mount::Absent;
    for line in mountinfo.lines() {
        // id parent major:minor root mount-point options …
        let mut fields = line.split(' ').skip(4);
        let (Some(point), Some(options)) = (fields.next(), fields.next()) else {
            continue;
        };
        if point == path {
            let read_only = options.split(',').any(|option| option == "ro");
            found = if read_only {
                Mount::ReadOnly
            } else {
                Mount::Writable
            };
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "\
707 560 0:41 / / ro,relatime master:265 - overlay overlay rw,lowerdir=/l
708 707 0:44 / /proc rw,nosuid - proc proc rw
718 707 254:0 /lem/control /run/lem ro,relatime - ext4 /dev/vda rw
719 707 254:0 /lem/outbox /outbox rw,relatime - ext4 /dev/vda rw,errors=remount-ro
720 707 254:0 /x /twice rw - ext4 /dev/vda rw
721 707 254:0 /x /twice ro - ext4 /dev/vda rw
bent
";

    #[test]
    fn the_mounts_own_options_count_not_its_file_systems() {
        assert_eq!(find(INFO, "/run/lem"), Mount::ReadOnly);
        assert_eq!(find(INFO, "/outbox"), Mount::Writable);
        assert_eq!(find(INFO, "/"), Mount::ReadOnly);
        assert_eq!(find(INFO, "/run"), Mount::Absent);
        assert_eq!(find(INFO, "/twice"), Mount::ReadOnly, "the last one shows");
    }
}
