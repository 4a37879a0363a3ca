//! Builds images through the classic builder: the context is a tar in memory, and nothing is pulled.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::BuildInfo;
use bollard::query_parameters::{BuildImageOptions, BuilderVersion};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::build_secrets::Made;
use super::errors::{Asked, one_line, translate};
use crate::containers::{EngineError, ImageBuild};

/// Largest build context in bytes. It is held in memory.
const MAX_CONTEXT_BYTES: usize = 1 << 30;
/// Longest silence of a build. Installing a backend's packages can be quiet for minutes.
const MAX_SILENCE: Duration = Duration::from_mins(20);

/// Builds and tags. A build that fails leaves no container behind.
pub(super) async fn build(
    docker: &Docker,
    asked: &Asked,
    build: &ImageBuild,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<(), EngineError> {
    let context = context(build).map_err(|message| failed(build, "context", &message))?;
    let options = BuildImageOptions {
        dockerfile: "Dockerfile".to_owned(),
        t: Some(build.reference.clone()),
        rm: true,
        forcerm: true,
        labels: Some(build.labels.clone().into_iter().collect::<HashMap<_, _>>()),
        buildargs: Some(build.arguments.0.clone().into_iter().collect()),
        version: BuilderVersion::BuilderV1,
        ..BuildImageOptions::default()
    };
    let mut made = Made::default();
    let lines = docker.build_image(options, None, Some(bollard::body_full(context.into())));
    let built = follow(lines, asked, build, &mut made, progress).await;
    made.forget(docker, &build.arguments).await;
    built
}

/// Follows a build to its end.
async fn follow(
    mut lines: impl futures_util::Stream<Item = Result<BuildInfo, Error>> + Unpin,
    asked: &Asked,
    build: &ImageBuild,
    made: &mut Made,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<(), EngineError> {
    let mut step = "start".to_owned();
    loop {
        let next = timeout(MAX_SILENCE, lines.next())
            .await
            .map_err(|_| asked.timed_out())?;
        let info = match next {
            None => return Ok(()),
            Some(Err(Error::DockerStreamError { error })) => {
                return Err(failed(build, &step, &error));
            }
            Some(Err(error)) => return Err(translate(asked, error)),
            Some(Ok(info)) => info,
        };
        if let Some(detail) = info.error_detail {
            return Err(failed(build, &step, &detail.message.unwrap_or_default()));
        }
        for line in info
            .stream
            .iter()
            .chain(&info.status)
            .flat_map(|text| text.lines())
        {
            let line = one_line(line);
            if line.is_empty() {
                continue;
            }
            if line.starts_with("Step ") {
                step.clone_from(&line);
            }
            made.line(&line);
            progress(&line);
        }
    }
}

fn failed(build: &ImageBuild, step: &str, message: &str) -> EngineError {
    EngineError::BuildFailed {
        reference: build.reference.clone(),
        step: step.to_owned(),
        message: one_line(message),
    }
}

/// The build context. Equal inputs give equal bytes: times, owners and order are fixed, so that layers
/// are found in the Engine's cache.
fn context(build: &ImageBuild) -> Result<Vec<u8>, String> {
    let total: usize = build.files.iter().map(|file| file.bytes.len()).sum();
    if total > MAX_CONTEXT_BYTES {
        return Err(format!(
            "{total} bytes are more than the {MAX_CONTEXT_BYTES} a context may hold"
        ));
    }
    let mut files: Vec<(&str, &[u8], bool)> = build
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice(), file.executable))
        .collect();
    files.push(("Dockerfile", build.dockerfile.as_bytes(), false));
    files.sort_unstable();
    if let Some(pair) = files.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("two files are named {}", pair[0].0));
    }
    let mut tar = tar::Builder::new(Vec::with_capacity(total + 64 * 1024));
    for (path, bytes, executable) in files {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(if executable { 0o755 } else { 0o644 });
        header.set_size(bytes.len() as u64);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        // Refuses absolute paths and `..`.
        tar.append_data(&mut header, path, bytes)
            .map_err(|error| format!("{path}: {error}"))?;
    }
    tar.into_inner().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::BuildFile;

    fn with(paths: &[&str]) -> ImageBuild {
        let files = paths.iter().map(|path| BuildFile {
            path: (*path).to_owned(),
            bytes: path.as_bytes().to_vec(),
            executable: true,
        });
        ImageBuild {
            reference: "x:1".into(),
            dockerfile: "FROM scratch\n".into(),
            files: files.collect(),
            labels: Default::default(),
            arguments: Default::default(),
        }
    }

    #[test]
    fn a_context_does_not_depend_on_order_or_time() {
        assert_eq!(context(&with(&["a", "b/c"])), context(&with(&["b/c", "a"])));
        assert_ne!(context(&with(&["a"])), context(&with(&["b"])));
    }

    #[test]
    fn a_context_refuses_paths_that_leave_it_and_doubles() {
        for bad in [&["../x"][..], &["a", "a"], &["Dockerfile"]] {
            assert!(context(&with(bad)).is_err(), "{bad:?}");
        }
    }
}
