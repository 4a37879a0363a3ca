//! Having a model: found in the store, fetched into it, or a folder of the user's.

use std::ops::ControlFlow;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use lem_protocol::{FetchReply, FetchRequest, Model, ModelFile};

use super::Models;
use super::fetching::{Fetching, Owner};
use super::hashing::hashed;
use crate::campaign::{ModelRequest, is_commit};
use crate::containers::ContainerEngine;
use crate::execution::{Blame, Cause};
use crate::runner::StopSignal;
use crate::runner::lease::Lease;
use crate::runner::space::disk_cause;
use crate::store::{
    FoundModel, LocalError, ModelIdentity, ModelLock, Place, StoreError, StoredModel, local_files,
    sums_of, write_durable,
};
use crate::units::Digest;

/// How often a lock that another lemctl holds is looked at.
const AGAIN: Duration = Duration::from_secs(1);

/// What is wanted, as far as the store needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Weights drawn by a seed for a config.
    Random {
        /// Text of the `config.json`.
        config: String,
        /// The seed.
        seed: u64,
    },
    /// A `config.json` and nothing else.
    Dummy {
        /// Its text.
        config: String,
    },
    /// A folder of the user's.
    Local {
        /// What it is called.
        name: String,
        /// Where it lies.
        path: Utf8PathBuf,
        /// SHA-256 of its `config.json` when the campaign was planned.
        config: String,
    },
    /// A repository of a hub.
    Hub {
        /// `organisation/name`.
        id: String,
        /// Commit, branch or tag.
        revision: String,
    },
}

impl Wanted {
    /// What a campaign wants; none where the shape comes from parameters, so that there are no files.
    #[must_use]
    pub fn of(request: &ModelRequest) -> Option<Self> {
        let text = || {
            request
                .config_text
                .as_deref()
                .unwrap_or_default()
                .to_owned()
        };
        match &request.model {
            Model::Random { config: None, .. } => None,
            Model::Random {
                seed,
                config: Some(_),
            } => Some(Self::Random {
                config: text(),
                seed: *seed,
            }),
            Model::Dummy { .. } => Some(Self::Dummy { config: text() }),
            Model::Local { name, config, .. } => Some(Self::Local {
                name: name.clone(),
                path: request.local_path.clone().unwrap_or_default().into(),
                config: config.clone(),
            }),
            Model::Hub { id, revision } => Some(Self::Hub {
                id: id.clone(),
                revision: revision.clone(),
            }),
        }
    }

