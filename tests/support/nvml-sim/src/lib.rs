//! Stands for libnvidia-ml.so: an H100 as measured, loaded by path and never by a test-only switch.
//!
//! Two halves. The model ([`gpu::Gpu`] and what it is made of) is safe, pure and exactly integrable: a
//! piecewise constant true power, so that the energy of any span is known, and sensors that see of it what
//! NVML's sensors see. The shell (`ffi`) is the C interface of NVML around it: it reads the clock, the
//! environment, the scenario file and the load logs.
//!
//! # Configuration
//! Read when the library is initialised, from the first of these that there is:
//! 1. the file that the environment variable `LEM_NVML_SIM` names;
//! 2. the file beside the library: `<path of the library>.json`. A copy of the library with its own file is
//!    a machine of its own, also within one process;
//! 3. nothing: one H100 that nobody uses.
//!
//! The format is [`scenario::Scenario`]; docs/simulator.md shows it whole. An unknown key, or a value that
//! makes no sense, fails the initialisation (`NVML_ERROR_UNKNOWN`) and names it on stderr.

mod ffi;
pub mod gpu;
pub mod history;
pub mod logs;
mod noise;
pub mod process;
pub mod readings;
pub mod scenario;
pub mod sim;
mod source;
pub mod ticks;
