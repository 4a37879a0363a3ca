//! A `config.json` of the transformers kind → the tensors that the model has, and how its values are drawn.

use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// Largest size of anything but the number of blocks.
const MAX_SIZE: u64 = 1 << 24;
/// Most blocks.
const MAX_LAYERS: u64 = 4096;
/// What transformers takes where a config says nothing.
const DEVIATION: f64 = 0.02;

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    Bf16,
    F16,
    F32,
}

impl Dtype {
    /// Its name in a safetensors header.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bf16 => "BF16",
            Self::F16 => "F16",
            Self::F32 => "F32",
        }
    }

    /// Bytes of one value.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Bf16 | Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}

/// What a tensor is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    Normal,
    Zeros,
    Ones,
}

/// One tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<u64>,
    pub fill: Fill,
}

impl Tensor {
    /// Values in it.
    pub fn values(&self) -> u64 {
        self.shape.iter().product()
    }
}

/// What a model is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub tensors: Vec<Tensor>,
    pub dtype: Dtype,
    /// Standard deviation of the drawn values.
    pub deviation: f64,
    special: Map<String, Value>,
}

/// Where the architectures that are known differ.
struct Family {
    /// Queries, keys and values have a bias.
    qkv_bias: bool,
    /// The attention's output has one.
    output_bias: bool,
    /// The projections of the MLP have one.
    mlp_bias: bool,
    /// Queries and keys are normalised head by head.
    head_norms: bool,
}

impl Shape {
    /// Reads a config.
    ///
    /// # Errors
    /// `bad_config` or `unsupported`.
    pub fn of(text: &str) -> Result<Self, Failure> {
        let config: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            Failure::new(
                "bad_config",
                format!("config.json is no JSON object: {error}"),
            )
        })?;
        let family = family(&config)?;
        let dtype = dtype(&config)?;
        let hidden = needed(&config, "hidden_size", MAX_SIZE)?;
        let inner = needed(&config, "intermediate_size", MAX_SIZE)?;
        let layers = needed(&config, "num_hidden_layers", MAX_LAYERS)?;
        let heads = needed(&config, "num_attention_heads", MAX_SIZE)?;
        let vocabulary = needed(&config, "vocab_size", MAX_SIZE)?;
        let kv_heads = size(&config, "num_key_value_heads", MAX_SIZE)?.unwrap_or(heads);
        let head = match size(&config, "head_dim", MAX_SIZE)? {
            Some(head) => head,
            None if hidden % heads == 0 => hidden / heads,
            None => {
                return Err(bad(format!(
                    "hidden_size ({hidden}) is no multiple of num_attention_heads ({heads}), and there is no head_dim"
                )));
            }
        };
        if heads.max(kv_heads) * head > MAX_SIZE {
            return Err(bad(format!(
                "heads of {head} values each come to more than {MAX_SIZE} together"
            )));
        }
        let mut tensors = Draft::default();
        tensors.normal("model.embed_tokens.weight", &[vocabulary, hidden]);
        for layer in 0..layers {
            let at = |name: &str| format!("model.layers.{layer}.{name}");
            let projections = [
                ("self_attn.q_proj", heads * head, hidden, family.qkv_bias),
                ("self_attn.k_proj", kv_heads * head, hidden, family.qkv_bias),
                ("self_attn.v_proj", kv_heads * head, hidden, family.qkv_bias),
                ("self_attn.o_proj", hidden, heads * head, family.output_bias),
                ("mlp.gate_proj", inner, hidden, family.mlp_bias),
                ("mlp.up_proj", inner, hidden, family.mlp_bias),
                ("mlp.down_proj", hidden, inner, family.mlp_bias),
            ];
            for (name, rows, columns, bias) in projections {
                tensors.normal(&at(&format!("{name}.weight")), &[rows, columns]);
                if bias {
                    tensors.add(&at(&format!("{name}.bias")), &[rows], Fill::Zeros);
                }
            }
            if family.head_norms {
                tensors.add(&at("self_attn.q_norm.weight"), &[head], Fill::Ones);
                tensors.add(&at("self_attn.k_norm.weight"), &[head], Fill::Ones);
            }
            tensors.add(&at("input_layernorm.weight"), &[hidden], Fill::Ones);
            tensors.add(
                &at("post_attention_layernorm.weight"),
                &[hidden],
                Fill::Ones,
            );
        }
        tensors.add("model.norm.weight", &[hidden], Fill::Ones);
        if !flag(&config, "tie_word_embeddings")? {
            tensors.normal("lm_head.weight", &[vocabulary, hidden]);
        }
        Ok(Self {
            tensors: tensors.0,
            dtype,
            deviation: deviation(&config)?,
            special: special(&config),
        })
    }

    /// The `generation_config.json` that transformers derives from such a config.
    pub fn generation_config(&self) -> Value {
        let mut map = self.special.clone();
        map.insert("_from_model_config".to_owned(), json!(true));
        Value::Object(map)
    }
}

