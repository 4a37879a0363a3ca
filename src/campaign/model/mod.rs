//! The model that a campaign asks for: what of it is part of experiments, what rules can know of it, and
//! where a folder of the user's lies. It knows no hub and no store.

mod config;
mod spec;

use std::sync::Arc;

use lem_protocol::{Model, Weights};
use serde_json::Value;

pub use config::{MAX_CONFIG_BYTES, ModelConfig};
pub(super) use spec::{HubSpec, LocalSpec, LocalWeights, ModelSpec};

/// The model of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// What is asked of workers: the part that experiments are hashed with.
    pub model: Model,
    /// What its `config.json` says; none where the shape comes from parameters, or from a hub.
    pub config: Option<ModelConfig>,
    /// The text of its `config.json`.
    pub config_text: Option<Arc<str>>,
    /// Where a folder of the user's lies on this host. No part of any hash.
    pub local_path: Option<String>,
    /// Size of the vocabulary as the campaign says, for a model whose `config.json` is not at hand.
    pub stated_vocab_size: Option<u32>,
}

impl ModelRequest {
    /// Size of the vocabulary, as far as it is known before the model is there.
    #[must_use]
    pub fn vocab_size(&self) -> Option<u32> {
        let config = self.config.as_ref();
        config
            .map(|config| config.vocab_size)
            .or(self.stated_vocab_size)
    }

    /// What the weights are, as far as was asked.
    #[must_use]
    pub fn weights(&self) -> Weights {
        match &self.model {
            Model::Random { .. } => Weights::Random,
            Model::Dummy { .. } => Weights::Dummy,
            Model::Local { weights, .. } => *weights,
            Model::Hub { .. } => Weights::Real,
        }
    }

    /// Whether the shape comes from the backend's parameters.
    #[must_use]
    pub fn is_made_of_parameters(&self) -> bool {
        matches!(self.model, Model::Random { config: None, .. })
    }

    /// The revision, if it is one that can move: whatever is not a whole commit hash.
    #[must_use]
    pub fn moving_revision(&self) -> Option<&str> {
        match &self.model {
            Model::Hub { revision, .. } if !is_commit(revision) => Some(revision),
            _ => None,
        }
    }

    /// A fact for rules; `null` where it is not known.
    pub(super) fn fact(&self, name: &str) -> Value {
        let of = |get: fn(&ModelConfig) -> Option<u32>| {
            let value = self.config.as_ref().and_then(get);
            value.map_or(Value::Null, Value::from)
        };
        match name {
            "model.vocab_size" => self.vocab_size().map_or(Value::Null, Value::from),
            "model.num_attention_heads" => of(|config| Some(config.num_attention_heads)),
            "model.num_key_value_heads" => of(|config| Some(config.num_key_value_heads)),
            "model.max_position_embeddings" => of(|config| config.max_position_embeddings),
            "model.num_experts" => of(|config| config.num_experts),
            "model.quantization" => {
                let quantization = self
                    .config
                    .as_ref()
                    .and_then(|config| config.quantization.clone());
                quantization.map_or(Value::Null, Value::from)
            }
            "model.weights" => Value::from(match self.weights() {
                Weights::Dummy => "dummy",
                Weights::Random => "random",
                Weights::Real => "real",
            }),
            _ => Value::Null,
        }
    }
}

/// Whether a revision is a whole commit hash, which cannot move.
#[must_use]
pub fn is_commit(revision: &str) -> bool {
    revision.len() == 40
        && revision
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
