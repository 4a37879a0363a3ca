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
/// Polled values that repeat the one before within 1.3 update periods are one value, seen first at the first of
/// them; later ones are the next update, which happened to be equal. A value made at t is
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
    let again = 1.3 * source.update_period_ns.value / 1e9;
    let mut points: Vec<Point> = Vec::with_capacity(readings.len());
    for reading in readings {
        let at = (i128::from(reading.at_ns) - i128::from(origin_ns)) as f64 / 1e9 - late;
        let repeats = points.last().is_some_and(|last| {
            let same = stamps == Stamps::Polled && reading.watts == last.watts;
            at <= last.at || (same && at - last.at < again)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::sensor::SensorTraits;

    fn polled(every_ms: u64, count: u64, watts: impl Fn(u64) -> f64) -> Vec<PowerReading> {
        (0..count)
            .map(|k| PowerReading {
                at_ns: (1000 + k * every_ms) * 1_000_000,
                watts: watts(k * every_ms),
            })
            .collect()
    }

    #[test]
    fn repeats_are_one_value_and_it_stands_in_the_middle_of_its_window() {
        let traits = SensorTraits::assumed("NVIDIA H100").instant;
        let readings = polled(10, 100, |ms| if ms / 100 % 2 == 0 { 100.0 } else { 200.0 });
        let points = waveform(&readings, 1_000_000_000, Stamps::Polled, &traits);
        assert_eq!(points.len(), 10);
        let late = (traits.latency_ns.value + traits.averaging_window_ns.value / 2.0) / 1e9;
        assert!((points[3].at - (0.3 - late)).abs() < 1e-9);
    }

    #[test]
    fn a_value_that_holds_is_no_gap() {
        let traits = SensorTraits::assumed("NVIDIA H100").instant;
        let points = waveform(&polled(10, 200, |_| 100.0), 0, Stamps::Polled, &traits);
        assert!((14..=20).contains(&points.len()), "{}", points.len());
    }

    #[test]
    fn nonsense_is_dropped() {
        let traits = SensorTraits::assumed("NVIDIA H100").samples;
        let reading = |at_ns, watts| PowerReading { at_ns, watts };
        let readings = [
            reading(5, f64::NAN),
            reading(9, 1.0),
            reading(7, 2.0),
            reading(u64::MAX, 3.0),
        ];
        let points = waveform(&readings, u64::MAX, Stamps::Made, &traits);
        assert_eq!(points.len(), 2);
        assert_eq!(even_run(&points, f64::NEG_INFINITY, f64::INFINITY), None);
    }

    #[test]
    fn an_even_run_ends_at_a_gap() {
        let mut points: Vec<Point> = (0..30)
            .map(|k| Point {
                at: f64::from(k) * 0.02,
                watts: f64::from(k),
            })
            .collect();
        points.drain(12..15);
        let (watts, step) = even_run(&points, -1.0, 1.0).expect("a run");
        assert_eq!((watts.len(), watts[0]), (15, 15.0));
        assert!((step - 0.02).abs() < 1e-9);
    }
}
