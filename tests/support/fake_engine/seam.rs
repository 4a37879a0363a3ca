//! The fake engine behind the trait.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::stream;
use lemctl::containers::{
    ContainerEngine, ContainerId, ContainerSpec, ContainerState, ContainerSummary, EngineError,
    EngineInfo, ExecSession, ExecStatus, Happening, ImageBuild, ImageIdentity, VolumeSummary,
};
use tokio::sync::mpsc;

use super::state::{Container, Exec, carries, identity, labels_of, not_found};
use super::{FakeEngine, Process};

impl ContainerEngine for FakeEngine {
    async fn engine(&self) -> Result<EngineInfo, EngineError> {
        drop(self.call("engine".to_owned())?);
        Ok(EngineInfo {
            version: "27.0.0".to_owned(),
            api_version: "1.46".to_owned(),
            operating_system: "Fake OS".to_owned(),
            kernel: "6.1.0".to_owned(),
            architecture: "x86_64".to_owned(),
            storage_driver: "fake".to_owned(),
            containerd_store: false,
            cgroup_version: "2".to_owned(),
            cgroup_driver: "systemd".to_owned(),
            rootless: false,
            live_restore: false,
            runtimes: vec!["runc".to_owned()],
            cdi_spec_dirs: Vec::new(),
            cdi_devices: Vec::new(),
            data_root: "/var/lib/fake".to_owned(),
            cpus: 2,
            memory_bytes: 1 << 33,
        })
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageIdentity>, EngineError> {
        let state = self.call(format!("image {reference}"))?;
        Ok(state.images.get(reference).cloned())
    }

    async fn build(
        &self,
        build: &ImageBuild,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<ImageIdentity, EngineError> {
        let mut state = self.call(format!("build {}", build.reference))?;
        let lines: Vec<&str> = build
            .dockerfile
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        for (index, line) in lines.iter().enumerate() {
            let step = format!("Step {}/{} : {line}", index + 1, lines.len());
            progress(&step);
            let mut words = line.split_whitespace();
            let missing = match (words.next(), words.next()) {
                (Some("COPY"), Some(path)) => build.files.iter().all(|file| file.path != path),
                _ => false,
            };
            if missing {
                let message = format!("{line}: no such file in the context");
                return Err(EngineError::BuildFailed {
                    reference: build.reference.clone(),
                    step,
                    message,
                });
            }
        }
        let image = identity(&build.reference, build.labels.clone());
        state.images.insert(build.reference.clone(), image.clone());
        Ok(image)
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        let name = spec.overlay().name.clone();
        let what = format!("creating container {name}");
        let mut state = self.call(format!("create {name}"))?;
        let reference = &spec.service().image;
        if !state.images.contains_key(reference) {
            return Err(EngineError::ImageMissing {
                reference: reference.clone(),
            });
        }
        if state.id_of(&name).is_some() {
            let message = format!("the name {name} is in use");
            return Err(EngineError::Conflict { what, message });
        }
        let overlay = spec.overlay().mounts();
        if let Some(missing) = overlay.iter().find(|mount| !mount.source.exists()) {
            let message = format!("bind source path does not exist: {}", missing.source);
            return Err(EngineError::Api {
                what,
                status: 400,
                message,
            });
        }
        for (name, labels) in state.volumes_of(spec) {
            state.volumes.entry(name).or_insert(labels);
        }
        let id = state.next_id();
        let container = Container {
            spec: spec.clone(),
            running: false,
            exit_code: None,
            log: Vec::new(),
            started_at: "2030-01-01T00:00:00Z".to_owned(),
        };
        state.containers.insert(id.clone(), container);
        Ok(ContainerId(id))
    }

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        let mut state = self.call(format!("start {}", self.name_of(id)))?;
        let boot_lines = state.boot_lines.clone();
        let container = state.containers.get_mut(id.as_str());
        let container = container.ok_or_else(|| not_found("starting", id.as_str()))?;
        container.running = true;
        container.exit_code = None;
        container.log.extend(boot_lines);
        Ok(())
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<(), EngineError> {
        let mut state = self.call(format!("stop {} {}s", self.name_of(id), grace.as_secs()))?;
        if !state.containers.contains_key(id.as_str()) {
            return Err(not_found("stopping", id.as_str()));
        }
        state.end(id.as_str(), 137);
        Ok(())
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), EngineError> {
        let mut state = self.call(format!("remove {}", self.name_of(id)))?;
        state.end(id.as_str(), 137);
        state.containers.remove(id.as_str());
        state.execs.retain(|_, exec| exec.container != id.as_str());
        Ok(())
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<ContainerState>, EngineError> {
        let state = self.call(format!("inspect {}", self.name_of(id)))?;
        Ok(state
            .containers
            .get(id.as_str())
            .map(|container| ContainerState {
                id: id.clone(),
                name: container.spec.overlay().name.clone(),
                running: container.running,
                paused: false,
                exit_code: container.exit_code,
                oom_killed: false,
                error: String::new(),
                pid: container.running.then_some(4242),
                labels: labels_of(&container.spec),
                image_id: state
                    .images
                    .get(&container.spec.service().image)
                    .map(|i| i.id.clone())
                    .unwrap_or_default(),
                started_at: container.running.then(|| container.started_at.clone()),
                execs: state.running_execs(id.as_str()),
            }))
    }

    async fn happened(
        &self,
        id: &ContainerId,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Happening>, EngineError> {
        let state = self.call(format!("happened {}", self.name_of(id)))?;
        let of = state.happenings.iter().filter(|(of, _)| *of == id.0);
        Ok(of
            .map(|(_, happening)| happening.clone())
            .filter(|happening| (since..=until).contains(&happening.at))
            .collect())
    }

    async fn list(&self, labels: &[(&str, &str)]) -> Result<Vec<ContainerSummary>, EngineError> {
        let state = self.call("list".to_owned())?;
        let mut summaries: Vec<_> = state
            .containers
            .iter()
            .filter(|(_, container)| carries(&labels_of(&container.spec), labels))
            .map(|(id, container)| ContainerSummary {
                id: ContainerId(id.clone()),
                name: container.spec.overlay().name.clone(),
                running: container.running,
                labels: labels_of(&container.spec),
                image_id: String::new(),
            })
            .collect();
        summaries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(summaries)
    }

    async fn logs(&self, id: &ContainerId, lines: u32) -> Result<String, EngineError> {
        let state = self.call(format!("logs {}", self.name_of(id)))?;
        let container = state.containers.get(id.as_str());
        let log = &container.ok_or_else(|| not_found("logs", id.as_str()))?.log;
        let skipped = log.len().saturating_sub(lines as usize);
        Ok(log[skipped..]
            .iter()
            .map(|line| format!("{line}\n"))
            .collect())
    }

    async fn exec(&self, id: &ContainerId, argv: &[String]) -> Result<ExecSession, EngineError> {
        let mut state = self.call(format!("exec {} {}", self.name_of(id), argv.join(" ")))?;
        let container = state
            .containers
            .get(id.as_str())
            .ok_or_else(|| not_found("exec", id.as_str()))?;
        if !container.running {
            let message = format!("container {id} is not running");
            return Err(EngineError::Conflict {
                what: "exec".to_owned(),
                message,
            });
        }
        let (stdin, process_stdin) = tokio::io::duplex(64 * 1024);
        let (output, receiver) = mpsc::channel(64);
        let process = Process {
            argv: argv.to_vec(),
            spec: container.spec.clone(),
            stdin: process_stdin,
            output,
        };
        let program = argv
            .first()
            .and_then(|path| state.programs.get(path))
            .cloned();
        let exit_code = Arc::new(Mutex::new(None));
        let ended = exit_code.clone();
        let running = tokio::spawn(async move {
            // The stream ends when the program returns; its exit code is known before.
            let output = process.output.clone();
            let code = match program {
                Some(program) => program(process).await,
                None => {
                    process
                        .stdout("OCI runtime exec failed: no such file or directory\r\n")
                        .await;
                    126
                }
            };
            ended
                .lock()
                .expect("held for an instant only")
                .get_or_insert(code);
            drop(output);
        });
        let exec = state.next_id();
        let running = Exec {
            container: id.0.clone(),
            exit_code,
            process: running,
        };
        state.execs.insert(exec.clone(), running);
        let started = format!("exec_start: {}", argv.join(" "));
        state.befall(&id.0, super::now(), &started, Some(exec.clone()));
        let output = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|piece| (Ok(piece), receiver))
        });
        Ok(ExecSession {
            id: exec,
            stdin: Box::pin(stdin),
            output: Box::pin(output),
        })
    }

    async fn exec_status(&self, exec: &str) -> Result<ExecStatus, EngineError> {
        let state = self.call("exec_status".to_owned())?;
        let Some(exec) = state.execs.get(exec) else {
            return Err(not_found("inspecting an exec", exec));
        };
        let exit_code = *exec.exit_code.lock().expect("held for an instant only");
        Ok(ExecStatus {
            running: exit_code.is_none(),
            exit_code,
        })
    }

    async fn list_volumes(
        &self,
        labels: &[(&str, &str)],
    ) -> Result<Vec<VolumeSummary>, EngineError> {
        let state = self.call("list_volumes".to_owned())?;
        let volumes = state.volumes.iter().filter(|(_, has)| carries(has, labels));
        Ok(volumes
            .map(|(name, labels)| VolumeSummary {
                name: name.clone(),
                labels: labels.clone(),
            })
            .collect())
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let mut state = self.call(format!("remove_volume {name}"))?;
        let mut users = state.containers.values();
        if users.any(|container| {
            state
                .volumes_of(&container.spec)
                .iter()
                .any(|(used, _)| used == name)
        }) {
            let what = format!("removing volume {name}");
            return Err(EngineError::Conflict {
                what,
                message: "volume is in use".to_owned(),
            });
        }
        state.volumes.remove(name);
        Ok(())
    }
}
