//! A campaign on disk: made new, or replayed from its journal and the inputs kept beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8Path;

use super::RunnerError;
use crate::campaign::{self, Campaign, Expansion, PromptSource};
use crate::catalogue::Catalogues;
use crate::clock::Clock;
use crate::execution::{Event, Fingerprint, State};
use crate::journal::{Journal, JournalError, Lock, Replayed, replay};
use crate::manifest::{MANIFEST_FILE, Manifest};
use crate::plan::Plan;
use crate::store::{Folders, Inputs, StoreError, make_within, read_bounded, sync_folder};
use crate::units::Digest;

/// A campaign, planned, with the texts it was planned from.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The campaign.
    pub campaign: Arc<Campaign>,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// What the grid gave: pruned points and counts. The experiments are in the plan.
    pub expansion: Arc<Expansion>,
    /// Texts of the catalogues of its backends, by backend.
    pub catalogues: BTreeMap<String, String>,
    /// Texts of its prompt files, by path.
    pub prompts: BTreeMap<String, String>,
}

impl Planned {
    /// Validates and plans a campaign file. `catalogues` may hold more backends than the file uses.
    ///
    /// # Errors
    /// The report on the file, or a catalogue that cannot be read.
    pub fn new(
        file: &str,
        text: &str,
        catalogues: &BTreeMap<String, String>,
        prompts: &dyn PromptSource,
    ) -> Result<Self, RunnerError> {
        let parsed = Catalogues::read(catalogues)?;
        let recorder = Recorder {
            source: prompts,
            read: std::cell::RefCell::default(),
        };
        let campaign = campaign::load(file, text, &parsed, &recorder)?;
        let mut expansion = campaign.expand();
        let experiments = std::mem::take(&mut expansion.experiments);
        let plan = Plan::new(&campaign, experiments);
        let chosen = campaign.grid.catalogues();
        let used = catalogues
            .values()
            .map(|text| (Digest::of(text.as_bytes()), text))
            .filter_map(|(digest, text)| {
                let (backend, _) = chosen
                    .iter()
                    .find(|(_, catalogue)| *catalogue.digest() == digest)?;
                Some(((*backend).to_owned(), text.clone()))
            })
            .filter(|(backend, _)| plan.backends.contains(backend))
            .collect();
        Ok(Self {
            campaign: Arc::new(campaign),
            plan: Arc::new(plan),
            expansion: Arc::new(expansion),
            catalogues: used,
            prompts: recorder.read.into_inner(),
        })
    }
}

/// Remembers the prompt files that a campaign reads.
struct Recorder<'a> {
    source: &'a dyn PromptSource,
    read: std::cell::RefCell<BTreeMap<String, String>>,
}

impl PromptSource for Recorder<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        let text = self.source.read(path)?;
        self.read.borrow_mut().insert(path.to_owned(), text.clone());
        Ok(text)
    }

    fn folder(&self, path: &str) -> Result<String, String> {
        let found = self.source.folder(path)?;
        self.read
            .borrow_mut()
            .insert(folder_key(path), found.clone());
        Ok(found)
    }
}

/// Stands for a folder among the files that a campaign reads; what is kept of it is where it lies.
fn folder_key(path: &str) -> String {
    format!("{path}/")
}

/// Prompt files by path, as they were kept.
struct Kept(BTreeMap<String, String>);

impl PromptSource for Kept {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| format!("{path} was not kept with the campaign"))
    }

    fn folder(&self, path: &str) -> Result<String, String> {
        self.read(&folder_key(path))
    }
}

/// A campaign on disk, locked for this process.
#[derive(Debug)]
pub struct Opened {
    /// Its folders.
    pub folders: Folders,
    /// Campaign and plan.
    pub planned: Planned,
    /// Where it stands.
    pub state: State,
    /// Its journal.
    pub journal: Journal,
    /// Bytes of a torn last line that were cut off.
    pub torn_bytes: u64,
}