    /// A repository of a hub; none if that is no id, or no revision.
    #[must_use]
    pub fn hub(id: &str, revision: &str) -> Option<Self> {
        let plain = revision
            .split('/')
            .all(|part| Place::hub("a/b", part).is_some());
        Place::hub(id, "main").filter(|_| plain)?;
        Some(Self::Hub {
            id: id.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// The same at a commit that was found before.
    #[must_use]
    pub fn at(self, commit: &str) -> Self {
        match self {
            Self::Hub { id, .. } => Self::Hub {
                id,
                revision: commit.to_owned(),
            },
            other => other,
        }
    }

    /// What stands for it in names.
    pub(super) fn key(&self) -> String {
        let what = match self {
            Self::Random { config, seed } => format!("random {seed} {config}"),
            Self::Dummy { config } => format!("dummy {config}"),
            Self::Local { path, .. } => format!("local {path}"),
            Self::Hub { id, revision } => format!("hub {id} {revision}"),
        };
        Digest::of(what.as_bytes()).short(16)
    }

    /// Its place in the store, where that is known without asking anybody.
    fn place(&self) -> Option<Place> {
        match self {
            Self::Random { config, seed } => {
                let config = Digest::of(config.as_bytes()).to_string();
                Some(Place::random(&config, *seed))
            }
            Self::Dummy { config } => Some(Place::dummy(config)),
            Self::Hub { id, revision } if is_commit(revision) => Place::hub(id, revision),
            Self::Hub { .. } | Self::Local { .. } => None,
        }
    }
}

/// A model that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensured {
    /// Which one.
    pub identity: ModelIdentity,
    /// Its folder, to be mounted.
    pub folder: Utf8PathBuf,
    /// Bytes of its files.
    pub bytes: u64,
    /// Number of its files.
    pub files: usize,
    /// Whether it was had now.
    pub fetched: bool,
}

/// Who is told how far it is, and who may stop it.
pub struct Watch<'a> {
    /// Stops it.
    pub stop: &'a StopSignal,
    /// Gets bytes done and bytes in all.
    pub told: &'a mut dyn FnMut(u64, u64),
}

/// What is there now without fetching anything. None if it is not there, or not whole.
#[must_use]
pub fn look(models: &Models, wanted: &Wanted) -> Option<ModelIdentity> {
    match wanted {
        Wanted::Local { name, path, config } => {
            let (_, names) = local_size(path).ok()?;
            let on = |_| ControlFlow::Continue(());
            let found = local(name, path, config, &names, &models.memory(), &on);
            found.ok().map(|it| it.identity)
        }
        _ => Some(models.store.find(&wanted.place()?)?.model.identity),
    }
}

/// Has a model: if it is whole in the store nothing is fetched and nobody is asked.
///
/// # Errors
/// Why it cannot be had.
pub async fn ensure<E: ContainerEngine>(
    engine: &E,
    models: &Models,
    wanted: &Wanted,
    owner: &Owner,
    lease: &Lease,
    watch: &mut Watch<'_>,
) -> Result<Ensured, Cause> {
    if let Wanted::Local { name, path, config } = wanted {
        let (size, names) = local_size(path)?;
        let (of, memory, folder) = (name.clone(), models.memory(), path.clone());
        let wanted = config.clone();
        let summed = hashed(size, watch, move |piece| {
            local(&of, &folder, &wanted, &names, &memory, piece)
        });
        return summed.await?;
    }
    models.store.make().map_err(disk)?;
    if let Some(found) = wanted.place().and_then(|place| models.store.find(&place)) {
        return Ok(ensured(found, false));
    }
    // One fetch of an owner at a time: its container has one name, and who comes second would end it.
    let _own = held(models, &owner.lock(), watch.stop).await?;
    let place = match wanted.place() {
        Some(place) => place,
        None => resolved(engine, models, wanted, owner, lease, watch).await?,
    };
    if let Some(found) = models.store.find(&place) {
        return Ok(ensured(found, false));
    }
    let _lock = locked(models, &place, watch.stop).await?;
    // Somebody else may have had it while the lock was waited for.
    if let Some(found) = models.store.find(&place) {
        return Ok(ensured(found, false));
    }
    let folder = models.store.partial(&place).map_err(disk)?;
    let request = match wanted {
        Wanted::Hub { id, .. } => FetchRequest::Hub {
            endpoint: models.endpoint.clone(),
            id: id.clone(),
            commit: place.name().to_owned(),
            folder,
        },
        Wanted::Random { config, seed } => FetchRequest::Random {
            config: config.clone(),
            seed: *seed,
            folder,
        },
        // Only a config: there is nothing to fetch.
        Wanted::Dummy { config } | Wanted::Local { config, .. } => {
            let files = only_config(&models.store.root().join(&folder), config)?;
            return kept(models, wanted, &place, files);
        }
    };
    match asked(engine, models, owner, lease, &request, watch).await? {
        FetchReply::Done { files } => kept(models, wanted, &place, files),
        other => Err(odd(&other)),
    }
}

/// Turns what was had into the model at its place.
fn kept(
    models: &Models,
    wanted: &Wanted,
    place: &Place,
    files: Vec<ModelFile>,
) -> Result<Ensured, Cause> {
    let (source, id, revision) = named(wanted, place);
    let model = StoredModel::new(source, &id, revision, files);
    let kept = models.store.commit(place, model).map_err(disk)?;
    Ok(ensured(kept, true))
}

fn ensured(found: FoundModel, fetched: bool) -> Ensured {
    Ensured {
        bytes: found.model.bytes(),
        files: found.model.files.len(),
        identity: found.model.identity,
        folder: found.folder,
        fetched,
    }
}

/// What a result calls it.
fn named(wanted: &Wanted, place: &Place) -> (&'static str, String, Option<String>) {
    match wanted {
        Wanted::Random { .. } => ("random", place.name().to_owned(), None),
        Wanted::Dummy { .. } => ("dummy", place.name().to_owned(), None),
        Wanted::Local { name, .. } => ("local", name.clone(), None),
        Wanted::Hub { id, .. } => ("hub", id.clone(), Some(place.name().to_owned())),
    }
}

/// One question to a container of its own.
async fn asked<E: ContainerEngine>(
    engine: &E,
    models: &Models,
    owner: &Owner,
    lease: &Lease,
    request: &FetchRequest,
    watch: &mut Watch<'_>,
) -> Result<FetchReply, Cause> {
    let fetching = Fetching::start(engine, models, owner, lease).await?;
    let reply = fetching.ask(request, watch.stop, watch.told).await;
    fetching.end().await;
    reply
}

/// The place of a revision that can move: the hub is asked once.
async fn resolved<E: ContainerEngine>(
    engine: &E,
    models: &Models,
    wanted: &Wanted,
    owner: &Owner,
    lease: &Lease,
    watch: &mut Watch<'_>,
) -> Result<Place, Cause> {
    let Wanted::Hub { id, revision } = wanted else {
        return Err(environment("fetch_failed", "only a hub has revisions"));
    };
    let request = FetchRequest::Resolve {
        endpoint: models.endpoint.clone(),
        id: id.clone(),
        revision: revision.clone(),
    };
    let commit = match asked(engine, models, owner, lease, &request, watch).await? {
        FetchReply::Resolved { commit } if is_commit(&commit) => commit,
        other => return Err(odd(&other)),
    };
    Place::hub(id, &commit).ok_or_else(|| {
        let what = format!("{id} is no id of a repository");
        Cause::new(Blame::Config, "model_not_found", what)
    })
}

/// The lock of a place.
pub(super) async fn locked(
    models: &Models,
    place: &Place,
    stop: &StopSignal,
) -> Result<ModelLock, Cause> {
    held(models, &place.key(), stop).await
}

/// The lock of that name, once no other lemctl has it.
async fn held(models: &Models, name: &str, stop: &StopSignal) -> Result<ModelLock, Cause> {
    let mut stop = stop.clone();
    loop {
        if let Some(lock) = ModelLock::named(&models.store, name).map_err(disk)? {
            return Ok(lock);
        }
        tokio::select! {
            () = stop.wait() => {
                let what = "a stop was asked for while another lemctl fetched the model";
                return Err(Cause::new(Blame::Worker, "interrupted", what));
            }
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

fn only_config(folder: &Utf8Path, text: &str) -> Result<Vec<ModelFile>, Cause> {
    std::fs::create_dir_all(folder).map_err(|error| disk(StoreError::at("make", folder)(error)))?;
    write_durable(&folder.join("config.json"), text.as_bytes()).map_err(disk)?;
    Ok(vec![ModelFile {
        path: "config.json".to_owned(),
        bytes: text.len() as u64,
        sha256: Digest::of(text.as_bytes()).to_string(),
    }])
}

fn unfit(what: String) -> Cause {
    Cause::new(Blame::Config, "model_unavailable", what)
}

/// Bytes and names of the files of a folder of the user's.
fn local_size(path: &Utf8Path) -> Result<(u64, Vec<String>), Cause> {
    let names = local_files(path).map_err(|error| match error {
        LocalError::Unfit { .. } => unfit(error.to_string()),
        LocalError::Store(error) => unfit(error.to_string()),
    })?;
    let size = |name: &String| std::fs::metadata(path.join(name)).map_or(0, |file| file.len());
    Ok((names.iter().map(size).sum(), names))
}

/// A folder of the user's: nothing is copied, every file is summed.
fn local(
    name: &str,
    path: &Utf8Path,
    config: &str,
    names: &[String],
    memory: &Utf8Path,
    piece: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<Ensured, Cause> {
    let files = sums_of(path, names, memory, piece).map_err(disk)?;
    let now = files.iter().find(|file| file.path == "config.json");
    if now.is_none_or(|file| file.sha256 != *config) {
        return Err(unfit(format!(
            "{path}/config.json is not the one that the campaign was planned with"
        )));
    }
    let model = StoredModel::new("local", name, None, files);
    let folder = path.to_owned();
    Ok(ensured(FoundModel { folder, model }, false))
}

fn odd(reply: &FetchReply) -> Cause {
    let said: String = format!("{reply:?}").chars().take(200).collect();
    environment(
        "fetch_failed",
        format!("an odd answer of the fetch: {said}"),
    )
}

pub(super) fn disk(error: StoreError) -> Cause {
    disk_cause(&error)
}

fn environment(code: &str, message: impl Into<String>) -> Cause {
    Cause::new(Blame::Environment, code, message)
}
