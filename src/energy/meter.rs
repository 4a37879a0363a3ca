//! Recordings of a physical power meter (the PMD of arXiv 2312.02741's data), from bytes to watts. Pure over bytes
//! that may be anything.
//!
//! A record has 18 bytes: nine little-endian words. The first is a wrapping clock, 2933.5 ticks per ms; then come
//! four (voltage, current) pairs of signed values, shifted right by 4; negative ones are noise about zero and count
//! as 0. Voltage is in 7.568 mV, current in 48.8 mA. Power is the sum of the pairs.

use super::waveform::Point;

/// Ticks of the meter's clock in one second.
pub const TICKS_PER_SECOND: f64 = 2_933_500.0;
/// Volts of one step.
pub const VOLTS: f64 = 0.007_568;
/// Amperes of one step.
pub const AMPERES: f64 = 0.0488;
/// Bytes of one record.
pub const RECORD_BYTES: usize = 18;
/// From the meter's start stamp back to its first record, in µs.
pub const START_OFFSET_US: i64 = 50_000;

/// Why a recording cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeterError {
    /// It has not even two records.
    #[error("the recording has {0} bytes: not even two records")]
    TooShort(usize),
    /// It ends within a record.
    #[error("the recording ends {0} bytes into a record of 18")]
    Torn(usize),
}

/// Power over time, in s from the first record. The clock wraps every 22 ms: a pause longer than that cannot be
/// seen, so a recording that has lost records comes out short.
///
/// # Errors
///
/// [`MeterError`] if the bytes are no whole number of records, or fewer than two.
pub fn decode(bytes: &[u8]) -> Result<Vec<Point>, MeterError> {
    let torn = bytes.len() % RECORD_BYTES;
    if torn != 0 {
        return Err(MeterError::Torn(torn));
    }
    if bytes.len() < 2 * RECORD_BYTES {
        return Err(MeterError::TooShort(bytes.len()));
    }
    let mut ticks: u64 = 0;
    let mut last = None;
    let points = bytes
        .chunks_exact(RECORD_BYTES)
        .map(|record| {
            let word =
                |index: usize| u16::from_le_bytes([record[2 * index], record[2 * index + 1]]);
            let clock = word(0);
            ticks += last.map_or(0, |last| u64::from(clock.wrapping_sub(last)));
            last = Some(clock);
            let value = |index: usize| f64::from((word(index).cast_signed() >> 4).max(0));
            let pairs =
                (0..4).map(|pair| value(1 + 2 * pair) * VOLTS * (value(2 + 2 * pair) * AMPERES));
            Point {
                at: ticks as f64 / TICKS_PER_SECOND,
                watts: pairs.sum(),
            }
        })
        .collect();
    Ok(points)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(clock: u16, pairs: [(i16, i16); 4]) -> Vec<u8> {
        let values = pairs.into_iter().flat_map(|(v, i)| [v << 4, i << 4]);
        let words = std::iter::once(clock).chain(values.map(i16::cast_unsigned));
        words.flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn a_record_is_the_sum_of_its_pairs_and_the_clock_wraps() {
        let rail = (1600, 100);
        let mut bytes = record(65_000, [rail; 4]);
        bytes.extend(record(64, [rail, (1600, -3), (-1, 5), (0, 9)]));
        let points = decode(&bytes).expect("two records");
        let watts = 1600.0 * VOLTS * 100.0 * AMPERES;
        assert!((points[0].watts - 4.0 * watts).abs() < 1e-9);
        assert!((points[1].watts - watts).abs() < 1e-9);
        assert_eq!(points[0].at, 0.0);
        assert!((points[1].at - 600.0 / TICKS_PER_SECOND).abs() < 1e-12);
    }

    #[test]
    fn a_torn_or_empty_recording_is_refused() {
        assert_eq!(decode(&[]), Err(MeterError::TooShort(0)));
        assert_eq!(decode(&[0; 18]), Err(MeterError::TooShort(18)));
        assert_eq!(decode(&[0; 37]), Err(MeterError::Torn(1)));
    }

    proptest! {
        #[test]
        fn hostile_bytes_give_finite_power_and_ascending_time(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            if let Ok(points) = decode(&bytes) {
                prop_assert_eq!(points.len() * RECORD_BYTES, bytes.len());
                prop_assert!(points.iter().all(|point| point.watts.is_finite() && point.watts >= 0.0));
                prop_assert!(points.windows(2).all(|pair| pair[0].at <= pair[1].at));
            }
        }
    }
}
