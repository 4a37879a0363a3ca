//! libFuzzer on `subjects::campaign`.
#![no_main]

#[path = "../../tests/support/campaigns.rs"]
mod campaigns;
#[path = "../../tests/support/subjects/mod.rs"]
mod subjects;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| subjects::campaign::run(bytes));
