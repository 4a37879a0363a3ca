//! No GPU: a load log for the GPU simulator, `<CLOCK_MONOTONIC ns> <busy 0..1> <bytes held>` a line at every
//! change. The log stands and is locked while there is a context, which is how the simulator knows the process.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use lem_protocol::Burst;
use nix::fcntl::{Flock, FlockArg};

use crate::clock::{monotonic_ns, sleep_until};
use crate::gpu::{Fault, Gpu};

/// What a context of the CUDA driver takes on an H100, about, in bytes.
const CONTEXT_BYTES: u64 = 528 * 1024 * 1024;

/// The GPU behind a load log.
pub struct SimulatedGpu {
    path: PathBuf,
    gpu: String,
    log: Option<Flock<File>>,
    bytes: u64,
}

impl SimulatedGpu {
    /// A GPU whose load is logged to `path` once there is a context.
    pub fn new(path: PathBuf, gpu: Option<String>) -> Self {
        Self {
            path,
            gpu: gpu.unwrap_or_else(|| "simulated".to_owned()),
            log: None,
            bytes: 0,
        }
    }

    /// Writes a change, and gives its moment.
    fn line(&mut self, busy: u8) -> Result<u64, Fault> {
        let bytes = CONTEXT_BYTES + self.bytes;
        let log = self.log.as_mut().ok_or_else(Fault::no_context)?;
        let now = monotonic_ns();
        let line = format!("{now} {busy} {bytes}\n");
        log.write_all(line.as_bytes())
            .map_err(|error| Fault::new("log", format!("cannot write the log: {error}")))?;
        Ok(now)
    }
}

impl Gpu for SimulatedGpu {
    fn simulated(&self) -> bool {
        true
    }

    fn context(&mut self) -> Result<String, Fault> {
        if self.log.is_none() {
            let failed = |what: &str, error: &dyn std::fmt::Display| {
                Fault::new(
                    "log",
                    format!("cannot {what} {}: {error}", self.path.display()),
                )
            };
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)
                .map_err(|error| failed("open", &error))?;
            let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
                .map_err(|(_, error)| failed("lock", &error))?;
            self.log = Some(lock);
            self.line(0)?;
        }
        Ok(self.gpu.clone())
    }

    fn hold(&mut self, bytes: u64) -> Result<(), Fault> {
        if self.log.is_none() {
            return Err(Fault::no_context());
        }
        self.bytes = bytes;
        self.line(0).map(|_| ())
    }

    fn burst(&mut self, deadline_ns: u64) -> Result<Burst, Fault> {
        let start_ns = self.line(1)?;
        sleep_until(deadline_ns);
        let end_ns = self.line(0)?;
        Ok(Burst { start_ns, end_ns })
    }

    fn release(&mut self) -> Result<(), Fault> {
        // Closing the file gives up its lock.
        self.log = None;
        self.bytes = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_what_was_done_and_is_locked_meanwhile() {
        let path = std::env::temp_dir().join(format!("lem-load-{}.log", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mut gpu = SimulatedGpu::new(path.clone(), Some("GPU-7".into()));
        assert_eq!(gpu.hold(1).unwrap_err().code, "no_context");
        assert!(!path.exists());
        assert_eq!(gpu.context().unwrap(), "GPU-7");
        let mut other = SimulatedGpu::new(path.clone(), None);
        assert_eq!(other.context().unwrap_err().code, "log");
        gpu.hold(1 << 30).unwrap();
        let burst = gpu.burst(monotonic_ns() + 2_000_000).unwrap();
        gpu.release().unwrap();
        assert!(other.context().is_ok());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let bytes = CONTEXT_BYTES + (1 << 30);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with(&format!(" 0 {CONTEXT_BYTES}")), "{text}");
        assert_eq!(lines[2], format!("{} 1 {bytes}", burst.start_ns));
        assert_eq!(lines[3], format!("{} 0 {bytes}", burst.end_ns));
        assert!(burst.end_ns - burst.start_ns >= 2_000_000);
    }
}
