//! The images of the backends: what one is built from, and whether the one on this machine was.
//!
//! `images/<backend>/Dockerfile` says which files go in; they lie in `images/dist/` (built programs) or
//! beside the Dockerfile.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use miette::Diagnostic;
use serde::Serialize;

use super::project::{Project, ProjectError, read_text};
use crate::containers::{BuildFile, ContainerEngine, EngineError, ImageBuild, ImageIdentity};
use crate::diagnostics::{Exit, Fault};
use crate::store::{StoreError, read_bounded};
use crate::units::Digest;

/// Label with the digest of everything an image was built from.
pub const SOURCE_LABEL: &str = "org.lemctl.image.source";
/// Label with the version of the lemctl that built an image.
pub const BUILDER_LABEL: &str = "org.lemctl.image.builder";
/// Largest file that goes into an image, in bytes.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// Largest Dockerfile, in bytes.
const MAX_DOCKERFILE_BYTES: usize = 256 * 1024;

/// Why an image cannot be built or judged.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ImagesError {
    /// A file that the Dockerfile copies is not there.
    #[error(
        "images/{backend}/Dockerfile copies {file}, which is neither in images/dist nor in images/{backend}"
    )]
    #[diagnostic(code(images::missing_file), help("make images"))]
    MissingFile {
        /// The backend.
        backend: String,
        /// The file.
        file: String,
    },
    /// The Dockerfile uses something that lemctl does not feed it.
    #[error("images/{backend}/Dockerfile: {problem}")]
    #[diagnostic(code(images::dockerfile))]
    Dockerfile {
        /// The backend.
        backend: String,
        /// What.
        problem: String,
    },
    /// The image that it begins from is not here, and would be pulled.
    #[error(
        "images/{backend}/Dockerfile begins FROM {base}, which is not on this machine; lemctl pulls nothing by itself"
    )]
    #[diagnostic(code(images::missing_base), help("docker pull {base}"))]
    MissingBase {
        /// The backend.
        backend: String,
        /// The image it names.
        base: String,
    },
    /// The backend's description.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Project(#[from] ProjectError),
    /// The file system.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The Engine.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] EngineError),
}

impl Fault for ImagesError {
    fn exit(&self) -> Exit {
        match self {
            Self::Project(error) => error.exit(),
            _ => Exit::EnvironmentNotReady,
        }
    }
}

/// How a backend's image on this machine stands to its sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// Built from the sources as they are now.
    Current,
    /// Built from other sources.
    Stale,
    /// Not built by lemctl, so nobody knows.
    Unknown,
    /// Not on this machine.
    Missing,
}

/// A backend's image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageState {
    /// The backend.
    pub backend: String,
    /// The reference that its Compose file names.
    pub reference: String,
    /// How it stands.
    pub freshness: Freshness,
    /// Why that cannot be said better, for example a program that was not built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who it is, where it is there.
    pub image: Option<ImageIdentity>,
}

