//! What a Dockerfile needs, read without an Engine: the images it begins from, the files it copies out of the
//! context, the arguments it declares. It knows no more of the syntax than lemctl's own Dockerfiles use, and
//! refuses the rest.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Component, Utf8Path};

/// What a Dockerfile needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Recipe {
    /// The images it begins from, in order, once each; stages of its own and `scratch` are none.
    pub bases: Vec<String>,
    /// Files and folders that it copies: relative, written out.
    pub copied: BTreeSet<String>,
    /// What runs, if it says so as a list; the last one counts.
    pub entrypoint: Option<Vec<String>>,
    /// The last `USER`.
    pub user: Option<String>,
    /// Arguments that it declares, with what they are where nobody gives them.
    pub declared: BTreeMap<String, Option<String>>,
}

/// Reads a Dockerfile; `given` are the arguments of this build.
///
/// # Errors
/// In words, for a line that cannot be understood.
pub(super) fn read(dockerfile: &str, given: &BTreeMap<String, String>) -> Result<Recipe, String> {
    let mut reading = Reading {
        recipe: Recipe::default(),
        stages: BTreeSet::from(["scratch".to_owned()]),
        values: BTreeMap::new(),
    };
    for line in logical_lines(dockerfile) {
        let (instruction, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        match instruction.to_ascii_uppercase().as_str() {
            "ARG" => reading.argument(rest.trim(), given)?,
            "FROM" => reading.from(rest)?,
            "COPY" => reading.copy(&line, rest)?,
            "ENTRYPOINT" => reading.recipe.entrypoint = serde_json::from_str(rest).ok(),
            "USER" => reading.recipe.user = Some(rest.trim().to_owned()),
            "ADD" => return Err(format!("`{line}`: write COPY; ADD may fetch or unpack")),
            "ONBUILD" => return Err(format!("`{line}`: ONBUILD hides what is built")),
            _ => {}
        }
    }
    Ok(reading.recipe)
}

/// Lines without comments, continued ones joined.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(part) => open.push_str(part),
            None => lines.push(std::mem::take(&mut open) + line),
        }
    }
    if !open.is_empty() {
        lines.push(open);
    }
    lines
}

struct Reading {
    recipe: Recipe,
    stages: BTreeSet<String>,
    /// Arguments seen so far. A stage that does not declare one again cannot see it; such a Dockerfile would
    /// not build, so there is no need to know.
    values: BTreeMap<String, String>,
}

impl Reading {
    fn argument(&mut self, rest: &str, given: &BTreeMap<String, String>) -> Result<(), String> {
        let (name, default) = match rest.split_once('=') {
            Some((name, default)) => (name, Some(self.filled(default)?)),
            None => (rest, None),
        };
        if let Some(value) = given.get(name).or(default.as_ref()) {
            self.values.insert(name.to_owned(), value.clone());
        }
        let known = self.recipe.declared.entry(name.to_owned()).or_default();
        if known.is_none() {
            *known = default;
        }
        Ok(())
    }

    fn from(&mut self, rest: &str) -> Result<(), String> {
        let words: Vec<&str> = rest
            .split_whitespace()
            .filter(|word| !word.starts_with("--"))
            .collect();
        let [base, rest @ ..] = words.as_slice() else {
            return Err("`FROM` names no image".to_owned());
        };
        let base = self.filled(base)?;
        if !self.stages.contains(&base) && !self.recipe.bases.contains(&base) {
            self.recipe.bases.push(base);
        }
        if let [word, stage, ..] = rest
            && word.eq_ignore_ascii_case("AS")
        {
            self.stages.insert((*stage).to_owned());
        }
        Ok(())
    }

