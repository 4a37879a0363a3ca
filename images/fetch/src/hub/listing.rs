//! What a revision of a repository holds, and which of it a model needs. Untrusted: names are plain or left out.

use serde::Deserialize;

use crate::failure::Failure;

/// A revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Its commit.
    pub commit: String,
    /// Its files.
    pub files: Vec<Entry>,
}

/// A file of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// Size, if the hub says.
    pub bytes: Option<u64>,
    /// SHA-256 (hex), if the hub knows: it does for large files.
    pub sha256: Option<String>,
    /// The name that git gives its bytes (SHA-1, hex), if the hub tells it: for the files that git itself keeps.
    pub blob: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    sha: String,
    #[serde(default)]
    siblings: Vec<SaidFile>,
}

#[derive(Deserialize)]
struct SaidFile {
    rfilename: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default, rename = "blobId")]
    blob: Option<String>,
    #[serde(default)]
    lfs: Option<SaidLarge>,
}

#[derive(Deserialize)]
struct SaidLarge {
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    size: Option<u64>,
}

impl Listing {
    /// Reads a hub's answer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let said: Said = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if said.sha.len() != 40 || !said.sha.bytes().all(hex) {
            return Err("it names no commit".to_owned());
        }
        let files = said.siblings.into_iter().map(|file| {
            // Of a large file git keeps a pointer: that is what its blob is.
            let (large, bytes, blob) = match file.lfs {
                Some(lfs) => (lfs.sha256, lfs.size.or(file.size), None),
                None => (None, file.size, file.blob),
            };
            Entry {
                name: file.rfilename,
                bytes,
                sha256: large.filter(|sum| sum.len() == 64 && sum.bytes().all(hex)),
                blob: blob.filter(|sum| sum.len() == 40 && sum.bytes().all(hex)),
            }
        });
        Ok(Self {
            commit: said.sha,
            files: files.collect(),
        })
    }

    /// The files that a model needs: config, tokenizer, chat template, and weights as safetensors; as pickles only
    /// where there are no others. What lies in folders (other formats, other precisions) is not fetched, nor is code.
    ///
    /// # Errors
    /// `unsupported` if it is no model of transformers' kind.
    pub fn needed(self) -> Result<Vec<Entry>, Failure> {
        let plain: Vec<Entry> = self
            .files
            .into_iter()
            .filter(|file| is_plain(&file.name))
            .collect();
        let has = |name: &str| plain.iter().any(|file| file.name == name);
        let ends = |name: &str, end: &str| name.ends_with(end);
        let indexed = has("model.safetensors.index.json");
        let single = has("model.safetensors") && !indexed;
        let safe = plain.iter().any(|file| ends(&file.name, ".safetensors"));
        let only_consolidated = plain
            .iter()
            .filter(|file| ends(&file.name, ".safetensors"))
            .all(|file| file.name.starts_with("consolidated"));
        let weights = |name: &str| {
            if ends(name, ".safetensors") {
                // `consolidated` files hold the same weights once more, in their maker's own layout.
                match single {
                    true => name == "model.safetensors",
                    false => only_consolidated || !name.starts_with("consolidated"),
                }
            } else {
                !safe && ends(name, ".bin") && name.starts_with("pytorch_model")
            }
        };
        let beside = |name: &str| {
            [".json", ".txt", ".model", ".jinja", ".tiktoken"]
                .iter()
                .any(|end| ends(name, end))
        };
        let refused = |what: &str| {
            Err(Failure::new("unsupported", what).hint(
                "the engines load repositories of transformers' kind: a config.json, and weights as safetensors",
            ))
        };
        if !has("config.json") {
            return refused("the repository has no config.json");
        }
        if !plain.iter().any(|file| weights(&file.name)) {
            return refused("the repository has no weights as safetensors or pytorch_model*.bin");
        }
        let wanted = |file: &Entry| weights(&file.name) || beside(&file.name);
        let mut needed: Vec<Entry> = plain.iter().filter(|file| wanted(file)).cloned().collect();
        needed.sort_by(|a, b| a.name.cmp(&b.name));
        needed.dedup_by(|a, b| a.name == b.name);
        if needed.len() > lem_protocol::MAX_MODEL_FILES {
            return refused("the repository has more files than a model has");
        }
        Ok(needed)
    }
}