/// What a backend's image is built from, read from disk.
///
/// # Errors
/// If the backend is unknown, a file is missing, or the Dockerfile copies in a way that is not understood.
pub fn sources(project: &Project, backend: &str) -> Result<ImageBuild, ImagesError> {
    let reference = project.compose(backend)?.worker.image;
    let folder = project.root.join("images").join(backend);
    let dockerfile = read_text(&folder.join("Dockerfile"), MAX_DOCKERFILE_BYTES)?;
    let copied = copied(&dockerfile).map_err(|problem| ImagesError::Dockerfile {
        backend: backend.to_owned(),
        problem,
    })?;
    let places = [project.root.join("images/dist"), folder];
    let files = copied
        .into_iter()
        .map(|path| read_file(&places, backend, path))
        .collect::<Result<Vec<_>, _>>()?;
    let source = digest(&dockerfile, &files);
    let labels = [
        (SOURCE_LABEL, source.to_string()),
        (BUILDER_LABEL, env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let labels: BTreeMap<String, String> =
        labels.map(|(key, value)| (key.to_owned(), value)).into();
    Ok(ImageBuild {
        reference,
        dockerfile,
        files,
        labels,
    })
}

fn read_file(
    places: &[Utf8PathBuf],
    backend: &str,
    path: String,
) -> Result<BuildFile, ImagesError> {
    use std::os::unix::fs::PermissionsExt;
    let found = places
        .iter()
        .map(|place| place.join(&path))
        .find(|candidate| candidate.is_file());
    let Some(found) = found else {
        return Err(ImagesError::MissingFile {
            backend: backend.to_owned(),
            file: path,
        });
    };
    let bytes = read_bounded(&found, MAX_FILE_BYTES)?;
    let mode = std::fs::metadata(&found)
        .map_err(StoreError::at("read", &found))?
        .permissions()
        .mode();
    Ok(BuildFile {
        path,
        bytes,
        executable: mode & 0o100 != 0,
    })
}

/// The files that a Dockerfile's COPY lines name: single, relative, in order, once each.
fn copied(dockerfile: &str) -> Result<BTreeSet<String>, String> {
    let mut files = BTreeSet::new();
    for line in dockerfile.lines() {
        let mut words = line.split_whitespace();
        let Some(instruction) = words.next() else {
            continue;
        };
        if instruction.eq_ignore_ascii_case("ADD") {
            return Err(format!("`{line}`: write COPY; ADD may fetch or unpack"));
        }
        if !instruction.eq_ignore_ascii_case("COPY") {
            continue;
        }
        let words: Vec<&str> = words.collect();
        if words.iter().any(|word| word.starts_with("--from")) {
            continue;
        }
        let paths: Vec<&str> = words
            .into_iter()
            .filter(|word| !word.starts_with("--"))
            .collect();
        let [sources @ .., _target] = paths.as_slice() else {
            return Err(format!("`{line}` copies nothing"));
        };
        for source in sources {
            let path = Utf8Path::new(source);
            let plain = path
                .components()
                .all(|part| matches!(part, camino::Utf8Component::Normal(_)));
            if !plain || source.contains(['*', '?', '[', '\\', '"', '$']) {
                return Err(format!(
                    "`{line}`: write each file out, relative, without wildcards"
                ));
            }
            files.insert((*source).to_owned());
        }
    }
    Ok(files)
}

/// One digest over the Dockerfile and every file, names and modes included.
fn digest(dockerfile: &str, files: &[BuildFile]) -> Digest {
    let mut lines = format!("Dockerfile {}\n", Digest::of(dockerfile.as_bytes()));
    for BuildFile {
        path,
        bytes,
        executable,
    } in files
    {
        lines.push_str(&format!("{path} {executable} {}\n", Digest::of(bytes)));
    }
    Digest::of(lines.as_bytes())
}

/// Builds a backend's image from its sources as they are now.
///
/// # Errors
/// If a source or a base image is missing, or the build fails.
pub async fn build<E: ContainerEngine>(
    engine: &E,
    project: &Project,
    backend: &str,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<ImageIdentity, ImagesError> {
    let build = sources(project, backend)?;
    for base in bases(&build.dockerfile) {
        if engine.image(&base).await?.is_none() {
            return Err(ImagesError::MissingBase {
                backend: backend.to_owned(),
                base,
            });
        }
    }
    Ok(engine.build(&build, progress).await?)
}

/// The images that a Dockerfile begins from: the Engine would pull what it does not have.
fn bases(dockerfile: &str) -> BTreeSet<String> {
    let mut stages = BTreeSet::from(["scratch".to_owned()]);
    let mut bases = BTreeSet::new();
    for line in dockerfile.lines() {
        let words: Vec<&str> = line
            .split_whitespace()
            .filter(|word| !word.starts_with("--"))
            .collect();
        let [from, base, rest @ ..] = words.as_slice() else {
            continue;
        };
        if !from.eq_ignore_ascii_case("FROM") {
            continue;
        }
        if !stages.contains(*base) {
            bases.insert((*base).to_owned());
        }
        if let [word, stage, ..] = rest
            && word.eq_ignore_ascii_case("AS")
        {
            stages.insert((*stage).to_owned());
        }
    }
    bases
}

/// How a backend's image stands.
///
/// # Errors
/// If the backend is unknown or the Engine does not answer.
pub async fn state<E: ContainerEngine>(
    engine: &E,
    project: &Project,
    backend: &str,
) -> Result<ImageState, ImagesError> {
    let reference = project.compose(backend)?.worker.image;
    let image = engine.image(&reference).await?;
    let built_from = image
        .as_ref()
        .and_then(|image| image.labels.get(SOURCE_LABEL));
    let (freshness, note) = match (&image, built_from, sources(project, backend)) {
        (None, ..) => (Freshness::Missing, None),
        (_, None, _) => (
            Freshness::Unknown,
            Some("it was not built by lemctl".to_owned()),
        ),
        (_, Some(_), Err(error)) => (Freshness::Unknown, Some(error.to_string())),
        (_, Some(from), Ok(build)) if Some(from) == build.labels.get(SOURCE_LABEL) => {
            (Freshness::Current, None)
        }
        (_, Some(_), Ok(_)) => (
            Freshness::Stale,
            Some("its sources have changed since".to_owned()),
        ),
    };
    Ok(ImageState {
        backend: backend.to_owned(),
        reference,
        freshness,
        note,
        image,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copied_files_are_found() {
        let files = copied(
            "FROM scratch\nCOPY a /a\ncopy --chmod=755 b c/d /x/\nCOPY --from=stage /y /y\n# COPY z /z\n",
        );
        assert_eq!(
            files.unwrap().into_iter().collect::<Vec<_>>(),
            ["a", "b", "c/d"]
        );
        for bad in [
            "COPY ../a /a",
            "COPY /a /a",
            "COPY * /",
            "COPY $X /x",
            "ADD a /a",
            "COPY [\"a\", \"/a\"]",
            "COPY . /",
            "COPY",
        ] {
            assert!(copied(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_bases_are_found_and_stages_are_none() {
        let dockerfile = "FROM scratch AS a\nFROM --platform=linux/amd64 vllm/vllm:1 as b\nFROM b\nfrom x@sha256:1\n# FROM y\n";
        assert_eq!(
            bases(dockerfile).into_iter().collect::<Vec<_>>(),
            ["vllm/vllm:1", "x@sha256:1"]
        );
    }

    #[test]
    fn the_digest_sees_every_change() {
        let file = |path: &str, bytes: &[u8], executable| BuildFile {
            path: path.into(),
            bytes: bytes.into(),
            executable,
        };
        let base = digest("FROM scratch", &[file("a", b"1", true)]);
        assert_eq!(base, digest("FROM scratch", &[file("a", b"1", true)]));
        for other in [
            file("b", b"1", true),
            file("a", b"2", true),
            file("a", b"1", false),
        ] {
            assert_ne!(base, digest("FROM scratch", &[other]));
        }
        assert_ne!(base, digest("FROM x", &[file("a", b"1", true)]));
    }
}
