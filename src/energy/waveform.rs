//! Power over time from a source's readings: repeats dropped, each value moved to the middle of the time that it
//! averages. Knows neither windows nor counters.

use super::readings::PowerReading;
use super::sensor::SourceTraits;

/// One point of a waveform.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Time in s from the origin given.
    pub at: f64,
    /// Watts.
    pub watts: f64,
}

/// What a source's readings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamps {
    /// The driver stamped each value when it was made (the buffer of samples).
    Made,
    /// A poll's time: the value was made up to one update before, and polls in between repeat it.
    Polled,
}

/// Makes a waveform of readings, in s from `origin_ns`.
///
/// Polled values that repeat the one before are one value, seen first at the first of them. A value made at t is
/// the mean of [t − latency − window, t − latency], so it stands at t − latency − window/2. Readings that go back
/// in time or are not finite are dropped.
#[must_use]
pub fn waveform(
    readings: &[PowerReading],
    origin_ns: u64,
    stamps: Stamps,
    source: &SourceTraits,
) -> Vec<Point> {
    let late = (source.latency_ns.value + source.averaging_window_ns.value / 2.0) / 1e9;
    let mut points: Vec<Point> = Vec::with_capacity(readings.len());
    for reading in readings {
        let at = (i128::from(reading.at_ns) - i128::from(origin_ns)) as f64 / 1e9 - late;
        let repeats = points.last().is_some_and(|last| {
            at <= last.at || (stamps == Stamps::Polled && reading.watts == last.watts)
        });
        if reading.watts.is_finite() && !repeats {
            points.push(Point {
                at,
                watts: reading.watts,
            });
        }
    }
    points
}

/// The longest evenly spaced run of points in [from, to], as watts and their distance in s. None under 8 points.
///
/// Evenly: within a third of the median distance.
#[must_use]
pub fn even_run(points: &[Point], from: f64, to: f64) -> Option<(Vec<f64>, f64)> {
    let low = points.partition_point(|point| point.at < from);
    let high = points.partition_point(|point| point.at <= to);
    let inside = points.get(low..high)?;
    let mut distances: Vec<f64> = inside.windows(2).map(|p| p[1].at - p[0].at).collect();
    distances.sort_by(f64::total_cmp);
    let step = *distances.get(distances.len() / 2)?;
    let run = inside
        .chunk_by(|a, b| ((b.at - a.at) / step - 1.0).abs() < 1.0 / 3.0)
        .max_by_key(|run| run.len())?;
    let (first, last) = (run.first()?, run.last()?);
    let mean_step = (last.at - first.at) / (run.len().checked_sub(1)?) as f64;
    (run.len() >= 8).then(|| (run.iter().map(|point| point.watts).collect(), mean_step))
}
