//! The passwd and group files of a container: the uid of the user who measures has no entry in an
//! image, and libraries that look it up would fail.

/// Name of the user and the group in the container.
pub const USER_NAME: &str = "lem";

/// Text of `/etc/passwd`: root, the user, nobody.
#[must_use]
pub fn passwd_text(uid: u32, gid: u32) -> String {
    let root = "root:x:0:0:root:/root:/sbin/nologin\n";
    let nobody = "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n";
    match uid {
        0 => format!("{root}{nobody}"),
        _ => format!("{root}{USER_NAME}:x:{uid}:{gid}:{USER_NAME}:/tmp:/sbin/nologin\n{nobody}"),
    }
}

/// Text of `/etc/group`, to the same end.
#[must_use]
pub fn group_text(gid: u32) -> String {
    match gid {
        0 => "root:x:0:\nnogroup:x:65534:\n".to_owned(),
        _ => format!("root:x:0:\n{USER_NAME}:x:{gid}:\nnogroup:x:65534:\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uid_has_one_entry() {
        for uid in [0, 1000] {
            let lines = passwd_text(uid, 7)
                .lines()
                .filter(|line| line.split(':').nth(2) == Some(&uid.to_string()))
                .count();
            assert_eq!(lines, 1, "{uid}");
        }
        assert!(passwd_text(1000, 7).contains("lem:x:1000:7:"));
        assert!(group_text(7).contains("lem:x:7:") && !group_text(0).contains("lem"));
    }
}
