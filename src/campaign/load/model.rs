//! `model` of the file → what is asked for, with what its `config.json` says.

use std::sync::Arc;

use lem_protocol::{Model, Weights};
use serde_json::Value as Json;

use super::{Loader, section};
use crate::campaign::grid::Grid;
use crate::campaign::model::{
    HubSpec, LocalSpec, LocalWeights, ModelConfig, ModelRequest, ModelSpec,
};
use crate::campaign::workload::WorkloadPlan;
use crate::catalogue::VocabularySource;
use crate::units::Digest;

/// A `config.json`: its text, its hash, and what it says.
struct Config {
    text: Arc<str>,
    digest: String,
    says: ModelConfig,
}

impl Loader<'_> {
    pub(super) fn model(&mut self, sections: &Json) -> Option<ModelRequest> {
        match section(sections, "model")? {
            ModelSpec::Random(spec) => match spec.config {
                None => Some(ModelRequest {
                    model: Model::Random {
                        seed: spec.seed,
                        config: None,
                    },
                    config: None,
                    config_text: None,
                    local_path: None,
                    stated_vocab_size: None,
                }),
                Some(path) => {
                    let config = self.config(&["model", "random", "config"], &path)?;
                    self.unquantised(&["model", "random", "config"], &config)?;
                    let model = Model::Random {
                        seed: spec.seed,
                        config: Some(config.digest.clone()),
                    };
                    Some(with_config(model, config))
                }
            },
            ModelSpec::Dummy(spec) => {
                let config = self.config(&["model", "dummy", "config"], &spec.config)?;
                self.unquantised(&["model", "dummy", "config"], &config)?;
                let model = Model::Dummy {
                    config: config.digest.clone(),
                };
                Some(with_config(model, config))
            }
            ModelSpec::Local(spec) => self.local(spec),
            ModelSpec::Hub(spec) => self.hub(spec),
        }
    }

    fn config(&mut self, place: &[&str], path: &str) -> Option<Config> {
        let text = match self.prompts.read(path) {
            Ok(text) => text,
            Err(error) => {
                let hint = "the path of a `config.json`, absolute or relative to the campaign file";
                self.say(place, format!("{path} cannot be read: {error}"), Some(hint));
                return None;
            }
        };
        match ModelConfig::parse(&text) {
            Ok(says) => Some(Config {
                digest: Digest::of(text.as_bytes()).to_string(),
                text: text.into(),
                says,
            }),
            Err(error) => {
                let hint = "it must be the `config.json` of a model, as transformers writes it";
                self.say(place, format!("{path}: {error}"), Some(hint));
                None
            }
        }
    }

    /// Weights that nobody trained are written as floating-point numbers: a quantised layout would be filled
    /// with whatever memory holds.
    fn unquantised(&mut self, place: &[&str], config: &Config) -> Option<()> {
        let Some(method) = &config.says.quantization else {
            return Some(());
        };
        let message = format!(
            "the config says that its weights are quantised ({method}), and weights without training are not: their values would be undefined"
        );
        let hint = "remove `quantization_config` from the file, and quantise by a parameter of the backend";
        self.say(place, message, Some(hint));
        None
    }

    fn local(&mut self, spec: LocalSpec) -> Option<ModelRequest> {
        let place = ["model", "local", "path"];
        let folder = spec.path.trim_end_matches('/');
        let config = self.config(&place, &format!("{folder}/config.json"))?;
        let path = match self.prompts.folder(folder) {
            Ok(path) => path,
            Err(error) => {
                self.say(&place, format!("{folder}: {error}"), None);
                return None;
            }
        };
        let (name, named) = match spec.name {
            Some(name) => (name, "name"),
            None => (
                folder.rsplit('/').next().unwrap_or_default().to_owned(),
                "path",
            ),
        };
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=100).contains(&name.len())
            || !name.bytes().all(good)
            || name.bytes().all(|byte| byte == b'.')
        {
            self.say(
                &["model", "local", named],
                format!("`{}` cannot name a model", name.escape_default()),
                Some("give it a `name` of letters, digits, `.`, `_` and `-`, 100 at most: it stands for the model in experiments and results"),
            );
            return None;
        }
        let model = Model::Local {
            name,
            config: config.digest.clone(),
            weights: match spec.weights {
                LocalWeights::Real => Weights::Real,
                LocalWeights::Random => Weights::Random,
            },
        };
        Some(ModelRequest {
            local_path: Some(path),
            ..with_config(model, config)
        })
    }

    fn hub(&mut self, spec: HubSpec) -> Option<ModelRequest> {
        let part = |text: &str| {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !text.is_empty()
                && !text.starts_with(['.', '-'])
                && !text.ends_with('.')
                && !text.contains("..")
                && text.bytes().all(good)
        };
        let mut sound = true;
        if !spec
            .id
            .split_once('/')
            .is_some_and(|(owner, name)| part(owner) && part(name))
        {
            let message = format!("`{}` is no id of a repository", spec.id.escape_default());
            self.say(
                &["model", "hub", "id"],
                message,
                Some("an id is `organisation/name`, of letters, digits, `.`, `_` and `-`"),
            );
            sound = false;
        }
        if !spec.revision.split('/').all(part) {
            let message = format!("`{}` is no revision", spec.revision.escape_default());
            self.say(
                &["model", "hub", "revision"],
                message,
                Some("a revision is a commit hash, a branch or a tag"),
            );
            sound = false;
        }
        sound.then_some(ModelRequest {
            model: Model::Hub {
                id: spec.id,
                revision: spec.revision,
            },
            config: None,
            config_text: None,
            local_path: None,
            stated_vocab_size: spec.vocab_size,
        })
    }

    /// Whether every backend can load the model, and prompts can be drawn for it.
    pub(super) fn model_fits(
        &mut self,
        model: &ModelRequest,
        plan: Option<&WorkloadPlan>,
        grid: &Grid,
    ) {
        let catalogues = grid.catalogues();
        for (backend, catalogue) in &catalogues {
            match (catalogue.vocabulary().source(), model.is_made_of_parameters()) {
                (VocabularySource::Parameter(_), false) => self.say(
                    &["model"],
                    format!("`{backend}` loads no model: its shape comes from its parameters"),
                    Some("write `model: {random: {seed: 1}}`, or leave the backend out"),
                ),
                (VocabularySource::Model, true) => self.say(
                    &["model"],
                    format!("`{backend}` needs a model: random weights without a `config` have no shape"),
                    Some("write `model: {random: {seed: 1, config: models/….json}}`, `dummy`, `local` or `hub`"),
                ),
                _ => {}
            }
        }
        let Some(plan) = plan else { return };
        let of_model = catalogues
            .values()
            .any(|catalogue| catalogue.vocabulary().source() == VocabularySource::Model);
        if !of_model || model.is_made_of_parameters() {
            return;
        }
        match (model.vocab_size(), plan.max_token_id(false)) {
            (None, _) if plan.is_synthetic() => self.say(
                &["model", "hub"],
                "synthetic prompts are drawn before the model is fetched, and the size of its vocabulary is not known",
                Some("write `vocab_size` beside `id`: it stands in the repository's `config.json`"),
            ),
            (Some(size), Some(largest)) if largest >= size => self.say(
                &self.lines_at("file"),
                format!("the file holds the token id {largest}, and the model's vocabulary has {size}"),
                Some("tokenise the prompts with the model's own tokenizer"),
            ),
            _ => {}
        }
    }
}

fn with_config(model: Model, config: Config) -> ModelRequest {
    ModelRequest {
        model,
        config: Some(config.says),
        config_text: Some(config.text),
        local_path: None,
        stated_vocab_size: None,
    }
}
