//! What the contract is tried on: a GPU of the simulator under a steady load, or the first GPU of a real
//! library.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use lemctl::telemetry::{GpuTelemetry, NvmlTelemetry};

use super::nvml_sim::{Scenario, SimulatedMachine};

/// A GPU to read.
pub struct Subject {
    pub telemetry: Arc<dyn GpuTelemetry>,
    pub gpu: String,
    pub simulated: bool,
    /// Where the simulator lives; gone with the subject.
    machine: Option<SimulatedMachine>,
}

impl Subject {
    /// True where the scenario says that this process holds 4 GiB of the GPU.
    pub fn is_loaded_by_us(&self) -> bool {
        self.machine.is_some()
    }

    /// The first GPU of a simulated machine.
    pub fn of(scenario: &Scenario) -> Self {
        let machine = SimulatedMachine::new(scenario);
        let library = Utf8PathBuf::from_path_buf(machine.library()).unwrap();
        Self {
            telemetry: Arc::new(NvmlTelemetry::open(Some(&library)).unwrap()),
            gpu: scenario.uuid(0),
            simulated: true,
            machine: Some(machine),
        }
    }
}

/// One H100 of the simulator; this process holds 4 GiB of it and computes at 60 %.
pub fn simulated() -> Subject {
    Subject::of(&scenario(
        r#"{"load": {"scenario": [{"for_s": 3600, "busy": 0.6, "mib": 4096, "pid": PID}]}}"#,
    ))
}

/// A scenario from its text; `PID` stands for this process.
pub fn scenario(text: &str) -> Scenario {
    Scenario::parse(&text.replace("PID", &std::process::id().to_string())).unwrap()
}

/// The first GPU of the library that the environment names.
#[expect(
    clippy::disallowed_methods,
    reason = "a test program is an edge: the environment says whether there is a GPU"
)]
pub fn real() -> Option<Subject> {
    let library = std::env::var("LEM_NVML_LIBRARY").ok()?;
    let telemetry = NvmlTelemetry::open(Some(Utf8Path::new(&library))).unwrap();
    let gpu = telemetry.gpus().value[0].uuid.clone();
    Some(Subject {
        simulated: telemetry.library().simulated,
        telemetry: Arc::new(telemetry),
        gpu,
        machine: None,
    })
}

/// Says that a clause was not tried.
#[expect(clippy::disallowed_macros, reason = "a test says what it did not do")]
pub fn skipped() {
    eprintln!("skipped: LEM_NVML_LIBRARY names no library");
}
