//! An image name of the soak's own: who builds images on this machine meanwhile moves the usual name, and lemctl rightly
//! refuses to go on with another image.

use crate::campaign_files::docker;
use crate::project::Project;

const USUAL: &str = "lemctl/reference:0.1.0";
const COMPOSE: &str = "compose/reference.yaml";

/// The name; it is taken away at the end, however the test ends.
pub struct OwnImage(String);

impl OwnImage {
    /// Gives the project's reference image a name of its own.
    pub fn of(project: &Project) -> Self {
        let name = format!("lemctl/soak:{}", std::process::id());
        docker(&["tag", USUAL, &name]);
        let text = std::fs::read_to_string(project.root().join(COMPOSE)).unwrap();
        assert!(text.contains(USUAL), "{text}");
        project.write(COMPOSE, &text.replace(USUAL, &name));
        Self(name)
    }
}

impl Drop for OwnImage {
    fn drop(&mut self) {
        let mut remove = std::process::Command::new("docker");
        let _ = remove.args(["rmi", "--no-prune", &self.0]).output();
    }
}
