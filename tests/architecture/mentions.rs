//! Every path that a file names, resolved as far as a syntax tree allows: `use` trees, types, expressions,
//! attributes and the tokens of macro calls. `self::`, `super::` and names that a `use` of the same file
//! binds are expanded, so that `use std::time; time::Instant::now()` is seen for what it is.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemUse, Meta, UseTree, Visibility};

use super::source::Source;

/// One path that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Segments; the first is `crate`, the name of an outside crate, or a local name.
    pub path: Vec<String>,
    /// A `use` ending in `*`; the star is not part of `path`.
    pub glob: bool,
    /// A `use`, not a path in the code.
    pub imported: bool,
    /// A `pub use`: what it names becomes part of this module.
    pub reexport: bool,
    /// Below a `#[cfg(test)]`.
    pub in_test: bool,
}

impl Mention {
    /// The path as one writes it.
    pub fn display(&self) -> String {
        let star = if self.glob { "::*" } else { "" };
        format!("{}{star}", self.path.join("::"))
    }
}

/// What one file names.
#[derive(Debug, Default)]
pub struct Mentions {
    /// In the order of the file.
    pub all: Vec<Mention>,
    /// Modules declared as `#[cfg(test)] mod name;`, as full paths: their files are tests.
    pub test_modules: Vec<Vec<String>>,
}

/// Reads `source`.
pub fn mentions(source: &Source) -> Mentions {
    let mut collector = Collector {
        module: source.module(),
        test_depth: 0,
        bindings: BTreeMap::new(),
        found: Mentions::default(),
    };
    collector.visit_file(&source.tree);
    let Collector {
        bindings,
        mut found,
        ..
    } = collector;
    for mention in &mut found.all {
        if let Some(bound) = mention.path.first().and_then(|first| bindings.get(first)) {
            mention.path.splice(..1, bound.iter().cloned());
        }
    }
    // A single name outside a `use` is a local or a prelude name, never a way into another module.
    found
        .all
        .retain(|mention| mention.path.len() > 1 || mention.imported);
    found
}

struct Collector {
    module: Vec<String>,
    test_depth: usize,
    bindings: BTreeMap<String, Vec<String>>,
    found: Mentions,
}

impl Collector {
    fn name(&mut self, segments: &[String]) {
        self.push(segments, false, None);
    }

    fn import(&mut self, segments: &[String], glob: bool, reexport: bool) {
        self.push(segments, glob, Some(reexport));
    }

    fn push(&mut self, segments: &[String], glob: bool, import: Option<bool>) {
        self.found.all.push(Mention {
            path: resolve(&self.module, segments),
            glob,
            imported: import.is_some(),
            reexport: import == Some(true),
            in_test: self.test_depth > 0,
        });
    }

    fn below(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        let test = usize::from(attributes.iter().any(is_cfg_test));
        self.test_depth += test;
        visit(self);
        self.test_depth -= test;
    }

