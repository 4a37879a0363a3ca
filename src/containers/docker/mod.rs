//! Docker through its local socket: the only place that names bollard.
//!
//! Each call says what it asked in its errors, ends within a bounded time, and treats "already so" as
//! done. Nothing here decides; it asks and reports.

mod build;
mod build_secrets;
mod create;
mod errors;
mod exec;
mod happened;
mod negotiate;
mod observe;
mod pulse;
mod socket;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptions, ListVolumesOptions, RemoveContainerOptions,
    StopContainerOptions,
};
use camino::{Utf8Path, Utf8PathBuf};
use chrono::{DateTime, Utc};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use self::errors::{Asked, translate};
use self::pulse::Pulse;
use super::{
    ContainerEngine, ContainerId, ContainerSpec, ContainerState, ContainerSummary, EngineError,
    EngineInfo, ExecSession, ExecStatus, Happening, ImageBuild, ImageIdentity, VolumeSummary,
};

/// Longest wait for an answer of a daemon that lives. Starting a container on a busy host takes seconds.
const ANSWER: Duration = Duration::from_secs(60);
/// Longest wait for the first answer, to a question that costs the daemon nothing.
const GREETING: Duration = Duration::from_secs(15);
/// How long a container may still be there after the Engine said that it removed it.
const GOING: Duration = Duration::from_secs(5);

/// The Docker Engine on this machine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DockerEngine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    socket: Utf8PathBuf,
    agreed: negotiate::Agreed,
    pulse: Pulse,
    info: OnceCell<EngineInfo>,
}

impl DockerEngine {
    /// Connects to the Engine that `DOCKER_HOST` names, or to the default socket, or to the user's
    /// rootless one, and settles the API version.
    ///
    /// # Errors
    /// [`EngineError::Remote`], [`EngineError::Unreachable`], [`EngineError::PermissionDenied`],
    /// [`EngineError::TooOld`], [`EngineError::TooNew`].
    pub async fn connect() -> Result<Self, EngineError> {
        let surroundings = socket::Surroundings::read();
        let socket = surroundings.socket(|path| path.exists())?;
        Self::connect_to(&socket)
            .await
            .map_err(|error| surroundings.explain(error))
    }

