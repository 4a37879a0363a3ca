//! Names that say nothing: no file, module or type is called after them. docs/glossary.md has the words
//! that say something.

use syn::visit::{self, Visit};

use super::source::Source;

/// In lower case; a plural `s` is taken off before comparing.
const EMPTY_WORDS: &[&str] = &[
    "util", "helper", "common", "manager", "handler", "job", "task", "context", "misc",
];

/// Files, modules and types of `source` with an empty word in their name.
pub fn check(source: &Source) -> Vec<String> {
    let mut names = Names::default();
    for part in source.path.trim_end_matches(".rs").split('/') {
        names.add(part);
    }
    names.visit_file(&source.tree);
    let empty = names.0.into_iter().filter(|name| has_empty_word(name));
    empty
        .map(|name| format!("{}: `{name}`", source.path))
        .collect()
}

fn has_empty_word(name: &str) -> bool {
    let mut spaced = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() {
            spaced.push('_');
        }
        spaced.extend(letter.to_lowercase());
    }
    let mut words = spaced.split(['_', '-', '.']);
    words.any(|word| {
        EMPTY_WORDS.contains(&word) || EMPTY_WORDS.contains(&word.trim_end_matches('s'))
    })
}

#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn add(&mut self, name: impl ToString) {
        self.0.push(name.to_string());
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.add(&item.ident);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.add(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.add(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.add(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.add(&item.ident);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_words_are_found() {
        for (path, text) in [
            ("src/plan/utils.rs", ""),
            ("src/common/mod.rs", ""),
            ("src/plan/mod.rs", "mod helpers {}"),
            ("src/plan/mod.rs", "struct RunManager;"),
            ("src/plan/mod.rs", "mod a { pub enum TaskState { A } }"),
            ("src/plan/mod.rs", "trait EventHandler {}"),
        ] {
            assert_eq!(check(&Source::new(path, text)).len(), 1, "{path}: {text}");
        }
    }

    #[test]
    fn words_that_only_contain_one_are_fine() {
        let text = "struct Commons0; struct Multitasking; enum Jobless { A }";
        assert!(check(&Source::new("src/plan/jobbing.rs", text)).is_empty());
    }
}
