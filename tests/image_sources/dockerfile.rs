//! hadolint's rules that matter here, and ours, over one Dockerfile.

use std::collections::BTreeMap;

/// A Dockerfile, as instructions.
pub struct Dockerfile {
    pub name: String,
    lines: Vec<(String, String)>,
}

/// Those of all images, in order.
pub fn all() -> Vec<Dockerfile> {
    let folder = format!("{}/images", super::ROOT);
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the images' folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .filter(|name| {
            std::path::Path::new(&format!("{}/images/{name}/Dockerfile", super::ROOT)).exists()
        })
        .collect();
    names.sort();
    names
        .iter()
        .map(|name| Dockerfile::of(name, &super::text(&format!("images/{name}/Dockerfile"))))
        .collect()
}

impl Dockerfile {
    pub fn of(name: &str, text: &str) -> Self {
        let mut lines = Vec::new();
        let mut open = String::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(part) = line.strip_suffix('\\') {
                open.push_str(part);
                continue;
            }
            let whole = std::mem::take(&mut open) + line;
            let (word, rest) = whole.split_once(' ').unwrap_or((&whole, ""));
            lines.push((word.to_ascii_uppercase(), rest.trim().to_owned()));
        }
        Self {
            name: name.to_owned(),
            lines,
        }
    }

    /// Everything that breaks a rule.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.bases(&mut problems);
        self.end(&mut problems);
        self.labels(&mut problems);
        self.secrets(&mut problems);
        for run in self.all("RUN") {
            commands(run, &mut problems);
        }
        for word in [
            "ADD",
            "MAINTAINER",
            "ONBUILD",
            "VOLUME",
            "CMD",
            "HEALTHCHECK",
            "EXPOSE",
        ] {
            if self.all(word).next().is_some() {
                problems.push(format!("{word} is not used"));
            }
        }
        if self.all("WORKDIR").any(|path| !path.starts_with('/')) {
            problems.push("a WORKDIR is not absolute (DL3000)".to_owned());
        }
        let name = &self.name;
        problems
            .into_iter()
            .map(|problem| format!("{name}: {problem}"))
            .collect()
    }

    fn all<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.lines.iter();
        lines
            .filter(move |(found, _)| found == word)
            .map(|(_, rest)| rest.as_str())
    }

    /// DL3006, DL3007, and a digest on top.
    fn bases(&self, problems: &mut Vec<String>) {
        let defaults: BTreeMap<&str, &str> = self
            .all("ARG")
            .filter_map(|rest| rest.split_once('='))
            .collect();
        let mut stages = vec!["scratch"];
        for from in self.all("FROM") {
            let words: Vec<&str> = from.split_whitespace().collect();
            let base = match words[0]
                .strip_prefix("${")
                .and_then(|w| w.strip_suffix('}'))
            {
                Some(name) => defaults.get(name).copied().unwrap_or_default(),
                None => words[0],
            };
            if let [_, _, stage] = words.as_slice() {
                stages.push(stage);
            }
            if stages.contains(&base) {
                continue;
            }
            let (tagged, digest) = base.split_once("@sha256:").unwrap_or((base, ""));
            if digest.len() != 64 || !digest.chars().all(|c| c.is_ascii_hexdigit()) {
                problems.push(format!("`{base}` is not pinned by a digest"));
            }
            let name = tagged.rsplit('/').next().unwrap_or_default();
            match name.split_once(':') {
                None | Some((_, "latest")) => {
                    problems.push(format!("`{base}` has no version, or `latest` (DL3007)"));
                }
                Some(_) => {}
            }
        }
    }

    /// DL3002, and nothing but what lemctl starts.
    fn end(&self, problems: &mut Vec<String>) {
        let last = self.lines.iter().rposition(|(word, _)| word == "USER");
        let Some(last) = last else {
            problems.push("no USER, so it is root".to_owned());
            return;
        };
        let user = &self.lines[last].1;
        let ids = user
            .split_once(':')
            .map(|(uid, gid)| (uid.parse::<u32>(), gid.parse::<u32>()));
        if !matches!(ids, Some((Ok(uid), Ok(gid))) if uid > 0 && gid > 0) {
            problems.push(format!("the last USER is `{user}`, not numbers above 0"));
        }
        let after: Vec<&str> = self.lines[last + 1..]
            .iter()
            .map(|(word, _)| word.as_str())
            .collect();
        if after != ["ENTRYPOINT"] {
            problems.push(format!(
                "after the last USER stands {after:?}, not ENTRYPOINT alone"
            ));
        }
        let entrypoint: Vec<&str> = self.all("ENTRYPOINT").collect();
        if entrypoint != [r#"["/lem/agent", "init"]"#] {
            problems.push(format!("the ENTRYPOINT is {entrypoint:?}"));
        }
    }

    fn labels(&self, problems: &mut Vec<String>) {
        let labels: String = self.all("LABEL").collect::<Vec<_>>().join(" ");
        for key in ["title", "description", "version", "source", "licenses"] {
            if !labels.contains(&format!("org.opencontainers.image.{key}=\"")) {
                problems.push(format!("no label org.opencontainers.image.{key}"));
            }
        }
        let pins: BTreeMap<String, String> =
            serde_json::from_str(&super::text("catalogues/pins.json")).expect("versions");
        let version = pins
            .get(&self.name)
            .map_or(env!("CARGO_PKG_VERSION"), String::as_str);
        if !labels.contains(&format!("image.version=\"{version}\"")) {
            problems.push(format!("the label's version is not {version}"));
        }
    }

    /// The index comes from outside, and no stage that is kept sees it.
    fn secrets(&self, problems: &mut Vec<String>) {
        let stages = self.all("FROM").count();
        let mut stage = 0;
        for (word, rest) in &self.lines {
            match word.as_str() {
                "FROM" => stage += 1,
                "ARG" | "ENV"
                    if (rest.contains("INDEX_URL") || rest.contains("TRUSTED_HOST"))
                        && (word == "ENV" || rest.contains('=') || stage == stages) =>
                {
                    problems.push(format!("`{word} {rest}` writes PIP_INDEX_URL down"));
                }
                _ => {}
            }
        }
        for (word, rest) in self
            .lines
            .iter()
            .filter(|(word, _)| word == "RUN" || word == "ENV")
        {
            for option in [
                "--index-url",
                "--extra-index-url",
                "--trusted-host",
                "pypi.org",
            ] {
                if rest.contains(option) {
                    problems.push(format!("`{word}` names an index ({option})"));
                }
            }
        }
    }
}

