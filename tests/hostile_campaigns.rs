//! A campaign file is untrusted: whatever is in it, lemctl answers, and never panics.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "support/campaigns.rs"]
mod support;

use std::sync::LazyLock;

use proptest::prelude::*;
use support::try_load;

/// Files to start from: the examples and the invalid ones.
static FILES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folders = ["campaigns", "tests/invalid"];
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let yaml = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    let mut paths: Vec<_> = yaml.collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
});

/// What mistakes and malice put into files.
const PIECES: [&str; 36] = [
    "",
    " ",
    "\n",
    "  ",
    ":",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "#",
    "&a ",
    "*a",
    "!t ",
    "? ",
    "|",
    ">",
    "\"",
    "'",
    "\t",
    "~",
    "0",
    "-1",
    "1e308",
    "9007199254740991",
    "null",
    "<<: ",
    "---\n",
    "\u{0}",
    "\u{feff}",
    "é",
    "batch_size: ",
    "reference",
    "lognormal: {mean: 1, sigma: 5, min: 1, max: 1048576}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn edited_files_are_answered(
        file in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, any::<prop::sample::Index>()), 1..5),
    ) {
        let mut text: Vec<char> = file.get(&FILES).chars().collect();
        for (at, length, piece) in edits {
            let from = if text.is_empty() { 0 } else { at.index(text.len()) };
            let to = (from + length).min(text.len());
            text.splice(from..to, piece.get(&PIECES).chars());
        }
        let text: String = text.into_iter().collect();
        match try_load(&text) {
            Ok(campaign) => {
                let expansion = campaign.expand();
                prop_assert!(!expansion.experiments.is_empty());
            }
            Err(report) => {
                prop_assert!(report.report().problems().next().is_some());
                let shown = report.to_string();
                prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
            }
        }
    }

    /// Lines of one file among those of another.
    #[test]
    fn mixed_files_are_answered(
        first in any::<prop::sample::Index>(),
        second in any::<prop::sample::Index>(),
        take in prop::collection::vec(any::<bool>(), 60),
    ) {
        let lines = first.get(&FILES).lines().zip(second.get(&FILES).lines().cycle());
        let text: String = lines.zip(take).map(|((left, right), own)| format!("{}\n", if own { left } else { right })).collect();
        let _ = try_load(&text).map(|campaign| campaign.expand().experiments.len());
    }
}
