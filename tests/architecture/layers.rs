//! The layer edges: a module may name the layers to the right of its own, never its siblings.

use super::mentions::mentions;
use super::source::Source;

/// From the outermost to the innermost; modules of one row are siblings.
pub const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["runner", "report", "progress"],
    &["manifest"],
    &["journal", "worker", "telemetry", "environment", "store"],
    &["containers"],
    &["clock"],
    &["execution"],
    &["plan"],
    &["campaign"],
    &["catalogue", "compose", "energy", "quality"],
    &["document"],
    &["units", "diagnostics"],
];

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&layer))
}

/// What `source` names that it may not.
pub fn check(source: &Source) -> Vec<String> {
    let Some(layer) = source.layer() else {
        return Vec::new();
    };
    let Some(own) = rank(&layer) else {
        return vec![format!("{}: `{layer}` has no layer", source.path)];
    };
    let mut violations = Vec::new();
    for mention in mentions(source).all {
        let [root, rest @ ..] = mention.path.as_slice() else {
            continue;
        };
        if root != "crate" {
            continue;
        }
        let name = mention.display();
        let path = &source.path;
        match rest.first() {
            None if mention.glob => violations.push(format!("{path}: `{name}` names every layer")),
            Some(target) if *target != layer => match rank(target) {
                Some(theirs) if theirs > own => {}
                Some(theirs) if theirs == own => {
                    violations.push(format!(
                        "{path}: `{name}`: {layer} and {target} are siblings"
                    ));
                }
                Some(_) => {
                    violations.push(format!("{path}: `{name}`: {target} lies above {layer}"));
                }
                None => violations.push(format!("{path}: `{name}`: `{target}` has no layer")),
            },
            None | Some(_) => {}
        }
    }
    violations
}

/// Modules that `lib.rs` declares and the table does not know.
pub fn undeclared(lib: &Source) -> Vec<String> {
    let modules = lib.tree.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    });
    modules
        .filter(|name| rank(name).is_none())
        .map(|name| format!("{}: `{name}` has no layer", lib.path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    #[test]
    fn downwards_is_allowed() {
        let text =
            "use crate::{campaign::Campaign, units::Digest}; use super::graph; use self::x::Y;";
        assert_eq!(violations("src/plan/order.rs", text), 0);
        assert_eq!(
            violations("src/main.rs", "fn main() { lemctl::cli::main() }"),
            0
        );
    }

    #[test]
    fn upwards_and_sideways_are_not() {
        for (path, text) in [
            ("src/plan/mod.rs", "use crate::execution::State;"),
            ("src/plan/order.rs", "use super::super::runner::Runner;"),
            (
                "src/journal/mod.rs",
                "fn f() -> crate::worker::Id { todo() }",
            ),
            ("src/units/mod.rs", "use crate::diagnostics::Fault;"),
            (
                "src/worker/mod.rs",
                "fn f() { format!(\"{}\", crate::cli::x()); }",
            ),
            (
                "src/plan/mod.rs",
                "mod inner { use super::super::journal; }",
            ),
            (
                "src/plan/mod.rs",
                "#[cfg(test)] mod tests { use crate::runner::Runner; }",
            ),
            ("src/compose/mod.rs", "use crate::*;"),
            ("src/compose/mod.rs", "use crate::elsewhere::X;"),
            ("src/elsewhere/mod.rs", ""),
            (
                "src/plan/mod.rs",
                "use crate as c; fn f() { c::runner::go(); }",
            ),
        ] {
            assert_eq!(violations(path, text), 1, "{path}: {text}");
        }
    }

    #[test]
    fn a_module_without_a_layer_is_found() {
        let lib = Source::new("src/lib.rs", "pub mod plan; pub mod extras;");
        assert_eq!(undeclared(&lib).len(), 1);
    }
}
