//! A `config.json` of the transformers kind: the few numbers that rules, prompts and estimates need. The file
//! is untrusted: every number is bounded, and what is not needed is passed over.

use serde_json::{Map, Value};

/// Largest `config.json`, in bytes.
pub const MAX_CONFIG_BYTES: usize = 1024 * 1024;
/// Largest vocabulary.
const MAX_VOCABULARY: u64 = 1 << 24;
/// Largest of the other sizes.
const MAX_SIZE: u64 = 1 << 24;

/// What a model is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelConfig {
    /// Kind of the architecture: `llama`, `qwen3`, …
    pub model_type: String,
    /// Size of the vocabulary.
    pub vocab_size: u32,
    /// Width of the residual stream.
    pub hidden_size: u32,
    /// Number of blocks.
    pub num_hidden_layers: u32,
    /// Attention heads.
    pub num_attention_heads: u32,
    /// Heads of keys and values.
    pub num_key_value_heads: u32,
    /// Width of a head.
    pub head_dim: u32,
    /// Longest sequence, if the file says.
    pub max_position_embeddings: Option<u32>,
    /// Experts of a mixture; none where there is no mixture.
    pub num_experts: Option<u32>,
    /// How the weights are quantised in the files; none where they are not.
    pub quantization: Option<String>,
    /// Ids with a meaning of their own (begin and end of text, padding, images), ascending.
    pub special_ids: Vec<u32>,
}

impl ModelConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_CONFIG_BYTES {
            return Err(format!(
                "it has {} bytes; at most {MAX_CONFIG_BYTES} are read",
                text.len()
            ));
        }
        let whole: Value =
            serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let whole = whole.as_object().ok_or("it is not a JSON object")?;
        // Models of several kinds of input keep the language model's part in a section of its own.
        let own = match whole.get("text_config").and_then(Value::as_object) {
            Some(part) if !whole.contains_key("vocab_size") => part,
            _ => whole,
        };
        let heads = needed(own, "num_attention_heads", MAX_SIZE)?;
        let hidden_size = needed(own, "hidden_size", MAX_SIZE)?;
        let vocab_size = needed(own, "vocab_size", MAX_VOCABULARY)?;
        let kv_heads = size(own, "num_key_value_heads", MAX_SIZE)?.unwrap_or(heads);
        if heads % kv_heads != 0 {
            return Err(format!(
                "num_attention_heads ({heads}) is no multiple of num_key_value_heads ({kv_heads})"
            ));
        }
        let head_dim =
            size(own, "head_dim", MAX_SIZE)?.unwrap_or_else(|| (hidden_size / heads).max(1));
        let mut num_experts = None;
        for key in ["num_local_experts", "num_experts", "n_routed_experts"] {
            num_experts = num_experts.or(size(own, key, MAX_SIZE)?.filter(|count| *count > 1));
        }
        Ok(Self {
            model_type: word(whole, "model_type").unwrap_or_else(|| "unknown".to_owned()),
            vocab_size,
            hidden_size,
            num_hidden_layers: needed(own, "num_hidden_layers", MAX_SIZE)?,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim,
            max_position_embeddings: size(own, "max_position_embeddings", MAX_SIZE)?,
            num_experts,
            quantization: quantization(whole),
            special_ids: special_ids(whole, own, vocab_size),
        })
    }

    /// Ids that synthetic prompts are drawn from: from the first to one before the second. Ids with a meaning
    /// stand at either end of a vocabulary, so cutting both ends leaves ordinary tokens.
    #[must_use]
    pub fn ordinary_ids(&self) -> (u32, u32) {
        let half = self.vocab_size / 2;
        let below = self.special_ids.iter().filter(|id| **id < half).max();
        let above = self.special_ids.iter().filter(|id| **id >= half).min();
        (
            below.map_or(0, |id| id + 1),
            above.copied().unwrap_or(self.vocab_size),
        )
    }
}

fn size(map: &Map<String, Value>, key: &str, most: u64) -> Result<Option<u32>, String> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|value| (1..=most).contains(value)) {
            Some(value) => Ok(u32::try_from(value).ok()),
            None => Err(format!(
                "{key} is {}, not an integer from 1 to {most}",
                short(value)
            )),
        },
    }
}

