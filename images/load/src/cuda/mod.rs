//! A real GPU, through the CUDA driver alone: no framework, no toolkit.

mod driver;

use std::ffi::CString;

use lem_protocol::Burst;

use crate::clock::monotonic_ns;
use crate::gpu::{Fault, Gpu};
use driver::{Driver, Kernel};

/// The load, in PTX of an old version and target, which every driver compiles for newer GPUs.
const SPIN: &str = include_str!("spin.ptx");

/// What a driver is offered that refuses the old ones: PTX version and target.
const NEWER: (&str, &str) = (".version 7.8", ".target sm_90");

/// Longest kernel, in ns: short enough to follow the clocks, long enough for the gap between two (some 10 µs)
/// not to count.
const LONGEST_NS: u64 = 50_000_000;

/// A burst ends with one short kernel, so that its end is exact: its length, in ns.
const LAST_NS: u64 = 1_000_000;

/// What is left of a burst below this is not worth a kernel, in ns.
const NOTHING_NS: u64 = 20_000;

/// The GPU with that UUID.
pub struct CudaGpu {
    wanted: Option<String>,
    open: Option<Open>,
}

/// What stands while there is a context.
struct Open {
    driver: Driver,
    device: i32,
    uuid: String,
    kernel: Kernel,
    blocks: u32,
    never: u64,
    held: Option<u64>,
    rounds_per_ns: f64,
}

impl CudaGpu {
    /// The GPU with that UUID, or the only one.
    pub fn new(wanted: Option<String>) -> Self {
        Self { wanted, open: None }
    }
}

impl Gpu for CudaGpu {
    fn simulated(&self) -> bool {
        false
    }

    fn context(&mut self) -> Result<String, Fault> {
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::new(self.wanted.as_deref())?,
        };
        Ok(self.open.insert(open).uuid.clone())
    }

    fn hold(&mut self, bytes: u64) -> Result<(), Fault> {
        let open = self.open.as_mut().ok_or_else(Fault::no_context)?;
        if let Some(held) = open.held.take() {
            open.driver.free(held)?;
        }
        if bytes > 0 {
            let bytes = usize::try_from(bytes)
                .map_err(|_| Fault::new("out_of_memory", "more bytes than there are addresses"))?;
            open.held = Some(open.driver.take(bytes)?);
            open.driver.synchronize()?;
        }
        Ok(())
    }

    fn burst(&mut self, deadline_ns: u64) -> Result<Burst, Fault> {
        let open = self.open.as_mut().ok_or_else(Fault::no_context)?;
        let start_ns = monotonic_ns();
        let mut end_ns = start_ns;
        while let Some(length_ns) = next_kernel(deadline_ns.saturating_sub(end_ns)) {
            open.spin(length_ns, end_ns)?;
            end_ns = monotonic_ns();
        }
        Ok(Burst { start_ns, end_ns })
    }

    fn release(&mut self) -> Result<(), Fault> {
        self.open
            .take()
            .map_or(Ok(()), |open| open.driver.leave(open.device))
    }
}

/// Length of the next kernel of a burst that still has `left_ns` to go; none at its end.
fn next_kernel(left_ns: u64) -> Option<u64> {
    match left_ns {
        0..NOTHING_NS => None,
        _ if left_ns <= 2 * LAST_NS => Some(left_ns),
        _ => Some((left_ns - LAST_NS).min(LONGEST_NS)),
    }
}

impl Open {
    fn new(wanted: Option<&str>) -> Result<Self, Fault> {
        let driver = Driver::open()?;
        let (device, uuid) = find(&driver, wanted)?;
        driver.enter(device)?;
        let kernel = compile(&driver)?;
        let blocks = driver.blocks(device, kernel)?;
        let never = driver.take(256)?;
        let mut open = Self {
            driver,
            device,
            uuid,
            kernel,
            blocks,
            never,
            held: None,
            rounds_per_ns: 0.001,
        };
        open.calibrate()?;
        Ok(open)
    }

    /// Finds how long a round takes: from a kernel that is short on any GPU to some of about 2 ms, 20 ms of load
    /// in all.
    fn calibrate(&mut self) -> Result<(), Fault> {
        for length_ns in [
            50_000, 200_000, 1_000_000, 2_000_000, 2_000_000, 2_000_000, 2_000_000,
        ] {
            self.spin(length_ns, monotonic_ns())?;
        }
        Ok(())
    }

