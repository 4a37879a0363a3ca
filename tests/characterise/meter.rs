//! A physical meter beside the simulated GPU: a thread that knows the true power from the load log and writes it
//! into a CSV while lemctl runs.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use lem_nvml_sim::scenario::PowerSpec;
use lemctl::clock::{Clock, HostClock};

/// Writes until it is dropped.
pub struct Meter {
    path: Utf8PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Meter {
    /// Begins to write `meter.csv` into the project.
    pub fn start(root: &Utf8Path, power: PowerSpec) -> Self {
        let path = root.join("meter.csv");
        let logs = root.join(".lem/gpu-characterise/lem-load/outbox/gpu");
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, file) = (Arc::clone(&stop), path.clone());
        let thread = std::thread::spawn(move || write(&file, &logs, power, &stopped));
        Self {
            path,
            stop,
            thread: Some(thread),
        }
    }

    /// Its file.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn write(path: &Utf8Path, logs: &Utf8Path, power: PowerSpec, stop: &AtomicBool) {
    let mut file = std::fs::File::create(path).unwrap();
    writeln!(file, "monotonic_ns,watts").unwrap();
    let (mut watts, mut read) = (power.bare_watts, 0);
    while !stop.load(Ordering::Relaxed) {
        let now_ns = HostClock.monotonic_ns();
        let text = log(logs);
        // Every change is a step: a row just before it, one at it.
        let mut rows = String::new();
        for line in text.get(read..).unwrap_or_default().split_inclusive('\n') {
            if !line.ends_with('\n') {
                break;
            }
            read += line.len();
            let mut cells = line.split_whitespace();
            let at_ns: u64 = cells.next().unwrap().parse().unwrap();
            let busy: f64 = cells.next().unwrap().parse().unwrap();
            rows.push_str(&format!("{},{watts}\n", at_ns - 1));
            watts = power.context_watts + busy * (power.busy_watts - power.context_watts);
            rows.push_str(&format!("{at_ns},{watts}\n"));
        }
        if rows.is_empty() {
            rows = format!("{now_ns},{watts}\n");
        }
        file.write_all(rows.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The only log there is, or nothing.
fn log(logs: &Utf8Path) -> String {
    let Ok(entries) = logs.read_dir_utf8() else {
        return String::new();
    };
    let first = entries.filter_map(Result::ok).next();
    first
        .and_then(|entry| std::fs::read_to_string(entry.path()).ok())
        .unwrap_or_default()
}
