//! Source files as the checks see them: path, text, syntax tree, module path.

use std::path::{Path, PathBuf};

/// One Rust file.
pub struct Source {
    /// Relative to the repository's root, with `/`.
    pub path: String,
    /// As it stands on disk.
    pub text: String,
    /// Parsed.
    pub tree: syn::File,
}

impl Source {
    /// Parses `text` as the file at `path`.
    pub fn new(path: &str, text: &str) -> Self {
        let tree = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            tree,
        }
    }

    /// Where the file stands in the module tree: `src/plan/order.rs` is `crate::plan::order`. The binary
    /// is a crate of its own and is called `main` here.
    pub fn module(&self) -> Vec<String> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let inner = inner.strip_suffix(".rs").unwrap_or(inner);
        match inner {
            "main" => return vec!["main".to_owned()],
            "lib" => return vec!["crate".to_owned()],
            _ => {}
        }
        let inner = inner.strip_suffix("/mod").unwrap_or(inner);
        std::iter::once("crate")
            .chain(inner.split('/'))
            .map(str::to_owned)
            .collect()
    }

    /// The layer that the file belongs to: the first name below `crate`, or `main`. `None` for `lib.rs`.
    pub fn layer(&self) -> Option<String> {
        let module = self.module();
        match module.as_slice() {
            [root] if root == "main" => Some(root.clone()),
            [_, layer, ..] => Some(layer.clone()),
            _ => None,
        }
    }
}

/// All Rust files of the repository below `roots` (folders or single files), sorted by path. Folders that
/// are built or downloaded are left out; a root that does not exist has no files.
pub fn repository_sources(roots: &[&str]) -> Vec<Source> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for root in roots {
        collect(&base.join(root), &mut files);
    }
    files.sort();
    assert!(!files.is_empty(), "no source file below {roots:?}");
    files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let relative = file
                .strip_prefix(base)
                .expect("every file was found below base");
            Source::new(&relative.to_string_lossy(), &text)
        })
        .collect()
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path.to_owned());
        }
        return;
    }
    let Ok(entries) = std::fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name != "target" && name != "dist" {
            collect(&entry.path(), files);
        }
    }
}

#[test]
fn module_paths_follow_the_folders() {
    for (path, module) in [
        ("src/main.rs", "main"),
        ("src/lib.rs", "crate"),
        ("src/plan/mod.rs", "crate::plan"),
        ("src/plan/order.rs", "crate::plan::order"),
        ("src/plan.rs", "crate::plan"),
        ("src/a/b/mod.rs", "crate::a::b"),
    ] {
        assert_eq!(Source::new(path, "").module().join("::"), module, "{path}");
    }
}
