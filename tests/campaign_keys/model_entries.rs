//! Keys of the model: where it comes from.

use super::Effect::{self, Experiments, Policy};

/// A model on a backend that loads models.
fn of(model: &str) -> String {
    format!("model: {{{model}}}\ngrid: {{backends: [widget]}}")
}

pub fn entries() -> Vec<(&'static str, String, String, Effect)> {
    let random = of("random: {seed: 1, config: a.json}");
    let dummy = of("dummy: {config: a.json}");
    let local = of("local: {path: m}");
    let hub = of("hub: {id: org/m, revision: v1, vocab_size: 1000}");
    let entry =
        |key, first: &str, second: &str, effect| (key, first.to_owned(), of(second), effect);
    vec![
        entry(
            "model.random.config",
            &random,
            "random: {seed: 1, config: b.json}",
            Experiments,
        ),
        entry(
            "model.dummy",
            &random,
            "dummy: {config: a.json}",
            Experiments,
        ),
        entry(
            "model.dummy.config",
            &dummy,
            "dummy: {config: b.json}",
            Experiments,
        ),
        entry("model.local", &random, "local: {path: m}", Experiments),
        // Where it lies is no part of what was asked.
        entry(
            "model.local.path",
            &of("local: {path: m, name: x}"),
            "local: {path: n, name: x}",
            Policy,
        ),
        entry(
            "model.local.name",
            &local,
            "local: {path: m, name: x}",
            Experiments,
        ),
        entry(
            "model.local.weights",
            &local,
            "local: {path: m, weights: random}",
            Experiments,
        ),
        entry(
            "model.hub",
            &random,
            "hub: {id: org/m, vocab_size: 1000}",
            Experiments,
        ),
        entry(
            "model.hub.id",
            &hub,
            "hub: {id: org/n, revision: v1, vocab_size: 1000}",
            Experiments,
        ),
        entry(
            "model.hub.revision",
            &hub,
            "hub: {id: org/m, revision: v2, vocab_size: 1000}",
            Experiments,
        ),
        entry(
            "model.hub.vocab_size",
            &hub,
            "hub: {id: org/m, revision: v1, vocab_size: 999}",
            Experiments,
        ),
    ]
}