    fn use_tree(&mut self, tree: &UseTree, prefix: &mut Vec<String>, reexport: bool) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.use_tree(&path.tree, prefix, reexport);
                prefix.pop();
            }
            UseTree::Name(name) => self.bind(prefix, &name.ident.to_string(), None, reexport),
            UseTree::Rename(rename) => {
                let (name, bound) = (rename.ident.to_string(), rename.rename.to_string());
                self.bind(prefix, &name, Some(bound), reexport);
            }
            UseTree::Glob(_) => self.import(&prefix.clone(), true, reexport),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, prefix, reexport);
                }
            }
        }
    }

    fn bind(&mut self, prefix: &[String], name: &str, bound: Option<String>, reexport: bool) {
        let mut path = prefix.to_vec();
        if name != "self" || path.is_empty() {
            path.push(name.to_owned());
        }
        self.import(&path, false, reexport);
        let bound = bound.or_else(|| path.last().cloned());
        if let Some(bound) = bound {
            let target = resolve(&self.module, &path);
            // A one-segment target (`use bollard;`) stays itself; it needs no expansion, but a mention.
            if target.len() > 1 || target.first() != Some(&bound) {
                self.bindings.insert(bound, target);
            }
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let mut path = vec![first.to_string()];
                    while let (
                        Some(TokenTree::Punct(a)),
                        Some(TokenTree::Punct(b)),
                        Some(TokenTree::Ident(next)),
                    ) = (tokens.get(at + 1), tokens.get(at + 2), tokens.get(at + 3))
                        && a.as_char() == ':'
                        && b.as_char() == ':'
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    if path.len() > 1 {
                        self.name(&path);
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }

    /// `#[serde(with = "crate::units::hex")]` names a path inside a string.
    fn quoted_paths(&mut self, tokens: TokenStream) {
        for token in tokens {
            if let TokenTree::Literal(literal) = token
                && let Ok(syn::Lit::Str(text)) = syn::parse_str(&literal.to_string())
                && let Ok(path) = text.parse::<syn::Path>()
            {
                self.visit_path(&path);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let mut path = self.module.clone();
        path.push(item.ident.to_string());
        if item.content.is_none() {
            if self.test_depth > 0 || item.attrs.iter().any(is_cfg_test) {
                self.found.test_modules.push(path);
            }
            return;
        }
        self.below(&item.attrs, |this| {
            this.module.push(item.ident.to_string());
            visit::visit_item_mod(this, item);
            this.module.pop();
        });
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.below(&item.attrs, |this| visit::visit_item_fn(this, item));
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        self.below(&item.attrs, |this| visit::visit_item_impl(this, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.below(&item.attrs, |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.below(&item.attrs, |this| {
            let reexport = matches!(item.vis, Visibility::Public(_));
            this.use_tree(&item.tree, &mut Vec::new(), reexport);
        });
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.name(&segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        visit::visit_macro(self, call);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        visit::visit_attribute(self, attribute);
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
            self.quoted_paths(list.tokens.clone());
        }
    }
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else {
        return false;
    };
    let text = list.tokens.to_string();
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    list.path.is_ident("cfg") && words.any(|word| word == "test") && !text.contains("not")
}

/// `segments` as a path from the crate's root or from an outside crate.
fn resolve(module: &[String], segments: &[String]) -> Vec<String> {
    let Some(first) = segments.first() else {
        return Vec::new();
    };
    let mut base = match first.as_str() {
        // The binary names the library by the package's name.
        "crate" | "lemctl" => vec!["crate".to_owned()],
        "self" | "super" => module.to_vec(),
        _ => return segments.to_vec(),
    };
    for segment in segments {
        match segment.as_str() {
            "crate" | "lemctl" if base.len() == 1 => {}
            "self" => {}
            "super" => {
                base.pop();
            }
            name => base.push(name.to_owned()),
        }
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, text: &str) -> Vec<String> {
        let source = Source::new(path, text);
        mentions(&source).all.iter().map(Mention::display).collect()
    }

    #[test]
    fn sees_uses_expressions_types_macros_and_attributes() {
        let text = r#"
            use crate::{plan::Plan, units::{self, Digest as D}};
            #[serde(with = "crate::document::tree")]
            struct A(super::journal::Line);
            #[tokio::main]
            async fn f() { println!("{}", crate::clock::now()); fs_err::read("x"); units::joules(1) }
            mod inner { pub use super::super::runner::*; }
        "#;
        let found = named("src/worker/mod.rs", text);
        for path in [
            "crate::plan::Plan",
            "crate::units",
            "crate::units::Digest",
            "crate::document::tree",
            "crate::journal::Line",
            "tokio::main",
            "crate::clock::now",
            "fs_err::read",
            "crate::units::joules",
            "crate::runner::*",
        ] {
            assert!(
                found.iter().any(|f| f == path),
                "{path} is not in {found:?}"
            );
        }
    }

    #[test]
    fn expands_what_a_use_binds() {
        let found = named(
            "src/plan/mod.rs",
            "use std::time as t; fn f() { t::Instant::now(); }",
        );
        assert!(
            found.contains(&"std::time::Instant::now".to_owned()),
            "{found:?}"
        );
    }

    #[test]
    fn knows_what_is_test_code() {
        let text = "
            #[cfg(test)] mod tests { fn f() { a::b(); } }
            #[cfg(not(test))] fn g() { c::d(); }
            #[cfg(test)] mod cases;";
        let found = mentions(&Source::new("src/plan/mod.rs", text));
        let in_test = |path: &str| {
            let mention = found.all.iter().find(|m| m.display() == path);
            mention.expect("named above").in_test
        };
        assert!(in_test("a::b"));
        assert!(!in_test("c::d"));
        assert_eq!(found.test_modules, [["crate", "plan", "cases"]]);
    }
}