    /// Connects to the Engine behind this socket.
    ///
    /// # Errors
    /// As [`DockerEngine::connect`], less `Remote`.
    pub async fn connect_to(socket: &Utf8Path) -> Result<Self, EngineError> {
        // bollard only says that the file is absent; a connection of our own tells why it is refused.
        match timeout(GREETING, tokio::net::UnixStream::connect(socket)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(socket::connection_error(socket, &error)),
            Err(_) => return Err(Asked::of(socket, "connecting", GREETING).timed_out()),
        }
        let docker = Docker::connect_with_unix(
            socket.as_str(),
            ANSWER.as_secs(),
            bollard::API_DEFAULT_VERSION,
        )
        .map_err(|error| translate(&Asked::of(socket, "connecting", GREETING), error))?;
        let agreed = timeout(GREETING, negotiate::negotiate(docker, socket.as_str()))
            .await
            .map_err(|_| Asked::of(socket, "GET /version", GREETING).timed_out())??;
        let inner = Inner {
            socket: socket.to_owned(),
            pulse: Pulse::of(agreed.docker.clone()),
            agreed,
            info: OnceCell::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Path of the socket in use.
    #[must_use]
    pub fn socket(&self) -> &Utf8Path {
        &self.inner.socket
    }

    fn docker(&self) -> &Docker {
        &self.inner.agreed.docker
    }

    fn asked(&self, what: impl Into<String>) -> Asked {
        Asked::of(self.inner.socket.clone(), what, ANSWER)
    }

    /// Waits for what a call says, its body too: bollard's own timeout ends with the headers.
    async fn answer<T>(
        &self,
        asked: &Asked,
        call: impl Future<Output = Result<T, bollard::errors::Error>> + Send,
    ) -> Result<T, EngineError> {
        let answer = self.inner.pulse.during(asked, call).await?;
        answer.map_err(|error| translate(asked, error))
    }

    async fn info(&self) -> Result<&EngineInfo, EngineError> {
        let asked = self.asked("GET /info");
        let agreed = &self.inner.agreed;
        self.inner
            .info
            .get_or_try_init(|| async {
                let info = self.answer(&asked, agreed.docker.info()).await?;
                Ok(observe::engine(
                    info,
                    &agreed.engine,
                    agreed.api.to_string(),
                ))
            })
            .await
    }
}

/// A label filter; an empty value means any value.
fn filters(labels: &[(&str, &str)]) -> Option<HashMap<String, Vec<String>>> {
    let wanted = labels.iter().map(|(key, value)| match *value {
        "" => (*key).to_owned(),
        value => format!("{key}={value}"),
    });
    Some(HashMap::from([("label".to_owned(), wanted.collect())]))
}

/// "Not there" as an answer rather than an error.
fn absent<T>(answer: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(EngineError::NotFound { .. } | EngineError::ImageMissing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl ContainerEngine for DockerEngine {
    async fn engine(&self) -> Result<EngineInfo, EngineError> {
        self.info().await.cloned()
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageIdentity>, EngineError> {
        let asked = self.asked(format!("inspecting image {reference}"));
        let answer = self
            .answer(&asked, self.docker().inspect_image(reference))
            .await;
        let Some(image) = absent(answer)? else {
            return Ok(None);
        };
        Ok(Some(observe::image(reference, image, self.info().await?)))
    }

    async fn build(
        &self,
        build: &ImageBuild,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<ImageIdentity, EngineError> {
        let asked = self.asked(format!("building {}", build.reference));
        build::build(self.docker(), &asked, build, progress).await?;
        let image = self.image(&build.reference).await?;
        image.ok_or_else(|| asked.broken("the build ended well, but the image is not there"))
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        let name = spec.overlay().name.clone();
        let asked = self.asked(format!("creating container {name}"));
        let options = CreateContainerOptions {
            name: Some(name),
            ..CreateContainerOptions::default()
        };
        let body = create::body(spec, self.info().await?);
        let call = self.docker().create_container(Some(options), body);
        Ok(ContainerId(self.answer(&asked, call).await?.id))
    }

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        let asked = self.asked(format!("starting container {id}"));
        let none = None::<bollard::query_parameters::StartContainerOptions>;
        // 304, already started, is success for bollard.
        let call = self.docker().start_container(id.as_str(), none);
        self.answer(&asked, call)
            .await
            .map_err(|error| errors::start_failed(id, error))
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<(), EngineError> {
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let patience = ANSWER.saturating_add(Duration::from_secs(seconds));
        let asked = Asked::of(self.socket(), format!("stopping container {id}"), patience);
        let options = StopContainerOptions {
            t: Some(i32::try_from(seconds).unwrap_or(i32::MAX)),
            ..StopContainerOptions::default()
        };
        let patient = self.docker().clone().with_timeout(patience);
        self.answer(&asked, patient.stop_container(id.as_str(), Some(options)))
            .await
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), EngineError> {
        let asked = self.asked(format!("removing container {id}"));
        let options = RemoveContainerOptions {
            v: true,
            force: true,
            ..RemoveContainerOptions::default()
        };
        let call = self.docker().remove_container(id.as_str(), Some(options));
        match absent(self.answer(&asked, call).await) {
            Ok(None) => Ok(()),
            // An answer is not yet an absence, and of what is left behind nobody would know.
            Ok(Some(())) => self.wait_until_gone(id, &asked, GOING).await,
            // Someone else removes it just now: done once it is gone.
            Err(EngineError::Conflict { message, .. })
                if message.contains("already in progress") =>
            {
                self.wait_until_gone(id, &asked, ANSWER).await
            }
            Err(error) => Err(error),
        }
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<ContainerState>, EngineError> {
        let asked = self.asked(format!("inspecting container {id}"));
        let none = None::<bollard::query_parameters::InspectContainerOptions>;
        let call = self.docker().inspect_container(id.as_str(), none);
        Ok(absent(self.answer(&asked, call).await)?.map(observe::container))
    }

    async fn happened(
        &self,
        id: &ContainerId,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Happening>, EngineError> {
        let asked = self.asked(format!("asking what befell container {id}"));
        let question = happened::between(self.docker(), &asked, id, since, until);
        self.inner.pulse.during(&asked, question).await?
    }

    async fn list(&self, labels: &[(&str, &str)]) -> Result<Vec<ContainerSummary>, EngineError> {
        let asked = self.asked("listing containers");
        let options = ListContainersOptions {
            all: true,
            filters: filters(labels),
            ..ListContainersOptions::default()
        };
        let listed = self
            .answer(&asked, self.docker().list_containers(Some(options)))
            .await?;
        let mut summaries: Vec<_> = listed.into_iter().map(observe::summary).collect();
        summaries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(summaries)
    }

    async fn logs(&self, id: &ContainerId, lines: u32) -> Result<String, EngineError> {
        let asked = self.asked(format!("reading the log of container {id}"));
        let read = exec::logs(self.docker(), &asked, id, lines);
        self.inner.pulse.during(&asked, read).await?
    }

    async fn exec(&self, id: &ContainerId, argv: &[String]) -> Result<ExecSession, EngineError> {
        let asked = self.asked(format!("exec in container {id}"));
        exec::open(self, &asked, id, argv).await
    }

    async fn exec_status(&self, exec: &str) -> Result<ExecStatus, EngineError> {
        let asked = self.asked("inspecting an exec");
        let answer = self
            .answer(&asked, self.docker().inspect_exec(exec))
            .await?;
        Ok(ExecStatus {
            running: answer.running.unwrap_or(false),
            exit_code: answer.exit_code,
        })
    }

    async fn list_volumes(
        &self,
        labels: &[(&str, &str)],
    ) -> Result<Vec<VolumeSummary>, EngineError> {
        let asked = self.asked("listing volumes");
        let options = ListVolumesOptions {
            filters: filters(labels),
        };
        let listed = self
            .answer(&asked, self.docker().list_volumes(Some(options)))
            .await?;
        let volumes = listed.volumes.unwrap_or_default().into_iter();
        let mut summaries: Vec<_> = volumes
            .map(|volume| VolumeSummary {
                name: volume.name,
                labels: volume.labels.into_iter().collect(),
            })
            .collect();
        summaries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(summaries)
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let asked = self.asked(format!("removing volume {name}"));
        let none = None::<bollard::query_parameters::RemoveVolumeOptions>;
        absent(
            self.answer(&asked, self.docker().remove_volume(name, none))
                .await,
        )?;
        Ok(())
    }
}

impl DockerEngine {
    async fn wait_until_gone(
        &self,
        id: &ContainerId,
        asked: &Asked,
        patience: Duration,
    ) -> Result<(), EngineError> {
        const PAUSE: Duration = Duration::from_millis(50);
        let mut left = patience;
        while self.inspect(id).await?.is_some() {
            left = left
                .checked_sub(PAUSE)
                .ok_or_else(|| asked.broken("it is still there"))?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
