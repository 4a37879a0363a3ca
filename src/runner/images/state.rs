//! How an image on this machine stands to its sources.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ARGUMENTS_LABEL, BASE_LABEL, ImagesError, SOURCE_LABEL, Sources};
use super::{arguments, reference, sources};
use crate::containers::{ContainerEngine, ImageIdentity};
use crate::runner::project::Project;

/// How an image on this machine stands to its sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// Built from the sources as they are now.
    Current,
    /// Built from other sources.
    Stale,
    /// Not built by lemctl, or its sources cannot be read: nobody knows.
    Unknown,
    /// Not on this machine.
    Missing,
}

/// An image, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageState {
    /// The backend, or `fetch`.
    pub backend: String,
    /// The reference that the Compose file names.
    pub reference: String,
    /// How it stands.
    pub freshness: Freshness,
    /// Why that cannot be said better, for example a program that was not built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What it begins from; none for `FROM scratch`, and where nobody knows.
    pub base: Option<Base>,
    /// Build arguments that were given, by name.
    pub arguments: BTreeMap<String, String>,
    /// What of it is otherwise than its Dockerfile says.
    pub problems: Vec<String>,
    /// Who it is, where it is there.
    pub image: Option<ImageIdentity>,
}

/// The image that another begins from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Base {
    /// Its reference.
    pub name: String,
    /// The reference holds a digest, so that it is the same everywhere and always.
    pub pinned: bool,
}

impl Base {
    fn of(name: &str) -> Self {
        let digest = name.split_once("@sha256:").map_or("", |(_, digest)| digest);
        let whole = digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit());
        Self {
            name: name.to_owned(),
            pinned: whole,
        }
    }
}

impl ImageState {
    /// The image is what its sources say.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.freshness == Freshness::Current && self.problems.is_empty()
    }
}

/// How an image stands. Its sources are read with the build arguments that its labels name.
///
/// # Errors
/// If the backend is unknown or the Engine does not answer.
pub async fn state<E: ContainerEngine>(
    engine: &E,
    project: &Project,
    name: &str,
) -> Result<ImageState, ImagesError> {
    let reference = reference(project, name)?;
    let image = engine.image(&reference).await?;
    let label = |key: &str| image.as_ref().and_then(|image| image.labels.get(key));
    let arguments = arguments::from_label(label(ARGUMENTS_LABEL));
    let sources = sources(project, name, &arguments);
    let built_from = label(SOURCE_LABEL);
    let (freshness, note) = match (&image, built_from, &sources) {
        (None, ..) => (Freshness::Missing, None),
        (_, None, _) => (
            Freshness::Unknown,
            Some("it was not built by lemctl".to_owned()),
        ),
        (_, Some(_), Err(error)) => (Freshness::Unknown, Some(error.to_string())),
        (_, Some(from), Ok(sources)) if Some(from) == sources.build.labels.get(SOURCE_LABEL) => {
            (Freshness::Current, None)
        }
        (_, Some(_), Ok(_)) => (
            Freshness::Stale,
            Some("its sources have changed since".to_owned()),
        ),
    };
    let problems = match (&image, &sources) {
        (Some(image), Ok(sources)) => problems(image, sources),
        _ => Vec::new(),
    };
    let planned = || Some(sources.as_ref().ok()?.recipe.bases.last()?.as_str());
    let base = match &image {
        Some(_) => label(BASE_LABEL).map(String::as_str),
        None => planned(),
    };
    let base = base.map(Base::of);
    Ok(ImageState {
        backend: name.to_owned(),
        reference,
        freshness,
        note,
        base,
        arguments,
        problems,
        image,
    })
}

/// What of an image is otherwise than its Dockerfile says: labels can be given to any image.
fn problems(image: &ImageIdentity, sources: &Sources) -> Vec<String> {
    let recipe = &sources.recipe;
    let mut problems = Vec::new();
    if let Some(entrypoint) = &recipe.entrypoint
        && *entrypoint != image.entrypoint
    {
        let found = image.entrypoint.join(" ");
        let wanted = entrypoint.join(" ");
        problems.push(format!(
            "its entrypoint is `{found}`, its Dockerfile's `{wanted}`"
        ));
    }
    if let Some(user) = &recipe.user
        && Some(user) != image.user.as_ref()
    {
        let found = image.user.as_deref().unwrap_or("root");
        problems.push(format!("its user is {found}, its Dockerfile's {user}"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_digest_pins() {
        let digest = "a".repeat(64);
        assert!(Base::of(&format!("python:3@sha256:{digest}")).pinned);
        assert!(!Base::of("python:3").pinned);
        assert!(!Base::of("python:3@sha256:abc").pinned);
        assert!(!Base::of(&format!("python:3@md5:{digest}")).pinned);
    }
}