    fn copy(&mut self, line: &str, rest: &str) -> Result<(), String> {
        let (options, paths): (Vec<&str>, Vec<&str>) = rest
            .split_whitespace()
            .partition(|word| word.starts_with("--"));
        if options.iter().any(|option| option.starts_with("--from")) {
            return Ok(());
        }
        let [sources @ .., _target] = paths.as_slice() else {
            return Err(format!("`{line}` copies nothing"));
        };
        if sources.is_empty() {
            return Err(format!("`{line}` copies nothing"));
        }
        for source in sources {
            let source = self.filled(source)?;
            let path = Utf8Path::new(&source);
            let plain = !source.is_empty()
                && path
                    .components()
                    .all(|part| matches!(part, Utf8Component::Normal(_)));
            if !plain || source.contains(['*', '?', '[', '\\', '"']) {
                return Err(format!(
                    "`{line}`: write each file or folder out, relative, without wildcards"
                ));
            }
            self.recipe
                .copied
                .insert(source.trim_end_matches('/').to_owned());
        }
        Ok(())
    }

    /// The text with its `${NAME}` replaced; other forms of `$` are not read here.
    fn filled(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            let name = after
                .strip_prefix('{')
                .and_then(|after| after.split_once('}'));
            let Some((name, tail)) = name else {
                return Err(format!("`{text}`: write variables as ${{NAME}}"));
            };
            let value = self.values.get(name).ok_or_else(|| {
                format!("`{text}`: no ARG gives {name} a value: lemctl images build --build-arg {name}=…")
            })?;
            out.push_str(before);
            out.push_str(value);
            rest = tail;
        }
        Ok(out + rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(text: &str) -> Result<Recipe, String> {
        read(text, &BTreeMap::new())
    }

    fn names(set: &BTreeSet<String>) -> Vec<&str> {
        set.iter().map(String::as_str).collect()
    }

    #[test]
    fn the_copied_files_are_found() {
        let found = recipe(
            "FROM scratch\nCOPY a /a\ncopy --chmod=755 b c/d \\\n  /x/\nCOPY --from=stage /y /y\n# COPY z /z\nCOPY e/ /e\n",
        );
        assert_eq!(names(&found.unwrap().copied), ["a", "b", "c/d", "e"]);
        for bad in [
            "COPY ../a /a",
            "COPY /a /a",
            "COPY * /",
            "COPY $X /x",
            "COPY ${X} /x",
            "ADD a /a",
            "ONBUILD COPY a /a",
            "COPY [\"a\", \"/a\"]",
            "COPY . /",
            "COPY a",
            "COPY",
            "FROM",
        ] {
            assert!(recipe(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_bases_are_found_and_stages_are_none() {
        let dockerfile = "FROM scratch AS a\nFROM --platform=linux/amd64 vllm/vllm:1 as b\nFROM b\nfrom x@sha256:1\n# FROM y\n";
        assert_eq!(
            recipe(dockerfile).unwrap().bases,
            ["vllm/vllm:1", "x@sha256:1"]
        );
    }

    #[test]
    fn arguments_are_filled_in_and_the_given_ones_win() {
        let text = "ARG BASE=python:3\nFROM ${BASE} AS p\nARG INDEX\nARG LOCK=a.lock\nCOPY ${LOCK} /l\nFROM ${BASE}\n";
        let found = recipe(text).unwrap();
        assert_eq!(found.bases, ["python:3"]);
        assert_eq!(names(&found.copied), ["a.lock"]);
        let declared = [
            ("BASE", Some("python:3")),
            ("INDEX", None),
            ("LOCK", Some("a.lock")),
        ];
        let declared = declared.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        assert_eq!(found.declared, declared.into());
        let given = [("BASE", "mine:1"), ("LOCK", "b.lock")];
        let given = given
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let found = read(text, &given).unwrap();
        assert_eq!(found.bases, ["mine:1"]);
        assert_eq!(names(&found.copied), ["b.lock"]);
        let without = recipe("ARG BASE\nFROM ${BASE}\n").unwrap_err();
        assert!(without.contains("--build-arg BASE="), "{without}");
    }
}
