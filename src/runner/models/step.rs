//! The step EnsureModel of a campaign: the model is there and is the one that the campaign began with.

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use super::Models;
use super::ensure::{Ensured, Wanted, Watch, ensure, look};
use super::fetching::Owner;
use crate::campaign::ModelRequest;
use crate::containers::{ContainerEngine, labels};
use crate::execution::{Blame, Cause, MODEL_DIFFERENCE, Notice, State};
use crate::runner::session::Runner;
use crate::store::ModelIdentity;

/// The model that the journal tells of for a backend.
#[must_use]
pub fn recorded(state: &State, backend: &str) -> Option<ModelIdentity> {
    identity(state.models().get(backend)?)
}

fn identity(detail: &Value) -> Option<ModelIdentity> {
    let fields = ["source", "id", "revision", "weights_sha256"];
    let picked = fields.map(|name| (name.to_owned(), detail[name].clone()));
    let picked: serde_json::Map<String, Value> = picked.into_iter().collect();
    serde_json::from_value(picked.into()).ok()
}

/// How the model's files differ from those that the journal tells of, in words; none if they do not, or are not there:
/// then they are had again.
#[must_use]
pub fn drift(models: &Models, state: &State, request: &ModelRequest) -> Option<String> {
    let now = look(models, &pinned(state, Wanted::of(request)?))?;
    let known = state.models().values().filter_map(identity);
    let mut changed = known.filter(|known| is_same(known, &now) && known != &now);
    let known = changed.next()?;
    Some(format!(
        "{MODEL_DIFFERENCE}weights_sha256 of {} {} was {}, is {}",
        now.source, now.id, known.weights_sha256, now.weights_sha256
    ))
}

/// Whether the two are meant to be the same files.
fn is_same(one: &ModelIdentity, other: &ModelIdentity) -> bool {
    (&one.source, &one.id, &one.revision) == (&other.source, &other.id, &other.revision)
}

/// What is wanted, at the commit that the journal tells of if the same was asked for then.
fn pinned(state: &State, wanted: Wanted) -> Wanted {
    let Wanted::Hub { id, revision } = &wanted else {
        return wanted;
    };
    let same =
        |detail: &&Value| detail["id"] == json!(id) && detail["requested"] == json!(revision);
    let known = state.models().values().find(same);
    let commit = known.and_then(|detail| detail["revision"].as_str().map(str::to_owned));
    match commit {
        Some(commit) => wanted.at(&commit),
        None => wanted,
    }
}

impl<E: ContainerEngine> Runner<E> {
    /// Has the model and says which one it is.
    pub(in crate::runner) async fn ensure_model(&mut self, backend: &str) -> Result<Value, Cause> {
        let request = self.opened.planned.campaign.model.clone();
        let (Some(asked), Some(models)) = (Wanted::of(&request), self.setting.models.clone())
        else {
            return Ok(Value::Null);
        };
        let wanted = pinned(&self.opened.state, asked.clone());
        let moving = request.moving_revision().filter(|_| wanted == asked);
        let owner = self.fetch_owner();
        let stop = self.setting.stop.clone();
        let Self {
            setting,
            opened,
            lease,
            ..
        } = self;
        let mut told = |done_bytes, total_bytes| {
            let notice = Notice::Fetched {
                done_bytes,
                total_bytes,
            };
            for sink in &mut setting.sinks {
                sink.notice(&opened.planned.plan, &opened.state, &notice);
            }
        };
        let mut watch = Watch {
            stop: &stop,
            told: &mut told,
        };
        let ensured = ensure(&setting.engine, &models, &wanted, &owner, lease, &mut watch).await?;
        if let (Some(asked), Some(commit)) = (moving, &ensured.identity.revision) {
            self.warn(format!(
                "{}: `{asked}` can move; it is commit {commit} now, which the whole campaign uses. Write it as `revision` to pin it",
                ensured.identity.id
            ));
        }
        self.is_the_one(backend, &ensured)?;
        let gpus = &self.opened.planned.campaign.gpus;
        let environment_hash = self.setting.environment_hash(gpus, Some(&ensured.identity));
        let mut detail = serde_json::to_value(&ensured.identity).unwrap_or_default();
        detail["name"] = json!(shown(&ensured));
        detail["bytes"] = json!(ensured.bytes);
        detail["files"] = json!(ensured.files);
        detail["environment_hash"] = json!(environment_hash);
        if let Wanted::Hub { revision, .. } = &asked {
            detail["requested"] = json!(revision);
        }
        self.model = Some(ensured.folder);
        Ok(detail)
    }

    /// The model is not exchanged while a campaign goes on.
    fn is_the_one(&self, backend: &str, ensured: &Ensured) -> Result<(), Cause> {
        let Some(known) = recorded(&self.opened.state, backend) else {
            return Ok(());
        };
        // An edited campaign may ask for another model; files of the same one stay the same.
        if !is_same(&known, &ensured.identity) || known == ensured.identity {
            return Ok(());
        }
        let message = format!(
            "the model was {} when the campaign began and is {} now",
            told(&known),
            told(&ensured.identity)
        );
        Err(Cause::new(Blame::Environment, "model_changed", message)
            .hint("put the old files back, or begin a new campaign with the new ones"))
    }

    /// The model of a session before its containers start, as far as it is known.
    pub(in crate::runner) fn known_model(&self) -> Option<ModelIdentity> {
        let plan = &self.opened.planned.plan;
        let known = |backend: &String| recorded(&self.opened.state, backend);
        plan.backends.iter().find_map(known)
    }

    /// The model's folder, for the container's mount.
    pub(in crate::runner) fn model_folder(&self) -> Option<Utf8PathBuf> {
        self.model.clone()
    }

    fn fetch_owner(&self) -> Owner {
        let folders = &self.opened.folders;
        let mut marks = self.labels("fetch");
        marks.insert(labels::BACKEND.to_owned(), "fetch".to_owned());
        Owner {
            name: format!("{}-fetch", folders.id),
            labels: marks,
            live: format!("{}/fetch", folders.id),
        }
    }
}

fn shown(ensured: &Ensured) -> String {
    let identity = &ensured.identity;
    let had = if ensured.fetched { "" } else { ", was there" };
    format!(
        "{} ({} files, {:.2} GB{had})",
        told(identity),
        ensured.files,
        ensured.bytes as f64 / 1e9
    )
}

/// A model in one line.
fn told(identity: &ModelIdentity) -> String {
    let revision = identity.revision.as_deref();
    let at = revision.map_or(String::new(), |revision| format!("@{revision}"));
    format!(
        "{} {}{at} with weights {}",
        identity.source,
        identity.id,
        identity.weights_sha256.short(12)
    )
}
