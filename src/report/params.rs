//! Parameters of a backend for people and programs: all of them, or one.

use std::fmt::Write;

use serde_json::{Value, json};

use super::table;
use crate::catalogue::{Catalogue, Entry, Level, Parameter, Status};

/// The parameters that a grid can vary and, if `all`, those that `extra` takes and those that are excluded.
#[must_use]
pub fn list_view(catalogue: &Catalogue, all: bool) -> Value {
    let curated: Vec<Value> = catalogue
        .parameters()
        .values()
        .map(parameter_view)
        .collect();
    let mut view = json!({
        "backend": catalogue.backend(),
        "version": catalogue.version(),
        "parameters": curated,
        "rules": catalogue.rules().iter().map(|rule| json!({
            "id": rule.id, "message": rule.message, "source": rule.source,
        })).collect::<Vec<_>>(),
    });
    if all {
        view["extra"] = json!(catalogue.extra().values().collect::<Vec<_>>());
        view["exclusions"] = json!(catalogue.exclusions());
        view["removed"] = catalogue
            .removed()
            .values()
            .map(|removed| json!({ "name": removed.name, "last_version": removed.last_version, "advice": removed.advice() }))
            .collect();
    }
    view
}

/// The same as tables.
#[must_use]
pub fn list_text(catalogue: &Catalogue, all: bool) -> String {
    let rows = catalogue
        .parameters()
        .values()
        .map(|parameter| {
            vec![
                parameter.name.clone(),
                level(parameter.level).to_owned(),
                parameter.default.to_string(),
                first_line(&parameter.reason),
            ]
        })
        .collect();
    let mut text = format!(
        "{} {}: {} parameters that a grid can vary, {} more through `extra`\n\n",
        catalogue.backend(),
        catalogue.version(),
        catalogue.parameters().len(),
        catalogue.extra().len()
    );
    text.push_str(&table(
        &["name", "level", "default", "what it moves"],
        rows,
        99,
    ));
    if all {
        let rows = catalogue
            .extra()
            .values()
            .map(|entry| {
                vec![
                    entry.name.clone(),
                    level(entry.level).to_owned(),
                    shortened(&entry.default_text()),
                    shortened(&entry.admits()),
                ]
            })
            .collect();
        let _ = write!(
            text,
            "\n\nthrough `extra`:\n\n{}",
            table(&["name", "level", "default", "takes"], rows, 99)
        );
        let _ = write!(text, "\n\nnot a campaign's to set:\n");
        for (name, reason) in catalogue.exclusions() {
            let _ = write!(text, "\n  {name}: {reason}");
        }
        let _ = write!(text, "\n\nno longer there:\n");
        for removed in catalogue.removed().values() {
            let _ = write!(
                text,
                "\n  {}: dropped after {}; {}",
                removed.name,
                removed.last_version,
                removed.advice()
            );
        }
    }
    text
}

/// One parameter, wherever the catalogue has it.
#[must_use]
pub fn show_view(catalogue: &Catalogue, name: &str) -> Option<Value> {
    let about = |kind: &str, mut value: Value| {
        value["standing"] = json!(kind);
        value["rules"] = rules_on(catalogue, name);
        value
    };
    if let Some(parameter) = catalogue.parameters().get(name) {
        return Some(about("parameter", parameter_view(parameter)));
    }
    if let Some(entry) = catalogue.extra().get(name) {
        return Some(about("extra", json!(entry)));
    }
    if let Some(reason) = catalogue.exclusions().get(name) {
        return Some(about("excluded", json!({ "name": name, "reason": reason })));
    }
    let removed = catalogue.removed().get(name)?;
    Some(about(
        "removed",
        json!({ "name": name, "last_version": removed.last_version, "advice": removed.advice() }),
    ))
}

/// The same as lines.
#[must_use]
pub fn show_text(catalogue: &Catalogue, name: &str) -> Option<String> {
    let mut text = format!(
        "{name} of {} {}\n",
        catalogue.backend(),
        catalogue.version()
    );
    let mut line = |label: &str, value: &str| {
        if !value.is_empty() {
            let _ = write!(text, "\n  {label:<9} {value}");
        }
    };
    if let Some(parameter) = catalogue.parameters().get(name) {
        line("does", &parameter.doc);
        line("moves", &parameter.reason);
        line("level", level(parameter.level));
        line("takes", &parameter.admits());
        line("default", &parameter.default.to_string());
        match &parameter.origin {
            Some(origin) => source_lines(&origin.entry, &mut line),
            None => line("from", "the worker"),
        }
        for (what, why) in &parameter.changed {
            line("changed", &format!("{what}: {why}"));
        }
    } else if let Some(entry) = catalogue.extra().get(name) {
        line("level", level(entry.level));
        line("takes", &entry.admits());
        line("default", &entry.default_text());
        source_lines(entry, &mut line);
        line(
            "set by",
            &format!("grid.extra: {{{}: {{{name}: …}}}}", catalogue.backend()),
        );
    } else if let Some(reason) = catalogue.exclusions().get(name) {
        line("excluded", reason);
    } else {
        let removed = catalogue.removed().get(name)?;
        line("dropped", &format!("after {}", removed.last_version));
        line("advice", &removed.advice());
    }
    for rule in catalogue.rules() {
        if rule.forbid.names().contains(&name) {
            line(
                "rule",
                &format!("{} ({}; {})", rule.message, rule.id, rule.source),
            );
        }
    }
    for equivalence in catalogue.equivalences() {
        if equivalence.dead.iter().any(|dead| dead == name) {
            line(
                "no effect",
                &format!(
                    "{} ({}; {})",
                    equivalence.message, equivalence.id, equivalence.source
                ),
            );
        }
    }
    Some(text)
}

fn source_lines(entry: &Entry, line: &mut impl FnMut(&str, &str)) {
    line(
        "from",
        &format!("{}.{}: {}", entry.owner, entry.member, entry.type_text),
    );
    let status = match entry.status {
        Status::Extracted => "",
        Status::Transcribed => " (transcribed, not extracted: lemctl params audit)",
    };
    line("source", &format!("{}{status}", entry.source));
    line("tags", &entry.tags.join(", "));
}

fn parameter_view(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "level": parameter.level,
        "takes": parameter.admits(),
        "default": parameter.default,
        "choices": parameter.choices,
        "doc": parameter.doc,
        "reason": parameter.reason,
        "changed": parameter.changed,
        "origin": parameter.origin.as_ref().map(|origin| &origin.entry),
    })
}

fn rules_on(catalogue: &Catalogue, name: &str) -> Value {
    let rules = catalogue.rules().iter();
    rules
        .filter(|rule| rule.forbid.names().contains(&name))
        .map(|rule| json!({ "id": rule.id, "message": rule.message, "source": rule.source }))
        .collect()
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Engine => "engine",
        Level::Request => "request",
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// What fits into a column.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 1).collect::<String>() + "…"
}