#[derive(Default)]
struct Draft(Vec<Tensor>);

impl Draft {
    fn add(&mut self, name: &str, shape: &[u64], fill: Fill) {
        self.0.push(Tensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            fill,
        });
    }

    fn normal(&mut self, name: &str, shape: &[u64]) {
        self.add(name, shape, Fill::Normal);
    }
}

fn family(config: &Map<String, Value>) -> Result<Family, Failure> {
    if config
        .get("quantization_config")
        .is_some_and(|it| !it.is_null())
    {
        let message = "config.json says that the weights are quantised, and drawn weights are not";
        return Err(Failure::new("unsupported", message)
            .hint("remove `quantization_config`, and quantise by a parameter of the backend"));
    }
    let model_type = config.get("model_type").and_then(Value::as_str);
    let architecture = config
        .get("architectures")
        .and_then(|list| list.get(0)?.as_str());
    let known = match architecture {
        None => model_type,
        Some("LlamaForCausalLM") => Some("llama"),
        Some("MistralForCausalLM") => Some("mistral"),
        Some("Qwen2ForCausalLM") => Some("qwen2"),
        Some("Qwen3ForCausalLM") => Some("qwen3"),
        Some(other) => Some(other),
    };
    let attention_bias = flag(config, "attention_bias")?;
    let mlp_bias = flag(config, "mlp_bias")?;
    let plain = Family {
        qkv_bias: false,
        output_bias: false,
        mlp_bias: false,
        head_norms: false,
    };
    match known {
        Some("llama") => Ok(Family {
            qkv_bias: attention_bias,
            output_bias: attention_bias,
            mlp_bias,
            ..plain
        }),
        Some("mistral") => Ok(plain),
        Some("qwen2") => Ok(Family {
            qkv_bias: true,
            ..plain
        }),
        Some("qwen3") => Ok(Family {
            qkv_bias: attention_bias,
            output_bias: attention_bias,
            head_norms: true,
            ..plain
        }),
        other => {
            let name: String = other.unwrap_or("unknown").chars().take(60).collect();
            let message = format!(
                "random weights of architecture `{}` cannot be made",
                name.escape_debug()
            );
            Err(Failure::new("unsupported", message).hint(
                "known: LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM; or use `model: {dummy: …}`, whose weights the engine makes",
            ))
        }
    }
}

fn dtype(config: &Map<String, Value>) -> Result<Dtype, Failure> {
    let said = ["dtype", "torch_dtype"]
        .iter()
        .find_map(|key| config.get(*key).filter(|value| !value.is_null()));
    match said.map(Value::as_str) {
        None | Some(Some("bfloat16" | "auto")) => Ok(Dtype::Bf16),
        Some(Some("float16")) => Ok(Dtype::F16),
        Some(Some("float32")) => Ok(Dtype::F32),
        Some(_) => Err(bad(
            "dtype is none of bfloat16, float16 and float32".to_owned()
        )),
    }
}

