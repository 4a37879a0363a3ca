//! What the repositories hold: a small model, and what a model does not need.

use serde_json::json;

use super::WEIGHTS;

/// The files of every repository.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 512,
        "max_position_embeddings": 512,
    });
    let files = [
        ("README.md", b"not needed".to_vec()),
        ("config.json", config.to_string().into_bytes()),
        ("tokenizer.json", b"{}".to_vec()),
        ("model.safetensors", weights()),
        ("original/consolidated.00.pth", b"not needed".to_vec()),
    ];
    files.map(|(name, bytes)| (name.to_owned(), bytes)).into()
}

/// Bytes without a period.
pub fn weights() -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(WEIGHTS).collect()
}
