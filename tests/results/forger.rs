//! A forger with lemctl's own formats: edits what a sealed campaign says, and makes hashes fit again.

use camino::Utf8PathBuf;
use lemctl::journal::Head;
use lemctl::store::Folders;
use lemctl::units::Digest;
use serde_json::{Value, json};

/// A sealed campaign's words, to be changed.
pub struct Forger {
    folders: Folders,
    /// The journal's lines.
    pub events: Vec<Value>,
    /// The manifest.
    pub manifest: Value,
}

impl Forger {
    pub fn new(folders: &Folders) -> Self {
        let text = std::fs::read_to_string(folders.results().join("journal.jsonl")).unwrap();
        let manifest = std::fs::read(folders.manifests().join("manifest.json")).unwrap();
        Self {
            folders: folders.clone(),
            events: text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
            manifest: serde_json::from_slice(&manifest).unwrap(),
        }
    }

    /// Writes the journal; with its chain made `anew`, or with the hashes that its lines had.
    pub fn write_journal(&mut self, anew: bool) {
        let mut head = Head::EMPTY;
        let mut text = Vec::new();
        for event in &mut self.events {
            if anew {
                event["prev"] = json!(head.sha256);
            }
            let line = serde_json::to_vec(event).unwrap();
            head = head.after(&line);
            text.extend_from_slice(&line);
            text.push(b'\n');
        }
        std::fs::write(self.folders.results().join("journal.jsonl"), text).unwrap();
    }

    /// Makes everything fit: the manifest names the journal's head, the journal's last line the manifest's hash, and the
    /// list every file's.
    pub fn seal(&mut self) {
        let mut head = Head::EMPTY;
        let last = self.events.len() - 1;
        for event in &mut self.events[..last] {
            event["prev"] = json!(head.sha256);
            head = head.after(&serde_json::to_vec(event).unwrap());
        }
        self.manifest["journal"] = json!(head);
        let mut bytes = serde_json::to_vec_pretty(&self.manifest).unwrap();
        bytes.push(b'\n');
        let path = self.folders.manifests().join("manifest.json");
        std::fs::write(path, &bytes).unwrap();
        self.events[last]["event"] = json!({"sealed": {"manifest_sha256": Digest::of(&bytes)}});
        self.write_journal(true);
        self.list();
    }

    /// SHA256SUMS again, with the hashes that the named files have now.
    fn list(&self) {
        let folder = self.folders.manifests();
        let path = folder.join("SHA256SUMS");
        let list = std::fs::read_to_string(&path).unwrap();
        let line = |line: &str| {
            let (_, file) = line.split_once("  ").unwrap();
            let found: Utf8PathBuf = folder.join(file);
            format!("{}  {file}\n", Digest::of(&std::fs::read(found).unwrap()))
        };
        std::fs::write(&path, list.lines().map(line).collect::<String>()).unwrap();
    }
}
