//! Whether the keys of the policies fit each other: a key that is written has an effect.

use serde_json::Value as Json;

use super::{Loader, section};
use crate::campaign::grid::Grid;
use crate::campaign::policy::{
    BaselinePolicy, Cycles, ExecutionPolicy, GapUntil, Profiler, WarmupPolicy,
};
use crate::energy::STRICT_TEMPERATURE_SECONDS;

impl Loader<'_> {
    /// Keys beside which another key leaves nothing to decide.
    pub(super) fn policies_fit(&mut self, sections: &Json) {
        let execution: ExecutionPolicy = section(sections, "execution").unwrap_or_default();
        // Cycles that did not fit were told; what they would have been nobody knows.
        let told = self.root.find(&["execution", "cycles"]).is_some()
            && sections.pointer("/execution/cycles").is_none();
        if execution.cycles != Cycles::Auto && !told {
            self.idle(
                &["execution", "auto_cycles"],
                "`cycles` is a number",
                "write `cycles: auto`, or remove the key",
            );
        }
        if execution.gap.until == GapUntil::Fixed {
            for key in ["temperature_celsius", "power_watts", "max_seconds"] {
                self.idle(
                    &["execution", "gap", key],
                    "a gap until `fixed` has its seconds and nothing else",
                    "write `until: settled`, or remove the key",
                );
            }
        }
        if execution.retries.max == 0 {
            self.idle(
                &["execution", "retries", "thermal_gap_seconds"],
                "`max` is 0, so nothing is tried again by itself",
                "raise `max`, or remove the key",
            );
        }
        let baseline: BaselinePolicy = section(sections, "baseline").unwrap_or_default();
        if baseline == BaselinePolicy::Off {
            for key in ["baseline_seconds", "settle_seconds", "rewarm_seconds"] {
                self.idle(
                    &["energy", key],
                    "`baseline` is off",
                    "write `baseline: optional`, or remove the key",
                );
            }
        }
    }

    /// A profiler belongs to one engine.
    pub(super) fn profiler_fits(&mut self, sections: &Json, grid: &Grid) {
        let execution: ExecutionPolicy = section(sections, "execution").unwrap_or_default();
        if execution.profile != Profiler::Torch {
            return;
        }
        for backend in grid.catalogues().keys().filter(|name| **name != "pytorch") {
            self.say(
                &["execution", "profile"],
                format!(
                    "`{backend}` has no profiler that counts phases: torch's runs in `pytorch` only"
                ),
                Some("leave the backend out, or remove `profile`"),
            );
        }
    }

    /// A strict warm-up that is over before its conditions can hold would reject every run.
    pub(super) fn strict_fits(&mut self, gpus: &[String], sections: &Json) {
        let warmup: WarmupPolicy = section(sections, "warmup").unwrap_or_default();
        let least = STRICT_TEMPERATURE_SECONDS.max(warmup.power_window_seconds);
        if gpus.is_empty() || !warmup.enabled || !warmup.strict || warmup.max_seconds > least {
            return;
        }
        let key = if self.root.find(&["warmup", "max_seconds"]).is_some() {
            "max_seconds"
        } else {
            "strict"
        };
        self.say(
            &["warmup", key],
            format!(
                "a strict warm-up looks back {least} s and this one ends after {} s: it would reject every run",
                warmup.max_seconds
            ),
            Some("raise `warmup.max_seconds`, or remove `strict`"),
        );
    }

    /// Tells of a key that is written and has no effect.
    pub(super) fn idle(&mut self, path: &[&str], because: &str, hint: &str) {
        if self.root.find(path).is_none() {
            return;
        }
        let key = path.last().copied().unwrap_or_default();
        self.say(
            path,
            format!("`{key}` has no effect: {because}"),
            Some(hint),
        );
    }
}
