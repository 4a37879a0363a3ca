//! What a written model is: the same for any number of threads, whole, and what its config says.

use super::*;

const CONFIG: &str = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 256,
 "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
 "vocab_size": 5000, "tie_word_embeddings": false, "dtype": "bfloat16", "initializer_range": 0.02,
 "bos_token_id": 0, "eos_token_id": [1, 2]}"#;

fn made(threads: u32, max_shard: u64, seed: u64) -> (tempfile::TempDir, Vec<ModelFile>) {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::emptied(root.path(), "m").unwrap();
    let files = write_sharded(&folder, CONFIG, seed, threads, max_shard).unwrap();
    (root, files)
}

fn header(bytes: &[u8]) -> (serde_json::Map<String, serde_json::Value>, &[u8]) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let (header, data) = bytes[8..].split_at(usize::try_from(length).unwrap());
    (serde_json::from_slice(header).unwrap(), data)
}

#[test]
fn files_are_the_same_for_any_number_of_threads() {
    let (_one, one) = made(1, MAX_SHARD_BYTES, 1);
    for threads in [2, 3, 8] {
        assert_eq!(
            made(threads, MAX_SHARD_BYTES, 1).1,
            one,
            "{threads} threads"
        );
    }
    let (_cut, cut) = made(1, 1_500_000, 1);
    assert_eq!(made(8, 1_500_000, 1).1, cut);
    assert_ne!(made(1, MAX_SHARD_BYTES, 2).1, one, "another seed");
    let weights = one
        .iter()
        .find(|file| file.path == "model.safetensors")
        .unwrap();
    // Pinned: changing it changes every model that was ever drawn, and results that name one.
    assert_eq!(
        weights.sha256,
        "fcefd3f47d56ec67643be27d2c4144f0559c755de1f356806efd7b46405d1e92"
    );
}

#[test]
fn tensors_lie_where_the_header_says_and_hold_a_normal() {
    let (root, files) = made(2, MAX_SHARD_BYTES, 1);
    for file in &files {
        let bytes = std::fs::read(root.path().join("m").join(&file.path)).unwrap();
        assert_eq!(bytes.len() as u64, file.bytes, "{}", file.path);
        let mut sum = Sum::default();
        sum.add(&bytes);
        assert_eq!(sum.hex(), file.sha256, "{}", file.path);
    }
    let bytes = std::fs::read(root.path().join("m/model.safetensors")).unwrap();
    let (header, data) = header(&bytes);
    let mut end = 0;
    for (name, entry) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let offsets: (usize, usize) =
            serde_json::from_value(entry["data_offsets"].clone()).unwrap();
        let shape: Vec<usize> = serde_json::from_value(entry["shape"].clone()).unwrap();
        assert_eq!(
            offsets.1 - offsets.0,
            2 * shape.iter().product::<usize>(),
            "{name}"
        );
        end = end.max(offsets.1);
        let values: Vec<f64> = data[offsets.0..offsets.1]
            .chunks_exact(2)
            .map(|pair| f64::from(half::bf16::from_le_bytes([pair[0], pair[1]]).to_f32()))
            .collect();
        if name.contains("norm") {
            assert!(values.iter().all(|value| *value == 1.0), "{name}");
            continue;
        }
        let count = values.len() as f64;
        let deviation = (values.iter().map(|value| value * value).sum::<f64>() / count).sqrt();
        assert!((deviation / 0.02 - 1.0).abs() < 0.02, "{name}: {deviation}");
    }
    assert_eq!(
        end,
        data.len(),
        "nothing lies between or behind the tensors"
    );
    assert_eq!(
        (bytes.len() - data.len()) % 8,
        0,
        "aligned for those who map it"
    );
    let text = std::fs::read_to_string(root.path().join("m/config.json")).unwrap();
    assert_eq!(text, CONFIG, "the config stays as it was");
    let generation = std::fs::read(root.path().join("m/generation_config.json")).unwrap();
    let generation: serde_json::Value = serde_json::from_slice(&generation).unwrap();
    assert_eq!(generation["eos_token_id"], serde_json::json!([1, 2]));
}

#[test]
fn a_model_of_many_files_has_an_index_and_the_same_values() {
    let (one_root, _) = made(2, MAX_SHARD_BYTES, 1);
    let (root, files) = made(2, 1_500_000, 1);
    let read = |root: &tempfile::TempDir, file: &str| {
        std::fs::read(root.path().join("m").join(file)).unwrap()
    };
    let index: serde_json::Value =
        serde_json::from_slice(&read(&root, "model.safetensors.index.json")).unwrap();
    let map = index["weight_map"].as_object().unwrap();
    let whole = read(&one_root, "model.safetensors");
    let (whole_header, whole_data) = header(&whole);
    let slice = |header: &serde_json::Map<String, serde_json::Value>, name: &str| {
        let offsets: (usize, usize) =
            serde_json::from_value(header[name]["data_offsets"].clone()).unwrap();
        offsets.0..offsets.1
    };
    assert!(
        files
            .iter()
            .filter(|file| file.path.contains("-of-"))
            .count()
            > 2
    );
    assert_eq!(map.len() + 1, whole_header.len());
    for (name, file) in map {
        let part = read(&root, file.as_str().unwrap());
        let (part_header, part_data) = header(&part);
        assert_eq!(
            part_data[slice(&part_header, name)],
            whole_data[slice(&whole_header, name)],
            "{name}"
        );
    }
}
