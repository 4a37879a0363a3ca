//! How long a soak is: numbers from the environment, and the campaign of as many runs.

use crate::campaign_files::campaign_text;

/// A number from the environment, or what is usual.
pub fn number(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|error| panic!("{name}={text}: {error}")),
        Err(_) => usual,
    }
}

/// Experiments of the campaign, two to an engine: a pass over all of them loads two engines.
const EXPERIMENTS: u64 = 10;

/// A campaign of `runs` runs that measure for `seconds` each.
pub fn campaign(name: &str, runs: u64, seconds: f64) -> String {
    assert!(
        runs.is_multiple_of(EXPERIMENTS),
        "{runs} runs are no multiple of {EXPERIMENTS}"
    );
    let cycles = runs / EXPERIMENTS;
    let shared = "hidden_size: [16, 32], batch_size: [1, 2, 3, 4, 5]";
    let text = campaign_text(name, shared, &format!("cycles: {cycles}"), seconds);
    // What is measured does not matter here: the least that is a window and a warm-up.
    text.replace("warmup: {max_seconds: 1,", "warmup: {max_seconds: 0.05,")
        .replace(
            "input_tokens: 8, output_tokens: 8",
            "input_tokens: 4, output_tokens: 2",
        )
}