fn needed(map: &Map<String, Value>, key: &str, most: u64) -> Result<u32, String> {
    size(map, key, most)?.ok_or_else(|| format!("it has no {key}"))
}

/// A short word in small letters, digits and the like; anything else is as good as absent.
fn word(map: &Map<String, Value>, key: &str) -> Option<String> {
    let text = map.get(key)?.as_str()?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64)
        .contains(&text.len())
        .then_some(text)
        .filter(|text| text.bytes().all(good))
        .map(str::to_ascii_lowercase)
}

fn quantization(whole: &Map<String, Value>) -> Option<String> {
    let section = whole.get("quantization_config")?.as_object()?;
    Some(word(section, "quant_method").unwrap_or_else(|| "unknown".to_owned()))
}

/// Keys like `eos_token_id` and `image_token_index`, wherever they stand; a value may be a list.
fn special_ids(whole: &Map<String, Value>, own: &Map<String, Value>, vocab_size: u32) -> Vec<u32> {
    let entries = whole.iter().chain(own);
    let special = entries
        .filter(|(key, _)| key.ends_with("_token_id") || key.ends_with("_token_index"))
        .flat_map(|(_, value)| match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        });
    let mut ids: Vec<u32> = special
        .filter_map(|value| u32::try_from(value.as_u64()?).ok())
        .filter(|id| *id < vocab_size)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn short(value: &Value) -> String {
    let text: String = value.to_string().chars().take(60).collect();
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn llama() -> Value {
        json!({
            "model_type": "llama", "vocab_size": 1000, "hidden_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 8, "num_key_value_heads": 2, "max_position_embeddings": 512,
            "bos_token_id": 990, "eos_token_id": [991, 992], "pad_token_id": null,
        })
    }

    fn parsed(change: impl FnOnce(&mut Value)) -> Result<ModelConfig, String> {
        let mut value = llama();
        change(&mut value);
        ModelConfig::parse(&value.to_string())
    }

    #[test]
    fn what_is_there_is_read_and_what_is_not_follows_from_it() {
        let config = parsed(|_| ()).expect("good");
        assert_eq!((config.head_dim, config.num_experts), (8, None));
        assert_eq!(config.special_ids, [990, 991, 992]);
        assert_eq!(config.ordinary_ids(), (0, 990));
        let moe = parsed(|value| value["num_local_experts"] = json!(8)).expect("good");
        assert_eq!(moe.num_experts, Some(8));
        let single = parsed(|value| value["num_key_value_heads"] = Value::Null).expect("good");
        assert_eq!(single.num_key_value_heads, 8);
        let awq = parsed(|value| value["quantization_config"] = json!({"quant_method": "awq"}));
        assert_eq!(awq.expect("good").quantization.as_deref(), Some("awq"));
    }

    #[test]
    fn the_language_models_part_of_a_larger_model_counts() {
        let text = json!({ "model_type": "both", "image_token_index": 3, "text_config": llama() });
        let config = ModelConfig::parse(&text.to_string()).expect("good");
        assert_eq!(
            (config.vocab_size, config.model_type.as_str()),
            (1000, "both")
        );
        assert_eq!(config.ordinary_ids(), (4, 990));
    }

    #[test]
    fn what_is_absent_or_absurd_is_named() {
        type Change = (&'static str, fn(&mut Value));
        let changes: [Change; 5] = [
            ("vocab_size", |value| value["vocab_size"] = json!(-1)),
            ("vocab_size", |value| {
                value["vocab_size"] = json!(1_u64 << 40)
            }),
            ("hidden_size", |value| value["hidden_size"] = json!(0.5)),
            ("no num_hidden_layers", |value| {
                value["num_hidden_layers"] = Value::Null
            }),
            ("no multiple", |value| {
                value["num_key_value_heads"] = json!(3)
            }),
        ];
        for (word, change) in changes {
            let error = parsed(change).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
        for text in ["", "[]", "{", &" ".repeat(MAX_CONFIG_BYTES + 1)] {
            assert!(ModelConfig::parse(text).is_err());
        }
    }
}
