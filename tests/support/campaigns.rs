//! Campaigns for tests: two catalogues (the real reference backend, and a made-up one with a GPU) and
//! prompt files from memory.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(dead_code, reason = "each test uses a part of the kit")]

use std::collections::BTreeMap;

use lemctl::campaign::{Campaign, CampaignReport, PromptSource, load};
use lemctl::catalogue::Catalogues;

pub const REFERENCE: &str = include_str!("../../catalogues/reference-0.1.0.json");
pub const GADGET: &str = include_str!("gadget-9.9.0.json");
/// A made-up backend that loads models.
pub const WIDGET: &str = include_str!("widget-1.0.0.json");

pub fn catalogues() -> Catalogues {
    let newer = GADGET.replace(r#""version": "9.9.0""#, r#""version": "9.9.1""#);
    // The one engine that has a profiler.
    let pytorch = WIDGET.replace("\"widget\"", "\"pytorch\"");
    let texts = [
        ("pytorch-1.0.0.json", pytorch.as_str()),
        ("reference-0.1.0.json", REFERENCE),
        ("gadget-9.9.0.json", GADGET),
        ("gadget-9.9.1.json", &newer),
        ("widget-1.0.0.json", WIDGET),
        ("pins.json", r#"{"gadget": "9.9.0"}"#),
    ];
    Catalogues::read(
        &texts
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
    )
    .unwrap()
}

/// Prompt files by name.
#[derive(Default)]
pub struct Prompts(pub BTreeMap<String, String>);

impl PromptSource for Prompts {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| "no such file".to_owned())
    }
}

pub fn prompts() -> Prompts {
    let lines = |count: u32| {
        (1..=count)
            .map(|n| format!("{{\"token_ids\": [{n}, 7, 9]}}\n"))
            .collect::<String>()
    };
    Prompts(BTreeMap::from([
        ("a.jsonl".to_owned(), lines(8)),
        ("b.jsonl".to_owned(), lines(9)),
        (
            "text.jsonl".to_owned(),
            "{\"text\": \"h\u{e9}\"}\n{\"token_ids\": [5]}\n".to_owned(),
        ),
        ("chat.jsonl".to_owned(), format!("{{{CHAT}}}\n")),
        (
            "chat.trace".to_owned(),
            format!("{{\"at\": 0.5, {CHAT}}}\n"),
        ),
        ("a.trace".to_owned(), trace(&[0.5, 0.25, 2.0])),
        ("b.trace".to_owned(), trace(&[0.5, 0.25, 2.5])),
        ("long.trace".to_owned(), trace(&[0.5; 40])),
        ("a.jinja".to_owned(), "{{ messages }}".to_owned()),
        ("b.jinja".to_owned(), "{{ messages[0] }}".to_owned()),
        ("a.json".to_owned(), config(1000, 8)),
        ("b.json".to_owned(), config(1000, 12)),
        ("m/config.json".to_owned(), config(1000, 8)),
        ("n/config.json".to_owned(), config(1000, 8)),
    ]))
}

/// A conversation, as a line of a file has it.
const CHAT: &str = r#""messages": [{"role": "user", "content": "hello"}]"#;

/// A trace of random ids, of which the first line says its own length of output.
fn trace(times: &[f64]) -> String {
    let lines = times.iter().enumerate().map(|(place, at)| {
        let output = if place == 0 {
            ", \"output_tokens\": 3"
        } else {
            ""
        };
        format!(
            "{{\"at\": {at}, \"input_tokens\": {}{output}}}\n",
            place + 4
        )
    });
    lines.collect()
}

/// A model's `config.json`.
pub fn config(vocab_size: u32, heads: u32) -> String {
    format!(
        "{{\"model_type\": \"llama\", \"vocab_size\": {vocab_size}, \"hidden_size\": {}, \"num_hidden_layers\": 2, \"num_attention_heads\": {heads}, \"eos_token_id\": {}}}",
        heads * 8,
        vocab_size - 10
    )
}

pub fn try_load(text: &str) -> Result<Campaign, CampaignReport> {
    load("test.yaml", text, &catalogues(), &prompts())
}

pub fn load_text(text: &str) -> Campaign {
    try_load(text).unwrap_or_else(|report| panic!("{report}\n---\n{text}"))
}