impl Opened {
    /// Moves the state on and journals the event; when this returns, it is on disk.
    ///
    /// # Errors
    /// If the event cannot be (a bug; nothing is written then), or the journal cannot be written.
    pub fn record(&mut self, event: &Event, clock: &dyn Clock) -> Result<(), RunnerError> {
        self.state.apply(event)?;
        self.journal.append(event, clock)?;
        self.planned.plan = self.state.shared_plan();
        Ok(())
    }

    /// Takes over an edited campaign.
    ///
    /// # Errors
    /// If its inputs or the event cannot be written.
    pub fn accept(mut self, planned: Planned, clock: &dyn Clock) -> Result<Self, RunnerError> {
        let fingerprint = fingerprint(&planned, &self.folders.campaign, &self.folders.id);
        keep_inputs(&self.folders, &planned)?;
        self.state = self.state.migrate(planned.plan.clone());
        self.planned = planned;
        // `record` gives the plan with the cycles that were taken over.
        self.record(&Event::ChangesAccepted(fingerprint), clock)?;
        Ok(self)
    }
}

/// Makes a new campaign on disk. Where that fails, nothing of it stays: it never began.
///
/// # Errors
/// If its folders, inputs or journal cannot be made.
pub fn create(root: &Utf8Path, planned: Planned, clock: &dyn Clock) -> Result<Opened, RunnerError> {
    let folders = Folders::new(root, &planned.campaign.name, &new_id(clock));
    let results = folders.results();
    let made = begun(folders, planned, clock);
    if made.is_err() {
        // What cannot be removed holds no event, and says so when it is looked at.
        let _ = std::fs::remove_dir_all(&results);
        if let Some(parent) = results.parent() {
            // Only where no other campaign has that name.
            let _ = std::fs::remove_dir(parent);
        }
    }
    made
}

fn begun(folders: Folders, planned: Planned, clock: &dyn Clock) -> Result<Opened, RunnerError> {
    let results = folders.make_results()?;
    make_within(&results, "logs".into())?;
    let lock = Lock::take(&results)?;
    keep_inputs(&folders, &planned)?;
    let journal = Journal::create(&results, lock)?;
    if let Some(parent) = results.parent() {
        sync_folder(parent)?;
    }
    let fingerprint = fingerprint(&planned, &folders.campaign, &folders.id);
    let state = State::new(planned.plan.clone());
    let mut opened = Opened {
        folders,
        planned,
        state,
        journal,
        torn_bytes: 0,
    };
    opened.record(&Event::CampaignCreated(fingerprint), clock)?;
    Ok(opened)
}

/// Opens a campaign for another session: locks, replays, cuts a torn last line.
///
/// # Errors
/// If it is locked, damaged, or planned otherwise by this lemctl.
pub fn reopen(folders: Folders) -> Result<Opened, RunnerError> {
    let results = folders.results();
    let lock = Lock::take(&results)?;
    let (planned, state, replayed) = replayed(&folders)?;
    let journal = Journal::open(&results, lock, &replayed)?;
    Ok(Opened {
        folders,
        planned,
        state,
        journal,
        torn_bytes: replayed.torn_bytes,
    })
}

/// A manifest that counts more events than the journal has means that the journal lost its end.
fn refuse_short_tail(folders: &Folders, replayed: &Replayed) -> Result<(), JournalError> {
    let path = folders.manifests().join(MANIFEST_FILE);
    let bytes = read_bounded(&path, 1 << 30).unwrap_or_default();
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else {
        return Ok(());
    };
    let (sealed, head) = (manifest.journal, replayed.head);
    let what = if head.events < sealed.events {
        format!(
            "{} events are there, the manifest counts {}: the end is missing",
            head.events, sealed.events
        )
    } else if head.events == sealed.events && head.sha256 != sealed.sha256 {
        "it is not the line that the manifest cites as the last".to_owned()
    } else {
        return Ok(());
    };
    Err(JournalError::Damaged {
        path: folders.results().join(crate::journal::FILE),
        line: head.events,
        what,
    })
}

