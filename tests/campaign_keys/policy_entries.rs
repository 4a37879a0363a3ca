//! The keys that say how a campaign is run and judged, each with two values and its effect.

use super::Effect::{self, CampaignHash, Experiments, Policy};

/// A key, two files' worth of sections that differ in it only, and the effect.
pub fn entries() -> Vec<(&'static str, String, String, Effect)> {
    let mut entries = Vec::new();
    let mut entry = |key, first: &str, second: &str, effect| {
        entries.push((key, first.to_owned(), second.to_owned(), effect))
    };
    let execution = |rest: &str| format!("execution: {{{rest}}}");
    entry(
        "execution",
        "execution: {}",
        &execution("cycles: 9"),
        CampaignHash,
    );
    for (key, value, effect) in [
        ("execution.cycles", "cycles: 9", CampaignHash),
        ("execution.structure", "structure: grouped", CampaignHash),
        ("execution.seed", "seed: 9", CampaignHash),
        (
            "execution.config_gap_seconds",
            "config_gap_seconds: 9",
            CampaignHash,
        ),
        (
            "execution.cycle_gap_seconds",
            "cycle_gap_seconds: 9",
            CampaignHash,
        ),
        (
            "execution.force_cold_start",
            "force_cold_start: true",
            CampaignHash,
        ),
        ("execution.timeouts", "timeouts: {load_seconds: 9}", Policy),
        (
            "execution.timeouts.start_seconds",
            "timeouts: {start_seconds: 9}",
            Policy,
        ),
        (
            "execution.timeouts.load_seconds",
            "timeouts: {load_seconds: 9}",
            Policy,
        ),
        (
            "execution.timeouts.warmup_seconds",
            "timeouts: {warmup_seconds: 9}",
            Policy,
        ),
        (
            "execution.timeouts.measure_seconds",
            "timeouts: {measure_seconds: 9}",
            Policy,
        ),
        (
            "execution.breaker",
            "breaker: {consecutive_failures: 9}",
            Policy,
        ),
        (
            "execution.breaker.consecutive_failures",
            "breaker: {consecutive_failures: 9}",
            Policy,
        ),
    ] {
        entry(key, "execution: {}", &execution(value), effect);
    }
    let auto = execution("cycles: auto");
    for (key, value) in [
        ("execution.auto_cycles", "max: 30"),
        (
            "execution.auto_cycles.target_half_width",
            "target_half_width: 0.1",
        ),
        ("execution.auto_cycles.max", "max: 31"),
    ] {
        let changed = execution(&format!("cycles: auto, auto_cycles: {{{value}}}"));
        entry(key, &auto, &changed, CampaignHash);
    }
    for (key, value) in [
        ("execution.gap", "until: fixed"),
        ("execution.gap.until", "until: fixed"),
        (
            "execution.gap.temperature_celsius",
            "temperature_celsius: 9",
        ),
        ("execution.gap.power_watts", "power_watts: 9"),
        ("execution.gap.max_seconds", "max_seconds: 9"),
    ] {
        let changed = execution(&format!("gap: {{{value}}}"));
        entry(key, "execution: {}", &changed, CampaignHash);
    }
    for (key, value) in [
        ("execution.retries", "max: 2"),
        ("execution.retries.max", "max: 2"),
        (
            "execution.retries.thermal_gap_seconds",
            "thermal_gap_seconds: 9",
        ),
    ] {
        let changed = execution(&format!("retries: {{{value}}}"));
        entry(key, "execution: {}", &changed, CampaignHash);
    }
    entry(
        "warmup",
        "warmup: {}",
        "warmup: {enabled: false}",
        Experiments,
    );
    entry(
        "warmup.enabled",
        "warmup: {}",
        "warmup: {enabled: false}",
        Experiments,
    );
    entry(
        "warmup.max_seconds",
        "warmup: {}",
        "warmup: {max_seconds: 9}",
        Experiments,
    );
    entry(
        "warmup.min_iterations",
        "warmup: {}",
        "warmup: {min_iterations: 9}",
        Experiments,
    );
    entry(
        "warmup.throughput_cv",
        "warmup: {}",
        "warmup: {throughput_cv: 0.5}",
        Experiments,
    );
    for (key, value) in [
        ("warmup.throughput_trend", "throughput_trend: 0.5"),
        ("warmup.power_trend", "power_trend: 0.5"),
        ("warmup.power_window_seconds", "power_window_seconds: 9"),
        ("warmup.strict", "strict: true"),
    ] {
        entry(
            key,
            "warmup: {}",
            &format!("warmup: {{{value}}}"),
            Experiments,
        );
    }
    for (key, value, effect) in [
        ("energy", "baseline_seconds: 9", Experiments),
        (
            "energy.reading_seconds",
            "reading_seconds: 0.5",
            CampaignHash,
        ),
        (
            "energy.baseline_seconds",
            "baseline_seconds: 9",
            Experiments,
        ),
        ("energy.settle_seconds", "settle_seconds: 9", Experiments),
        ("energy.rewarm_seconds", "rewarm_seconds: 9", Experiments),
    ] {
        entry(key, "energy: {}", &format!("energy: {{{value}}}"), effect);
    }
    for (key, value) in [
        ("leaks", "tolerance_mib: 9"),
        ("leaks.tolerance_mib", "tolerance_mib: 9"),
        ("leaks.deadline_seconds", "deadline_seconds: 9"),
    ] {
        entry(
            key,
            "leaks: {}",
            &format!("leaks: {{{value}}}"),
            CampaignHash,
        );
    }
    for (key, value) in [
        ("rules", "kind: quick"),
        ("rules.kind", "kind: quick"),
        ("rules.quick_seconds", "quick_seconds: 9"),
        ("rules.cycle_cv", "cycle_cv: 0.5"),
        ("rules.cycle_drift", "cycle_drift: 0.5"),
        ("rules.baseline_watts", "baseline_watts: 9"),
        ("rules.source_agreement", "source_agreement: 0.5"),
        ("rules.thermal_share", "thermal_share: 0.5"),
        ("rules.coherent", "coherent: reject"),
    ] {
        entry(
            key,
            "rules: {}",
            &format!("rules: {{{value}}}"),
            CampaignHash,
        );
    }
    entry(
        "baseline",
        "baseline: off",
        "baseline: required",
        Experiments,
    );
    let torch = |profile: &str| {
        format!(
            "execution: {{{profile}}}\nmodel: {{local: {{path: m}}}}\ngrid: {{backends: [pytorch]}}"
        )
    };
    entry(
        "execution.profile",
        &torch(""),
        &torch("profile: torch"),
        Experiments,
    );
    // Quality is judged of real weights only.
    let real = |quality: &str| {
        format!(
            "model: {{local: {{path: m}}}}\ngrid: {{backends: [widget], shared: {{max_seqs: [16, 32]}}}}\n{quality}"
        )
    };
    let gate = |keys: &str| {
        real(&format!(
            "quality: {{reference: {{when: {{max_seqs: 16}}}}{keys}}}"
        ))
    };
    for (key, first, second) in [
        ("quality", real(""), real("quality: {assess: false}")),
        ("quality.assess", real(""), real("quality: {assess: false}")),
        (
            "quality.prompts",
            real(""),
            real("quality: {prompts: a.jsonl}"),
        ),
        ("quality.reference", real(""), gate("")),
        (
            "quality.reference.when",
            gate(""),
            real("quality: {reference: {when: {max_seqs: 32}}}"),
        ),
        (
            "quality.reference.experiment",
            gate(""),
            real("quality: {reference: {experiment: widget-max_seqs16}}"),
        ),
        (
            "quality.max_logprob_difference",
            gate(""),
            gate(", max_logprob_difference: 0.5"),
        ),
        (
            "quality.min_greedy_agreement",
            gate(""),
            gate(", min_greedy_agreement: 0.9"),
        ),
    ] {
        entry(key, &first, &second, CampaignHash);
    }
    entry(
        "strict_versions",
        "strict_versions: false",
        "strict_versions: true",
        CampaignHash,
    );
    for (key, first, second) in [
        ("slo", "ttft_p99_ms: 200", "itl_p99_ms: 200"),
        ("slo.ttft_p99_ms", "ttft_p99_ms: 200", "ttft_p99_ms: 300"),
        ("slo.itl_p99_ms", "itl_p99_ms: 20", "itl_p99_ms: 30"),
    ] {
        let slo = |keys: &str| format!("slo: {{{keys}}}");
        entry(key, &slo(first), &slo(second), CampaignHash);
    }
    entry("gpus", "gpus: [GPU-0a]", "gpus: [GPU-0b]", CampaignHash);
    entries
}
