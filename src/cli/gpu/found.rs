//! What was found of a GPU's sensor, for people.

use crate::energy::sensor::{Estimate, Finding, SensorFile};
use crate::report::table;

/// Tables and remarks.
pub(super) fn text(file: &SensorFile, path: &str) -> String {
    let simulated = if file.simulated { ", simulated" } else { "" };
    let mut text = format!(
        "{} {} (driver {}{simulated})\n\n",
        file.name, file.gpu, file.driver_version
    );
    let sources = [
        ("energy counter", &file.counter),
        ("sample buffer", &file.samples),
        ("power average", &file.average),
        ("power instant", &file.instant),
    ];
    let header = [
        "source",
        "update ms",
        "window ms",
        "latency ms",
        "explained",
        "readings",
    ];
    let rows = sources.iter().map(|(name, finding)| row(name, finding));
    text.push_str(&table(&header, rows.collect(), 1));
    text.push_str("\n\n");
    let rows = file.idle.iter().map(|idle| {
        vec![
            idle.state.as_str().to_owned(),
            format!("{:.1}", idle.held_bytes as f64 / f64::from(1 << 30)),
            shown(Some(idle.watts), 1.0, 2),
            idle.sm_clock_mhz
                .map_or("-".to_owned(), |mhz| mhz.to_string()),
            idle.temperature_celsius
                .map_or("-".to_owned(), |celsius| celsius.to_string()),
        ]
    });
    text.push_str(&table(
        &["idle", "held GiB", "W", "SM MHz", "°C"],
        rows.collect(),
        1,
    ));
    text.push_str(&format!(
        "\ncontext above bare: {} W\n",
        shown(file.context_above_bare_watts, 1.0, 2)
    ));
    for agreement in &file.agreement {
        text.push_str(&format!(
            "\nsample buffer above counter, {} {:.0} s: {} %",
            agreement.load,
            agreement.seconds,
            shown(Some(agreement.samples_above_counter), 100.0, 2)
        ));
    }
    if let Some(gain) = &file.gain {
        text.push_str(&format!(
            "\nreads {:.4} ± {:.4} of the meter, plus {:.2} ± {:.2} W",
            gain.factor, gain.factor_half_width, gain.offset_watts, gain.offset_half_width_watts
        ));
    }
    for (name, finding) in sources {
        for reason in &finding.reasons {
            text.push_str(&format!("\n{name}: {reason}"));
        }
    }
    for remark in &file.remarks {
        text.push_str(&format!("\n{remark}"));
    }
    text.push_str(&format!("\n\n± is a 95 % interval; written to {path}"));
    text
}

fn row(name: &str, finding: &Finding) -> Vec<String> {
    let ms = 1e-6;
    vec![
        name.to_owned(),
        shown(finding.update_period_ns, ms, 2),
        shown(finding.averaging_window_ns, ms, 2),
        shown(finding.latency_ns, ms, 2),
        finding
            .explained
            .map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share)),
        finding.readings.to_string(),
    ]
}

/// `value ± half-width` times `scale`.
fn shown(estimate: Option<Estimate>, scale: f64, digits: usize) -> String {
    estimate.map_or("-".to_owned(), |estimate| {
        format!(
            "{:.digits$} ± {:.digits$}",
            scale * estimate.value,
            scale * estimate.half_width
        )
    })
}