/// Replays a campaign without touching it.
///
/// # Errors
/// As [`reopen`], but for the lock.
pub fn replayed(folders: &Folders) -> Result<(Planned, State, Replayed), RunnerError> {
    let inputs = Inputs::new(folders.inputs());
    let mut current: Option<(Planned, State)> = None;
    let mut trouble = None;
    let outcome = replay(&folders.results(), |entry| {
        let planned = match &entry.event {
            Event::CampaignCreated(fingerprint) | Event::ChangesAccepted(fingerprint) => {
                match stored(&inputs, fingerprint) {
                    Ok(planned) => Some(planned),
                    Err(error) => {
                        trouble = Some(error);
                        return Err("its campaign cannot be read".to_owned());
                    }
                }
            }
            _ => None,
        };
        if let Some(planned) = planned {
            let state = match current.take() {
                Some((_, state)) => state.migrate(planned.plan.clone()),
                None => State::new(planned.plan.clone()),
            };
            current = Some((planned, state));
        }
        let Some((_, state)) = &mut current else {
            return Err("the first event is not the campaign's creation".to_owned());
        };
        state
            .apply(&entry.event)
            .map_err(|illegal| illegal.to_string())
    });
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    let replayed = outcome?;
    refuse_short_tail(folders, &replayed)?;
    let (mut planned, state) = current.ok_or_else(|| RunnerError::Conflict {
        what: format!(
            "{} holds no event",
            folders.results().join(crate::journal::FILE)
        ),
        fix: format!(
            "remove {} and start the campaign anew: lemctl campaign up",
            folders.results()
        ),
    })?;
    planned.plan = state.shared_plan();
    Ok((planned, state, replayed))
}

/// Plans a campaign from its kept inputs.
fn stored(inputs: &Inputs, fingerprint: &Fingerprint) -> Result<Planned, RunnerError> {
    let text = inputs.read(fingerprint.file_sha256)?;
    let catalogues = inputs.read_all(&fingerprint.catalogues)?;
    let prompts = Kept(inputs.read_all(&fingerprint.prompts)?);
    let planned = Planned::new(&fingerprint.campaign, &text, &catalogues, &prompts)?;
    let hash = planned.campaign.policy_digest(&planned.plan.experiments);
    if planned.plan.hash() != fingerprint.plan_hash || hash != fingerprint.campaign_hash {
        return Err(RunnerError::Conflict {
            what: format!(
                "this lemctl ({}) plans campaign {} otherwise than the one that began it",
                env!("CARGO_PKG_VERSION"),
                fingerprint.campaign
            ),
            fix: "use the version of lemctl that the journal names, or start anew: lemctl campaign up".to_owned(),
        });
    }
    Ok(planned)
}

/// What identifies a planned campaign.
#[must_use]
pub fn fingerprint(planned: &Planned, campaign: &str, id: &str) -> Fingerprint {
    let hashes = |texts: &BTreeMap<String, String>| {
        texts
            .iter()
            .map(|(name, text)| (name.clone(), Digest::of(text.as_bytes())))
            .collect()
    };
    Fingerprint {
        campaign: campaign.to_owned(),
        id: id.to_owned(),
        file_sha256: Digest::of(planned.campaign.text.as_bytes()),
        campaign_hash: planned.campaign.policy_digest(&planned.plan.experiments),
        plan_hash: planned.plan.begun_hash(),
        catalogues: hashes(&planned.catalogues),
        prompts: hashes(&planned.prompts),
        runs: u32::try_from(planned.plan.begun().len()).unwrap_or(u32::MAX),
    }
}

fn keep_inputs(folders: &Folders, planned: &Planned) -> Result<(), StoreError> {
    let texts = planned
        .catalogues
        .values()
        .chain(planned.prompts.values())
        .map(String::as_bytes);
    Inputs::new(folders.inputs()).keep(texts.chain([planned.campaign.text.as_bytes()]))
}

/// `20261124T033921Z-7f3a2c`: sorts by time, and two lemctl in one second differ.
fn new_id(clock: &dyn Clock) -> String {
    let random = uuid::Uuid::now_v7().simple().to_string();
    format!(
        "{}-{}",
        clock.wall().format("%Y%m%dT%H%M%SZ"),
        &random[26..]
    )
}