/// DL3003, DL3004, DL3005, DL3009, DL3013, DL3015, DL3042, DL4006, and nothing fetched by hand.
fn commands(run: &str, problems: &mut Vec<String>) {
    let words: Vec<&str> = run.split_whitespace().collect();
    for (word, why) in [
        ("sudo", "sudo (DL3004)"),
        ("cd", "cd: write WORKDIR (DL3003)"),
        ("curl", "curl: nothing is fetched by hand"),
        ("wget", "wget: nothing is fetched by hand"),
        ("|", "a pipe hides how its first part ended (DL4006)"),
        ("upgrade", "upgrade takes what is new today (DL3005)"),
        ("dist-upgrade", "dist-upgrade (DL3005)"),
    ] {
        if words.contains(&word) {
            problems.push(format!("RUN uses {why}"));
        }
    }
    let mut want = |command: &str, options: &[&str]| {
        for option in options.iter().filter(|_| run.contains(command)) {
            if !run.contains(*option) {
                problems.push(format!("`{command}` without {option}"));
            }
        }
    };
    want(
        "apt-get install",
        &[
            "--no-install-recommends",
            "--yes",
            "rm -rf /var/lib/apt/lists/*",
            "packages.lock",
        ],
    );
    want(
        "pip ",
        &[
            "--no-cache-dir",
            "--require-hashes",
            "--no-deps",
            "--only-binary :all:",
            "requirements.lock",
        ],
    );
}
