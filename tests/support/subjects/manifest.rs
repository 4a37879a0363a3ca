//! A sealed campaign's folder that somebody wrote: manifest.json, SHA256SUMS and the journal, verified and shown.
//!
//! A line `# SHA256SUMS` and a line `# journal` begin the second and the third file. The journal's chain is mended.

use lemctl::manifest::{MANIFEST_FILE, Manifest, SUMS_FILE, verify};
use lemctl::report::summary_text;

use super::journal::Bench;

pub fn run(bytes: &[u8]) {
    let (manifest, rest) = parted(bytes, b"\n# SHA256SUMS\n");
    let (sums, journal) = parted(rest, b"\n# journal\n");
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(manifest) {
        let _ = summary_text(&manifest);
        let again = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(
            serde_json::from_slice::<Manifest>(&again).unwrap(),
            manifest
        );
    }
    Bench::with(|bench| {
        let folder = bench.folders.manifests();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(MANIFEST_FILE), manifest).unwrap();
        std::fs::write(folder.join(SUMS_FILE), sums).unwrap();
        std::fs::write(bench.journal(), bench.chained(journal)).unwrap();
        let verification = verify(&bench.folders);
        assert!(
            !verification.findings.is_empty(),
            "made up, and it verifies"
        );
        for finding in &verification.findings {
            assert!(
                !finding.what.is_empty() && !finding.fix.is_empty(),
                "{finding:?}"
            );
        }
    });
}

fn parted<'a>(bytes: &'a [u8], mark: &[u8]) -> (&'a [u8], &'a [u8]) {
    let at = bytes.windows(mark.len()).position(|part| part == mark);
    at.map_or((bytes, &[]), |at| (&bytes[..at], &bytes[at + mark.len()..]))
}