/// Whether a name is that of a file in the folder itself.
fn is_plain(name: &str) -> bool {
    (1..=200).contains(&name.len())
        && !name.starts_with('.')
        && !name.contains(['/', '\\'])
        && !name.chars().any(char::is_control)
        && !name.ends_with(".part")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chosen(names: &[&str]) -> Result<Vec<String>, &'static str> {
        let siblings: Vec<_> = names
            .iter()
            .map(|name| json!({ "rfilename": name }))
            .collect();
        let answer = json!({ "sha": "a".repeat(40), "siblings": siblings, "gated": "manual" });
        let listing = Listing::parse(answer.to_string().as_bytes()).unwrap();
        match listing.needed() {
            Ok(files) => Ok(files.into_iter().map(|file| file.name).collect()),
            Err(failure) => Err(failure.code),
        }
    }

    #[test]
    fn what_a_model_needs_is_chosen() {
        let common = [
            "README.md",
            "config.json",
            "tokenizer.model",
            "modeling_x.py",
            "x.gguf",
        ];
        let with = |more: &[&str]| chosen(&[&common[..], more].concat());
        let needed = ["config.json", "model.safetensors", "tokenizer.model"].map(str::to_owned);
        let one = with(&[
            "model.safetensors",
            "pytorch_model.bin",
            "original/a.pth",
            "consolidated.safetensors",
        ]);
        assert_eq!(one.unwrap(), needed);
        let many = with(&[
            "model.safetensors.index.json",
            "model-00001-of-00002.safetensors",
            "consolidated.safetensors",
            "chat_template.jinja",
        ]);
        assert!(
            !many
                .clone()
                .unwrap()
                .contains(&"consolidated.safetensors".to_owned())
        );
        assert_eq!(many.unwrap().len(), 5);
        assert!(
            with(&["consolidated.safetensors"])
                .unwrap()
                .contains(&"consolidated.safetensors".to_owned())
        );
        assert!(
            with(&["pytorch_model.bin", "optimizer.bin"])
                .unwrap()
                .contains(&"pytorch_model.bin".to_owned())
        );
        assert_eq!(with(&["optimizer.bin"]), Err("unsupported"));
        assert_eq!(chosen(&["model.safetensors"]), Err("unsupported"));
        for bad in [
            "../model.safetensors",
            "/etc/model.safetensors",
            ".safetensors",
            "a\n.safetensors",
        ] {
            assert_eq!(with(&[bad]), Err("unsupported"), "{bad:?}");
        }
    }

    #[test]
    fn sizes_and_sums_are_those_of_the_large_file() {
        let sum = "b".repeat(64);
        let answer = json!({ "sha": "a".repeat(40), "siblings": [
            { "rfilename": "w", "size": 9, "lfs": { "sha256": sum, "size": 10, "pointerSize": 130 } },
            { "rfilename": "c", "size": 3 },
            { "rfilename": "d", "lfs": { "sha256": "no" } },
        ] });
        let listing = Listing::parse(answer.to_string().as_bytes()).unwrap();
        let of = |index: usize| {
            (
                listing.files[index].bytes,
                listing.files[index].sha256.as_deref(),
            )
        };
        assert_eq!(of(0), (Some(10), Some(sum.as_str())));
        assert_eq!(of(1), (Some(3), None));
        assert_eq!(of(2), (None, None));
        for bad in [
            "[]",
            "{}",
            r#"{"sha":"main"}"#,
            r#"{"sha":"../../aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#,
        ] {
            assert!(Listing::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
