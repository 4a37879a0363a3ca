//! A password in a build argument stays in the history of each image that the classic builder makes on its way: they are
//! kept as its cache. Where an argument holds one, those images are removed again, and the cache with them.

use bollard::Docker;
use bollard::query_parameters::RemoveImageOptions;

use crate::containers::BuildArguments;

/// The images that a build made on its way, by the lines it prints.
#[derive(Default)]
pub(super) struct Made {
    ids: Vec<String>,
}

impl Made {
    /// Notes the image of a line ` ---> 0123456789ab`.
    pub(super) fn line(&mut self, line: &str) {
        let id = line.trim().strip_prefix("---> ").unwrap_or_default();
        let hex = |byte: u8| byte.is_ascii_hexdigit();
        if id.len() >= 12 && id.bytes().all(hex) {
            self.ids.push(id.to_owned());
        }
    }

    /// Removes those whose history holds a password of the arguments. What others still use stays: it is gone when they
    /// have ended their own builds.
    pub(super) async fn forget(self, docker: &Docker, arguments: &BuildArguments) {
        let secrets: Vec<&str> = arguments.0.values().filter_map(|it| password(it)).collect();
        if secrets.is_empty() {
            return;
        }
        // The last one first: an image with another upon it cannot be removed.
        for id in self.ids.iter().rev() {
            let Ok(history) = docker.image_history(id).await else {
                continue;
            };
            let told = |layer: &bollard::models::ImageHistoryResponseItem| {
                secrets
                    .iter()
                    .any(|secret| layer.created_by.contains(secret))
            };
            // One with a name is the caller's: that the name of a password stands in it is told by its Dockerfile.
            let named = history.first().is_some_and(|layer| !layer.tags.is_empty());
            if history.iter().any(told) && !named {
                let options = RemoveImageOptions::default();
                let _ = docker.remove_image(id, Some(options), None).await;
            }
        }
    }
}

/// The password of an address, with its user: `user:password` of `https://user:password@host/`.
fn password(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let authority = rest.split('/').next().unwrap_or(rest);
    authority
        .rsplit_once('@')
        .map(|(user, _)| user)
        .filter(|user| !user.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_told_from_an_address() {
        assert_eq!(
            password("https://me:p@ss@index.example/simple"),
            Some("me:p@ss")
        );
        assert_eq!(password("https://index.example/simple/@x"), None);
        assert_eq!(password("index.example"), None);
        assert_eq!(password("https://@index.example"), None);
    }

    #[test]
    fn images_are_read_from_the_lines() {
        let mut made = Made::default();
        for line in [
            "Step 1/3 : FROM x",
            "---> 0123456789ab",
            "---> Using cache",
            "---> Running in 0123456789ab",
        ] {
            made.line(line);
        }
        assert_eq!(made.ids, ["0123456789ab"]);
    }
}
