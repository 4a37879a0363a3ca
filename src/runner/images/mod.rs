//! The images: what one is built from, and whether the one on this machine was.
//!
//! `images/<name>/Dockerfile` says which files go in; [`copied`] knows where they lie. There is an image for
//! each backend, and `fetch` for all of them.

mod arguments;
mod copied;
mod dockerfile;
mod state;

use std::collections::BTreeMap;

use miette::Diagnostic;

use self::dockerfile::Recipe;
use super::project::{Project, ProjectError, read_text};
use super::space::{NoSpace, require_for_engine};
use crate::containers::{BuildArguments, ContainerEngine, EngineError, ImageBuild, ImageIdentity};
use crate::diagnostics::{Exit, Fault};
use crate::store::StoreError;

pub use state::{Base, Freshness, ImageState, state};

/// Label with the digest of everything an image was built from.
pub const SOURCE_LABEL: &str = "org.lemctl.image.source";
/// Label with the version of the lemctl that built an image.
pub const BUILDER_LABEL: &str = "org.lemctl.image.builder";
/// Label with the build arguments that were given, as JSON.
pub const ARGUMENTS_LABEL: &str = "org.lemctl.image.arguments";
/// OCI's label for the image that one begins from.
pub const BASE_LABEL: &str = "org.opencontainers.image.base.name";
/// The image that downloads models, beside those of the backends.
pub const FETCH: &str = "fetch";
/// Largest Dockerfile, in bytes.
const MAX_DOCKERFILE_BYTES: usize = 256 * 1024;

/// Why an image cannot be built or judged.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ImagesError {
    /// A file that the Dockerfile copies is not there.
    #[error(
        "images/{image}/Dockerfile copies {file}, which lies neither in images/dist nor in images/{image} or images/worker"
    )]
    #[diagnostic(code(images::missing_file), help("make images"))]
    MissingFile {
        /// The image.
        image: String,
        /// The file.
        file: String,
    },
    /// The Dockerfile uses something that lemctl does not feed it.
    #[error("images/{image}/Dockerfile: {problem}")]
    #[diagnostic(code(images::dockerfile))]
    Dockerfile {
        /// The image.
        image: String,
        /// What.
        problem: String,
    },
    /// A build argument that was given is of no use.
    #[error("images/{image}/Dockerfile: {problem}")]
    #[diagnostic(code(images::argument))]
    Argument {
        /// The image.
        image: String,
        /// What.
        problem: String,
    },
    /// The image that it begins from is not here, and would be pulled.
    #[error(
        "images/{image}/Dockerfile begins FROM {base}, which is not on this machine; lemctl pulls nothing by itself"
    )]
    #[diagnostic(
        code(images::missing_base),
        help("docker pull {base} (another base: lemctl images build {image} --build-arg BASE=…)")
    )]
    MissingBase {
        /// The image.
        image: String,
        /// The image it names.
        base: String,
    },
    /// No Compose file names an image for fetching.
    #[error("no file under compose/ has a service `fetch`, so there is no image to fetch with")]
    #[diagnostic(code(images::no_fetch), help("git checkout -- compose"))]
    NoFetch,
    /// The backend's description.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Project(#[from] ProjectError),
    /// The file system.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The Engine's disk has no room for it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    NoSpace(#[from] NoSpace),
    /// The Engine.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] EngineError),
}

impl Fault for ImagesError {
    fn exit(&self) -> Exit {
        match self {
            Self::Project(error) => error.exit(),
            Self::Argument { .. } => Exit::Usage,
            _ => Exit::EnvironmentNotReady,
        }
    }
}

/// Names of all images: those of the backends, and [`FETCH`] where a backend fetches.
///
/// # Errors
/// If a backend's description cannot be read.
pub fn names(project: &Project) -> Result<Vec<String>, ImagesError> {
    let mut names = project.backends()?;
    if fetch_reference(project)?.is_some() {
        names.push(FETCH.to_owned());
    }
    Ok(names)
}

/// The reference that the Compose file gives an image.
fn reference(project: &Project, name: &str) -> Result<String, ImagesError> {
    if name == FETCH {
        return fetch_reference(project)?.ok_or(ImagesError::NoFetch);
    }
    Ok(project.compose(name)?.worker.image)
}

fn fetch_reference(project: &Project) -> Result<Option<String>, ImagesError> {
    for backend in project.backends()? {
        if let Some(fetch) = project.compose(&backend)?.fetch {
            return Ok(Some(fetch.image));
        }
    }
    Ok(None)
}

/// What an image is built from, as it is on disk now.
struct Sources {
    recipe: Recipe,
    build: ImageBuild,
}

/// Reads an image's sources for a build with the arguments `given`.
fn sources(
    project: &Project,
    name: &str,
    given: &BTreeMap<String, String>,
) -> Result<Sources, ImagesError> {
    let reference = reference(project, name)?;
    let folder = project.root.join("images").join(name);
    let dockerfile = read_text(&folder.join("Dockerfile"), MAX_DOCKERFILE_BYTES)?;
    let recipe =
        dockerfile::read(&dockerfile, given).map_err(|problem| ImagesError::Dockerfile {
            image: name.to_owned(),
            problem,
        })?;
    if let Some(problem) = arguments::refused(&recipe.declared, given) {
        return Err(ImagesError::Argument {
            image: name.to_owned(),
            problem,
        });
    }
    let places = copied::places(&project.root, name);
    let mut files = Vec::new();
    for path in &recipe.copied {
        files.extend(copied::read(&places, name, path)?);
    }
    let source = copied::digest(&dockerfile, &files);
    let mut labels = BTreeMap::from([
        (SOURCE_LABEL.to_owned(), source.to_string()),
        (
            BUILDER_LABEL.to_owned(),
            env!("CARGO_PKG_VERSION").to_owned(),
        ),
    ]);
    if !given.is_empty() {
        labels.insert(ARGUMENTS_LABEL.to_owned(), arguments::to_label(given));
    }
    if let Some(base) = recipe.bases.last() {
        labels.insert(BASE_LABEL.to_owned(), base.clone());
    }
    let environment = project.settings()?;
    let build = ImageBuild {
        reference,
        dockerfile,
        files,
        labels,
        arguments: BuildArguments(arguments::all(&recipe.declared, given, &environment)),
    };
    Ok(Sources { recipe, build })
}

/// Builds an image from its sources as they are now, with these build arguments.
///
/// # Errors
/// If a source or a base image is missing, an argument is unknown, or the build fails.
pub async fn build<E: ContainerEngine>(
    engine: &E,
    project: &Project,
    name: &str,
    given: &BTreeMap<String, String>,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<ImageIdentity, ImagesError> {
    let Sources { recipe, build } = sources(project, name, given)?;
    for base in recipe.bases {
        if engine.image(&base).await?.is_none() {
            return Err(ImagesError::MissingBase {
                image: name.to_owned(),
                base,
            });
        }
    }
    require_for_engine(&engine.engine().await?, room(engine, &build).await?)?;
    Ok(engine.build(&build, progress).await?)
}

/// Bytes that a build takes of the Engine's disk, as far as can be known before it: the files, once as they are sent
/// and once in the image, and as much as the image has now where there is one. What a first build downloads shows only
/// then.
async fn room<E: ContainerEngine>(engine: &E, build: &ImageBuild) -> Result<u64, EngineError> {
    let files = build.files.iter().map(|file| file.bytes.len() as u64);
    let present = engine.image(&build.reference).await?;
    Ok(2 * files.sum::<u64>() + present.map_or(0, |image| image.size_bytes))
}