    /// Runs one kernel that should take `length_ns`, waits for it, and learns from how long it took.
    fn spin(&mut self, length_ns: u64, start_ns: u64) -> Result<(), Fault> {
        let rounds = ((length_ns as f64 * self.rounds_per_ns) as u64).max(1);
        self.driver
            .launch(self.kernel, self.blocks, self.never, rounds)?;
        self.driver.synchronize()?;
        let took_ns = monotonic_ns().saturating_sub(start_ns).max(1);
        let seen = rounds as f64 / took_ns as f64;
        // Launch overhead hides the rate of kernels that turned out short: they only count while nothing better
        // is known. No step is larger than tenfold: the first kernel may have waited for the GPU to wake.
        let known = took_ns >= LAST_NS / 2;
        if known || seen > self.rounds_per_ns {
            self.rounds_per_ns = seen.clamp(self.rounds_per_ns / 10.0, self.rounds_per_ns * 10.0);
        }
        Ok(())
    }
}

/// The device with that UUID.
fn find(driver: &Driver, wanted: Option<&str>) -> Result<(i32, String), Fault> {
    let count = driver.devices()?;
    let mut seen = Vec::new();
    for ordinal in 0..count {
        let device = driver.device(ordinal)?;
        seen.push((device, hexadecimal(&driver.uuid(device)?)));
    }
    let Some(wanted) = wanted else {
        return match seen.as_slice() {
            [(device, uuid)] => Ok((*device, format!("GPU-{uuid}"))),
            _ => Err(Fault::new(
                "no_such_gpu",
                format!("name the GPU: there are {count}"),
            )),
        };
    };
    let bare = wanted.trim_start_matches("GPU-").trim_start_matches("MIG-");
    let found = seen
        .iter()
        .find(|(_, uuid)| uuid.eq_ignore_ascii_case(bare));
    match found {
        Some((device, _)) => Ok((*device, wanted.to_owned())),
        None => {
            let shown: Vec<&str> = seen.iter().map(|(_, uuid)| uuid.as_str()).collect();
            let message = format!(
                "the CUDA driver shows no GPU {wanted}, only: {}",
                shown.join(", ")
            );
            Err(Fault::new("no_such_gpu", message))
        }
    }
}

/// `8-4-4-4-12` hexadecimal digits.
fn hexadecimal(bytes: &[u8; 16]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    parts.join("-")
}

fn compile(driver: &Driver) -> Result<Kernel, Fault> {
    let name = c"lem_spin";
    let text = |ptx: String| CString::new(ptx).expect("the PTX in this crate has no NUL");
    driver
        .kernel(&text(SPIN.to_owned()), name)
        .or_else(|first| {
            driver.kernel(&text(newer()), name).map_err(|second| Fault {
                message: format!("{}; and newer PTX: {}", first.message, second.message),
                ..first
            })
        })
}

fn newer() -> String {
    SPIN.replace(".version 7.0", NEWER.0)
        .replace(".target sm_70", NEWER.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_ends_with_one_short_kernel() {
        assert_eq!(next_kernel(0), None);
        assert_eq!(next_kernel(NOTHING_NS - 1), None);
        assert_eq!(next_kernel(300_000), Some(300_000));
        assert_eq!(next_kernel(68_500_000), Some(50_000_000));
        assert_eq!(next_kernel(18_500_000), Some(17_500_000));
        assert_eq!(next_kernel(2_500_000), Some(1_500_000));
    }

    #[test]
    fn uuids_read_as_nvml_writes_them() {
        let mut bytes = [0; 16];
        bytes[0] = 0xab;
        bytes[15] = 1;
        assert_eq!(hexadecimal(&bytes), "ab000000-0000-0000-0000-000000000001");
    }

    #[test]
    fn the_newer_ptx_differs_in_two_lines() {
        let (old, new) = (SPIN.lines(), newer());
        let changed: Vec<&str> = old
            .zip(new.lines())
            .filter(|(a, b)| a != b)
            .map(|(_, b)| b)
            .collect();
        assert_eq!(changed, [NEWER.0, NEWER.1]);
    }
}