fn deviation(config: &Map<String, Value>) -> Result<f64, Failure> {
    match config
        .get("initializer_range")
        .filter(|value| !value.is_null())
    {
        None => Ok(DEVIATION),
        Some(value) => value
            .as_f64()
            .filter(|value| (0.0..=10.0).contains(value))
            .ok_or_else(|| bad("initializer_range is no number from 0 to 10".to_owned())),
    }
}

/// Ids with a meaning, for generation.
fn special(config: &Map<String, Value>) -> Map<String, Value> {
    ["bos_token_id", "eos_token_id", "pad_token_id"]
        .iter()
        .filter_map(|key| {
            let value = config.get(*key).filter(|value| !value.is_null())?;
            Some(((*key).to_owned(), value.clone()))
        })
        .collect()
}

fn flag(config: &Map<String, Value>, key: &str) -> Result<bool, Failure> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(bad(format!("{key} is neither true nor false"))),
    }
}

fn size(config: &Map<String, Value>, key: &str, most: u64) -> Result<Option<u64>, Failure> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|value| (1..=most).contains(value)) {
            Some(value) => Ok(Some(value)),
            None => Err(bad(format!("{key} is no integer from 1 to {most}"))),
        },
    }
}

fn needed(config: &Map<String, Value>, key: &str, most: u64) -> Result<u64, Failure> {
    size(config, key, most)?.ok_or_else(|| bad(format!("there is no {key}")))
}

fn bad(what: String) -> Failure {
    Failure::new("bad_config", format!("config.json: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(changes: Value) -> String {
        let mut config = json!({
            "architectures": ["LlamaForCausalLM"], "hidden_size": 8, "intermediate_size": 16,
            "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
            "vocab_size": 32, "bos_token_id": 1,
        });
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        config.to_string()
    }

    fn named(changes: Value, name: &str) -> Option<Vec<u64>> {
        let shape = Shape::of(&config(changes)).unwrap();
        let found = shape.tensors.into_iter().find(|it| it.name == name);
        found.map(|tensor| tensor.shape)
    }

    #[test]
    fn families_differ_in_biases_norms_and_tied_embeddings() {
        let plain = json!({});
        assert_eq!(named(plain.clone(), "lm_head.weight"), Some(vec![32, 8]));
        assert_eq!(
            named(json!({"tie_word_embeddings": true}), "lm_head.weight"),
            None
        );
        let k = "model.layers.0.self_attn.k_proj.weight";
        assert_eq!(named(plain.clone(), k), Some(vec![4, 8]));
        assert_eq!(named(json!({"head_dim": 5}), k), Some(vec![10, 8]));
        let bias = "model.layers.0.self_attn.q_proj.bias";
        assert_eq!(named(plain, bias), None);
        for biased in [
            json!({"attention_bias": true}),
            json!({"architectures": ["Qwen2ForCausalLM"]}),
        ] {
            assert_eq!(named(biased, bias), Some(vec![8]));
        }
        let norm = "model.layers.0.self_attn.q_norm.weight";
        let qwen3 = json!({"architectures": ["Qwen3ForCausalLM"]});
        assert_eq!(named(qwen3, norm), Some(vec![2]));
    }

    #[test]
    fn what_cannot_be_made_is_named() {
        let code = |changes: Value| Shape::of(&config(changes)).unwrap_err();
        let odd = code(json!({"architectures": ["OptimusForCausalLM"]}));
        assert_eq!(odd.code, "unsupported");
        assert!(odd.message.contains("Optimus") && odd.hint.is_some());
        assert_eq!(code(json!({"quantization_config": {}})).code, "unsupported");
        for (key, value) in [
            ("hidden_size", json!(0)),
            ("hidden_size", Value::Null),
            ("vocab_size", json!(1_u64 << 40)),
            ("dtype", json!("float8")),
            ("initializer_range", json!(-1)),
            ("tie_word_embeddings", json!("yes")),
            ("num_attention_heads", json!(3)),
        ] {
            let failure = code(json!({key: value}));
            assert_eq!(failure.code, "bad_config", "{key}");
        }
        assert_eq!(Shape::of("[]").unwrap_err().code, "bad_config");
    }
}
